"""What several test files share: the real data, and the command run in this process."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from nice_anomaly.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """``command("train", "--json")`` is ``nice-anomaly train --json``, with its exit code."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["nice-anomaly", *map(str, arguments)])
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        return Outcome(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with MNIST, KMNIST and FashionMNIST; in CI it has to be there."""
    root = Path(os.environ.get("NICE_ANOMALY_DATA", "data"))
    if not (root / "MNIST" / "raw").is_dir():
        reason = f"no MNIST in {root.resolve()}: set NICE_ANOMALY_DATA to a torchvision folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return root


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
