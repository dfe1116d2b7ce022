"""Whether reasons are right: planted patches in images, planted values in rows of tables.

``python scripts/bench_reasons.py images`` needs MNIST and FashionMNIST (about four minutes),
``python scripts/bench_reasons.py tables FOLDER`` one with .npz files (about six).
"""

from pathlib import Path
from typing import Annotated

import typer

from experiments import DataRoot, Results, store

app = typer.Typer(help=__doc__)
Quick = Annotated[bool, typer.Option(help="A few plants, for a first look.")]


@app.command()
def images(
    results: Results = Path("results"), data_root: DataRoot = Path("data"), quick: Quick = False
) -> None:
    """Patches of another image, noise, a constant and nothing, in every method's map."""
    import reasons_images

    found = reasons_images.measured(data_root, quick=quick)
    store(results / "reasons-images.json", found, settings={"quick": quick})


@app.command()
def tables(
    folder: Annotated[Path, typer.Argument(help="Where the .npz files are.")],
    results: Results = Path("results"),
    quick: Quick = False,
) -> None:
    """Columns of rows changed, far out and within what is usual for them."""
    import reasons_tables

    reasons_tables.main(folder, quick, results / "reasons-tables.json")


if __name__ == "__main__":
    app()
