"""Learning from a user's normals: how a run reads its input from now on, and the same again."""

from nice_anomaly.data.batches import refuse_other_kind
from nice_anomaly.data.find import Inputs
from nice_anomaly.data.learn_images import form_for, read_images
from nice_anomaly.data.learn_table import read_table
from nice_anomaly.data.material import FEWEST, Material, Watch, Wishes, in_folds, unwatched
from nice_anomaly.data.reading import ImageReading, Reading
from nice_anomaly.data.sources import InMemory, Own
from nice_anomaly.data.tables import STDIN, unheard
from nice_anomaly.data.tables.workbook import SUFFIXES as BOOKS
from nice_anomaly.errors import ConfigError
from nice_anomaly.settings import DataSettings


def learn(
    inputs: Inputs,
    wishes: Wishes,
    settings: DataSettings,
    seed: int,
    watch: Watch = unwatched,
) -> Material:
    """Read normal samples and decide how this run reads its input from now on.

    More than ``settings.rows`` samples are reduced to a random choice of that many. ``watch``
    hears how many were read.

    Raises:
        DataError: too few, unreadable ones, or nothing that can be learned from.
        ConfigError: the wishes make no sense for this input, or the held-out parts do not fit.
    """
    wishes.check(inputs.kind)
    if STDIN in inputs.paths:
        raise ConfigError(
            "training cannot read the standard input: calibrate reads the same data again to "
            "find the held-out part. Save the rows to a file."
        )
    books = any(path.suffix.lower() in BOOKS for path in inputs.paths)
    if wishes.dialect.sheet and not books:
        raise ConfigError(f"`sheet` is for workbooks, and {inputs.name} is none: leave it away.")
    if inputs.kind == "table":
        _refuse_pipes(inputs)
        return _read(inputs, wishes, None, settings, seed, watch)
    reading = ImageReading(form_for(inputs, wishes))
    return _read(inputs, wishes, reading, settings, seed, watch)


def recall(
    inputs: Inputs, reading: Reading, settings: DataSettings, seed: int, fewest: int = FEWEST
) -> Material:
    """The same samples and the same split again, read as a run has learned to.

    Unreadable samples are left out. ``fewest`` is that of the wishes that the run learned with.

    Raises:
        DataError: the input can no longer be read in this way.
    """
    refuse_other_kind(inputs, reading)
    wishes = Wishes(skip_unreadable=True, fewest=fewest)
    with unheard():
        return _read(inputs, wishes, reading, settings, seed, unwatched)


def _refuse_pipes(inputs: Inputs) -> None:
    """Raises ConfigError for what cannot be read a second time."""
    piped = next((path for path in inputs.paths if path.is_fifo()), None)
    if piped is not None:
        raise ConfigError(
            f"training cannot read the pipe {piped}: calibrate reads the same data again to find "
            f"the held-out part. Save the rows to a file."
        )


def _read(
    inputs: Inputs,
    wishes: Wishes,
    reading: Reading | None,
    settings: DataSettings,
    seed: int,
    watch: Watch,
) -> Material:
    def source(read: Reading) -> Own | InMemory:
        return InMemory(read) if inputs.in_memory else Own(inputs.arguments, read)

    if isinstance(reading, ImageReading):
        found = read_images(inputs, wishes, reading, settings, seed, source, watch)
    else:
        found = read_table(inputs, wishes, reading, settings, seed, source, watch)
    by, together = None if reading is None else reading.group_column, settings.group_column
    if together is not None and by not in (None, together):
        return found  # the groups are others than those that folds keep together
    return in_folds(found, settings, seed)
