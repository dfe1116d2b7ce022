"""Layout: text and tables in a given width. What belongs together, like a rate and its interval,
stays on one line; words give way.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
LONGEST = 12  # letters of a word that are never cut to make a column narrower
VALUE = r"[+-]?[\d∞][\d,.]*"
UNIT = r" (?:%|nats|bits/dim|s|px)(?!\w)"
NUMBER = rf"\(?(?:[kn] = |σ )?{VALUE}(?: … {VALUE})?(?:{UNIT})?(?: \[[^\]]*\])?\S*"
PIECE = re.compile(rf"{NUMBER}|\[[^\]]*\]\S*|\S+")


def visible(text: object, keeping: str = "") -> str:
    r"""A text with what would steer a terminal, or hide in it, as escapes; ``keeping`` stays.

    Those are control characters, line breaks of any kind, marks that reverse the direction of
    writing, and halves of a character.

    >>> visible("red\x1b[31m\n"), visible("rtl\u202e"), visible("Größe, 部品")
    ('red\\x1b[31m\\n', 'rtl\\u202e', 'Größe, 部品')
    """
    return STEERING.sub(
        lambda found: found[0] if found[0] in keeping else _escaped(found[0]), str(text)
    )


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


def length(text: str) -> int:
    """The columns of a terminal that a text takes.

    >>> length("σ 1"), length("部品")
    (3, 4)
    """
    plain = (sign for sign in text if not unicodedata.combining(sign))
    return sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in plain)


def pieces(text: str) -> list[str]:
    """What a line may end behind: words, numbers with their unit and their interval.

    >>> pieces("below 22.24 nats, 1.14 % [0.31, 2.90] of these (k = 11)")
    ['below', '22.24 nats,', '1.14 % [0.31, 2.90]', 'of', 'these', '(k = 11)']
    """
    return PIECE.findall(text)


def folded(text: str, width: int) -> str:
    r"""The same in lines of ``width`` columns; a piece is cut only if it is longer than a line.

    >>> folded("flagged 1.14 % [0.31, 2.90]", 20)
    'flagged\n1.14 % [0.31, 2.90]'
    """
    width = max(width, 1)
    if length(text) <= width:
        return text
    lines = [""]
    for piece in pieces(text):
        for part in _cut(piece, width):
            longer = f"{lines[-1]} {part}".lstrip()
            if length(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(part)
    return "\n".join(line for line in lines if line)


def widths(columns: Sequence[Sequence[str]], words: Sequence[int], room: int) -> list[int] | None:
    """Widths for the cells of columns that are ``room`` together at most; the widest gives way.

    The columns ``words`` go first. None if a number would be torn or a short word cut.

    >>> widths([["a plain word"], ["1.00 % [0.03, 5.45]"]], (0,), 24), widths([["1 %"]], (), 2)
    ([5, 19], None)
    """
    found = [max(map(length, column)) for column in columns]
    least = [max(map(_least, column)) for column in columns]
    for giving in (words, range(len(columns))):
        while sum(found) > room:
            able = [i for i in giving if found[i] > least[i]]
            if not able:
                break
            found[max(able, key=found.__getitem__)] -= 1
    return found if sum(found) <= room else None


def _least(cell: str) -> int:
    """The narrowest column that leaves a cell readable."""
    numbers = re.compile(NUMBER)
    return max(
        (
            length(piece) if numbers.match(piece) and " " in piece else min(length(piece), LONGEST)
            for piece in pieces(cell)
        ),
        default=1,
    )


def _cut(piece: str, width: int) -> Iterator[str]:
    """A piece that is no longer than a line: at its blanks, and a word anywhere."""
    if length(piece) <= width:
        yield piece
        return
    for word in piece.split():
        start, taken = 0, 0
        for end, sign in enumerate(word):
            taken += length(sign)
            if taken > width and end > start:
                yield word[start:end]
                start, taken = end, length(sign)
        yield word[start:]
