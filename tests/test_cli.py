"""The command from end to end on shipped data: results, JSON contracts, exit codes, help."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import typer
from conftest import FAST, Command, copied, lines_of, rows_of
from PIL import Image

from nice_anomaly.cli import app
from nice_anomaly.cli.live import Log

VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
OWN = ["Arguments", "Options", "Input", "Tables", "Labels"]  # what looks at one's own data
PANELS = {
    "train": [*OWN, "Output", "Run", "Machine"],
    "calibrate": [*OWN[:-1], "Threshold", "Output", "Run", "Machine"],
    "detect": [*OWN, "Threshold", "Output", "Run", "Machine"],
    "explain": [*OWN[:-1], "Threshold", "Output", "Run", "Machine"],
    "report": [*OWN, "Threshold", "Output", "Run", "Machine"],
    "stress": ["Options", "Input", "Threshold", "Output", "Run", "Machine"],
    "compare": [*OWN, "Threshold", "Output", "Run", "Machine"],
    "plan": ["Options", "Threshold", "Output", "Run", "Machine"],
    "info": ["Options", "Output", "Run"],
    "verify": ["Options", "Output", "Run", "Machine"],
    "sample": ["Options", "Output", "Run", "Machine"],
}


@pytest.fixture
def trained(shared_digits: Path, elsewhere: Path) -> Path:
    return copied(shared_digits, elsewhere) / "runs" / "digits"


@pytest.fixture
def calibrated(command: Command, trained: Path) -> Path:
    assert command("calibrate").code == 0
    return trained


@pytest.mark.parametrize("verb", ["--help", *PANELS])
def test_help_is_quick_because_it_loads_nothing_heavy(verb: str) -> None:
    script = (
        "import sys\n"
        "from nice_anomaly.cli import main\n"
        "sys.argv = ['nice-anomaly', sys.argv[1], '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'sklearn', 'scipy', 'numpy', 'pyarrow'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, verb], capture_output=True, text=True, check=True
    )
    assert "LOADED []" in done.stdout
    assert "Usage" in done.stdout


def test_the_verbs_are_these() -> None:
    assert VERBS.keys() == PANELS.keys()


@pytest.mark.parametrize("verb", PANELS)
def test_help_shows_its_options_in_panels_and_fits_eighty_columns(
    command: Command, verb: str
) -> None:
    done = command(verb, "--help")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= 80
    shown = [line.split()[1] for line in lines if line.startswith("╭─")]
    assert shown == PANELS[verb]  # "Options" is --help alone
    for parameter in VERBS[verb].params:
        if parameter.param_type_name == "argument":
            continue
        assert parameter.rich_help_panel in PANELS[verb]
        for name in parameter.opts:
            assert any(line.startswith("│ ") and name in line.split() for line in lines)


@pytest.mark.parametrize("verb", PANELS)
def test_help_ends_with_two_examples_that_can_be_typed(command: Command, verb: str) -> None:
    shown = command(verb, "--help").out.rpartition("Examples")[2]
    lines = [line.strip() for line in shown.splitlines() if line.strip()]
    assert len(lines) == 2
    for line in lines:
        program, said, *arguments = shlex.split(line)
        assert (program, said) == ("nice-anomaly", verb)
        VERBS[verb].make_context(verb, arguments)  # parsed, not run


@pytest.mark.parametrize("verb", ["", *PANELS])
def test_help_is_whole_and_calls_values_by_what_they_mean(command: Command, verb: str) -> None:
    shown = command(*verb.split(), "--help").out
    assert "…" not in shown
    types = r"<[a-z]|\b(TEXT|INTEGER|FLOAT|BOOLEAN|FILENAME|DIRECTORY)\b"
    assert not re.search(types, shown)


@pytest.mark.parametrize("verb", PANELS)
def test_a_paragraph_of_help_breaks_only_where_the_terminal_ends(
    command: Command, verb: str
) -> None:
    paragraphs = (VERBS[verb].callback.__doc__ or "").split("\n\n")
    told = command(verb, "--help", columns=400).out
    for paragraph in paragraphs:
        assert " ".join(paragraph.split()) in told


def test_completion_is_listed_and_installed(command: Command, tmp_path: Path) -> None:
    assert {"--install-completion", "--show-completion"} <= {*command("--help").out.split()}
    program = Path(sys.executable).with_name("nice-anomaly")
    done = subprocess.run(
        ["bash", "-c", f"'{program}' --install-completion; true"],
        env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "bash completion installed" in done.stdout
    assert "nice-anomaly" in (tmp_path / ".bashrc").read_text()


def test_bash_completes_what_the_shown_script_says() -> None:
    program = Path(sys.executable).with_name("nice-anomaly")
    script = (
        f"eval \"$('{program}' --show-completion)\"\n"
        "for words in 'cal' 'plan --conf'; do\n"
        "COMP_WORDS=(nice-anomaly $words) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
        f"_nice_anomaly_completion '{program}'\n"
        'echo "${COMPREPLY[@]}"\n'
        "done"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["calibrate", "--confidence"]


def test_importing_the_package_loads_no_torch() -> None:
    script = (
        "import sys, nice_anomaly\n"
        "assert issubclass(nice_anomaly.NiceAnomalyError, Exception)\n"
        "assert {'Run', 'learn', 'load_run'} <= set(dir(nice_anomaly))\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_version(command: Command) -> None:
    from nice_anomaly import __version__

    assert command("--version").out.strip() == __version__


@pytest.mark.usefixtures("elsewhere")
def test_the_three_commands_in_a_row(command: Command) -> None:
    trained = command("train", *FAST, "--json")
    assert trained.code == 0
    record = json.loads(trained.out)
    assert record["run"] == "runs/digits"
    assert (record["epochs"], record["seed"]) == (3, 0)
    told = [line[:11] for line in trained.err.splitlines() if line.startswith("epoch")]
    assert told == ["epoch   1/3", "epoch   3/3"]  # a log has the first and the last

    calibrated = command.json("calibrate")
    contract = {"rule", "threshold", "n", "mean", "std", "claimed_rate", "confidence", "k"}
    assert contract <= calibrated.keys()
    assert (calibrated["rule"], calibrated["n"], calibrated["k"]) == ("sigma", 350, 3)
    assert calibrated["claimed_rate"] is calibrated["confidence"] is None
    expected = calibrated["mean"] - 3 * calibrated["std"]
    assert calibrated["threshold"] == pytest.approx(expected)

    normal = command.json("detect", "--dataset", "digits")
    photos = command.json("detect", "--dataset", "photos")
    contract = {"source", "n", "flagged", "flagged_rate", "threshold", "rule", "error_kind"}
    assert contract | {"errors", "error_rate", "interval"} <= normal.keys()
    assert (normal["error_kind"], photos["error_kind"]) == ("type I", "type II")
    assert normal["errors"] == normal["flagged"] <= 25
    assert photos["errors"] == photos["n"] - photos["flagged"]
    assert photos["flagged_rate"] > 0.8
    assert normal["interval"][0] <= normal["error_rate"] <= normal["interval"][1]


@pytest.mark.usefixtures("calibrated")
@pytest.mark.parametrize(
    "line",
    [
        *("calibrate", "calibrate --alpha 0.05", "detect --dataset photos", "info", "sample"),
        *("stress --n 20", "plan --alpha 0.01", "plan --n 500"),
    ],
)
def test_what_people_see_fits_eighty_columns(command: Command, line: str) -> None:
    done = command(*line.split())
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    assert "\x1b" not in done.out


@pytest.mark.usefixtures("calibrated")
def test_output_has_one_row_a_sample_in_order(command: Command) -> None:
    summary = command.json("detect", "--dataset", "photos", "-o", "found.csv")
    assert command("detect", "--dataset", "photos", "-o", "found.jsonl").code == 0
    rows, lines = rows_of("found.csv"), lines_of("found.jsonl")
    assert list(rows[0]) == ["id", "score", "margin", "p_value", "flagged"] == list(lines[0])
    assert [int(row["id"]) for row in rows] == list(range(summary["n"]))
    assert sum(row["flagged"] == "true" for row in rows) == summary["flagged"]
    for row, line in zip(rows, lines, strict=True):
        assert float(row["score"]) == line["score"]
        assert line["margin"] == pytest.approx(line["score"] - summary["threshold"])
        assert line["flagged"] == (line["margin"] < 0)
        assert 0 < line["p_value"] <= 1


@pytest.mark.usefixtures("calibrated")
def test_fail_on_anomaly(command: Command) -> None:
    assert command("detect", "--dataset", "photos", "--fail-on-anomaly").code == 10
    assert command("detect", "--dataset", "photos").code == 0


@pytest.mark.usefixtures("calibrated")
def test_k_moves_the_threshold(command: Command) -> None:
    two = command.json("calibrate", "--k", "2")
    assert two["threshold"] == pytest.approx(two["mean"] - 2 * two["std"])
    found = command.json("detect", "--dataset", "digits")
    assert found["threshold"] == two["threshold"]


def test_info_knows_everything(command: Command, calibrated: Path) -> None:
    record = command.json("info")
    assert record["data"]["fingerprint"]
    assert record["architecture"]["couplings"] == record["settings"]["flow"]["couplings"]
    assert record["calibration"]["fingerprint"] == record["fingerprint"]
    assert record["finished"] is True
    assert {"python", "torch", "numpy", "nice-anomaly"} <= record["versions"].keys()
    assert str(record["parameters"]) in command("info").out.replace(",", "")
    assert (calibrated / "run.json").exists()


@pytest.mark.usefixtures("trained")
def test_info_of_an_uncalibrated_run_says_so(command: Command) -> None:
    assert "no threshold yet" in " ".join(command("info").out.split())
    assert command.json("info")["calibration"] is None


def test_samples_look_like_the_normal_data(command: Command, trained: Path) -> None:
    """The mean of many samples correlates with the mean digit; their seed repeats them."""
    command("sample", "-n", "400", "--seed", "3", "-o", "one.png")
    command("sample", "-n", "400", "--seed", "3", "-o", "two.png")
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()
    sheet = np.asarray(Image.open("one.png"), dtype=float)
    assert sheet.shape == (20 * 58, 20 * 58)
    tiles = sheet.reshape(20, 58, 20, 58)[:, :56, :, :56].mean(axis=(0, 2))
    small = tiles.reshape(8, 7, 8, 7).mean(axis=(1, 3))
    from nice_anomaly.data import training_part

    normal = training_part("digits", trained).values.mean(axis=0).reshape(8, 8)
    assert np.corrcoef(small.ravel(), normal.ravel())[0, 1] > 0.95


def test_a_table_is_trained_scored_and_sampled(command: Command, elsewhere: Path) -> None:
    assert command("train", "--config", "breast-cancer").code == 0
    assert command("calibrate").code == 0
    malignant = command.json("detect", "--dataset", "breast-cancer-malignant")
    assert malignant["flagged_rate"] > 0.3
    assert command("sample", "-n", "50").code == 0
    rows = np.loadtxt(elsewhere / "runs/breast-cancer/sample.csv", delimiter=",", skiprows=1)
    assert rows.shape == (50, 30)


def test_a_taken_name_gets_a_number_and_the_last_run_is_found(
    command: Command, trained: Path
) -> None:
    assert command("train", *FAST, "--seed", "5").code == 0
    assert command.json("info")["run"] == "runs/digits-2"
    assert command.json("info", "--run", trained)["settings"]["seed"] == 0


LONG = (  # 10 epochs of 40 steps and more: long enough to be stopped in the middle
    *("--config", "digits", "--set", "train.epochs=10", "--set", "train.patience=10"),
    *("--set", "train.least_steps=40"),
)


def test_an_interrupted_training_is_kept_and_resumed_to_the_same_weights(
    command: Command, elsewhere: Path
) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "nice_anomaly", "train", *LONG, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert running.stderr is not None
    assert running.stdout is not None
    for line in running.stderr:
        if line.startswith("epoch   1/"):
            break
    running.send_signal(signal.SIGINT)
    rest, said = running.stderr.read(), json.loads(running.stdout.read())
    running.stderr.close()
    running.stdout.close()
    assert running.wait() == said["exit_code"] == 130
    assert said["error"] in rest
    assert "interrupted: runs/digits holds the weights of epoch" in rest
    assert "Go on with 'nice-anomaly train --resume --run runs/digits', or use the run" in rest
    assert command("calibrate").code == 0  # the best so far can be used
    state = command.json("info")
    assert state["finished"] is False
    assert 1 <= len(state["history"]) < 10
    assert "interrupted" in command("info").out

    assert command("train", "--resume").code == 0
    assert command("train", *LONG, "--run", "whole").code == 0
    first = "--run", "runs/digits"
    assert command("info", *first).code == 5  # the threshold was made with the best so far
    assert command("calibrate", *first).code == 0
    one, other = (command.json("info", "--run", run) for run in ("runs/digits", "whole"))
    assert one["fingerprint"] == other["fingerprint"]
    assert one["finished"] is True
    assert len(one["history"]) == 10
    assert not list(elsewhere.rglob("checkpoint*"))
    assert command("train", "--resume").code == 4


@pytest.mark.usefixtures("calibrated")
def test_an_overwritten_run_needs_a_new_threshold(command: Command) -> None:
    assert command("train", *FAST, "--seed", "1", "--run", "runs/digits", "--overwrite").code == 0
    refused = command("detect", "--dataset", "digits")
    assert refused.code == 5
    assert "other weights" in refused.err


def test_a_diverging_training_keeps_the_last_good_weights(
    command: Command, elsewhere: Path
) -> None:
    """A rate of the scales that overflows, once the warm-up has brought it there."""
    diverged = command(
        "train", "--config", "digits", "--set", "train.head_learning_rate=20",
        "--set", "train.epochs=20",
    )  # fmt: skip
    assert diverged.code == 6
    said = diverged.err.splitlines()
    assert (
        "Try a smaller learning rate, e.g. --set train.learning_rate=0.0005, or a smaller"
        in said[-2]
    )
    kept = command.json("info")
    failed = len(kept["history"]) + 1
    assert f"the log-likelihood became nan in epoch {failed}, batch" in said[-2]
    best = kept["best_epoch"] + 1
    assert 1 <= best < failed
    assert said[-1] == f"runs/digits holds the weights of epoch {best}, the best before that."
    told = [line.split("/")[0] for line in said if line.startswith("epoch ")]
    assert told == [f"epoch {1:>3}", f"epoch {failed - 1:>3}"]  # it was over within a minute
    assert kept["finished"] is True
    assert command.json("calibrate")["n"] == 350
    assert command.json("detect", "--dataset", "photos")["flagged_rate"] > 0.8
    assert command("train", "--resume").code == 4
    assert {path.suffix for path in (elsewhere / "runs/digits").iterdir()} == {
        ".json",
        ".safetensors",
    }
    assert not list(elsewhere.glob("runs/**/.*tmp"))


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([], []),
        ([0], [0]),
        ([0, 1], [0, 1]),
        ([0, 59.9, 60, 61, 119.9], [0, 60, 119.9]),
        ([0, 60, 120], [0, 60, 120]),
        ([0, 100, 110, 160], [0, 100, 160]),
    ],
)
def test_a_log_has_a_line_a_minute_the_first_and_the_last(
    times: list[float], said: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log(60, clock=iter(times).__next__)
    for at in times:
        log.add(f"{at}")
    log.close()
    log.close()
    assert capsys.readouterr().err.split() == [f"{at}" for at in said]


def test_a_training_that_diverges_at_once_leaves_no_run(command: Command, elsewhere: Path) -> None:
    diverged = command(
        "train", "--config", "digits", "--set", "train.learning_rate=1e30",
        "--set", "train.head_learning_rate=1e30",
    )  # fmt: skip
    assert diverged.code == 6
    assert "in epoch 1, batch" in diverged.err
    assert "smaller learning rate" in diverged.err
    assert "holds the weights" not in diverged.err
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]


def test_progress_is_live_on_a_terminal(tmp_path: Path) -> None:
    """In a pseudo-terminal the bar shows rate, log-likelihood and time left."""
    import pty

    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-m", "nice_anomaly", "train", "--config", "digits",
         "--set", "train.epochs=200", "--set", "train.patience=200"],
        stderr=follower, stdout=subprocess.DEVNULL, env=environment, cwd=tmp_path,
    )  # fmt: skip
    os.close(follower)
    seen = b""
    deadline = time.monotonic() + 60
    while b"bits/dim" not in seen or b"samples/s" not in seen or b"left" not in seen:
        assert time.monotonic() < deadline
        seen += os.read(leader, 65536)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            if not os.read(leader, 65536):
                break
        except OSError:
            break
    assert process.wait() == 130
    os.close(leader)
