"""``nice-anomaly explain``: why samples are odd, where, and what would be normal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nice_anomaly.cli import options
from nice_anomaly.cli.options import INPUT, OUTPUT, option
from nice_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from nice_anomaly.explain.explanation import Explanation

MOST = 10

Ids = Annotated[
    list[str] | None,
    option(
        INPUT,
        "--id",
        metavar="ID",
        help="Explain this sample, flagged or not; repeatable. Default: what is flagged.",
    ),
]
Top = Annotated[
    int | None,
    option(
        OUTPUT,
        "--top",
        metavar="N",
        min=1,
        help="Explain so many of the flagged, the least probable first. Default: 10.",
    ),
]
All = Annotated[bool, option(OUTPUT, "--all", help="Explain everything that is flagged.")]
Output = Annotated[
    Path | None,
    option(
        OUTPUT,
        "--output",
        "-o",
        metavar="DIR",
        help="A folder for pictures of images, or for rows as they would be normal.",
    ),
]
EXAMPLES = (
    "nice-anomaly explain new.csv --id 137",
    "nice-anomaly explain new_parts/ --top 20 --output why/",
)


def explain(
    source: options.Source,
    written: options.Written,
    machine: options.Machine,
    ids: Ids = None,
    id_column: options.IdColumn = None,
    skip_unreadable: options.Skip = False,
    calibration: options.Calibration = "default",
    top: Top = None,
    every: All = False,
    output: Output = None,
    no_formulas: options.NoFormulas = False,
    run: options.Run = None,
    as_json: options.Json = False,
) -> None:
    """Say why samples are odd, where, and what would be normal instead.

    A part of a sample is replaced by what its rest says it should be: what the score gains is what
    that part is to blame for.
    """
    if (source.dataset is None) == (not source.files):
        raise ConfigError(
            "give what to explain: files or folders of your own, or --dataset NAME for a built-in "
            "set; one of the two."
        )
    if (ids is not None) + (top is not None) + every > 1:
        raise ConfigError("--id, --top and --all each say what to explain: give one of them.")
    from nice_anomaly.cli import explanations, render, runs
    from nice_anomaly.cli.apart import spare_folder
    from nice_anomaly.data import builtin, recognise
    from nice_anomaly.explain.folder import check
    from nice_anomaly.library import load_run

    if output is not None:
        check(output)
    samples = builtin(source.dataset) if source.dataset else recognise(source.files)
    spare_folder(samples, output, "output")
    loaded = load_run(
        runs.locate(run, samples, written), device=machine.device, data_root=machine.data_root
    )
    with render.progress_bar("looking", None, "samples") as bar:
        explanation = loaded.explain(
            samples,
            ids=ids,
            calibration=calibration,
            most=None if every else top or MOST,
            skip_unreadable=skip_unreadable,
            say=render.say,
            scored=bar.advance,
            explained=lambda done, of: bar.advance(done, of, "explained"),
            id_column=id_column,
            **written.words,
        )
    if as_json:
        render.show_json(explanation.record())
    else:
        explanations.show(explanation)
    if output is not None:
        _write(explanation, output, formulas=not no_formulas)


def _write(explanation: "Explanation", output: Path, *, formulas: bool) -> None:
    """The files of an explanation, and that they are there."""
    from nice_anomaly.cli import render
    from nice_anomaly.explain.folder import ROWS, save
    from nice_anomaly.words import count_of

    count, like_formulas = save(explanation, output, formulas=formulas)
    render.say(f"wrote {count_of(count, 'file')} to {output}")
    render.note_formulas(like_formulas, output / ROWS)
