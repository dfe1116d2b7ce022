"""Words: numbers as people read them."""

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any


def percent(value: float) -> str:
    """A rate for people: two decimals, three below 0.2 %, two digits that count below 0.001 %.

    >>> percent(0.011), percent(0.00135), percent(0.0), percent(2.5e-7)
    ('1.10 %', '0.135 %', '0.00 %', '0.000025 %')
    """
    digits = 3 if 0 < abs(value) < 0.002 else 2
    if 0 < abs(value) < 1e-5:
        digits = 1 - math.floor(math.log10(abs(100 * value)))
    return f"{100 * value:.{digits}f} %"


def rate(value: float, interval: tuple[float, float]) -> str:
    """A rate with its 95 % interval.

    >>> rate(0.011, (0.00905, 0.01325))
    '1.10 % [0.91, 1.32]'
    """
    low, high = (percent(bound).removesuffix(" %") for bound in interval)
    return f"{percent(value)} [{low}, {high}]"


def sure(confidence: float) -> str:
    """A confidence in full.

    >>> sure(0.95), sure(0.99999)
    ('95 %', '99.999 %')
    """
    return f"{100 * confidence:.10g} %"


def count_of(count: int, one: str, many: str = "") -> str:
    """A number and what it counts; ``many`` is the plural where it is not ``one`` with an s.

    >>> count_of(1, "file"), count_of(1_200, "normal sample"), count_of(0, "anomaly", "anomalies")
    ('1 file', '1,200 normal samples', '0 anomalies')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def counted(counts: dict[str, int]) -> str:
    """What there are some of, with how many; empty where there is nothing.

    >>> counted({"unreadable": 1_200, "without a label": 0, "anomalies": 3})
    '1,200 unreadable, 3 anomalies'
    """
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def first_of(texts: Sequence[str], most: int = 2, longest: int = 200) -> str:
    """The first of several sentences in a line, and how many more there are.

    >>> first_of(["a is 1", "or b is 2", "or c is 3"]), first_of(["a is 1"])
    ('a is 1; or b is 2; 1 more', 'a is 1')
    """
    more = [f"{len(texts) - most} more"] if len(texts) > most else []
    return "; ".join([brief(text, longest) for text in texts[:most]] + more)


def brief(thing: object, most: int = 60) -> str:
    r"""A name, cell or error of any length as part of a sentence: one printable line.

    Of a long one the middle is left out.

    >>> brief("two\nlines"), brief("\x1b[31mred"), brief("a" * 100, 12)
    ('two lines', '\\x1b[31mred', 'aaaaa … aaaa')
    """
    text = str(thing)
    if len(text) > most:
        text = f"{text[: (most - 2) // 2]} … {text[len(text) - (most - 3) // 2 :]}"
    plain = " ".join(text.split())
    if plain.isprintable():
        return plain
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in plain
    )


def listed(names: Iterable[object], most: int = 12) -> str:
    """The first of some names, and that there are more.

    >>> listed(["a", "b", "c"], 2)
    'a, b, …'
    """
    first = [brief(name) for name in islice(names, most + 1)]
    return ", ".join([*first[:most], "…"] if len(first) > most else first)


def several(words: object) -> tuple[str, ...]:
    """One word or several, as several; a number or a truth is the word for it.

    >>> several("bad"), several(["bad", 1]), several(True)
    (('bad',), ('bad', '1'), ('True',))
    """
    if isinstance(words, Iterable) and not isinstance(words, str):
        return tuple(map(str, words))
    return (str(words),)


def refuse_unknown(verb: Callable[..., Any], words: type, given: Iterable[str]) -> None:
    """Arguments that neither ``verb`` nor the ``words`` it takes besides have, with the nearest.

    Raises:
        TypeError: there is one.

    >>> class Words:
    ...     separator: str
    >>> refuse_unknown(percent, Words, ["seperator"])
    Traceback (most recent call last):
    TypeError: percent() has no argument 'seperator'. Did you mean 'separator'?
    """
    own = words.__annotations__
    for name in given:
        if name not in own:
            known = [*inspect.signature(verb).parameters, *own]
            near = get_close_matches(name, known, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise TypeError(f"{verb.__name__}() has no argument '{name}'.{hint}")


def finite(value: float) -> float | None:
    """The number, or None for an infinity, which JSON does not have."""
    return value if abs(value) < math.inf else None
