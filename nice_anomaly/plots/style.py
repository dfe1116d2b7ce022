"""Style: how every figure looks, and how one becomes bytes.

The colours tell each other apart for colour-blind people (Okabe & Ito 2008) and read on white and
on black, for the background is transparent.
"""

import io
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from nice_anomaly.errors import ConfigError
from nice_anomaly.files import refuse_unfit

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Given = ParamSpec("Given")
Size = tuple[float, float]  # inches

WIDE, NARROW = (7.2, 3.0), (3.5, 2.9)
NARROWEST = 5.0  # inches of what is wide
SUFFIXES = (".svg", ".png", ".pdf")
INK, FAINT, PASSED, FLAGGED, OTHER = "#777777", "#a6a6a6", "#3182bd", "#d55e00", "#009e73"
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MEASURED = "DejaVu Sans"  # comes with matplotlib, and is wider than those
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nice-anomaly",
    "pdf.fonttype": 42,
    "font.family": MEASURED,
    "font.size": 8.5,
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "path.simplify": False,
}
UNDATED: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def check(path: Path) -> None:
    """Say at once what would fail after the work.

    Raises:
        ConfigError: another suffix, or what draws is not installed.
        ConfigError, ArtifactError: no place for a file, see ``refuse_unfit``.
    """
    refuse_unfit(path, "plot")
    if path.suffix not in SUFFIXES:
        names = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise ConfigError(f"`plot` takes a name ending in {names}, got '{path}'.")
    refuse_absent("drawing", "matplotlib")


def refuse_absent(what: str, *needed: str) -> None:
    """Raises ConfigError where a library that ``what`` needs is not installed."""
    absent = [name for name in needed if not _installed(name)]
    if absent:
        raise ConfigError(
            f"{what} needs {' and '.join(absent)}: pip install 'nice-anomaly[report]'."
        )


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def styled(draw: "Callable[Given, Figure]") -> "Callable[Given, Figure]":
    """A function that draws, in our style whatever else is drawn in the process."""

    @wraps(draw)
    def drawn(*given: Given.args, **words: Given.kwargs) -> "Figure":
        from matplotlib import rc_context

        with rc_context(STYLE):  # type: ignore[arg-type]
            return draw(*given, **words)

    return drawn


def picture(figure: "Figure", suffix: str) -> bytes:
    """A figure as the content of a file: .svg, .png or .pdf."""
    from matplotlib import rc_context

    kind, stream = suffix.removeprefix("."), io.BytesIO()
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure.savefig(stream, format=kind, dpi=200, transparent=True, metadata=UNDATED[kind])
    content = stream.getvalue()
    if kind != "svg":
        return content
    return content.replace(f"'{MEASURED}'".encode(), FONTS.encode())


def new_figure(size: Size) -> "Figure":
    """An empty figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)  # type: ignore[union-attr, call-arg]
    return figure


def narrow(size: Size) -> bool:
    """Whether a figure is for a phone."""
    return size[0] < NARROWEST


def key(axes: "Axes", said: Sequence[tuple[str, str]], size: Size) -> None:
    """What is what, in its own colour, on a line above the axes; on a phone one below the other."""
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker

    texts: list[Artist] = [
        TextArea(text, textprops={"color": colour, "weight": "bold", "size": 8.5})
        for text, colour in said
    ]
    packed = (
        VPacker(children=texts, pad=0, sep=3, align="left")
        if narrow(size)
        else HPacker(children=texts, pad=0, sep=14, align="baseline")
    )
    axes.add_artist(
        AnchoredOffsetbox(
            "lower left",
            child=packed,
            pad=0,
            borderpad=0,
            frameon=False,
            bbox_to_anchor=(0, 1.03),
            bbox_transform=axes.transAxes,
        )
    )


def thousands(value: float, _: Any = None) -> str:
    """A tick as people read it.

    >>> thousands(-12_500.0), thousands(0.25)
    ('−12,500', '0.25')
    """
    return f"{value:,.10g}".replace("-", "−")


def whole_percent(value: float, _: Any = None) -> str:
    """A share at a tick.

    >>> whole_percent(0.25), whole_percent(0.005)
    ('25 %', '0.5 %')
    """
    return f"{100 * value:.4g} %"


def unit_of(name: str, unit: str) -> str:
    """A quantity at an axis with its unit, if it has one.

    >>> unit_of("score", " nats"), unit_of("score", "")
    ('score, nats', 'score')
    """
    return ", ".join(filter(None, (name, unit.strip())))
