"""What README and docs say is what the results files say."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme", HERE / "scripts" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/how-it-works.md",
    "docs/own-data.md",
    "docs/scores.md",
    "docs/thresholds.md",
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tables_are_those_of_the_results_files(script: ModuleType, document: str) -> None:
    text = (HERE / document).read_text(encoding="utf-8")
    assert script.filled(text, HERE / "results") == text


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = HERE / document
    for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link
