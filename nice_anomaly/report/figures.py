"""Figures: those of ``plots`` as parts of a page, described and in the colours of the page."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Tree

from nice_anomaly.plots import Size, picture
from nice_anomaly.plots.style import FAINT, FLAGGED, INK, PASSED

if TYPE_CHECKING:
    from nice_anomaly.plots import Figure

COLOURS = {INK: "ink", FAINT: "rule", PASSED: "passed", FLAGGED: "flagged"}
REFERENCE = re.compile(r"url\(#([^)]+)\)")


@dataclass(frozen=True)
class Drawn:
    """A figure of the page with its caption, drawn for a desk and for a phone."""

    wide: str
    narrow: str
    caption: str


def drawn(
    name: str,
    title: str,
    caption: str,
    draw: "Callable[[Size], Figure]",
    sizes: tuple[Size, Size],
) -> Drawn:
    """Both drawings; ``name`` makes their ids differ from those of other figures."""
    wide, narrow = (
        embedded(picture(draw(size), ".svg"), f"{name}-{place}", title, caption)
        for place, size in enumerate(sizes)
    )
    return Drawn(wide, narrow, caption)


def embedded(svg: bytes, name: str, title: str, description: str) -> str:
    """An SVG of ours as an element of a page: nothing in it leads out of it or is named twice."""
    root = Tree.fromstring(svg)
    for parent in root.iter():
        for child in list(parent):
            if child.tag.endswith("metadata"):
                parent.remove(child)
    used = {target for part in root.iter() for target in _targets(part)}
    for part in root.iter():
        part.tag = part.tag.rpartition("}")[2]
        for attribute, value in list(part.attrib.items()):
            del part.attrib[attribute]
            plain = attribute.rpartition("}")[2]
            if plain == "id" and value not in used:
                continue
            part.set(plain, _renamed(plain, value, name))
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    labels = []
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        label = Tree.Element(tag, id=f"{name}-{tag}")
        label.text = text
        root.insert(place, label)
        labels.append(f"{name}-{tag}")
    root.set("role", "img")
    root.set("aria-labelledby", " ".join(labels))
    return Tree.tostring(root, encoding="unicode")


def _targets(part: Tree.Element) -> list[str]:
    """The ids that an element refers to."""
    found = [*REFERENCE.findall(" ".join(part.attrib.values()))]
    links = (value for name, value in part.attrib.items() if name.endswith("href"))
    return [*found, *(link.removeprefix("#") for link in links)]


def _renamed(attribute: str, value: str, name: str) -> str:
    if attribute == "id":
        return f"{name}-{value}"
    if attribute == "href":
        return f"#{name}-{value.removeprefix('#')}"
    value = REFERENCE.sub(rf"url(#{name}-\1)", value)
    for colour, role in COLOURS.items():
        value = value.replace(colour, f"var(--{role})")
    return value
