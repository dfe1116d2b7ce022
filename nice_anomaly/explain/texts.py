"""Texts: reasons as the cells of a table, a column for each."""

from collections.abc import Mapping

from nice_anomaly.data.dataset import Kind
from nice_anomaly.explain import words
from nice_anomaly.explain.value import ImageReasons, Reasons
from nice_anomaly.values import REASONS

OF_IMAGES = ("reason_1", "box")


def columns_of(
    reasons: Mapping[int, Reasons], n: int, kind: Kind, unit: str = ""
) -> dict[str, list[str | None]]:
    """The columns of n samples; None where a sample has no reasons, or no more of them."""
    names = OF_IMAGES if kind == "image" else REASONS
    columns: dict[str, list[str | None]] = {name: [None] * n for name in names}
    for row, one in reasons.items():
        for name, text in zip(names, _cells(one, unit), strict=False):
            columns[name][row] = text
    return columns


def _cells(one: Reasons, unit: str) -> list[str]:
    why = words.reasons(one, unit)
    if isinstance(one, ImageReasons):
        return [why[0] if why else "", str(one.box or "")]
    return [text for pair in zip(why, words.expected(one), strict=False) for text in pair]
