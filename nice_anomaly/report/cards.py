"""Cards: a sample of the report with its reasons, as texts and small pictures."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from nice_anomaly.data import Layout
from nice_anomaly.explain import words
from nice_anomaly.explain.value import Box, ImageReasons, Reasons, RowReasons
from nice_anomaly.explain.word_cells import suggestion, told
from nice_anomaly.pictures import heat_png, image_png
from nice_anomaly.report.gathered import Sample
from nice_anomaly.words import brief

MOST_CAUSES = 6
LONGEST, SHORT, LONGEST_CELL, LONGEST_NOTE = 80, 40, 48, 240


@dataclass(frozen=True)
class Picture:
    """A small picture: its data as a URI, what it shows, and below it what it is.

    ``over`` is a map that lies on it; ``box`` are left, top, width and height in percent.
    """

    data: str
    alternative: str
    caption: str
    over: str = ""
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Line:
    """A column that is to blame; ``changed`` where the repair changed it.

    ``instead`` where it would do as well as those that the repair changed.
    ``usual`` where the value is usual in itself, only not beside the others.
    """

    column: str
    value: str
    expected: str
    gain: str
    usual: bool
    changed: bool
    instead: bool


@dataclass(frozen=True)
class Card:
    """A sample with its verdict, reasons and repair."""

    id: str
    flagged: bool
    score: str
    p_value: str
    margin: str
    truth: str
    reasons: tuple[str, ...]
    repair: str
    note: str
    pictures: tuple[Picture, ...] = ()
    lines: tuple[Line, ...] = ()


def card(sample: Sample, reasons: Reasons, layout: Layout, unit: str) -> Card:
    """A sample as the report shows it; ``unit`` follows a score."""
    held, beyond = sample.held, "beyond" if sample.held.flagged else "within"
    truth = {True: "labelled anomalous", False: "labelled normal", None: ""}[sample.anomalous]
    margin = f"{score_of(abs(sample.margin))}{unit} {beyond} the threshold"
    rows = isinstance(reasons, RowReasons) and reasons.causes and not held.too_usual
    said = () if rows else words.reasons(reasons, unit)  # of a row the table says the same
    return Card(
        brief(held.id, LONGEST),
        held.flagged,
        f"{score_of(held.score)}{unit}",
        f"{sample.p_value:.2g}",
        margin,
        truth,
        tuple(brief(text, LONGEST_NOTE) for text in said),
        _repair(reasons, unit),
        brief(sample.note, LONGEST_NOTE),
        tuple(_pictures(reasons, layout)) if isinstance(reasons, ImageReasons) else (),
        tuple(_lines(reasons, unit)) if isinstance(reasons, RowReasons) else (),
    )


def score_of(value: float) -> str:
    """A score: fewer decimals the larger it is.

    >>> score_of(-46130.42), score_of(1.23456), score_of(float("-inf"))
    ('−46,130', '1.23', '−∞')
    """
    if abs(value) == float("inf"):
        return "∞" if value > 0 else "−∞"
    digits = 0 if abs(value) >= 1_000 else 1 if abs(value) >= 100 else 2
    return f"{value:,.{digits}f}".replace("-", "−")


def _repair(reasons: Reasons, unit: str) -> str:
    score = reasons.expected_score if isinstance(reasons, ImageReasons) else reasons.repaired_score
    if not reasons.held.flagged or reasons.held.too_usual:
        return ""
    if not reasons.passes:
        return f"No repair was found that passes; the best one scores {score_of(score)}{unit}."
    return f"Repaired so, it would pass with {score_of(score)}{unit}."


def _lines(reasons: RowReasons, unit: str) -> Iterator[Line]:
    for place, cause in enumerate(reasons.causes[:MOST_CAUSES]):
        yield Line(
            brief(cause.column, LONGEST_CELL),
            told(cause),
            suggestion(cause),
            f"{score_of(cause.gain)}{unit}",
            cause.usual and cause.value is not None,
            place < reasons.changed,
            0 < reasons.changed <= place,
        )


def _pictures(reasons: ImageReasons, layout: Layout) -> Iterator[Picture]:
    levels, name = layout.levels, brief(reasons.held.id, SHORT)
    seen = _uri(image_png(reasons.image, levels))
    box = None if reasons.box is None else _percent(reasons.box, reasons.image.shape)
    where = "no single place" if reasons.box is None else str(reasons.box)
    yield Picture(seen, f"The sample {name}.", "the sample")
    yield Picture(
        seen,
        f"Where {name} is odd: {where}.",
        "where it is odd",
        _uri(heat_png(reasons.heat)),
        box,
    )
    nearest = "" if reasons.local else ", from the nearest normal"
    expected = _uri(image_png(reasons.expected, levels))
    yield Picture(expected, f"What was expected of {name}.", f"what was expected{nearest}")


def _percent(box: Box, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    height, width = shape[:2]
    sides = box.left / width, box.top / height, box.width / width, box.height / height
    left, top, across, down = (round(100 * side, 3) for side in sides)
    return left, top, across, down


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
