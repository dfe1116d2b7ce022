"""Numerals: numbers as people write them, with either decimal sign, with thousands and units.

A text that is a number in one way of writing only is certain by itself: 0,529 and 1.234,5 have a
decimal comma, 1,234,567 has not. One that is a number in both, like 1,234, is left to what the rest
of its file says.
"""

import re
from functools import lru_cache

SPACES = "\u0020\u00a0\u202f\u2009"  # plain, no-break, narrow no-break, thin
CURRENCIES = "$€£¥₹"
LONGEST = 1_000  # characters of a number: what is longer is none
APART = "\x1f"  # between texts that are looked at together
_SIGN = rf"(?P<sign>[-+]?)[{SPACES}]?"
_TAIL = r"(?P<power>[eE][-+]?[0-9]+)?"


def _pattern(decimal: str, group: str) -> re.Pattern[str]:
    grouped = rf"[1-9][0-9]{{0,2}}(?P<group>[{SPACES}'’{group}])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*"
    whole = rf"(?P<whole>{grouped}|[0-9]+)"
    fraction = rf"(?:{decimal}(?P<fraction>[0-9]*))?"
    alone = rf"{decimal}(?P<alone>[0-9]+)"
    return re.compile(rf"{_SIGN}(?:{whole}{fraction}|{alone}){_TAIL}")


def _simple(decimal: str, group: str) -> re.Pattern[str]:
    """Many plain numbers; without the ways back that no such number needs, to be quick."""
    whole = rf"(?:0|[1-9][0-9]{{0,2}}+(?:(?:{group}[0-9]{{3}}){{1,2}}+|[0-9]*+))"
    return re.compile(rf"(?:(?:[-+]?+{whole}(?:{decimal}[0-9]++)?+)?+{APART})*+")


_PATTERNS = {".": _pattern(r"\.", ","), ",": _pattern(",", r"\.")}
_SIMPLE = {".": _simple(r"\.", ","), ",": _simple(",", r"\.")}
_OPEN = re.compile(rf"(?<![^{APART}])[-+]?[1-9][0-9]{{0,2}}[.,][0-9]{{3}}(?={APART})")
_YEAR = r"\.(?:19|20)[0-9]{2}"
_NAMES = re.compile(  # of a machine in a network, of a month in a year
    rf"[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}|(?:0[1-9]|1[0-2]){_YEAR}"
)
_DRESSED = re.compile(
    rf"(?P<before>[{CURRENCIES}]|USD|EUR|GBP|CHF)?[{SPACES}]*"
    rf"(?P<number>[-+]?[{SPACES}]?[0-9.,][0-9.,'’{SPACES}]*(?:[eE][-+]?[0-9]+)?-?)[{SPACES}]*"
    r"(?P<unit>(?<!-)(?![xX][0-9A-Fa-f]+$)[^\W\d_][\w/°²³µ%·*^-]*|[%‰°²³µ"
    + CURRENCIES
    + r"][\w/°²³%]*)?"
)
CODE = re.compile(rf"0[0-9]+|0[1-9]{_YEAR}")  # 007 names something: as a number it is another text


def value(text: str, decimal: str) -> float | None:
    """The number that a text is with this decimal sign; None if it is none.

    Thousands may be parted by the other sign, a space or an apostrophe, always in threes.

    >>> value("1.234,5", ","), value("1 234", "."), value("0,529", "."), value("(12.5)", ".")
    (1234.5, 1234.0, None, -12.5)
    """
    plain = spelled(text, decimal)
    return None if plain is None else float(plain)


def spelled(text: str, decimal: str) -> str | None:
    """The same number as Python writes it, digit by digit; None if it is none with this sign.

    >>> spelled("1.234,50", ","), spelled("2,5-", ","), spelled("1,5", ".")
    ('1234.50', '-2.5', None)
    """
    if len(text) > LONGEST:
        return None
    text = text.strip().replace("−", "-")
    if text.startswith("(") and text.endswith(")") and text[1:2].isdigit():
        inner = spelled(text[1:-1], decimal)  # as accountants write what is below zero
        return None if inner is None or inner.startswith("-") else f"-{inner}"
    if text.endswith("-") and text[:1].isdigit():
        text = f"-{text[:-1]}"  # as some ledgers do
    found = _PATTERNS[decimal].fullmatch(text)
    if found is None or _NAMES.fullmatch(text) or (found["group"] and found["power"]):
        return None
    whole = re.sub(r"[^0-9]", "", found["whole"] or "0")
    fraction = found["alone"] or found["fraction"]
    return f"{found['sign']}{whole}{f'.{fraction}' if fraction else ''}{found['power'] or ''}"


def all_spelled(joined: str, decimal: str) -> list[str] | None:
    """The same for a column, each text with ``APART`` behind it; None if one is not so simple.

    No text may have an ``APART`` of its own.

    >>> all_spelled(APART.join(["1.234,50", "", "7", ""]), ",")
    ['1234.50', '', '7']
    """
    if _SIMPLE[decimal].fullmatch(joined) is None:
        return None
    return (
        joined.replace("," if decimal == "." else ".", "").replace(decimal, ".").split(APART)[:-1]
    )


def both(text: str) -> tuple[float | None, float | None]:
    """The number that a text is with a decimal point, and with a decimal comma.

    >>> both("1,5"), both("1,234"), both("12"), both("1.5 mm")
    ((None, 1.5), (1234.0, 1.234), (12.0, 12.0), (None, None))
    """
    return (None, None) if len(text) > LONGEST else _both(text)


@lru_cache(maxsize=1 << 16)
def _both(text: str) -> tuple[float | None, float | None]:
    return value(text, "."), value(text, ",")


def certain(text: str) -> float | None:
    """The number that a text is whatever its file says of decimal signs; None if that is open.

    >>> certain("0,529"), certain("1,234"), certain("-7")
    (0.529, None, -7.0)
    """
    point, comma = both(text)
    if point is not None and comma is not None and point != comma:
        return None
    return comma if point is None else point


def open_to_both(text: str) -> bool:
    """Whether a text is one number with a decimal point and another with a comma.

    >>> open_to_both("1.234"), open_to_both("1.23"), open_to_both("1.234 mm")
    (True, False, False)
    """
    point, comma = both(text)
    return point is not None and comma is not None and point != comma


def first_open(joined: str) -> str | None:
    """The first of many simple texts that is open to both, if one is; see ``all_spelled``.

    >>> first_open(APART.join(["12", "1,5", "1,234", ""]))
    '1,234'
    """
    found = _OPEN.search(joined)
    return None if found is None else found[0]


def undressed(text: str) -> tuple[str, str]:
    """The number in a text and its unit, currency or percent sign; no unit is "".

    >>> undressed("12,5 mm"), undressed("$1,200"), undressed("3%"), undressed("about 3")
    (('12,5', 'mm'), ('1,200', '$'), ('3', '%'), ('about 3', ''))
    """
    return (text.strip(), "") if len(text) > LONGEST else _undressed(text)


@lru_cache(maxsize=1 << 16)
def _undressed(text: str) -> tuple[str, str]:
    found = _DRESSED.fullmatch(text.strip())
    if found is None or (found["before"] and found["unit"]):
        return text.strip(), ""
    return found["number"].strip(), found["before"] or found["unit"] or ""
