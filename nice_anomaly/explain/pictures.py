"""Pictures: an image, where it is odd, and what was expected there, side by side.

Images are enlarged by whole factors. A box is drawn around the pixels that it names, on none of
them.
"""

import io
import math
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nice_anomaly.explain import words
from nice_anomaly.explain.value import Box, ImageReasons
from nice_anomaly.pictures import shades
from nice_anomaly.words import brief

Picture = NDArray[np.uint8]  # [h, w, 3]

# From dark to light in steps that look equal: "inferno" of S. van der Walt and N. Smith.
HOT = (
    "000004", "110a30", "320a5e", "57106e", "781c6d", "9a2865", "bc3754", "d84c3e", "ed6925",
    "f98e09", "fbb61a", "f4df53", "fcffa4",
)  # fmt: skip
DARKER, SAME, LIGHTER = "053061", "f6f7f7", "67001f"  # what was expected is darker or lighter
MARK, INK, GREY, PAPER = "35d0ba", "1c1c1c", "6b6b6b", "ffffff"
TITLES = ("image", "where it is odd", "expected", "least change", "difference")
SIDE, SMALL = 224, 112  # pixels that an image is enlarged to, about, alone and on a sheet
RIM, GAP, MARGIN = 4, 18, 24
LINE = 20  # pixels from one line of text to the next
LARGE, PLAIN = 18, 14  # letters
HEAT = 0.8  # of what is seen where it is odd; the rest is the image below
MOST_ON_A_SHEET = 40
WRITTEN_AS = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "ß": "ss", "×": "x", "≤": "<=", "≥": ">="}
)
SOFTWARE = "nice-anomaly explain"


def colour(code: str) -> NDArray[np.float64]:
    """A colour ``[3]`` by its hexadecimal code."""
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float64)


def heated(heat: NDArray[np.float64]) -> Picture:
    """A heat map in colours: nothing and less is dark, its highest place light."""
    values = np.nan_to_num(heat, posinf=0.0).clip(0)
    places = values / max(float(values.max()), 1e-12) * (len(HOT) - 1)
    steps = np.stack([colour(code) for code in HOT])
    below = np.minimum(places.astype(int), len(HOT) - 2)
    share = (places - below)[..., None]
    return _bytes(steps[below] * (1 - share) + steps[below + 1] * share)


def panels(one: ImageReasons) -> list[Picture]:
    """The pictures that ``TITLES`` name, a pixel a pixel."""
    image, expected, least = (
        rgb(shades(levels.astype(np.float64), one.levels))
        for levels in (one.image, one.expected, one.least)
    )
    return [
        image,
        _bytes(HEAT * heated(one.heat) + (1 - HEAT) * image),
        expected,
        least,
        difference(image, expected),
    ]


def rgb(image: NDArray[np.uint8]) -> Picture:
    """An image in colours."""
    return image if image.ndim == 3 else image[..., None].repeat(3, axis=2)


def difference(image: NDArray[np.uint8], other: NDArray[np.uint8]) -> Picture:
    """Where the ``other`` is lighter, red, and where it is darker, blue; white is the same."""
    apart = other.astype(np.float64) - image
    apart = (apart.mean(axis=2) if apart.ndim == 3 else apart) / 255
    end = np.where(apart[..., None] > 0, colour(LIGHTER), colour(DARKER))
    share = np.sqrt(np.abs(apart))[..., None]
    return _bytes(colour(SAME) * (1 - share) + end * share)


def page(one: ImageReasons, unit: str) -> Picture:
    """All of one sample: its name and verdict, five pictures, and why in words."""
    zoom, shape = _zoom(one, SIDE), one.heat.shape
    pictures = [framed(picture, zoom, one.box) for picture in panels(one)]
    inner = len(pictures) * (shape[1] * zoom + 2 * RIM) + (len(pictures) - 1) * GAP
    inner = max(inner, 480)
    lines = [line for why in words.reasons(one, unit) for line in _wrapped(why, inner)]
    top = MARGIN + 2 * LINE + 16
    bottom = top + LINE + 4 + shape[0] * zoom + 2 * RIM
    canvas = _Canvas(inner + 2 * MARGIN, bottom + 14 + LINE * len(lines) + MARGIN)
    canvas.write((MARGIN, MARGIN - 4), brief(one.held.id, 70), LARGE)
    canvas.write((MARGIN, MARGIN + LINE + 2), verdict(one, unit), ink=GREY)
    left = MARGIN
    for title, picture in zip(TITLES, pictures, strict=True):
        canvas.write((left + RIM, top), canvas.fitting(title, picture.shape[1]), ink=GREY)
        canvas.paste(picture, (left, top + LINE + 4))
        left += picture.shape[1] + GAP
    for number, line in enumerate(lines):
        canvas.write((MARGIN, bottom + 14 + LINE * number), line)
    return canvas.picture


def sheet(every: Sequence[ImageReasons], unit: str) -> Picture:
    """A line of pictures for each of the first samples."""
    shown = every[:MOST_ON_A_SHEET]
    zooms = [_zoom(one, SMALL) for one in shown]
    rows = [
        [framed(picture, zoom, one.box) for picture in panels(one)]
        for one, zoom in zip(shown, zooms, strict=True)
    ]
    wide = max(max(picture.shape[1] for picture in row) for row in rows)
    words_wide = 230
    heights = [max(row[0].shape[0], 3 * LINE) + GAP for row in rows]
    width = 2 * MARGIN + words_wide + len(TITLES) * wide + (len(TITLES) - 1) * GAP
    canvas = _Canvas(width, 2 * MARGIN + LINE + 6 + sum(heights) - GAP)
    first = MARGIN + words_wide
    for place, title in enumerate(TITLES):
        canvas.write((first + place * (wide + GAP) + RIM, MARGIN), title, ink=GREY)
    top = MARGIN + LINE + 6
    for one, row, height in zip(shown, rows, heights, strict=True):
        lines = [brief(one.held.id), *verdict(one, unit).split("; ")]
        for number, line in enumerate(lines[:4]):
            at = MARGIN, top + RIM + number * (LINE - 2)
            fitting = canvas.fitting(line, words_wide - GAP)
            canvas.write(at, fitting, ink=GREY if number else INK)
        for place, picture in enumerate(row):
            canvas.paste(picture, (first + place * (wide + GAP), top))
        top += height
    return canvas.picture


def verdict(one: ImageReasons, unit: str) -> str:
    """What was found of an image, in a line of parts."""
    held = one.held
    word = "flagged" if held.flagged else "passes"
    parts = [f"{word}: {held.score:,.1f}{unit}"]
    if held.too_usual:
        return "; ".join((*parts, f"ceiling {held.high:,.1f}"))
    if np.isfinite(held.low):
        parts.append(f"threshold {held.low:,.1f}")
    now = "passes at" if one.passes else "still flagged at"
    parts.append(f"as expected {now} {one.expected_score:,.1f}")
    return "; ".join(parts)


def small_panels(one: ImageReasons, height: int, width: int) -> list[Picture]:
    """The same in at most this size, with a rim; larger ones are shrunk, their pixels averaged."""
    from PIL import Image

    h, w = one.heat.shape
    share = min(1.0, (height - 2) / h, (width - 2) / w)
    size = max(1, round(w * share)), max(1, round(h * share))
    shown = []
    for picture in panels(one):
        inner = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
        shown.append(np.pad(inner, ((1, 1), (1, 1), (0, 0))))
    if one.box is not None:
        box, heat = one.box, shown[1]
        top, left = int(box.top * share), int(box.left * share)
        bottom, right = (
            math.ceil(end * share) for end in (box.top + box.height, box.left + box.width)
        )
        inside = heat[top + 1 : bottom + 1, left + 1 : right + 1].copy()
        heat[top : bottom + 2, left : right + 2] = colour(MARK)
        heat[top + 1 : bottom + 1, left + 1 : right + 1] = inside
    return shown


def png(picture: Picture) -> bytes:
    """The content of a PNG file, which says what made it."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    stream, said = io.BytesIO(), PngInfo()
    said.add_text("Software", SOFTWARE)
    Image.fromarray(picture).save(stream, format="PNG", pnginfo=said)
    return stream.getvalue()


class _Canvas:
    """Paper that texts and pictures go onto."""

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw

        self._image = Image.new("RGB", (width, height), f"#{PAPER}")
        self._draw = ImageDraw.Draw(self._image)

    def write(self, at: tuple[int, int], text: str, size: int = PLAIN, ink: str = INK) -> None:
        self._draw.text(at, _drawable(text), font=_font(size), fill=f"#{ink}")

    def fitting(self, text: str, width: int) -> str:
        """As much of a text as goes into a width."""
        most = len(text)
        while most > 4 and self._draw.textlength(_drawable(brief(text, most)), _font()) > width:
            most -= 1
        return brief(text, most)

    def paste(self, picture: Picture, at: tuple[int, int]) -> None:
        from PIL import Image

        self._image.paste(Image.fromarray(picture), at)

    @property
    def picture(self) -> Picture:
        return np.asarray(self._image)


def _font(size: int = PLAIN) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def _drawable(text: str) -> str:
    """The text in the letters of the font that is everywhere; a mark for each that it lacks.

    >>> _drawable("Größe 3–4, 部品")
    'Grosse 3-4, ??'
    """
    plain = unicodedata.normalize("NFKD", text.translate(WRITTEN_AS))
    kept = (sign for sign in plain if not unicodedata.combining(sign))
    return "".join(sign if " " <= sign <= "~" else "?" for sign in kept)


def _wrapped(text: str, width: int) -> list[str]:
    """A text in lines of about a width."""
    lines, font = [""], _font()
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and font.getlength(_drawable(longer)) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [brief(line, 400) for line in lines]


def _zoom(one: ImageReasons, side: int) -> int:
    return max(1, side // int(max(one.heat.shape)))


def framed(picture: Picture, zoom: int, box: Box | None) -> Picture:
    """A picture enlarged, with a rim in which a box at its edge still is outside of it."""
    height, width = picture.shape[0] * zoom, picture.shape[1] * zoom
    framed = np.empty((height + 2 * RIM, width + 2 * RIM, 3), dtype=np.uint8)
    framed[:] = colour(PAPER)
    framed[RIM - 1 : RIM + height + 1, RIM - 1 : RIM + width + 1] = colour("c9c9c9")
    framed[RIM:-RIM, RIM:-RIM] = picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
    if box is not None:
        top, left = RIM + box.top * zoom, RIM + box.left * zoom
        bottom, right = top + box.height * zoom, left + box.width * zoom
        thick = 3 if zoom > 4 else 2 if zoom > 1 else 1
        outer = slice(top - thick, bottom + thick), slice(left - thick, right + thick)
        inside = framed[top:bottom, left:right].copy()
        framed[outer] = colour(MARK)
        framed[top:bottom, left:right] = inside
    return framed


def _bytes(values: NDArray[np.float64]) -> Picture:
    return np.asarray(values.clip(0, 255).round(), dtype=np.uint8)
