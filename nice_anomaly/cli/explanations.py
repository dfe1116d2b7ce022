"""Explanations: reasons, for people."""

import math

from nice_anomaly.cli import render
from nice_anomaly.explain import words
from nice_anomaly.explain.explanation import Explanation
from nice_anomaly.explain.pictures import TITLES, small_panels, verdict
from nice_anomaly.explain.value import Cause, Held, ImageReasons, Reasons, RowReasons
from nice_anomaly.explain.word_cells import plainly
from nice_anomaly.words import brief, count_of, first_of

LONGEST = 200  # characters of a name or a reason on the screen; files have them whole
MOST_PICTURES, MOST_LINES = 10, 200
SHOWN = (0, 1, 2, 4)  # of the pictures, what fits beside each other


def show(explanation: Explanation) -> None:
    """One sample in detail; of several a line each, of images with their pictures."""
    parts, unit = explanation.parts, explanation.unit
    if not parts:
        render.show_facts(f"explained: {explanation.source}", _facts(explanation))
        return
    pictures = parts[:MOST_PICTURES] if render.shows_pictures() else []
    for one in pictures:
        if isinstance(one, ImageReasons):
            render.show_title(f"{brief(one.held.id, LONGEST)}: {verdict(one, unit)}")
            every = small_panels(one, *render.room_for(len(SHOWN)))
            render.show_pictures([(TITLES[place], every[place]) for place in SHOWN])
    if len(parts) == 1:
        _show_one(explanation, parts[0])
        return
    render.show_facts(f"explained: {explanation.source}", _facts(explanation))
    render.show_table(
        f"the {len(parts[:MOST_LINES]):,} explained",
        ["id", "score", "flagged", "why"],
        [
            [
                brief(one.held.id, LONGEST),
                _number(one.held.score),
                "yes" if one.held.flagged else "no",
                first_of(words.reasons(one, unit)),
            ]
            for one in parts[:MOST_LINES]
        ],
        words=(0, 2, 3),
    )
    if len(parts) > MOST_LINES:
        render.say(f"and {len(parts) - MOST_LINES:,} more; --json has all, --output DIR too")


def _show_one(explanation: Explanation, one: Reasons) -> None:
    """All that is known of a sample."""
    unit = explanation.unit
    facts = [
        ("score", f"{_number(one.held.score)}{unit}, {_verdict(one.held)}"),
        *(("why" if not place else "", why) for place, why in enumerate(words.reasons(one, unit))),
        *([("as expected", _repaired(one))] if _tried(one) else []),
        *_places(one),
    ]
    render.show_facts(f"explained: {brief(one.held.id, LONGEST)}", facts)
    if isinstance(one, RowReasons) and one.causes:
        units = any(cause.unit for cause in one.causes)
        render.show_table(
            "what weighs most",
            ["column", "value", "expected", "90 % range", "gain", "p", *(["unit"] * units)],
            [[*_line(cause), *([cause.unit] * units)] for cause in one.causes],
            words=(0, 1, 2, 3),
        )


def _facts(explanation: Explanation) -> list[tuple[str, str]]:
    n, flagged = explanation.n, explanation.flagged
    facts = [("samples", f"{n:,}"), ("flagged", f"{flagged:,}")]
    passing = sum(one.passes for one in explanation)
    if len(explanation):
        told = f"{passing:,} of {count_of(len(explanation), 'sample')} pass with what was expected"
        facts += [("explained", f"{len(explanation):,}"), ("as expected", told)]
        facts += _places(explanation[0])
    return facts


def _places(one: Reasons) -> list[tuple[str, str]]:
    """What the rows and columns of a box are counted in."""
    if not isinstance(one, ImageReasons):
        return []
    height, width = one.heat.shape
    return [("places", f"rows and columns of {height} × {width} pixels, counted from 0")]


def _verdict(held: Held) -> str:
    word = "flagged" if held.flagged else "passes"
    if held.too_usual:
        return f"{word}: above {_number(held.high)}"
    if math.isinf(held.low):
        return word
    return f"{word}: {'below' if held.flagged else 'not below'} {_number(held.low)}"


def _tried(one: Reasons) -> bool:
    """Whether something was replaced: nothing is in a row that passes, or in what is too usual."""
    return not one.held.too_usual and (isinstance(one, ImageReasons) or one.held.flagged)


def _repaired(one: Reasons) -> str:
    """What becomes of the verdict with what was expected."""
    score = one.expected_score if isinstance(one, ImageReasons) else one.repaired_score
    end = "passes" if one.passes else "is still flagged"
    if isinstance(one, ImageReasons):
        return f"the image with what was expected scores {_number(score)} and {end}"
    changed = ", ".join(brief(cause.column) for cause in one.causes[: one.changed])
    with_what = f"with {changed} as expected" if changed else "unchanged"
    return f"the row {with_what} scores {_number(score)} and {end}"


def _line(cause: Cause) -> list[str]:
    """A column of a row: what it is, should be and may be, and what that would gain."""
    p = "<0.0001" if 0 <= cause.p_value < 1e-4 else f"{cause.p_value:.4f}"
    return [
        brief(cause.column, LONGEST),
        *plainly(cause),
        f"{cause.gain:+,.1f}",
        p,
    ]


def _number(score: float) -> str:
    return f"{score:,.1f}"
