"""The report: complete in itself, harmless whatever it is about, and right in what it says."""

import re
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Command, copied, write_csv

import nice_anomaly as na
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.run.results import result_file

LARGEST = 3_000_000  # bytes
EMPTY = {"meta", "img", "br", "link", "hr"}
OUTSIDE = re.compile(r"(?i)\b(?:https?:)?//|@import|url\((?!#)|javascript:")
EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe",
    "a\x07b\x1b[31mred",
    10_000 * "x",
    "{{ 7 * 7 }}{% raw %}",
    "$x_1^2$ & </svg></style>",
)


class Page(HTMLParser):
    """What is in a page, as a browser would find it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.headings: list[int] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes nothing"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def sound(content: str) -> Page:
    """The page, which is well-formed, asks nobody for anything, runs nothing and is described."""
    page = Page(content)
    assert page.open == []
    assert not {"script", "iframe", "object", "link", "base", "form"} & page.tags.keys()
    assert page.tags["main"] == page.tags["h1"] == page.tags["title"] - page.tags["svg"] == 1
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("href", "src", "srcset", "action", "style", "clip-path", "fill"):
            inside = str(value).startswith("data:image/png;base64,")
            assert inside or not OUTSIDE.search(str(value)), (tag, name, value)
        if name == "href":
            assert str(value)[1:] in page.ids, value
    policies = [value for tag, name, value in page.attributes if (tag, name) == ("meta", "content")]
    assert any("default-src 'none'; img-src data:" in str(value) for value in policies)
    assert [*map(str, page.ids)] == [*dict.fromkeys(page.ids)]
    images = [a for a in page.attributes if a[0] == "img"]
    assert sum(name == "alt" for _, name, _ in images) == page.tags["img"]
    drawn = [a for a in page.attributes if a[0] == "svg"]
    assert sum(name == "aria-labelledby" for _, name, _ in drawn) == page.tags["svg"]
    assert page.tags["caption"] == page.tags["table"]
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps)
    assert len(content.encode()) < LARGEST
    assert all(sign.isprintable() or sign in "\n\N{NO-BREAK SPACE}" for sign in content)
    return page


@pytest.fixture
def sums(shared_sums: Path, elsewhere: Path) -> Path:
    return copied(shared_sums, elsewhere)


LABEL = ("--label-column", "state", "--anomaly-value", "bad")


@pytest.mark.usefixtures("sums")
def test_a_report_of_rows_with_labels_stress_and_compare(command: Command) -> None:
    assert command("stress", "--n", "60").code == 0
    assert command("compare", "new.csv", *LABEL, "--plot", "compare.svg").code == 0
    assert "isolation forest" in Path("compare.svg").read_text()
    done = command("report", "new.csv", *LABEL, "-o", "a.html", "--top", "3", "--title", "Sums")
    assert done.code == 0, done.err
    page = sound(Path("a.html").read_text())
    found = command.json("detect", "new.csv", *LABEL)
    text = page.text
    assert f"{found['flagged']} of 400 samples are flagged." in text
    low, high = (f"{100 * bound:.2f} %" for bound in na.load_run("runs/train").detect(
        "new.csv", label_column="state", anomaly_values=["bad"]
    ).summary["type_i_interval"])  # fmt: skip
    assert low.removesuffix(" %") in text
    assert high.removesuffix(" %") in text
    assert f"AUROC {found['auroc']:.4f}" in text
    promised = "at most 5.00 % false alarms", "new normals come as these came"
    for said in (*promised, "isolation", "column stuck", "the others suggest", "Sums", "--top 3"):
        assert said in text, said
    assert page.tags["li"] > 3
    assert len(re.findall(r'class="card flagged"', Path("a.html").read_text())) >= 3


@pytest.mark.usefixtures("sums")
def test_without_an_input_it_is_about_the_run(command: Command) -> None:
    assert command("report", "-o", "run.html").code == 0
    page = sound(Path("run.html").read_text())
    assert "Flagged is what scores below" in page.text
    assert "Nothing was tried with this calibration yet" in page.text
    assert "Most anomalous" not in page.text


def test_a_report_of_images(shared_digits: Path, elsewhere: Path, command: Command) -> None:
    copied(shared_digits, elsewhere)
    assert command("calibrate", "--alpha", "0.05").code == 0
    done = command("report", "--dataset", "digits", "-o", "a.html", "--top", "2")
    assert done.code == 0, done.err
    page = sound(Path("a.html").read_text())
    assert "false alarms, all being normal" in page.text
    assert page.tags["img"] >= 3 * 2
    assert "what was expected" in page.text


@pytest.mark.usefixtures("sums")
def test_nothing_flagged_shows_the_closest_calls(command: Command) -> None:
    rows = np.random.default_rng(0).normal(0, 0.1, size=(30, 2))
    write_csv("calm.csv", ["a", "b", "c"], [[*row, row.sum()] for row in rows])
    assert command("report", "calm.csv", "-o", "calm.html").code == 0
    page = sound(Path("calm.html").read_text())
    assert "None of the 30 samples is flagged." in page.text
    assert page.text.count("within the threshold") == 6
    assert "0.00 %" in page.text


@pytest.mark.usefixtures("sums")
def test_names_that_mean_harm_are_text(command: Command) -> None:
    rows = [[f"{name}{k}" if k else name, 9 * k, -9.0, 9.0] for k, name in enumerate(EVIL)]
    write_csv("<evil> & 'x'.csv", ["name", "a", "b", "c"], rows)
    line = ("report", "<evil> & 'x'.csv", "--id-column", "name", "-o", "a.html")
    done = command(*line, "--title", EVIL[0])
    assert done.code == 0, done.err
    content = Path("a.html").read_text()
    page = sound(content)
    assert "<script>alert(1)</script>" in page.text
    assert "\\u202egnp.exe" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert 100 * "x" not in content


@pytest.mark.usefixtures("sums")
def test_what_cannot_be_read_is_counted_and_ends_with_3(command: Command) -> None:
    write_csv("some.csv", ["a", "b", "c"], [[0, 0, 0], ["?!", 0, 0], [1, 1, 2]])
    done = command("report", "some.csv", "-o", "a.html")
    assert done.code == 3
    assert "1 sample could not be read: the report says so" in done.err
    assert "1 sample could not be read" in sound(Path("a.html").read_text()).text
    assert command("report", "some.csv", "-o", "b.html", "--skip-unreadable").code == 0
    run = na.load_run("runs/train")
    with pytest.raises(DataError, match="sample 1"):
        run.report("some.csv")
    sound(run.report("some.csv", skip_unreadable=True))


def test_the_library_gives_the_same_page(sums: Path) -> None:
    run = na.load_run(sums / "runs/train")
    page = sound(run.report("new.csv", top=1, title="<b>mine</b>"))
    assert "<b>mine</b>" in page.text
    with pytest.raises(ConfigError, match="at most 200"):
        run.report("new.csv", top=201)
    with pytest.raises(TypeError, match="Did you mean 'label_column'"):
        run.report("new.csv", label_colum="state")  # type: ignore[call-arg]


@pytest.mark.usefixtures("sums")
@pytest.mark.parametrize("absent", ["jinja2", "matplotlib"])
def test_a_report_takes_libraries_and_says_which(
    command: Command, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    done = command("report", "-o", "a.html")
    assert done.code == 2
    assert f"a report needs {absent}: pip install 'nice-anomaly[report]'." in done.err
    assert not Path("a.html").exists()


@pytest.mark.usefixtures("elsewhere")
def test_many_rows_stay_small(command: Command) -> None:
    for path, n in (("train.csv", 400), ("many.csv", 20_000)):
        rows = np.random.default_rng(n).normal(size=(n, 2)).round(4)
        times = np.datetime64("2025-01-01T00:00:00") + 600 * np.arange(n)
        write_csv(path, ["a", "b", "time"], zip(*rows.T, times.astype(str), strict=True))
    assert command("train", "train.csv", "--set", "train.epochs=1").code == 0
    assert command("calibrate", "--alpha", "0.05").code == 0
    done = command("report", "many.csv", "-o", "a.html")
    assert done.code == 0, done.err
    page = sound(Path("a.html").read_text())
    assert "Over time" in page.text
    assert len(Path("a.html").read_bytes()) < 800_000


@pytest.fixture
def tried(sums: Path, command: Command) -> Path:
    """A run that was stressed; the file of that."""
    assert command("stress", "--n", "50").code == 0
    run = sums / "runs/train"
    return run / result_file("stress", na.load_run(run).manifest.fingerprint)


def test_what_stress_found_is_that_of_one_calibration(tried: Path, command: Command) -> None:
    assert tried.exists()
    assert command("calibrate", "--alpha", "0.1", "--name", "other").code == 0
    done = command("report", "--calibration", "other", "-o", "a.html")
    assert "what stress found last is left out: it was found with another calibration" in done.err
    page = sound(Path("a.html").read_text())
    assert "column stuck" not in page.text
    assert "another calibration" in page.text
    command("report", "-o", "b.html")
    assert "column stuck" in sound(Path("b.html").read_text()).text


def changed(content: bytes) -> bytes:
    return content.replace(b'"plainest": true', b'"plainest": false', 1)


DAMAGE: dict[str, Any] = {"a word": changed, "cut": lambda c: c[:-9], "empty": lambda _: b""}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_result_is_named_and_left_out(tried: Path, command: Command, how: str) -> None:
    tried.write_bytes(DAMAGE[how](tried.read_bytes()))
    done = command("verify")
    assert done.code == 4
    assert f"{tried.name} is damaged: remove it, and run stress again." in done.err
    done = command("report", "-o", "a.html")
    assert done.code == 0
    assert "what stress found is left out" in done.err
    assert command("detect", "new.csv").code == 0


def test_results_of_old_weights_go_with_them(tried: Path, command: Command) -> None:
    line = ("train", "-i", "train.csv", "--label-column", "state", "--anomaly-value", "bad")
    done = command(*line, "--set", "train.epochs=1", "--overwrite", "--run", "runs/train")
    assert done.code == 0, done.err
    assert not tried.exists()
    assert not [*tried.parent.glob("stress-*")]


def test_a_folder_that_cannot_be_written_does_not_stop_stress(
    tried: Path, command: Command
) -> None:
    tried.unlink()
    tried.mkdir()  # nothing can be put in its place
    done = command("stress", "--n", "50")
    assert done.code == 0
    assert "note: the report will not have these results: cannot write" in done.err
