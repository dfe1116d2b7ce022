"""The log of a press as a machine in Germany writes it: simulated, but the file is as they are.

Semicolons, decimal commas, dates with the day first, a byte order mark: what Excel reads and
writes there. Pressure makes force, speed makes heat and current, and a stroke makes a weight: a
part is odd when these do not fit together, though each alone may be in its range.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

HEADING = (
    "Zeit;Teil;Maschine;Schicht;Druck;Kraft;Drehzahl;Temperatur;Strom;Weg;Gewicht;Durchfluss;Prüfer"
)
EVERY = timedelta(minutes=3)
SHIFTS = ("Nacht", "Früh", "Spät")


@dataclass(frozen=True)
class Part:
    """One line of the log."""

    time: datetime
    name: str
    machine: str
    pressure: float
    force: float
    speed: float
    heat: float
    current: float
    stroke: float
    weight: float
    flow: float
    checked: bool

    def __str__(self) -> str:
        numbers = (
            f"{self.pressure:.3f};{self.force:.0f};{self.speed:.0f};{self.heat:.1f};"
            f"{self.current:.3f};{self.stroke:.2f};{self.weight:.3f};{self.flow:.3f}"
        ).replace(".", ",")
        shift = SHIFTS[(self.time.hour + 2) % 24 // 8]
        checked = "ja" if self.checked else "nein"
        return f"{self.time:%d.%m.%Y %H:%M};{self.name};{self.machine};{shift};{numbers};{checked}"


def parts(n: int, start: datetime, seed: int) -> list[Part]:
    """``n`` parts in a row, all as they should be."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        noise = rng.normal(size=8)
        machine = int(rng.integers(3))
        pressure = 1.4 + 0.1 * machine + 0.12 * noise[0]
        speed = 3000 + 120 * noise[1]
        stroke = 12.5 + 0.4 * noise[2]
        found.append(
            Part(
                start + i * EVERY,
                f"T{start:%W}-{i:05d}",
                f"M{machine + 1}",
                pressure,
                900 * pressure + 12 * noise[3],
                speed,
                20 + speed / 50 + 1.5 * machine + 0.8 * noise[4],
                speed / 750 + 0.04 * noise[5],
                stroke,
                0.19 * stroke + 0.006 * noise[6],
                0.5 + 0.03 * noise[7] + 0.1 * (pressure - 1.5),
                bool(rng.random() < 0.97),
            )
        )
    return found


def spoiled(log: list[Part]) -> tuple[list[Part], dict[int, str]]:
    """The same with five parts that are not as they should be, and what is wrong, by their row."""
    n, new = len(log), list(log)
    rows = [n * place // 11 for place in (1, 3, 5, 7, 9)]
    one, two, three, four, five = rows
    new[one] = replace(log[one], pressure=10 * log[one].pressure)
    new[two] = replace(log[two], force=log[two].force - 300)
    new[three] = replace(log[three], heat=log[three].heat + 8)
    new[four] = replace(log[four], machine="M4")
    new[five] = replace(log[five], weight=log[five].weight - 0.2)
    wrong = [
        "pressure in another unit",
        "force too low for its pressure",
        "too hot for its speed",
        "a machine never seen",
        "too light for its stroke",
    ]
    return new, dict(zip(rows, wrong, strict=True))


def write(path: Path, log: list[Part]) -> None:
    """A file as Excel would have it in Germany."""
    lines = "\r\n".join([HEADING, *map(str, log)])
    path.write_text(f"{lines}\r\n", encoding="utf-8-sig", newline="")


def weeks(folder: Path, normal: int = 9_000, new: int = 1_680) -> dict[int, str]:
    """Write press.csv, all normal, and press-new.csv; what is wrong in the second, by row."""
    folder.mkdir(parents=True, exist_ok=True)
    monday = datetime(2025, 3, 3)
    write(folder / "press.csv", parts(normal, monday, seed=0))
    log, wrong = spoiled(parts(new, monday + normal * EVERY, seed=1))
    write(folder / "press-new.csv", log)
    return wrong
