"""Whether reasons are right: planted patches in images, planted values in rows of tables."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from experiments import DataRoot, Results, store
from nice_anomaly.cli import render

PARTS = ("images", "tables")


def main(
    part: Annotated[str, typer.Argument(help="images or tables.")],
    results: Results = Path("results"),
    data_root: DataRoot = Path("data"),
    quick: Annotated[bool, typer.Option(help="A few plants, for a first look.")] = False,
) -> None:
    """Print and store what was found of plants."""
    if part not in PARTS:
        raise typer.BadParameter(f"'{part}' is none of {', '.join(PARTS)}.")
    measured = import_module(f"reasons_{part}").measured(data_root, quick=quick)
    store(results / f"reasons-{part}.json", measured, settings={"quick": quick})
    render.say(f"{results / f'reasons-{part}.json'} was written")


if __name__ == "__main__":
    typer.run(main)
