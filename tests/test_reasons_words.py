"""Every sentence that a reason is told in."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nice_anomaly.explain.kinds import NEVER_SEEN, UNKNOWN
from nice_anomaly.explain.value import Box, Cause, Held, ImageReasons, RowReasons
from nice_anomaly.explain.words import expected, reasons

FLAGGED, PASSES, TOO_USUAL = Held("a", -9.0, -5.0), Held("a", -4.0, -5.0), Held("a", 9.0, -5.0, 5.0)


def cause(column: str = "pressure", value: Any = 7.1, expected: Any = 4.2, **rest: Any) -> Cause:
    given = {"gain": 5.0, "p_value": 0.001, "usual": False} | rest
    return Cause(column, value, expected, **given)


def number(value: Any, expected: Any, low: float, high: float, **rest: Any) -> Cause:
    median = rest.pop("median", expected)
    return cause("pressure", value, expected, median=median, low=low, high=high, **rest)


def row(*causes: Cause, held: Held = FLAGGED, **rest: Any) -> RowReasons:
    given = {"changed": 1, "cells": {"pressure": 4.2, "b": 1}, "passes": True} | rest
    changed, cells, passes = given["changed"], given["cells"], given["passes"]
    return RowReasons(held, causes, changed, np.zeros(2), cells, -4.0, passes)


SAID = [  # a cause, its sentence, what is expected
    (number(7.1, 4.2, 3.6, 4.9), "pressure is 7.1; the others suggest 4.2 (90 %: 3.6–4.9)"),
    (
        number(7.1, 4.2, 3.6, 4.9, usual=True),
        "pressure is 7.1, usual in itself; the others suggest 4.2 (90 %: 3.6–4.9)",
    ),
    (
        number(7.1234567, 4.2, 3.6, 4.9, unit="bar"),
        "pressure is 7.1 bar; the others suggest 4.2 bar (90 %: 3.6–4.9)",
    ),
    (number(7.0, 5.0, 4.0, 6.0), "pressure is 7; the others suggest 5 (90 %: 4–6)"),
    (
        number(1e6, 5.0, 4.0, 6.0),
        "pressure is 1000000; the others suggest 5 (90 %: 4–6)",
    ),
    (
        number(0.1 + 0.2, 0.9, 0.85, 0.95),
        "pressure is 0.3; the others suggest 0.9 (90 %: 0.85–0.95)",
    ),
    (
        number(1e-17, 0.9, 0.5, 1.3),
        "pressure is 0; the others suggest 0.9 (90 %: 0.5–1.3)",
    ),
    (
        number(2.5e-8, 9e-8, 8e-8, 1e-7),
        "pressure is 2.5e-08; the others suggest 9e-08 (90 %: 8e-08 to 1e-07)",
    ),
    (
        number(100.0004, 100.0001, 100.0, 100.0002),
        "pressure is 100.0004; the others suggest 100.0001 (90 %: 100–100.0002)",
    ),
    (
        number(-7.1, -4.2, -4.9, -3.6),
        "pressure is -7.1; the others suggest -4.2 (90 %: -4.9 to -3.6)",
    ),
    (
        number(3.2e20, 4.0, 3.0, 5.0),
        "pressure is 3.2e+20; the others suggest 4 (90 %: 3–5)",
    ),
    (number(5.0, 4.0, 4.0, 4.0), "pressure is 5; the others suggest 4"),
    (
        number(7.1, 0.0, 0.4, 4.9, median=1.5),  # what scores best lies beyond the range
        "pressure is 7.1; the others suggest 1.5 (90 %: 0.4–4.9)",
    ),
    (
        number(None, 4.2, 3.6, 4.9),
        "pressure is missing; the others suggest 4.2 (90 %: 3.6–4.9)",
    ),
    (number(7.1, None, 3.6, 4.9), "pressure is 7.1; the others suggest a missing cell"),
    (
        cause("colour", "red", "blue", usual=True, probability=0.974),
        "colour is red, usual in itself; the others suggest blue (97 %)",
    ),
    (
        cause("colour", "red", "blue", probability=0.9999),
        "colour is red; the others suggest blue (more than 99 %)",
    ),
    (
        cause("colour", "red", "blue", probability=0.001),
        "colour is red; the others suggest blue (less than 1 %)",
    ),
    (
        cause("colour", NEVER_SEEN, "blue", probability=0.5),
        "colour is a value that was never seen; the others suggest blue (50 %)",
    ),
    (
        cause("colour", UNKNOWN, "blue", probability=0.5),
        "colour is missing, or a value that was never seen; the others suggest blue (50 %)",
    ),
    (
        cause("colour", "rde", "red", probability=0.9, unseen=True),
        "colour is 'rde', never seen; the others suggest red (90 %)",
    ),
    (cause("colour", None, "blue"), "colour is missing; the others suggest blue"),
    (
        cause("start", "03:10 on a Sunday", "14:00 on a Sunday"),
        "start is 03:10 on a Sunday; the others suggest 14:00",
    ),
    (
        cause("start", "03:10 on a Sunday", "14:00 on a Monday"),
        "start is 03:10 on a Sunday; the others suggest 14:00 on a Monday",
    ),
    (
        cause("n\x1b[31m" + "x" * 90, "y" * 90, "z" * 90),
        f"n\\x1b[31m{'x' * 13} … {'x' * 18} is {'y' * 19} … {'y' * 18}; "
        f"the others suggest {'z' * 19} … {'z' * 18}",
    ),
]


@pytest.mark.parametrize(("one", "sentence"), SAID)
def test_a_cause_in_a_sentence(one: Cause, sentence: str) -> None:
    assert reasons(row(one)) == (sentence,)
    assert expected(row(one)) == (sentence.partition("the others suggest ")[2],)


def test_a_table_of_one_column_has_no_others() -> None:
    one = row(number(7.1, 4.2, 3.6, 4.9, usual=True), cells={"pressure": 4.2})
    assert reasons(one) == ("pressure is 7.1; usual is 4.2 (90 %: 3.6–4.9)",)


def test_what_would_do_as_well_is_another_way() -> None:
    one = row(number(7.1, 4.2, 3.6, 4.9), cause("colour", "red", "blue"))
    assert reasons(one)[1] == "or colour is red; the others suggest blue"
    assert expected(one) == ("4.2 (90 %: 3.6–4.9)", "blue")
    assert reasons(replace(one, changed=2))[1] == "colour is red; the others suggest blue"


def test_what_cannot_be_repaired_says_so() -> None:
    one = row(cause("colour", "red", "blue"), changed=8, passes=False)
    assert reasons(one)[1:] == ("with 8 columns changed it does not pass",)
    assert expected(one) == ("blue", "")
    untouched = row(cause("colour", "red", "blue"), cause("a"), changed=0, passes=False)
    assert reasons(untouched)[1].startswith("a is 7.1; the others")
    nothing = row(changed=0, passes=False)
    assert reasons(nothing) == ("no small part explains it",)
    assert expected(nothing) == ("",)


def test_a_row_that_passes_has_an_oddest_part() -> None:
    one = row(cause("colour", "red", "blue"), cause(), held=PASSES, changed=0)
    assert reasons(one) == (
        "it passes; the oddest part is that colour is red; the others suggest blue",
    )
    assert expected(one) == ("blue",)
    assert reasons(row(held=PASSES, changed=0)) == ("it passes",)
    assert expected(row(held=PASSES, changed=0)) == ("",)


USUAL = (
    "its score is above the ceiling: it is more usual than normal samples are, "
    "and no part of it is improbable"
)
BOX = Box(3, 12, 7, 7)


def image(held: Held = FLAGGED, **rest: Any) -> ImageReasons:
    plain = np.zeros((20, 20), dtype=np.uint8)
    given = {"box": BOX, "gain": 4.5, "expected_score": -1234.56, "local": True, "passes": True}
    given |= rest
    heat = np.zeros((20, 20))
    return ImageReasons(
        held, plain, heat, given["box"], given["gain"], plain, given["expected_score"],
        plain, 0.0, given["local"], given["passes"],
    )  # fmt: skip


WHERE = "rows 3–9, columns 12–18"
RISES = f"{WHERE} are not what the rest suggests: replaced, the score rises by"
PICTURES = [  # an image, its sentence
    (image(), f"{RISES} 4.5 nats, and it passes"),
    (image(gain=1.0), f"{RISES} 1.0 nats; it passes with other parts replaced too"),
    (
        image(gain=1234.4, passes=False),
        f"{RISES} 1,234 nats, and it does not pass with other parts replaced either",
    ),
    (image(local=False), f"no small part explains it; the oddest is {WHERE}"),
    (image(box=None, gain=0.0), "no small part explains it"),
    (image(PASSES), f"it passes; the oddest part is {WHERE}"),
    (image(PASSES, box=None), "it passes"),
    (image(TOO_USUAL), USUAL),
]


@pytest.mark.parametrize(("one", "sentence"), PICTURES)
def test_an_image_in_a_sentence(one: ImageReasons, sentence: str) -> None:
    assert reasons(one, " nats") == (sentence,)
    assert len(expected(one)) == 1


def test_what_would_be_normal_of_an_image_is_its_repair() -> None:
    assert expected(image()) == ("as the rest suggests, which passes with a score of -1,234.6",)
    (said,) = expected(image(passes=False))
    assert said == "as the rest suggests, which does not pass with a score of -1,234.6"
    assert expected(image(TOO_USUAL)) == ("",)
    assert reasons(image())[0] == f"{RISES} 4.5, and it passes"  # a score without a unit


def test_too_usual_is_said_once() -> None:
    one = row(held=TOO_USUAL, changed=0, passes=False)
    assert (reasons(one), expected(one)) == ((USUAL,), ("",))
