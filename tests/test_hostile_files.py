"""Hostile files: small ones that promise much, and large ones; read or refused within bounds.

Memory is that of a child of its own, beyond what it takes to import the readers.
"""

import io
import json
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from itertools import cycle, repeat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from nice_anomaly.data import ImageForm, Wishes, learn, recognise
from nice_anomaly.data.arrays import open_array
from nice_anomaly.data.idx import read_images
from nice_anomaly.data.images import decode, original
from nice_anomaly.errors import DataError
from nice_anomaly.limits import VARIABLE
from nice_anomaly.settings import DataSettings

FORM = ImageForm(24, 32, 3)
MB = 1_000_000


def peak(code: str, *arguments: object) -> tuple[float, list[str]]:
    """How many megabytes a child takes to run ``code``, and the list ``said`` that it leaves."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no system that says how much memory a process has taken")
    frame = (
        "import json, re, sys\n"
        "from pathlib import Path\n"
        "from PIL import Image\n"
        "from nice_anomaly.data import ImageForm, Wishes, learn, recognise\n"
        "from nice_anomaly.data.images import decode\n"
        "from nice_anomaly.errors import DataError\n"
        "from nice_anomaly.settings import DataSettings\n"
        "Image.init()\n"
        "status = Path('/proc/self/status')\n"
        "most = lambda: int(re.search(r'VmHWM:\\s+(\\d+) kB', status.read_text())[1])\n"
        "before = most()\n"
        f"{code}\n"
        "print(json.dumps([(most() - before) * 1024 / 1e6, said]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", frame, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return float(found[0]), list(found[1])


DECODED = (
    "files = [Path(name) for name in sys.argv[1:]]\n"
    "said = [*decode(files, ImageForm(24, 32, 3))[1].values()]"
)
LEARNED = (
    "try:\n"
    "    material = learn(recognise(sys.argv[1]), Wishes(size=(int(sys.argv[2]),) * 2),\n"
    "        DataSettings(rows=1_000, early_stopping=0.1, calibration=0.2), 0)\n"
    "    said = [str(material.total)]\n"
    "except DataError as error:\n"
    "    said = [str(error)]"
)


def test_large_images_are_held_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "image=70000000")
    files = [tmp_path / f"{place}.png" for place in range(4)]
    Image.new("RGBA", (4_000, 3_750), (9, 200, 30, 99)).save(files[0], compress_level=1)
    for other in files[1:]:
        other.write_bytes(files[0].read_bytes())
    more, said = peak(DECODED, *files)  # each has 60 MB of pixels, and is flattened besides
    assert said == []
    assert more < 140


def promising(shape: tuple[int, int]) -> bytes:
    """The head of a PNG image of that size, and hardly any pixels."""
    parts = b"IHDR" + struct.pack(">2I5B", *shape, 8, 6, 0, 0, 0), b"IDAT" + zlib.compress(b"")
    chunks = [
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def saved(size: tuple[int, int], kind: str, **how: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (9, 200, 30)).save(stream, kind, **how)
    return stream.getvalue()


IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a promise of pixels": (lambda: promising((2**31 - 1, 2**31 - 1)), "pixels"),
    "more than Pillow takes": (lambda: promising((20_000, 10_000)), "more than 100,000,000 pixels"),
    "just too many": (lambda: promising((10_000, 10_001)), "has 100,010,000, more than"),
    "a WebP": (lambda: saved((6_000, 5_000), "WEBP", method=0), "480,0.*bytes to hold while it is"),
    "one strip": (
        lambda: saved((8_000, 8_000), "TIFF", compression="tiff_lzw", tiffinfo={278: 8_000}),
        "bytes to hold while it is decoded.*'image=51",
    ),
    "no more than a promise": (lambda: promising((5_000, 5_000)), "not a readable image"),
    "of another kind": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no known"),
    "nothing": (lambda: b"", r"is empty \(0 bytes\)"),
}  # fmt: skip


def test_images_that_are_too_large_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    files = [tmp_path / f"{place}.png" for place in range(len(IMAGES))]
    for file, (content, _) in zip(files, IMAGES.values(), strict=True):
        file.write_bytes(content())
    more, said = peak(DECODED, *files)
    assert more < 150
    for sentence, (_, expected) in zip(said, IMAGES.values(), strict=True):
        assert sentence.isprintable()
        assert re.search(expected, sentence), sentence


@pytest.mark.parametrize("how", [{}, {"progressive": True, "subsampling": 0}])
def test_a_jpeg_that_is_too_large_is_decoded_at_a_part_of_its_size(
    how: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((1_600, 1_200)).save(file, **how)
    whole, faults = decode([file], FORM)
    assert faults == {}
    needed = 1_600 * 1_200 * 4 + 6 * 1_600 * 1_200 * bool(how)
    monkeypatch.setenv(VARIABLE, f"image={needed}")
    part, faults = decode([file], FORM)
    assert faults == {}
    assert 0 < np.abs(whole.astype(int) - part).max() < 30
    monkeypatch.setenv(VARIABLE, f"image={needed // 30}")
    assert "bytes to hold while it is decoded" in decode([file], FORM)[1][0]


MODES = {
    "grey": lambda image: image.convert("L"),
    "colour": lambda image: image.convert("RGB"),
    "glass": lambda image: image,
    "palette": lambda image: image.convert("RGB").convert("P"),
    "grey glass": lambda image: image.convert("LA"),
}


@pytest.mark.parametrize(
    ("mode", "turned"), [*zip(cycle(MODES), range(1, 9)), *zip(MODES, repeat(1), strict=False)]
)
def test_a_tile_at_a_time_gives_the_bytes_of_the_whole(
    mode: str, turned: int, tmp_path: Path
) -> None:
    """The whole: turned, flattened on white, averaged in blocks, and interpolated."""
    noise = np.random.default_rng(turned).integers(0, 256, (811, 1_301, 4), dtype=np.uint8)
    image = MODES[mode](Image.fromarray(noise))
    exif, file = Image.Exif(), tmp_path / "a.png"
    exif[0x0112] = turned
    image.save(file, exif=exif, compress_level=1)
    with Image.open(file) as stored:
        whole = ImageOps.exif_transpose(stored)
    if mode in ("glass", "grey glass"):
        white = Image.new("RGBA", whole.size, "white")
        whole = Image.alpha_composite(white, whole.convert("RGBA"))
    whole = whole.convert("L" if mode == "grey" else "RGB")
    usual = whole.convert("RGB").resize((32, 24), Image.Resampling.BILINEAR, reducing_gap=3.0)
    values, faults = decode([file], FORM)
    assert faults == {}
    assert np.array_equal(values[0].reshape(24, 32, 3), np.asarray(usual))
    assert np.array_equal(original(file), np.asarray(whole.reduce(2)))


def npy(descr: str = "'<f8'", shape: str = "(3, 4)", data: bytes = bytes(96)) -> bytes:
    """An .npy file with any header."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def lying(claimed: int) -> bytes:
    """An .npz file whose directory says that its array has so many bytes."""
    honest = npy(shape="(300, 4)", data=bytes(9_600))
    return zipped(x=honest).replace(struct.pack("<I", len(honest)), struct.pack("<I", claimed))


def of_bzip2() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", npy())
    return stream.getvalue()


ARRAYS: dict[str, tuple[bytes, str]] = {
    "negative": (npy(shape="(-3, -4)"), r"no shape \(-3, -4\)"),
    "more than there is": (npy(shape="(4, 4)"), "takes .* bytes, but there are"),
    "less than there is": (npy(shape="(2, 4)"), "takes .* bytes, but there are"),
    "overflow": (npy(shape="(4294967296, 4294967296)"), "takes 147573… bytes"),
    "a number without end": (npy(shape=f"({'9' * 900}, 4)"), r"shape \(999999…, 4\)"),
    "a million of axes": (npy(shape=f"({'1, ' * 3_000})"), "shape"),
    "nested": (npy(f"{'(' * 3_000}{')' * 3_000}"), "header is not that of an array"),
    "code": (npy("__import__('os')"), "header is not that of an array"),
    "objects": (npy("'|O'"), "never unpickled"),
    "objects in a structure": (npy("[('a', '|O')]"), "never unpickled"),
    "structured": (npy("[('a', '<f8'), ('b', '<f8')]", "(3, 2)"), "numbers are needed"),
    "a structure of many": (
        npy(str([(f"a{i}", "<f8") for i in range(300)]), "(1, 1)", bytes(2_400)), "numbers are",
    ),
    "texts of great length": (npy("'<U3000000000'"), "header is not|takes"),
    "times": (npy("'<M8[s]'"), "numbers are needed"),
    "a long header": (b"\x93NUMPY\2\0\xff\xff\xff\xff{", "header of 4,294,967,295 bytes"),
    "half a header": (b"\x93NUMPY\1", "header is cut off"),
    "another version": (b"\x93NUMPY\x09\0\x20\0\0\0" + bytes(99), "header is not that of"),
    "nothing": (b"", r"it is empty \(0 bytes\)"),
    "text": (b"1,2,3\n", "no such file"),
    "too many columns": (npy("'|u1'", "(1, 96000)", bytes(96_000)), "more than 16,384 columns"),
    "a zip that says too little": (lying(5_000), "takes .* bytes, but there are 5,000"),
    "a zip that says too much": (lying(99_999), "takes .* bytes, but there are 99,999"),
    "a zip packed in another way": (of_bzip2(), "is packed as numpy does not"),
    "a zip of half an array": (zipped(x=npy()[:-1]), "takes .* bytes, but there are"),
    "a zip of two": (zipped(**{"x\x1b[1m": npy(), "y": npy()}), r"x\\x1b\[1m.npy, y|2 arrays"),
    "a zip with a huge directory": (
        zipped(x=npy())[:-10] + struct.pack("<II", 2**31, 0) + b"\0\0", "directory is too large",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ARRAYS)
def test_what_an_array_promises_is_compared_with_what_is_there(case: str, tmp_path: Path) -> None:
    content, sentence = ARRAYS[case]
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=sentence) as caught:
        open_array(tmp_path / "a.npz")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_arrays_are_not_unpacked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.zeros((150, 1_000, 1_000), np.uint8)
    pictures[::2, :500] = 255
    np.savez_compressed(tmp_path / "large.npz", pictures)
    more, said = peak(LEARNED, tmp_path / "large.npz", 8)
    assert said == ["150"]
    assert more < 80
    monkeypatch.setenv(VARIABLE, "unpacked=100000000")
    more, said = peak(LEARNED, tmp_path / "large.npz", 8)
    assert "has 150,000,128, more than 100,000,000 bytes when unpacked" in said[0]
    assert more < 20


def test_of_many_arrays_only_the_chosen_images_are_held(tmp_path: Path) -> None:
    for place in range(6):
        noise = np.random.default_rng(place).integers(0, 256, (20_000, 32, 32), dtype=np.uint8)
        np.save(tmp_path / f"{place}.npy", noise)
    more, said = peak(LEARNED, tmp_path, 32)
    assert said == ["120000"]
    assert more < 50


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_an_array_that_becomes_shorter_while_it_is_read_is_an_error(
    suffix: str, tmp_path: Path
) -> None:
    """And not the end of the process, as it is for one that is mapped into memory."""
    file, rows = tmp_path / f"a.{suffix}", np.random.default_rng(0).normal(size=(90_000, 4))
    np.save(file, rows) if suffix == "npy" else np.savez(file, rows)
    inputs = recognise(str(file))
    pieces = open_array(file).pieces(1_000)
    next(pieces)
    with file.open("r+b") as stream:
        stream.truncate(100_000)
    with pytest.raises(DataError, match=r"cannot be read as an array: .*(shorter|cut off)"):
        list(pieces)
    with pytest.raises(DataError, match="cannot be read as an array"):
        learn(inputs, Wishes(), DataSettings(), 0)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((2**32 - 1, 2**32 - 1, 2**32 - 1), "truncated: 16 bytes, but its header promises"),
        ((0, 2**32 - 1, 2**32 - 1), "holds no images"),
        ((1, 0, 0), "holds no images"),
    ],
)
def test_an_idx_file_that_promises_too_much(
    shape: tuple[int, int, int], sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "idx").write_bytes(struct.pack(">4I", 0x803, *shape))
    with pytest.raises(DataError, match=sentence):
        read_images(tmp_path / "idx")


def test_an_idx_file_is_measured_before_it_is_read(
    tmp_path: Path,
) -> None:
    with (tmp_path / "idx").open("wb") as stream:  # a hole of 3 GB
        stream.write(struct.pack(">4I", 0x803, 1, 60_000, 50_000))
        stream.truncate(16 + 3_000 * MB)
    with pytest.raises(DataError, match="has 3,000,000,016, more than 1,073,741,824 bytes when"):
        read_images(tmp_path / "idx")
