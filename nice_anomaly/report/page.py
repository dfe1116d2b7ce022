"""Page: a report as HTML, one file that asks nobody for anything.

All that others have named goes through ``brief`` and the template's escaping; only figures of ours
are put in as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nice_anomaly import plots
from nice_anomaly.errors import ConfigError
from nice_anomaly.files import refuse_unfit
from nice_anomaly.metrics import Rate
from nice_anomaly.plots import Size
from nice_anomaly.plots.ranking import SQUARE
from nice_anomaly.report import facts
from nice_anomaly.report.cards import Card, card, score_of
from nice_anomaly.report.figures import Drawn, drawn
from nice_anomaly.report.subject import Explained, Found, Subject
from nice_anomaly.words import brief, count_of, percent, rate

SUFFIXES = (".html", ".htm")
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
LONGEST_TITLE = 120
MOST_GROUPS = 40
FEWEST = 20  # samples whose course or p-values make a picture
SQUARES = SQUARE, (3.5, 3.3)

Worded = Callable[[str], str]


def check(output: Path) -> None:
    """Say at once what would fail after the work.

    Raises:
        ConfigError: another suffix, or what makes a report is not installed.
        ConfigError, ArtifactError: no place for a file, see ``refuse_unfit``.
    """
    refuse_unfit(output)
    if output.suffix not in SUFFIXES:
        raise ConfigError(f"`output` takes a name ending in .html, got '{output}'.")
    plots.refuse_absent("a report", "jinja2", "matplotlib")


@dataclass(frozen=True, eq=False)
class Page:
    """A report about a ``subject`` and what was ``found``, None for the run alone."""

    subject: Subject
    found: Found | None

    def html(self, worded: Worded = str) -> str:
        """The page. ``worded`` makes of sentences of the library what the reader would type."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        from nice_anomaly import __version__

        templates = Environment(
            loader=PackageLoader("nice_anomaly.report"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates.filters["worded"] = worded
        now = datetime.now().astimezone()
        made = now.isoformat(timespec="minutes", sep=" ")
        subject, found = self.subject, self.found
        said, meaning = facts.verdict(found, subject.calibration)
        text: str = templates.get_template("page.html.jinja").render(
            policy=POLICY,
            title=self._title,
            day=f"{now:%Y-%m-%d}",
            verdict=said,
            meaning=meaning,
            figures=[*facts.figures(found, subject.calibration)],
            unreadable="" if found is None else _unreadable(found),
            promise=[*facts.promise(subject.calibration)],
            drawn=dict(self._drawings()),
            odd=[] if found is None else self._cards(found.odd),
            close=[] if found is None else self._cards(found.close),
            found=found,
            errors=[] if found is None else [*facts.errors(found)],
            groups=[] if found is None else _groups(found),
            results=facts.results(subject),
            stress=_trials(subject),
            compare=_methods(subject),
            remarks=[brief(remark, 300) for remark in subject.remarks],
            provenance=[*facts.provenance(subject, found, made, __version__)],
            settings=[*facts.settings(subject)],
            not_said=[*facts.not_said(subject, found)],
        )
        return text

    @property
    def record(self) -> dict[str, Any]:
        """What is said of what was found, as plain values; empty for the run alone."""
        return {} if self.found is None else dict(self.found.record)

    @property
    def _title(self) -> str:
        subject, found = self.subject, self.found
        return brief(subject.title or (found.source if found else subject.run), LONGEST_TITLE)

    def _cards(self, explained: Explained) -> list[Card]:
        layout, unit = self.subject.manifest.data.layout, self.subject.calibration.unit
        return [card(sample, reasons, layout, unit) for sample, reasons in explained]

    def _drawings(self) -> Iterator[tuple[str, Drawn]]:
        """Figures by their name."""
        subject, against = self.subject, self.subject.calibration
        bounds, unit = against.overall.bounds, against.unit
        normals = f"{against.n:,} calibration normals"
        if self.found is None:
            draw = partial(plots.histogram, against.scores, bounds.low, bounds.high, unit=unit)
            yield "scores", _figure("scores", f"The scores of {normals}", "Left is odd.", draw)
        else:
            yield from _of_found(self.found, subject)
        manifest = subject.manifest
        draw = partial(plots.course, manifest.history, manifest.best_epoch, subject.learning)
        best = manifest.history[manifest.best_epoch].early_stopping
        caption = (
            f"Held-out samples at their best had {score_of(best)} nats a sample, in epoch "
            f"{manifest.best_epoch + 1} of {len(manifest.history)}."
        )
        yield "training", _figure("training", "How the training went", caption, draw)
        for verb, figure, what in (
            ("stress", plots.stressed, "What was found after each kind of damage"),
            ("compare", plots.compared, "This run beside other methods"),
        ):
            if verb in subject.results:
                rows = subject.results[verb].found["trials" if verb == "stress" else "methods"]
                shown = rows[1:] if verb == "stress" else rows
                caption = f"{facts.results(subject)[verb]}."
                yield verb, _figure(verb, what, caption, partial(figure, shown))


def _of_found(found: Found, subject: Subject) -> Iterator[tuple[str, Drawn]]:
    against, given = subject.calibration, found.gathered
    bounds, unit = against.overall.bounds, against.unit
    scores, flagged, n = given.scores, given.flagged, found.record["n"]
    draw = partial(
        plots.histogram, against.scores, bounds.low, bounds.high, scores, flagged, unit=unit
    )
    groups = " The line is that of all; groups have their own." if against.groups else ""
    counts = f"{count_of(n, 'sample')}, of which {found.record['flagged']:,} are flagged"
    caption = f"{counts}, beside {against.n:,} calibration normals. Left is odd.{groups}"
    yield "scores", _figure("scores", "How the scores lie", caption, draw)
    if n >= FEWEST:
        low = float((given.p_values <= 0.05).mean())
        caption = f"{percent(low)} of the samples have a p-value of at most 0.05."
        draw = partial(plots.p_values, given.p_values)
        yield "p_values", _figure("p-values", "How usual the samples are", caption, draw)
    times = given.times
    moments = times[~np.isnat(times)]
    if len(moments) >= FEWEST and moments.min() < moments.max():
        draw = partial(plots.timeline, times, scores, flagged, bounds.low, unit=unit)
        yield "timeline", _figure("time", "Scores and alarms over time", _days(found), draw)
    if given.normal.any() and given.anomalous.any():
        yield from _rankings(found)


def _rankings(found: Found) -> Iterator[tuple[str, Drawn]]:
    given = found.gathered
    ranking = plots.Ranking.of(given.scores[given.normal], given.scores[given.anomalous])
    alarms = Rate.of(given.flagged[given.normal])
    hits = Rate.of(given.flagged[given.anomalous])
    caption = (
        f"How often an anomaly ranks below a normal sample: AUROC {ranking.auroc:.4f}. At the "
        f"threshold {rate(hits.value, hits.interval)} of the anomalies are found, and "
        f"{rate(alarms.value, alarms.interval)} of the normals flagged."
    )
    draw = partial(plots.roc, ranking, alarms, hits)
    yield "roc", _figure("roc", "Found over false alarms", caption, draw, SQUARES)
    caption = (
        f"How many of the flagged are anomalies, for every share of them that is found: AUPRC "
        f"{ranking.auprc:.4f}; they are {percent(ranking.prevalence)} of the labelled samples."
    )
    draw = partial(plots.precision_recall, ranking)
    yield "precision", _figure("precision", "Precision over recall", caption, draw, SQUARES)


def _figure(
    name: str,
    title: str,
    caption: str,
    draw: "partial[Any]",
    sizes: tuple[Size, Size] = (plots.WIDE, plots.NARROW),
) -> Drawn:
    return drawn(name, title, caption, lambda size: draw(size=size), sizes)


def _days(found: Found) -> str:
    day = found.record.get("busiest_day")
    if day is None:
        return "Scores and alarms."
    return (
        f"{count_of(found.record['days'], 'day')}; most alarms on {day['date']}: "
        f"{day['flagged']:,} of {count_of(day['n'], 'sample')}."
    )


def _unreadable(found: Found) -> str:
    count = found.record["unreadable"]
    return f"{count_of(count, 'sample')} could not be read and have no verdict." if count else ""


def _groups(found: Found) -> list[tuple[str, str, str, str]]:
    return [
        (
            brief(group["name"], 60),
            f"{group['n']:,}",
            f"{group['flagged']:,}",
            rate(group["flagged_rate"], tuple(group["interval"])),
        )
        for group in found.record.get("groups", [])[:MOST_GROUPS]
    ]


def _trials(subject: Subject) -> list[tuple[str, str, str, str]]:
    """A line for each trial of ``stress``, that which changes nothing first, then the worst."""
    result = subject.results.get("stress")
    if result is None:
        return []
    first, *rest = result.found["trials"]
    rest = sorted(rest, key=lambda trial: trial["flagged_rate"])
    return [
        (
            brief(trial["corruption"], 60),
            brief(trial["words"], 60),
            f"{trial['n']:,}",
            rate(trial["flagged_rate"], tuple(trial["interval"])),
        )
        for trial in (first, *rest)
    ]


def _methods(subject: Subject) -> list[tuple[str, str, str, str]]:
    """A line for each method of ``compare``."""
    result = subject.results.get("compare")
    return [
        (
            brief(one["method"], 60),
            f"{one['auroc']:.4f}",
            "" if one["ours"] else _lead(one),
            "this run" if one["ours"] else brief(one["verdict"], 60),
        )
        for one in (result.found["methods"] if result else [])
    ]


def _lead(one: dict[str, Any]) -> str:
    low, high = one["interval"]
    return f"{one['lead']:+.4f} [{low:+.4f}, {high:+.4f}]".replace("-", "−")
