"""Mutations of a run folder, and the judge of what they do.

A mutated run has to be refused in a clean sentence, or give the very same verdicts.
"""

import atexit
import json
import os
import random
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nice_anomaly.errors import ArtifactError, NiceAnomalyError
from nice_anomaly.library import learn, load_run, verify
from nice_anomaly.run.seal import SEAL, sealed_json, sealed_tensors, unsealed_json
from nice_anomaly.run.stored import read_tensors

SUFFIX = ".calibration.safetensors"
NAMES = ("default", "other")
IMPOSSIBLE: tuple[Any, ...] = (
    -1, -1.5, 1e400, -1e400, float("nan"), 10**30, 2**70, "", "nonsense", None, True,
    [], {}, [[]], {"a": 1},
)  # fmt: skip
POSSIBLE: tuple[Any, ...] = (0, 1, 2, 0.5, "low", "both", "auto", False)
REMEDY = re.compile(
    "again|from a copy|upgrade|rename it|raise the limit|Run `|[Nn]ame another|Ask its owner"
)
Expected = Mapping[str, bytes]


@dataclass(frozen=True)
class Base:
    """A run with two calibrations, another one of its kind, and what it says of some samples."""

    folder: Path
    other: Path
    samples: Any
    expected: Expected


@cache
def bases() -> tuple[Base, ...]:
    """A run of a table with groups, and one of images with a score of features; trained once."""
    here = Path(tempfile.mkdtemp(prefix="mutations"))
    atexit.register(shutil.rmtree, here, ignore_errors=True)
    return _tables(here), _images(here)


def _tables(here: Path) -> Base:
    rng, file = np.random.default_rng(0), here / "rows.csv"
    lines = ["a,b,word,camera"]
    for a, b in rng.normal(size=(400, 2)).round(4):
        lines.append(f"{a},{a + b},{rng.choice(['x', 'y'])},{rng.choice(['wide', 'narrow'])}")
    file.write_text("\n".join(lines))
    new = here / "new.csv"
    new.write_text("\n".join([lines[0], *lines[1:20], "9,-9,x,wide", "1,,z,other"]))
    folders = [here / "table", here / "table-other"]
    for seed, folder in enumerate(folders):
        run = learn(file, run=folder, seed=seed, ignored=["camera"], overrides=QUICK)
        run.calibrate(alpha=0.05, say=str)
        run.calibrate(alpha=0.2, group_column="camera", name="other", say=str)
    return Base(*folders, str(new), verdicts(folders[0], str(new)))


def _images(here: Path) -> Base:
    from sklearn.datasets import load_digits

    images = (load_digits().images * 15.9).astype(np.uint8)
    folders = [here / "images", here / "images-other"]
    for seed, folder in enumerate(folders):
        run = learn(images[:900], run=folder, seed=seed, overrides=QUICK)
        run.calibrate(alpha=0.05, score="auto", say=str)
        run.calibrate(k=3, tail="both", name="other", say=str)
    samples = np.concatenate([images[900:912], 255 - images[900:903]])
    return Base(*folders, samples, verdicts(folders[0], samples))


LOCK = threading.Lock()
QUICK = ["flow.width=16", "flow.couplings=2", "train.epochs=1"]


def one_mutation(number: int, into: Path) -> str:
    """A mutation that the number decides, judged; see ``judge``."""
    with LOCK:
        base = bases()[number % 2]
    return _outcome(base, into / "run", lambda at: mutated(number, base.folder, at, base.other))


def one_flip(number: int, into: Path) -> str:
    """One flipped bit that the number decides, judged; see ``judge``."""
    with LOCK:
        base = bases()[number % 2]

    def flipped(at: Path) -> str:
        rng = random.Random(number)
        shutil.copytree(base.folder, at)
        file = rng.choice(sorted(at.iterdir()))
        return f"{number}: {file.name}: {_flipped(rng, file)}"

    return _outcome(base, into / "run", flipped)


def _outcome(base: Base, into: Path, change: Callable[[Path], str]) -> str:
    what = change(into)
    try:
        said = judge(into, base.expected, base.samples)
    except Exception as error:  # whatever it is, it is the finding
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    return "refused" if said.startswith("refused") else "without effect"


def verdicts(folder: Path, samples: Any, names: Sequence[str] = NAMES) -> dict[str, bytes]:
    """What detect says with calibrations of a run, to the byte; an error where it refuses."""
    run, found = load_run(folder), {}
    for name in names:
        against = run.detect(samples, calibration=name, say=str)
        numbers = (against.scores, against.margins, against.p_values, against.flagged)
        words = json.dumps([against.ids, against.notes]).encode()
        found[name] = b"".join(np.ascontiguousarray(a).tobytes() for a in numbers) + words
    return found


def judge(folder: Path, expected: Expected, samples: Any) -> str:
    """What a changed run does: ``refused: …``, at least in one verb, or ``no effect``.

    Raises:
        AssertionError: other verdicts, an error that is no clean sentence, or one that ``verify``
            does not find.
    """
    said = []
    for name in NAMES:
        error, found = _tried(partial(verdicts, folder, samples, (name,)))
        assert found is None or found == {name: expected[name]}, "other verdicts"
        said.append(error)
    said.append(_tried(partial(_looked_at, folder))[0])
    _, checked = _tried(partial(verify, folder))
    refused = [error for error in said if error is not None]
    damaged = [error for error in refused if isinstance(error, ArtifactError)]
    assert checked is None or not damaged or checked.problem is not None, "verify finds nothing"
    return f"refused: {refused[0]}" if refused else "no effect"


def _looked_at(folder: Path) -> None:
    """What info and explain read."""
    run = load_run(folder)
    assert len(run.trained.references.rows)
    for name in run.calibrations:
        run.calibration(name)


def _tried(act: Callable[[], Any]) -> tuple[NiceAnomalyError | None, Any]:
    try:
        return None, act()
    except NiceAnomalyError as error:
        text = str(error)
        assert len(text) > 30, text
        assert text[-1] in ".`'", text
        assert REMEDY.search(text), f"no remedy: {text}"
        return error, None


def mutated(seed: int, folder: Path, into: Path, other: Path | None = None) -> str:
    """A copy of ``folder`` in ``into`` with one thing changed; what was.

    ``other`` is a second run, whose files may get into the first.
    """
    rng = random.Random(seed)
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(folder, into)
    names = sorted(file.name for file in into.iterdir())
    kinds = [*KINDS] + (["from another run"] if other else [])
    kind = rng.choice(kinds)
    file = into / rng.choice(names)
    if kind == "from another run":
        assert other is not None
        source = rng.choice(sorted(path for path in other.iterdir()))
        same = [into / name for name in names if name.split("-")[0] == source.name.split("-")[0]]
        shutil.copy(source, rng.choice(same or [file]))
        return f"{seed}: {kind}: {source.name} of another run"
    return f"{seed}: {kind}: {file.name}: {KINDS[kind](rng, file)}"


def _flipped(rng: random.Random, file: Path) -> str:
    content = bytearray(file.read_bytes())
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    content[place] ^= 1 << bit
    file.write_bytes(content)
    return f"bit {bit} of byte {place}"


def _overwritten(rng: random.Random, file: Path) -> str:
    content = bytearray(file.read_bytes())
    place, length = rng.randrange(len(content)), rng.choice((1, 4, 64, 4096))
    content[place : place + length] = rng.randbytes(length)[: len(content) - place]
    file.write_bytes(content)
    return f"{length} bytes at {place}"


def _cut(rng: random.Random, file: Path) -> str:
    content = file.read_bytes()
    length = rng.choice((0, 1, 7, 8, 9, len(content) - 1, rng.randrange(len(content))))
    file.write_bytes(content[:length])
    return f"to {length} bytes"


def _longer(rng: random.Random, file: Path) -> str:
    more = rng.choice((b" ", b"\n", b"\0" * 8, rng.randbytes(100), file.read_bytes()))
    front = rng.random() < 0.3
    file.write_bytes(more + file.read_bytes() if front else file.read_bytes() + more)
    return f"{len(more)} bytes more, {'before' if front else 'after'}"


def _gone(rng: random.Random, file: Path) -> str:
    del rng
    file.unlink()
    return "deleted"


def _replaced(rng: random.Random, file: Path) -> str:
    kind = rng.choice(("folder", "pipe", "device", "zero", "loop", "nowhere", "moved", "itself"))
    away = file.with_name("away")
    file.rename(away)
    match kind:
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case "device":
            file.symlink_to("/dev/null")
        case "zero":
            file.symlink_to("/dev/zero")
        case "loop":
            file.symlink_to(file)
        case "nowhere":
            file.symlink_to("nowhere")
        case "itself":
            file.symlink_to(file.parent)
        case _:
            file.symlink_to(away)
    return kind


def _swapped(rng: random.Random, file: Path) -> str:
    other = rng.choice([path for path in file.parent.iterdir() if path != file])
    one, two = file.read_bytes(), other.read_bytes()
    file.write_bytes(two)
    other.write_bytes(one)
    return f"with {other.name}"


def _renamed(rng: random.Random, file: Path) -> str:
    calibrations = sorted(file.parent.glob(f"*{SUFFIX}"))
    chosen = rng.choice(calibrations)
    target = rng.choice([path for path in calibrations if path != chosen] or [file])
    chosen.replace(target)
    return f"{chosen.name} to {target.name}"


def _retyped(rng: random.Random, file: Path) -> str:
    """The same document, written otherwise."""
    file = file.with_name("run.json")
    document = json.loads(file.read_bytes())
    how = rng.choice(("indent", "keys", "twice", "space", "utf-16"))
    text = json.dumps(document, indent=rng.choice((None, 1, 4)), sort_keys=how == "keys")
    if how == "twice":
        text = text[: text.rindex("}")] + f', "format": {document["format"]}}}'
    file.write_bytes(
        (text + " " * (how == "space")).encode("utf-16" if how == "utf-16" else "utf-8")
    )
    return how


def _edited(rng: random.Random, file: Path) -> str:
    """A value of a manifest or of a calibration's record, without a new seal."""
    if file.suffix == ".json":
        document = json.loads(file.read_bytes())
        place = _change(rng, document, _values(rng))
        file.write_text(json.dumps(document, indent=2) + "\n")
        return place
    file = rng.choice(sorted(file.parent.glob(f"*{SUFFIX}")))
    tensors, metadata = read_tensors(file.read_bytes())
    record = json.loads(metadata["calibration"])
    place = _change(rng, record, _values(rng))
    _written(file, tensors, {**metadata, "calibration": json.dumps(record)})
    return f"{file.name} {place}"


def _sealed_edit(rng: random.Random, file: Path) -> str:
    """What cannot be, in a file with a right seal."""
    if file.suffix == ".json":
        document = unsealed_json(file.read_bytes())
        place = _change(rng, document, rng.choice(IMPOSSIBLE))
        file.write_bytes(sealed_json(document))
        return place
    file = rng.choice(sorted(file.parent.glob(f"*{SUFFIX}")))
    tensors, metadata = read_tensors(file.read_bytes())
    metadata.pop(SEAL)
    if rng.random() < 0.3:
        name = rng.choice(sorted(tensors))
        place = f"{name} {_spoilt(rng, tensors, name)}"
    else:
        record = json.loads(metadata["calibration"])
        place = _change(rng, record, rng.choice(IMPOSSIBLE))
        metadata["calibration"] = json.dumps(record)
    file.write_bytes(sealed_tensors(tensors, metadata))
    return f"{file.name} {place}"


def _spoilt(rng: random.Random, tensors: dict[str, Any], name: str) -> str:
    how = rng.choice(("nan", "inf", "cut", "gone", "more", "float16", "backwards"))
    tensor = tensors[name]
    if how in ("nan", "inf") and tensor.is_floating_point():
        tensor.view(-1)[rng.randrange(tensor.numel())] = float(how)
    elif how == "cut":
        tensors[name] = tensor[:-1].clone()
    elif how == "gone":
        del tensors[name]
    elif how == "float16":
        tensors[name] = tensor.to(torch.float16)
    elif how == "backwards":
        tensors[name] = tensor.flip(0).clone()
        if torch.equal(tensors[name], tensor):
            tensors["more"] = tensor
    else:
        tensors["more"] = tensor.clone()
    return how


def _older(rng: random.Random, file: Path) -> str:
    """Format 2 that says it is another one."""
    number = rng.choice((1, 1, 1, 0, 3, -2, "1", 1.0))
    file = file.with_name("run.json")
    document = json.loads(file.read_bytes())
    document["format"] = number
    for name in rng.sample([SEAL, "parts"], rng.randrange(2)):
        del document[name]
    file.write_text(json.dumps(document, indent=2) + "\n")
    return repr(number)


def _older_calibration(rng: random.Random, file: Path) -> str:
    file = rng.choice(sorted(file.parent.glob(f"*{SUFFIX}")))
    tensors, metadata = read_tensors(file.read_bytes())
    del metadata[SEAL]
    record = json.loads(metadata["calibration"])
    record.pop("name")
    for group in record["groups"]:
        group.pop("n")
    text = json.dumps(record)
    _written(file, tensors, {"format": rng.choice("1012"), "calibration": text})
    return f"{file.name} without its seal"


KINDS: dict[str, Callable[[random.Random, Path], str]] = {
    "bit": _flipped,
    "bytes": _overwritten,
    "cut": _cut,
    "longer": _longer,
    "gone": _gone,
    "replaced": _replaced,
    "swapped": _swapped,
    "renamed": _renamed,
    "retyped": _retyped,
    "edited": _edited,
    "sealed edit": _sealed_edit,
    "older": _older,
    "older calibration": _older_calibration,
}


def _written(file: Path, tensors: dict[str, Any], metadata: dict[str, str]) -> None:
    import safetensors.torch

    file.write_bytes(safetensors.torch.save(tensors, metadata=metadata))


def _values(rng: random.Random) -> Any:
    return rng.choice((*IMPOSSIBLE, *POSSIBLE))


def _change(rng: random.Random, document: Any, value: Any) -> str:
    """One entry of a document replaced, doubled under another name, or taken away."""
    places = [*_places(document)]
    place = rng.choice(places)
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    how = rng.choice(("replaced", "replaced", "replaced", "gone", "more"))
    if how == "replaced" and _plain(holder[place[-1]]) == _plain(value):
        how = "more"
    if how == "replaced":
        holder[place[-1]] = value
    elif how == "gone" or isinstance(holder, list):
        del holder[place[-1]]
    else:
        holder["more"] = value
    return f"{'.'.join(map(str, place))} {how} {value!r:.40}"


def _plain(value: Any) -> str:
    return json.dumps(value)


def _places(document: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is a value in a document."""
    if place:
        yield place
    several = isinstance(document, dict | list)
    keys = [*document] if isinstance(document, dict) else range(len(document)) if several else ()
    for key in keys:
        yield from _places(document[key], (*place, key))
