"""What commands reach for: no network, no file but those that were named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCHED = """
import json, sys

reached = {"network": [], "written": [], "started": []}


def watch(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        reached["network"].append(event)
    if event in ("subprocess.Popen", "os.exec", "os.system", "os.posix_spawn"):
        reached["started"].append(str(arguments[0]))
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wxa+"):
        reached["written"].append(str(arguments[0]))
    if event in ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link"):
        reached["written"] += [str(path) for path in arguments[:2] if isinstance(path, str)]


sys.addaudithook(watch)
from nice_anomaly.cli import main

for line in json.loads(sys.argv[1]):
    sys.argv = ["nice-anomaly", *line.split()]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, (line, stop.code)
print("reached " + json.dumps(reached))
"""
CACHES = ("TMPDIR", "TORCHINDUCTOR_CACHE_DIR")  # where PyTorch makes an empty folder
LINES = [
    "train rows.csv --set train.epochs=1",
    "calibrate",
    "detect rows.csv --output found.csv --keep-columns",
    "info",
    "stress",
    "compare other.csv",
    "plan --alpha 0.1",
    "sample --output drawn.csv",
]


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What every verb on a user's own table reached for, each in the folder that was named."""
    folder = tmp_path_factory.mktemp("reach")
    rows = [f"{number % 17},{number * number % 23 / 7}" for number in range(400)]
    (folder / "rows.csv").write_text("\n".join(["a,b", *rows]))
    (folder / "other.csv").write_text("\n".join(["a,b", *(f"{n},{-n}" for n in range(20))]))
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps(LINES)],
        cwd=folder,
        env={**os.environ, **dict.fromkeys(CACHES, str(folder))},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.rpartition("reached ")[2])
    elsewhere = [
        str(path)
        for path in (Path(folder, name).absolute() for name in found["written"])
        if folder not in (path, *path.parents) and str(path) != "/dev/null"
    ]
    return {**found, "elsewhere": elsewhere}


def test_nothing_is_sent_or_asked_for(reached: dict[str, list[str]]) -> None:
    assert reached["network"] == []


def test_no_other_program_is_started(reached: dict[str, list[str]]) -> None:
    own = [name for name in reached["started"] if not name.endswith("ldconfig")]  # PyTorch's own
    assert own == []


def test_files_are_written_only_where_they_were_named(reached: dict[str, list[str]]) -> None:
    assert reached["written"]
    assert reached["elsewhere"] == []
