"""Options that several verbs share: one name, one help text, one meaning, one panel.

Those that belong together are fields of a dataclass; a verb that has a parameter of its type has
all of them, see ``grouped``.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict, get_type_hints

import typer

from nice_anomaly.errors import ConfigError

INPUT, TABLE, LABELS = "Input", "Tables", "Labels"
THRESHOLD, OUTPUT, RUN, MACHINE = "Threshold", "Output", "Run", "Machine"
PANELS = INPUT, TABLE, LABELS, THRESHOLD, OUTPUT, RUN, MACHINE  # in this order
DATA_ROOT = Path("data")


def option(panel: str, *names: str, **settings: Any) -> Any:
    """An option in a panel of the help."""
    return typer.Option(*names, rich_help_panel=panel, **settings)


def grouped(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb as typer takes it: a parameter that is a dataclass becomes one for each field."""
    own = inspect.signature(verb, eval_str=True).parameters
    groups: dict[str, Any] = {
        name: one.annotation for name, one in own.items() if is_dataclass(one.annotation)
    }
    flat: dict[str, inspect.Parameter] = {}
    for name, parameter in own.items():
        for one in _of_group(groups[name]) if name in groups else [parameter]:
            flat[one.name] = one.replace(kind=inspect.Parameter.KEYWORD_ONLY)

    def command(**given: Any) -> None:
        parts = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        if any(isinstance(part, Machine) and part.quiet for part in parts.values()):
            from nice_anomaly.cli.render import hush

            hush()
        verb(**given, **parts)

    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    in_panels = sorted(flat.values(), key=_panel)
    command.__signature__ = inspect.Signature(in_panels)  # type: ignore[attr-defined]
    command.__annotations__ = {name: one.annotation for name, one in flat.items()}
    return command


def _panel(parameter: inspect.Parameter) -> int:
    """Which panel of the help an option is in; arguments come first."""
    panel = parameter.annotation.__metadata__[0].rich_help_panel
    return PANELS.index(panel) if panel in PANELS else -1


def _of_group(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


Run = Annotated[
    Path | None,
    option(RUN, "--run", metavar="DIR", help="The run folder. Default: the run trained last here."),
]
Json = Annotated[
    bool, option(OUTPUT, "--json", help="Print one JSON object and nothing else on stdout.")
]

Plot = Annotated[
    Path | None,
    option(OUTPUT, "--plot", metavar="FILE", help="Draw it too: a .svg, .png or .pdf file."),
]


def check_plot(plot: Path | None) -> None:
    """Say what would keep a figure from being drawn, before the work.

    Raises:
        ConfigError, ArtifactError: see ``plots.check``.
    """
    if plot is not None:
        from nice_anomaly.plots import check

        check(plot)


def checked_seed(value: int) -> int:
    """A seed that every generator takes."""
    if value >= 2**63:
        raise typer.BadParameter("it is not below 2 to the power of 63.")
    return value


NoFormulas = Annotated[
    bool,
    option(
        OUTPUT,
        "--no-formulas",
        help="In a CSV, put an apostrophe before texts that a spreadsheet would run.",
    ),
]
Skip = Annotated[
    bool,
    option(INPUT, "--skip-unreadable", help="Go on without what cannot be read, and count it."),
]
GroupColumn = Annotated[
    str | None,
    option(
        THRESHOLD,
        "--group-column",
        metavar="NAME",
        help="A threshold for each value of this column; folder for images, class for built-ins.",
    ),
]
Calibration = Annotated[
    str,
    option(
        THRESHOLD,
        "--calibration",
        metavar="NAME",
        help="The calibration that calibrate --name NAME kept.",
    ),
]


@dataclass(frozen=True)
class Files:
    """A user's own data, by their paths."""

    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Files, folders, patterns: images or tables.",
            show_default=False,
        ),
    ] = None
    inputs: Annotated[
        list[str] | None,
        option(INPUT, "--input", "-i", metavar="PATH", help="The same as PATH; repeatable."),
    ] = None

    @property
    def files(self) -> list[str]:
        """All paths that were given, in order.

        Raises:
            ConfigError: one is the name of a built-in set, and of no file.
        """
        from nice_anomaly.data import BUILTIN

        given = [*(self.paths or ()), *(self.inputs or ())]
        for name in BUILTIN.keys() & set(given):
            if not Path(name).exists():
                raise ConfigError(
                    f"{name}: there is no such file. The built-in set is --dataset {name}."
                )
        return given


@dataclass(frozen=True)
class Source(Files):
    """What a verb looks at: files by their paths, or a built-in set."""

    dataset: Annotated[
        str | None,
        option(INPUT, "--dataset", metavar="NAME", help="A built-in set, like mnist or kmnist."),
    ] = None


class Dressed(TypedDict):
    """How tables are written, as arguments of the library."""

    separator: str
    decimal: str
    sheet: str


@dataclass(frozen=True)
class Written:
    """How tables are written, where a file does not show it."""

    separator: Annotated[
        str,
        option(
            TABLE, "--separator", metavar="SIGN", help="What stands between the cells: ';' or tab."
        ),
    ] = ""
    decimal: Annotated[
        str, option(TABLE, "--decimal", metavar="SIGN", help="The decimal sign: ',' or '.'.")
    ] = ""
    sheet: Annotated[
        str,
        option(
            TABLE, "--sheet", metavar="NAME", help="The sheet to read of a workbook with several."
        ),
    ] = ""

    @property
    def words(self) -> Dressed:
        """The same as arguments of the library."""
        return {"separator": self.separator, "decimal": self.decimal, "sheet": self.sheet}


TimeColumn = Annotated[
    str | None,
    option(
        TABLE,
        "--time-column",
        metavar="NAME",
        help="When a row was, for alarms a day. Default: the only column of dates.",
    ),
]


IdColumn = Annotated[
    str | None,
    option(TABLE, "--id-column", metavar="NAME", help="The column that names a row."),
]


@dataclass(frozen=True)
class Labels:
    """Which columns name the rows and tell anomalies."""

    id_column: IdColumn = None
    label_column: Annotated[
        str | None,
        option(
            LABELS,
            "--label-column",
            metavar="NAME",
            help="The column that tells normals from anomalies.",
        ),
    ] = None
    anomaly_values: Annotated[
        list[str] | None,
        option(
            LABELS,
            "--anomaly-value",
            metavar="VALUE",
            help="A label that means anomaly, like bad; repeatable.",
        ),
    ] = None


@dataclass(frozen=True)
class Machine:
    """Where the work is done, and how much is said of it."""

    data_root: Annotated[
        Path,
        option(
            MACHINE,
            "--data-root",
            metavar="DIR",
            envvar="NICE_ANOMALY_DATA",
            help="Where the built-in data sets are, or are downloaded to.",
        ),
    ] = DATA_ROOT
    device: Annotated[
        str,
        option(
            MACHINE,
            "--device",
            metavar="DEVICE",
            help="auto, cpu or cuda; auto is cuda where there is one.",
        ),
    ] = "auto"
    quiet: Annotated[
        bool, option(MACHINE, "--quiet", "-q", help="Say nothing but results and errors.")
    ] = False
