"""Files to try one's own data with: a table and a folder of images, normal ones and new ones.

Writes into ``example/``: press.csv and press-new.csv (the simulated log of a machine in Germany;
in the second five parts are not as they should be), cells.csv (benign cell nuclei) and
cells-new.csv (benign and malignant, with the diagnosis), digits/ (handwritten digits as PNG) and
digits-new/ (more digits, and patches of photographs among them). All but the log ships with
scikit-learn.
"""

import csv
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

import machine_log
from nice_anomaly.data import evaluation_part, training_part

NOWHERE = Path()


def main(folder: Annotated[Path, typer.Argument()] = Path("example")) -> None:
    """Write the files and say what they are."""
    from sklearn.datasets import load_breast_cancer

    folder.mkdir(parents=True, exist_ok=True)
    names = [str(name).replace(" ", "_") for name in load_breast_cancer().feature_names]
    benign = training_part("breast-cancer", NOWHERE).values
    write_table(folder / "cells.csv", names, benign, [])
    new = {
        "benign": evaluation_part("breast-cancer", NOWHERE).values,
        "malignant": evaluation_part("breast-cancer-malignant", NOWHERE).values,
    }
    labels = [label for label, rows in new.items() for _ in rows]
    write_table(folder / "cells-new.csv", names, np.concatenate(list(new.values())), labels)
    write_images(folder / "digits", "digit", training_part("digits", NOWHERE).values)
    write_images(folder / "digits-new", "digit", evaluation_part("digits", NOWHERE).values)
    write_images(folder / "digits-new", "photo", evaluation_part("photos", NOWHERE).values[:100])
    wrong = machine_log.weeks(folder)
    written = ("press.csv", "press-new.csv", "cells.csv", "cells-new.csv", "digits/", "digits-new/")
    typer.echo(f"wrote {', '.join(written)} into {folder}/")
    typer.echo("press-new.csv, rows that are not normal:")
    for row, what in wrong.items():
        typer.echo(f"  {row}: {what}")


def write_table(path: Path, names: list[str], rows: NDArray[np.generic], labels: list[str]) -> None:
    """Rows with a name each and, if there are any, a last column with the diagnosis."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["patient", *names, *(["diagnosis"] if labels else [])])
        for number, row in enumerate(rows):
            writer.writerow(
                [f"{path.stem}-{number:03}", *row.tolist(), *labels[number : number + 1]]
            )


def write_images(folder: Path, name: str, values: NDArray[np.generic]) -> None:
    """8 × 8 images with 17 grey levels as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    grey = (values.astype(float) * 255 / 16).round().astype(np.uint8).reshape(-1, 8, 8)
    for number, image in enumerate(grey):
        Image.fromarray(image).save(folder / f"{name}-{number:04}.png")


if __name__ == "__main__":
    typer.run(main)
