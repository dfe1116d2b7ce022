"""Words: reasons as sentences."""

from nice_anomaly.explain.value import Cause, ImageReasons, Reasons, RowReasons
from nice_anomaly.explain.word_cells import suggestion, told
from nice_anomaly.words import brief, count_of

TOO_USUAL = (
    "its score is above the ceiling: it is more usual than normal samples are, "
    "and no part of it is improbable"
)
WHOLE = "no small part explains it"


def reasons(one: Reasons, unit: str = "") -> tuple[str, ...]:
    """Why the sample is odd, a sentence a cause, the one that weighs most first.

    ``unit`` follows a score: " nats", or nothing.
    """
    if one.held.too_usual:
        return (TOO_USUAL,)
    if isinstance(one, ImageReasons):
        return (_image(one, unit),)
    return _row(one)


def expected(one: Reasons) -> tuple[str, ...]:
    """What would be normal, one for every one of ``reasons``."""
    if one.held.too_usual:
        return ("",)
    if isinstance(one, ImageReasons):
        passing = "passes" if one.passes else "does not pass"
        return (f"as the rest suggests, which {passing} with a score of {one.expected_score:,.1f}",)
    some = one.causes if one.held.flagged else one.causes[:1]
    said = tuple(suggestion(cause) for cause in some)
    return said if said and (one.passes or not one.held.flagged) else (*said, "")


def _image(one: ImageReasons, unit: str) -> str:
    if not one.held.flagged:
        return f"it passes; the oddest part is {one.box}" if one.box else "it passes"
    if one.box is None or not one.local:
        return f"{WHOLE}; the oddest is {one.box}" if one.box else WHOLE
    gain = f"{one.gain:,.0f}" if one.gain >= 100 else f"{one.gain:,.1f}"
    alone = one.held.low <= one.held.score + one.gain <= one.held.high
    end = ", and it passes" if alone else "; it passes with other parts replaced too"
    end = end if one.passes else ", and it does not pass with other parts replaced either"
    return (
        f"{one.box} are not what the rest suggests: replaced, the score rises by {gain}{unit}{end}"
    )


def _row(one: RowReasons) -> tuple[str, ...]:
    alone = len(one.cells) == 1
    if not one.held.flagged:
        if not one.causes:
            return ("it passes",)
        return (f"it passes; the oddest part is that {_sentence(one.causes[0], alone)}",)
    said = [_sentence(cause, alone) for cause in one.causes]
    said = [
        f"or {text}" if one.changed and k >= one.changed else text for k, text in enumerate(said)
    ]
    if one.passes:
        return tuple(said)
    tried = count_of(one.changed, "column")
    end = f"with {tried} changed it does not pass" if one.changed else WHOLE
    return (*said, end + _far(one))


def _far(one: RowReasons) -> str:
    """That a row is far from the learned ones, where that is what makes it odd."""
    if one.sight is None or one.sight.view == "likelihood":
        return ""
    near = brief(one.sight.nearest, 40)
    return f"; it is far from all normal rows, the nearest is {near} ({one.sight.view})"


def _sentence(cause: Cause, alone: bool) -> str:
    name = brief(cause.column, 40)
    usual = ", usual in itself" if cause.usual and cause.value is not None and not alone else ""
    normal = "usual is" if alone else "the others suggest"
    return f"{name} is {told(cause)}{usual}; {normal} {suggestion(cause)}"
