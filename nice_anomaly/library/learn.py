"""Learn: a user's normal samples, or a built-in set, to a trained run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nice_anomaly.config import Settings, available, load
from nice_anomaly.data import BuiltIn, Inputs, Watch, Wishes, recognise, unwatched
from nice_anomaly.errors import ConfigError
from nice_anomaly.learning import Job, Listener, Report, interrupted, prepare, train_to_the_end
from nice_anomaly.library.binding import data_folder
from nice_anomaly.library.verbs import Run
from nice_anomaly.run import refuse_taken

CONFIGS = {"image": "images", "table": "table"}  # for a user's own samples


def learn(
    inputs: Any = None,
    *,
    run: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    device: str = "auto",
    data_root: Path | str | None = None,
    listen: Listener | None = None,
    **options: Any,
) -> Run:
    """Learn the density of normal samples.

    ``inputs`` is a file, a folder, a pattern, several of these, an array ``[n, columns]`` or
    ``[n, height, width(, 3)]`` of uint8, a pandas, Polars or Arrow table, ``builtin("mnist")``,
    or nothing for the set of the configuration. ``options`` are those of ``begin``. With ``run``
    the run is kept in that folder on the way; ``resume`` goes on with an interrupted one there.
    ``listen`` hears of every step.

    Raises:
        ConfigError: settings or options that cannot be, or a folder that holds a run.
        DataError: the samples are missing, unreadable, too few or all the same.
        NumericsError: the training diverged.

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(400, 2)).cumsum(axis=1)
    >>> run = learn(rows, overrides=["train.epochs=3"])
    >>> _ = run.calibrate(alpha=0.05)
    >>> run.detect([[0.1, 0.2], [9.0, -9.0]]).flagged.tolist()
    [False, True]
    """
    path, root = None if run is None else Path(run), data_folder(data_root)
    if resume:
        refuse_beside_resume(inputs, options, overwrite=overwrite)
        if path is None:
            raise ConfigError("`resume=True` goes on in a folder: name it with `run`.")
        job, checkpoint = interrupted(path, root, device)
        memory = None
    else:
        if path is not None:
            refuse_taken(path, overwrite=overwrite)
        memory = None if inputs is None or isinstance(inputs, BuiltIn) else recognise(inputs)
        found = inputs if memory is None else memory
        job, checkpoint = begin(found, device=device, data_root=root, **options), None
    last = train_to_the_end(job, path, checkpoint, listen or _silent)
    in_memory = memory if memory is not None and memory.in_memory else None
    trained = job.trained(last)
    return Run(trained, path, device=device, data_root=root, memory=in_memory)


def begin(
    inputs: Inputs | BuiltIn | None = None,
    *,
    config: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    size: tuple[int, int] | None = None,
    colour: str = "auto",
    id_column: str | None = None,
    label_column: str | None = None,
    anomaly_values: Sequence[str] = (),
    ignored: Sequence[str] = (),
    skip_unreadable: bool = False,
    fewest: int = Wishes.fewest,
    device: str = "auto",
    data_root: Path | str | None = None,
    watch: Watch = unwatched,
) -> Job:
    """A training that is ready to start.

    ``config`` is a shipped name or a YAML file, ``overrides`` are single settings like
    ``train.epochs=5``. ``size`` (height, width) and ``colour`` are those of images; ``id_column``
    names rows, ``label_column`` and ``anomaly_values`` tell anomalies, which are left out, and
    ``ignored`` columns are not learned from. ``watch`` hears how many samples were read.

    Raises:
        ConfigError: settings or options that cannot be.
        DataError: the samples are missing, unreadable, too few or all the same.
    """
    wishes = Wishes(
        size,
        colour,
        id_column,
        label_column,
        tuple(anomaly_values),
        tuple(ignored),
        skip_unreadable,
        fewest,
    )
    root = data_folder(data_root)
    extra = [] if seed is None else [f"seed={seed}"]
    settings = settings_for(inputs, config, [*overrides, *extra])
    if isinstance(inputs, Inputs):
        return prepare(settings, root, device, inputs=inputs, wishes=wishes, watch=watch)
    if wishes != Wishes():
        raise ConfigError(
            "`size`, `colour`, `id_column`, `label_column`, `anomaly_values`, `ignored` and "
            "`skip_unreadable` say how your own samples are read: give `inputs` too."
        )
    return prepare(settings, root, device)


def settings_for(
    inputs: Inputs | BuiltIn | None, config: str | None, overrides: Sequence[str]
) -> Settings:
    """The settings for what shall be learned.

    Raises:
        ConfigError: no such configuration, or a setting that cannot be.
    """
    if isinstance(inputs, Inputs):
        return load(config or CONFIGS[inputs.kind], [*overrides])
    if inputs is None:
        return load(config or "mnist", [*overrides])
    usual = inputs.name if inputs.name in available() else "images"
    return load(config or usual, [*overrides, f"data.normal={inputs.name}"])


def refuse_beside_resume(inputs: Any, options: dict[str, Any], *, overwrite: bool) -> None:
    """Raises ConfigError for what would change the training that ``resume`` goes on with."""
    if inputs is not None or overwrite or any(options.values()):
        raise ConfigError(
            "`resume=True` goes on with the data and settings of the interrupted run: it cannot be "
            "combined with `inputs`, `overwrite`, `config`, `overrides` or `seed`."
        )


def _silent(report: Report) -> None:
    """What hears of the training where nobody looks."""
    del report
