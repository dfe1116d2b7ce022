"""What README and docs say is what the results files say."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent.parent
RESULTS = HERE / "results"
DOCUMENTS = [*sorted(HERE.glob("*.md")), *sorted((HERE / "docs").glob("*.md"))]
START = "<!-- splits: from results/*.json by scripts/readme.py -->"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE / "scripts"))
        yield importlib.import_module("readme")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_tables_are_those_of_the_results_files(script: ModuleType, document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert script.filled(text, RESULTS) == text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
        assert (document.parent / link).exists(), link


def test_every_table_stands_somewhere(script: ModuleType) -> None:
    texts = [path.read_text(encoding="utf-8") for path in script.documents()]
    assert set(script.documents()) == set(DOCUMENTS)
    assert script.unused_makers(texts) == []
    assert script.unused_makers([*texts[:1], START]) != []


@pytest.mark.parametrize(
    ("right", "mistyped"),
    [
        ("<!-- splits:", "<!-- split:"),
        ("results/*.json by", "result/*.json by"),
        ("<!-- end -->", "<!-- ende -->"),
        ("<!-- end -->", ""),
        (START, ""),
        ("<!-- splits:", "<!- splits:"),
    ],
)
def test_a_mistyped_marker_is_an_error(
    script: ModuleType, tmp_path: Path, right: str, mistyped: str
) -> None:
    copy = tmp_path / "thresholds.md"
    text = (HERE / "docs" / "thresholds.md").read_text(encoding="utf-8")
    copy.write_text(text.replace(right, mistyped, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=r"thresholds\.md: <!-- "):
        script.filled(copy.read_text(encoding="utf-8"), RESULTS, copy.name)


def test_the_difference_to_the_best_rival_is_told_where_it_is_known(script: ModuleType) -> None:
    line = {"rival": "kNN", "mean": 0.5, "interval": [-0.25, 1.0]}
    told = script.gaps({"auroc": line, "auprc": {}})
    assert "interval: AUROC +0.50 [-0.25, +1.00] beside kNN." in told
    assert script.gaps({}) == script.gaps({"auroc": {}}) == ""


def test_a_stale_table_is_made_anew(script: ModuleType) -> None:
    made = script.filled(f"a\n{START}\nold\n<!-- end -->\nb", RESULTS)
    assert made == f"a\n{START}\n{script.splits(RESULTS)}<!-- end -->\nb"


def test_the_page_of_the_library_does_what_it_says(tmp_path: Path) -> None:
    """Every line of it, in a folder of its own; numbers to the digits that are written."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", HERE / "pyproject.toml", "--rootdir", HERE,
         "-p", "no:cacheprovider", "--doctest-glob=library.md", HERE / "docs" / "library.md"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "cells" / "run.json").exists()


def test_the_five_odd_parts_of_the_first_hour_are_the_five_least_probable() -> None:
    """What the README says below the session is what the commands wrote."""
    found = json.loads((RESULTS / "session.json").read_text(encoding="utf-8"))
    heading, *rows = (line.split(";") for line in found["output"][:6])
    assert {row[heading.index("row")] for row in rows} == set(found["planted"])
    assert all(row[heading.index("flagged")] == "true" for row in rows)


def test_a_session_is_what_the_terminal_shows(script: ModuleType, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE / "scripts"))
        session = importlib.import_module("session")
    shown = session.screen("plan --n 500", tmp_path)
    assert shown.splitlines()[0] == "plan"
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" in script.session(RESULTS)  # what is cut is marked
