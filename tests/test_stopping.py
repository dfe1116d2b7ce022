"""Signals at any moment end the command with its code, in one line, and leave nothing behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import copied

# What Python does before our first line is its own, so the program says when that is reached.
STARTED = "import nice_anomaly.__main__ as entry; print('up', flush=True); entry.main()"
INSTANTS = [  # seconds after the first line, signals, seconds between two
    (0.0, "INT"),
    (0.02, "TERM"),
    (0.05, "INT INT"),
    (0.15, "TERM"),
    (0.3, "INT"),
    (0.5, "INT INT"),
    (0.9, "TERM INT"),
    (1.4, "INT"),
]
CODES = {"INT": (130, -signal.SIGINT), "TERM": (143, -signal.SIGTERM)}  # a shell says the same
SAID = {"INT": "interrupted.", "TERM": "terminated."}


@pytest.mark.parametrize(("after", "signals"), INSTANTS)
def test_a_signal_at_any_moment_is_one_line(
    shared_sums: Path, tmp_path: Path, after: float, signals: str
) -> None:
    folder = copied(shared_sums, tmp_path)
    before = {path.name for path in folder.rglob("*")}
    running = subprocess.Popen(
        [sys.executable, "-c", STARTED, "detect", "new.csv", "-o", "out.xlsx"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    time.sleep(after)
    for name in signals.split():
        running.send_signal(getattr(signal, f"SIG{name}"))
        time.sleep(0.03)
    out, err = running.communicate(timeout=120)
    lines = [line for line in err.splitlines() if not line.startswith("run: ")]
    after_all = {path.name for path in folder.rglob("*")} - before
    if running.returncode == 0 or not lines or lines[0].startswith("wrote"):  # it was done by then
        assert after_all == {"out.xlsx"} or not lines
        return
    assert running.returncode in {code for name in signals.split() for code in CODES[name]}
    assert lines in [[SAID[name]] for name in signals.split()]  # two at once come in no order
    assert out == ""
    assert after_all <= {"out.xlsx"}
