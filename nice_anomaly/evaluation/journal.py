"""Journal: the scores of a detection, kept beside its output until that is complete.

A detection that was cut off reads its input again and takes from here what was scored before;
everything after the scores is computed as always, so its output is that of an undisturbed one.

The file is a line of JSON, which says what made the scores, and a record a batch: how many, a hash
of the values that were scored, the scores in float64, a hash of all that. What comes after the last
whole record, as when a machine lost its power, counts as not there.
"""

import errno
import json
import os
import stat
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nice_anomaly.data import BuiltIn, Inputs
from nice_anomaly.errors import ConfigError, DataError
from nice_anomaly.evaluation.samples import Score
from nice_anomaly.locks import FLAGS, held, is_at
from nice_anomaly.scores import Scorer, Scores

PATIENCE = 5.0  # seconds; a detection that takes less leaves no journal
HEAD = struct.Struct("<Q16s")  # how many scores, and a hash of what was scored
HASH = 16  # bytes
LONGEST = 10_000  # bytes of the first line

Say = Callable[[str], None]


class Journal:
    """The scores kept beside ``output``.

    With ``resume`` those that are there are gone on with; without it they are replaced as soon as
    there is something to keep.
    """

    def __init__(self, output: Path, *, resume: bool, say: Say) -> None:
        self.path = output.with_name(f".{output.name}.scores")
        self._output, self._resume, self._say = output, resume, say
        self._stream: FileIO | None = None  # locked; the lock ends with the program
        self._waiting: list[bytes] | None = []  # to be written, None if nothing is any more
        self._since = time.monotonic()

    def around(self, scorer: Scorer, made_by: Mapping[str, str]) -> Score:
        """The scorer, but scores that are kept are not computed again, and others are kept.

        ``made_by`` is what scores depend on beside the values, by what people call it.

        Raises:
            ConfigError: to go on there are no scores, or those of something else, or still growing.
        """
        if self._resume:
            self._open_again(made_by)
        else:
            with suppress(OSError):  # there is none, or another detection goes on writing it
                _locked(self.path).close()
                self._say(
                    f"note: a detection into {self._output} was cut off. This one begins anew; "
                    f"`resume=True` would go on with it"
                )
            self._waiting = [json.dumps(made_by).encode() + b"\n"]
        found = self._kept()

        def score(values: NDArray[Any]) -> Scores:
            seen = _hash(np.ascontiguousarray(values).data)
            for known, scores in found:
                if known != seen:
                    raise self._refusal("the input is not what it was")
                return Scores(scores, scorer.origin)
            new = scorer(values)
            self._keep(seen, new.values)
            return new

        return score

    @property
    def begun(self) -> bool:
        """Whether there are scores to go on with."""
        return self._stream is not None

    def close(self) -> None:
        """Leave the scores to another detection."""
        if self._stream is not None:
            self._stream.close()
        self._stream = self._waiting = None

    def drop(self) -> None:
        """Remove the scores, unless those of another detection that goes on."""
        with suppress(OSError):
            self._stream = self._stream or _locked(self.path)
            self.path.unlink()
        self.close()

    def _open_again(self, made_by: Mapping[str, str]) -> None:
        nothing = ConfigError(
            f"`resume=True`: no detection into {self._output} was cut off after more than a few "
            f"seconds. Leave it away."
        )
        try:
            self._stream = _locked(self.path)
            line, newline, _ = self._stream.read(LONGEST).partition(b"\n")
            if not line:  # stopped as it was made
                raise nothing
            before = json.loads(line)
            self._stream.seek(len(line + newline))
        except FileNotFoundError:
            raise nothing from None
        except BlockingIOError as error:
            raise ConfigError(
                f"`resume=True`: a detection into {self._output} is running: wait for it, or stop "
                f"it."
            ) from error
        except (OSError, ValueError) as error:
            raise self._refusal(f"{self.path.name} cannot be read") from error
        if not isinstance(before, dict) or before.keys() != made_by.keys():
            raise self._refusal("it was one of another version")
        other = [name for name, value in made_by.items() if before[name] != value]
        if other:
            raise self._refusal(f"it had {' and '.join(f'another {name}' for name in other)}")

    def _refusal(self, why: str) -> ConfigError:
        """What says that the scores are of no use; they are left as they are."""
        self.close()
        return ConfigError(
            f"`resume=True` cannot go on with the detection into {self._output} that was cut off: "
            f"{why}. Give the same run, calibration and input again, or leave `resume=True` away "
            f"to begin anew."
        )

    def _kept(self) -> Iterator[tuple[bytes, NDArray[np.float64]]]:
        """The records that are there; then the place is ready for new ones."""
        if self._stream is None:
            return
        whole, size = self._stream.tell(), os.fstat(self._stream.fileno()).st_size
        while len(head := self._stream.read(HEAD.size)) == HEAD.size:
            n, seen = HEAD.unpack(head)
            if 8 * n > size:
                break
            content, check = self._stream.read(8 * n), self._stream.read(HASH)
            if check != _hash(head + content):
                break
            whole = self._stream.tell()
            yield seen, np.frombuffer(content, "<f8").astype(np.float64)
        self._stream.seek(whole)
        self._stream.truncate()

    def _keep(self, seen: bytes, scores: NDArray[np.float64]) -> None:
        """Add a record, or have it wait until it is worth a file."""
        if self._waiting is None:
            return
        head, content = HEAD.pack(len(scores), seen), scores.astype("<f8").tobytes()
        self._waiting += [head, content, _hash(head + content)]
        if self._stream is None and time.monotonic() - self._since < PATIENCE:
            return
        try:
            if self._stream is None:
                self._stream = _locked(self.path, os.O_CREAT)
                self._stream.truncate()
            waiting = memoryview(b"".join(self._waiting))
            while waiting:
                waiting = waiting[self._stream.write(waiting) :]
            self._waiting = []
        except OSError as error:
            busy = isinstance(error, BlockingIOError)
            why = "another detection into it is running" if busy else error.strerror
            self._say(f"note: `resume=True` will not go on from here: {why}")
            self._waiting = None


@contextmanager
def journal_of(output: Path, *, resume: bool, say: Say) -> Iterator[Journal]:
    """The journal of an output that is complete at the end of the block.

    Scores stay where it was cut off, which is said, but not where input or options are wrong.
    """
    journal = Journal(output, resume=resume, say=say)
    try:
        yield journal
    except (ConfigError, DataError):
        if journal.begun:
            journal.drop()
        raise
    except BaseException:
        if journal.begun:
            say("the scores so far are kept: the same command with `resume=True` goes on")
        raise
    else:
        journal.drop()
    finally:
        journal.close()


def made_by(scorer: Scorer, found: Inputs | BuiltIn, how: object) -> dict[str, str]:
    """What scores depend on beside the values; ``how`` is how the input is read."""
    device = next(scorer.model.parameters()).device
    origin = scorer.origin
    return {
        "run": origin.weights,
        "score": " ".join(filter(None, [origin.score, origin.judged, origin.aligned])),
        "machine": f"{device} {scorer.precision} {torch.get_num_threads()} {torch.__version__}",
        "input": found.name if isinstance(found, BuiltIn) else _state(found),
        "way to read it": str(how),
    }


def _state(inputs: Inputs) -> str:
    """A hash of where the files of an input are, how large, and when they were written."""
    found = [inputs.name]
    for path in inputs.paths:
        try:
            state = path.stat()
        except OSError:  # the standard input
            found.append(str(path))
        else:
            found.append(f"{os.path.abspath(path)} {state.st_size} {state.st_mtime_ns}")  # noqa: PTH100
    return _hash("\n".join(found).encode("utf-8", "surrogateescape")).hex()


def _hash(content: Any) -> bytes:
    return blake2b(content, digest_size=HASH).digest()


def _locked(path: Path, create: int = 0) -> FileIO:
    """A file that this program alone has, at its beginning.

    Raises:
        BlockingIOError: another one has it.
        OSError: it is not there, is no file, or may not be written.
    """
    while True:
        stream = FileIO(os.open(path, os.O_RDWR | create | FLAGS, 0o666), "r+")
        try:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            if held(stream.fileno()) is False:
                raise BlockingIOError
            if is_at(path, stream.fileno()):
                return stream
        except BaseException:
            stream.close()
            raise
        stream.close()  # it was removed in between
