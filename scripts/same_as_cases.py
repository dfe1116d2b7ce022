"""What ``same_as.py`` runs: commands by group, and the files that they read."""

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Case:
    """Commands that follow each other, one a line, and the folders that they need."""

    commands: str
    needs: tuple[str, ...] = ()


SCORED = """
detect --dataset {0} --json
detect --dataset {1} --json --output {1}.csv --top 3
detect --dataset {1} --json --calibration certified --output {1}.jsonl
detect --dataset {1} --json --calibration both --output {1}.parquet
detect --dataset {1} --json --fdr 0.1
detect --dataset {1} --json --fdr 0.1 --by --output by.csv
detect --dataset {1} --json --fail-on-anomaly
stress --n 100 --json
stress --n 100 --json --calibration both --floor 0.99
compare --dataset {1} --json
info --json
"""

CASES = {
    "plan": Case("""
plan --alpha 0.01 --json
plan --alpha 0.01 --tail both --confidence 0.9 --json
plan --n 500 --json
plan --n 20 --tail both --json
"""),
    "mistakes": Case("""
train --config nowhere
train --config digits --set train.epoch=3
train --input ../files/nothing.csv
train --input ../files/rows.csv
detect --dataset digits
train --config digits --set train.epochs=1
train --config digits
detect --dataset digits
calibrate --rule manual
calibrate --alpha 0.0001
detect --dataset mnisty
detect --input ../files/rows.csv
"""),
    "digits": Case("""
train --config digits --set train.epochs=3 --json
calibrate --json
calibrate --alpha 0.05 --name certified --json
calibrate --rule conformal --alpha 0.02 --tail both --name both --json
calibrate --rule quantile --alpha 0.02 --name quantile --json
calibrate --threshold -50 --ceiling 90 --name hand --json
calibrate --score auto --alpha 0.05 --name auto --json
calibrate --score latents --k 2 --name latents --json
calibrate --group-column class --alpha 0.2 --name groups --json
""" + SCORED.format("digits", "photos") + """
detect --dataset photos --json --calibration auto --output auto.csv
detect --dataset digits --json --calibration groups --output groups.csv
detect --dataset photos --json --calibration groups
stress --n 100 --json --calibration auto --seed 1
compare --dataset photos --json --calibration auto --seed 1
sample --count 9 --output sample.png
"""),
    "breast-cancer": Case("""
train --config breast-cancer --set train.epochs=3 --seed 1 --json
calibrate --json
calibrate --alpha 0.05 --name certified --json
calibrate --rule conformal --alpha 0.1 --tail both --name both --json
""" + SCORED.format("breast-cancer", "breast-cancer-malignant") + """
sample --count 9 --seed 3 --temperature 1 --output sample.csv
"""),
    "table": Case("""
train -i ../files/rows.csv --set train.epochs=3 --id-column id --label-column state \
--anomaly-value bad --ignore note --skip-unreadable --json
calibrate --json
calibrate --alpha 0.1 --group-column machine --name groups --json
calibrate --alpha 0.1 --tail both --name both --json
calibrate -i ../files/more.csv --alpha 0.05 --skip-unreadable --name fresh --json
detect -i ../files/new.csv --skip-unreadable --output new.csv --json
detect -i ../files/new.csv --skip-unreadable --output new.jsonl --calibration groups --json
detect -i ../files/new.csv --skip-unreadable --output new.parquet --label-column state \
--anomaly-value bad --json
detect -i ../files/new.csv --skip-unreadable --output both.csv --calibration both --json
detect -i ../files/new.csv --skip-unreadable --fdr 0.2 --calibration fresh --json
detect -i ../files/new.csv --json
stress --n 100 --json
compare -i ../files/clean.csv --label-column state --anomaly-value bad --json
compare -i ../files/clean.csv --json
sample --count 5 --output sample.csv
info --json
"""),
    "images": Case("""
train -i ../files/pictures --set train.epochs=3 --json
calibrate --json
calibrate --alpha 0.1 --group-column folder --score likelihood --name groups --json
calibrate -i ../files/more --alpha 0.05 --score likelihood --name fresh --json
detect -i ../files/new --skip-unreadable --output new.csv --json
detect -i ../files/new --skip-unreadable --output new.jsonl --calibration groups --json
detect -i ../files/new --skip-unreadable --output new.parquet --calibration fresh --json
detect -i "../files/new/odd*.png" --fdr 0.1 --json
stress --n 100 --json
compare -i "../files/new/odd*.png" --json
sample --count 4 --output sample.png
info --json
"""),
    "arrays": Case("""
train -i ../files/table.npy --set train.epochs=3 --run runs/table --json
calibrate --alpha 0.05 --run runs/table --json
detect -i ../files/new.npy --run runs/table --output new.csv --json
stress --n 50 --run runs/table --json
train -i ../files/stack.npy --set train.epochs=3 --run runs/stack --json
calibrate --run runs/stack --json
detect -i ../files/stack.npy --run runs/stack --output stack.csv --json
"""),
    "mnist": Case("""
train --set train.epochs=1 --json
calibrate --json
calibrate --alpha 0.01 --score auto --name auto --json
detect --dataset mnist --json
detect --dataset kmnist --json --output kmnist.csv
detect --dataset kmnist --json --calibration auto
stress --n 200 --json --calibration auto
sample --count 4
info --json
""", needs=("MNIST", "KMNIST")),
}  # fmt: skip


def make_files(folder: Path) -> None:
    """The same files at every call: tables with all that is awkward, images, arrays."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    table(folder / "rows.csv", rng, 600, dirty=(100,))
    table(folder / "more.csv", rng, 200, dirty=())
    table(folder / "new.csv", rng, 150, dirty=(7, 140), bad=40)
    table(folder / "clean.csv", rng, 150, dirty=(), bad=40)
    folders = {"pictures/left": 500, "pictures/right": 400, "more": 150, "new": 60}
    for name, count in folders.items():
        pictures(folder / name, "good", waves(rng, count))
    pictures(folder / "new", "odd", rng.integers(0, 256, (20, 8, 8), dtype=np.uint8))
    (folder / "new" / "broken.png").write_bytes(b"no picture")
    np.save(folder / "table.npy", rng.normal(size=(500, 4)).cumsum(axis=1))
    np.save(folder / "new.npy", rng.normal(size=(50, 4)))
    np.save(folder / "stack.npy", waves(rng, 300))


def table(
    path: Path, rng: np.random.Generator, n: int, dirty: tuple[int, ...], bad: int = 10
) -> None:
    """Names, dates, categories, numbers with gaps, labels; words instead of a number in places."""
    heat = rng.normal(60, 5, n)
    pressure = heat / 20 + rng.normal(0, 0.1, n)
    pressure[:bad] += 2
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "day", "machine", "heat", "pressure", "count", "note", "state"])
        for row in range(n):
            day = date(2025, 1, 1) + timedelta(days=int(rng.integers(300)))
            gap = rng.random() < 0.05
            writer.writerow(
                [
                    f"{path.stem}-{row:04}",
                    day.isoformat(),
                    rng.choice(["a", "b", "c"]),
                    "hot" if row in dirty else f"{heat[row]:.3f}",
                    "" if gap else f"{pressure[row]:.4f}",
                    rng.poisson(3),
                    rng.choice(["", "seen", "by hand, twice"]),
                    "bad" if row < bad else "good",
                ]
            )


def waves(rng: np.random.Generator, n: int) -> NDArray[np.uint8]:
    """Grey images of 8 × 8 pixels that are like each other, ``[n, 8, 8]``."""
    x = np.linspace(0, 3, 8)
    phase = rng.uniform(0, 2, (n, 1, 1))
    smooth = 128 + 80 * np.sin(x[None, :, None] + phase) * np.cos(x[None, None, :])
    return np.clip(smooth + rng.normal(0, 8, (n, 8, 8)), 0, 255).astype(np.uint8)


def pictures(folder: Path, name: str, images: NDArray[np.uint8]) -> None:
    """PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{name}-{number:03}.png")
