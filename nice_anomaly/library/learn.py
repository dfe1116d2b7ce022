"""Learn: a user's normal samples, or a built-in set, to a trained run."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Unpack

from nice_anomaly.config import available, load, settings_of
from nice_anomaly.data import (
    BuiltIn,
    Dialect,
    DialectWords,
    Inputs,
    Watch,
    Wishes,
    set_or_inputs,
    unwatched,
)
from nice_anomaly.errors import ConfigError
from nice_anomaly.files import refuse_no_name
from nice_anomaly.keeping import Listener, interrupted, silent, train_to_the_end
from nice_anomaly.learning import Job, prepare, remarks
from nice_anomaly.library.binding import data_folder, warn
from nice_anomaly.library.verbs import Run
from nice_anomaly.run import load_run as read
from nice_anomaly.run import new_run, tidy, unfinished_run
from nice_anomaly.settings import Settings
from nice_anomaly.words import refuse_unknown, several

CONFIGS = {"image": "images", "table": "table"}  # for a user's own samples


def learn(
    inputs: Any = None,
    *,
    config: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    private: bool = False,
    folds: int | str | None = None,
    group_column: str | None = None,
    neighbours: bool = True,
    size: tuple[int, int] | None = None,
    colour: str = "auto",
    id_column: str | None = None,
    label_column: str | None = None,
    anomaly_values: Sequence[str] = (),
    ignored: Sequence[str] = (),
    skip_unreadable: bool = False,
    run: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    device: str = "auto",
    data_root: Path | str | None = None,
    listen: Listener = silent,
    **written: Unpack[DialectWords],
) -> Run:
    """Learn the density of normal samples.

    ``inputs`` is a file, a folder, a pattern, several of these, an array ``[n, columns]`` or
    ``[n, height, width(, 3)]`` of uint8, a pandas, Polars or Arrow table, ``builtin("mnist")``,
    or nothing for the set of a ``config``, which is a shipped name or a YAML file;
    ``overrides`` are single settings like ``train.epochs=5``. ``size`` (height, width) and
    ``colour`` are those of images; ``id_column`` names rows, ``label_column`` and
    ``anomaly_values`` tell anomalies, which are left out, and ``ignored`` columns are not learned
    from. ``separator``, ``decimal``, ``dates`` (dmy or mdy) and ``sheet`` say how tables are
    written, where a file does not show it. ``run`` is a folder to keep it in; ``resume`` goes on
    there. In K ``folds`` K flows learn, each all but one of them, and every sample calibrates; 0 is
    one flow that holds some out, and "auto", the default of ``inputs``, is 5 up to 2,000 samples
    and 10 up to 100. Samples of one ``group_column`` are in one fold. A ``private`` run keeps no
    samples: its model draws what it needs. Another one of a table keeps up to 10,000 rows, the
    ``neighbours`` of new ones. ``listen`` hears each step.

    Raises:
        ConfigError: settings or options that cannot be, or a folder that holds a run.
        DataError, NumericsError: samples that cannot be learned from; a diverging training.

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(400, 2)).cumsum(axis=1)
    >>> run = learn(rows, overrides=["train.epochs=3"])
    >>> _ = run.calibrate(alpha=0.05)
    >>> run.detect([[0.1, 0.2], [9.0, -9.0]]).flagged.tolist()
    [False, True]
    """
    refuse_unknown(learn, DialectWords, written)
    path, root = None if run is None else Path(run), data_folder(data_root)
    memory: Inputs | None = None
    wanted = {
        "private": private or None,
        "neighbours": None if neighbours else False,
        "data.folds": folds,
        "data.group_column": group_column,
    }
    overrides = [*several(overrides), *settings_of(wanted)]
    with ExitStack() as claim:
        if resume:
            refuse_beside_resume(inputs, config, overrides, seed, overwrite=overwrite)
            if path is None:
                raise ConfigError("`resume=True` goes on in a folder: name it with `run`.")
            claim.enter_context(unfinished_run(path))
            job, checkpoint = interrupted(path, root, device)
        else:
            if path is not None:
                claim.enter_context(new_run(path, overwrite=overwrite))
            said = size, colour, id_column, label_column, several(anomaly_values), several(ignored)
            wishes = Wishes(*said, skip_unreadable=skip_unreadable, dialect=Dialect(**written))
            found = _recognised(inputs, config)
            memory = found if isinstance(found, Inputs) and found.in_memory else None
            settings = settings_for(found, config, overrides, seed)
            job, checkpoint = begin(found, settings, wishes, device=device, data_root=root), None
            for remark in remarks(job, (*wishes.ignored, id_column, label_column)):
                warn(remark)
        trained = job.trained(train_to_the_end(job, path, checkpoint, listen))
    for remark in trained.model.remarks:
        warn(remark)
    return Run(trained, path, device=device, data_root=root, memory=memory)


def _recognised(inputs: Any, config: str | None) -> Inputs | BuiltIn | None:
    """What shall be learned; None is the set of the configuration."""
    if inputs is None and config is None:
        raise ConfigError(
            "give what to learn: files, an array, a table, or nice_anomaly.builtin('mnist')."
        )
    return None if inputs is None else set_or_inputs(inputs)


def begin(
    inputs: Inputs | BuiltIn | None,
    settings: Settings,
    wishes: Wishes,
    *,
    device: str = "auto",
    data_root: Path | str | None = None,
    watch: Watch = unwatched,
) -> Job:
    """A training that is ready to start; ``watch`` hears how many samples were read.

    Raises:
        ConfigError: wishes or a device that cannot be.
        DataError: the samples are missing, unreadable, too few or all the same.
    """
    root = data_folder(data_root)
    if isinstance(inputs, Inputs):
        return prepare(settings, root, device, inputs=inputs, wishes=wishes, watch=watch)
    if wishes != Wishes():
        raise ConfigError(
            "`size`, `colour`, `id_column`, `label_column`, `anomaly_values`, `ignored`, "
            "`skip_unreadable`, `separator`, `decimal`, `dates` and `sheet` say how your own "
            "samples are read: give `inputs` too."
        )
    return prepare(settings, root, device)


def settings_for(
    inputs: Inputs | BuiltIn | None,
    config: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
) -> Settings:
    """The settings for what shall be learned: of a configuration, with single ones on top.

    Raises:
        ConfigError: no such configuration, or a setting that cannot be.
    """
    extra = [*several(overrides), *([] if seed is None else [f"seed={seed}"])]
    if isinstance(inputs, BuiltIn):
        extra.append(f"data.normal={inputs.name}")
    return load(config or usual_config(inputs), extra)


def usual_config(inputs: Inputs | BuiltIn | None) -> str:
    """The configuration for what shall be learned, where none is named."""
    if isinstance(inputs, Inputs):
        return CONFIGS[inputs.kind]
    if inputs is None:
        return "mnist"
    return inputs.name if inputs.name in available() else "images"


def refuse_beside_resume(
    inputs: Any,
    config: str | None,
    overrides: Sequence[str],
    seed: int | None,
    *,
    overwrite: bool,
) -> None:
    """Raises ConfigError for what would change the training that ``resume`` goes on with."""
    if inputs is not None or config is not None or overrides or seed is not None or overwrite:
        raise ConfigError(
            "`resume=True` goes on with the data and settings of the interrupted run: it cannot be "
            "combined with `inputs`, `overwrite`, `config`, `overrides`, `private` or `seed`."
        )


def load_run(path: Path | str, *, device: str = "auto", data_root: Path | str | None = None) -> Run:
    """Read a run from its folder and verify it; what killed processes left there goes.

    Raises:
        ConfigError: no folder can be called so.
        ArtifactError: missing, damaged, or written by a newer version.
    """
    refuse_no_name(Path(path), "run")
    tidy(Path(path))
    return Run(read(Path(path)), Path(path), device=device, data_root=data_root)
