"""Apart: what a verb writes is not what it reads, nor will be the next time."""

from pathlib import Path
from typing import TYPE_CHECKING

from nice_anomaly.errors import ConfigError

if TYPE_CHECKING:
    from nice_anomaly.data import BuiltIn, Inputs

PICTURE = ".png"  # of what a figure may be, what is read as an image


def spare(samples: "Inputs | BuiltIn | None", file: Path | None, option: str = "output") -> None:
    """Refuse a file that would replace the input, or be read as input the next time.

    Raises:
        ConfigError: it is one of ``samples``, or lies in a folder of them that is searched.
    """
    folders = _folders(samples)
    if file is None or folders is None:
        return
    target, (paths, searched, kind) = file.resolve(), folders
    if target in paths:
        raise ConfigError(f"--{option} {file} is the input itself: name another file.")
    read_again = kind == "table" if option == "output" else file.suffix == PICTURE
    if read_again and any(folder in target.parents for folder in searched):
        raise ConfigError(
            f"--{option} {file} lies in the input folder and would be read as input the next "
            f"time: name a file outside of it."
        )


def spare_folder(samples: "Inputs | BuiltIn | None", folder: Path | None, option: str) -> None:
    """Refuse a folder for files that would be read as input the next time.

    Raises:
        ConfigError: it is a folder of ``samples`` that is searched, or in one.
    """
    folders = _folders(samples)
    if folder is None or folders is None:
        return
    target, (_, searched, _) = folder.resolve(), folders
    if any(one == target or one in target.parents for one in searched):
        raise ConfigError(
            f"--{option} {folder} is in the input folder, and what is written there would be read "
            f"as input the next time: name a folder outside of it."
        )


def _folders(samples: object) -> "tuple[set[Path], list[Path], str] | None":
    """The files of an input, its folders, and what it is; None for what has no files."""
    from nice_anomaly.data import Inputs

    if not isinstance(samples, Inputs):
        return None
    paths = {file.resolve() for file in samples.paths}
    return paths, [folder.resolve() for folder in samples.folders], samples.kind
