"""Promises: what packed columns say that they unpack to, read before anything is unpacked.

Of a Parquet file these are the headers of its pages (Apache Thrift, compact protocol), of an Arrow
message the lengths in front of its buffers (Flatbuffers). Both may be false, and are then refused
by what unpacks them; but nothing there counts before it has taken the memory.
"""

import io
import struct
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import IO

HEADERS = 1 << 10, 1 << 24  # bytes of a page's header that are looked at: long ones are rare
POINTING = {2, 8}  # encodings of texts that are told once and pointed to
TOLD = {0, 3, *POINTING}  # and those that tell each
DELTAS = 7  # the encoding whose texts begin as the text before them does
STOP, BINARY, STRUCT, LISTS = 0, 8, 12, (9, 10)  # kinds of Thrift
WHOLE = _, SHORT, LONG = 4, 5, 6  # its whole numbers
SIZES = defaultdict(lambda: 1 << 62, {1: 0, 2: 0, 3: 1, 7: 8})  # of truths, a byte, a float
DEEPEST = 12  # fields and places in lists, one within the other
GROUPS, COLUMNS, ABOUT = 4, 1, 3  # fields of a Parquet file's end
SIZE, FIRST_PAGE, FIRST_TEXTS = 7, 9, 11
DICTIONARY, ROWS = 2, 3  # kinds of Arrow messages
CONTINUES = b"\xff\xff\xff\xff"  # in front of a message


@dataclass(frozen=True)
class Page:
    """A page of a column: the bytes that it unpacks to, how many values, in which encoding."""

    size: int
    values: int
    encoding: int


@dataclass(frozen=True)
class Part:
    """Where a column of a group of rows lies in a Parquet file, and how long it is there."""

    column: int
    start: int
    size: int


def parts(stream: IO[bytes]) -> Iterator[Part]:
    """The parts of a Parquet file, as its end names them.

    Raises:
        ValueError, IndexError: the end is damaged.
    """
    end = stream.seek(-8, io.SEEK_END)
    stream.seek(end - int.from_bytes(stream.read(4), "little"))
    footer = stream.read()
    numbers = (
        ((path[1], path[3]), path[5], value)
        for path, value in _numbers(footer, 0, STRUCT, LONG)
        if len(path) == 6 and path[::2] == (GROUPS, COLUMNS, ABOUT)
    )
    for (_, column), own in groupby(numbers, itemgetter(0)):
        known = {field: value for _, field, value in own}
        begins = [known[field] for field in (FIRST_PAGE, FIRST_TEXTS) if known.get(field)]
        yield Part(column, min(begins), known[SIZE])


def pages(stream: IO[bytes], part: Part) -> Iterator[Page]:
    """The pages of a part of a Parquet file.

    Raises:
        ValueError: there are no pages.
    """
    place, end = part.start, stream.seek(0, io.SEEK_END)
    while place < part.start + part.size:
        numbers, length = _header(stream, place)
        size, packed = (numbers.get((field,), -1) for field in (2, 3))
        if min(size, packed) < 0:
            raise ValueError("the header of a page is damaged")
        kind = next((kind for kind in (5, 7, 8) if (kind, 1) in numbers), 0)
        encoding = numbers.get((kind, 4 if kind == 8 else 2), 0)
        place += length + packed
        if place > end:
            raise ValueError("a page goes on beyond the end of the file")
        yield Page(size, numbers.get((kind, 1), 0), encoding)


def _header(stream: IO[bytes], place: int) -> tuple[dict[tuple[int, ...], int], int]:
    """The numbers of a page's header, and its length."""
    for most in HEADERS:
        stream.seek(place)
        found = _numbers(stream.read(most), 0, STRUCT, SHORT)
        numbers = {}
        try:
            while True:
                path, value = next(found)
                numbers[path] = value
        except StopIteration as end:
            return numbers, end.value
        except IndexError:
            continue
    raise ValueError("the header of a page is damaged")


def _numbers(
    content: bytes, place: int, kind: int, wanted: int, path: tuple[int, ...] = ()
) -> Generator[tuple[tuple[int, ...], int], None, int]:
    """The numbers of the ``wanted`` kind in a value, each with its fields; where the value ends."""
    if len(path) > DEEPEST:
        raise IndexError(path)
    if kind == STRUCT:
        key = 0
        while (head := content[place]) != STOP:
            if head >> 4:
                key, place = key + (head >> 4), place + 1
            else:
                key, place = _number(content, place + 1)
            place = yield from _numbers(content, place, head & 15, wanted, (*path, key))
        return place + 1
    if kind in LISTS:
        head, place = content[place], place + 1
        count = head >> 4
        if count == 15:
            count, place = _varint(content, place)
        for number in range(count):
            place = yield from _numbers(content, place, head & 15, wanted, (*path, number))
        return place
    if kind in WHOLE:
        value, place = _number(content, place)
        if kind == wanted:
            yield path, value
        return place
    if kind == BINARY:
        size, place = _varint(content, place)
        return place + size
    return place + SIZES[kind]


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while content[place] & 128:
        value |= (content[place] & 127) << shift
        place, shift = place + 1, shift + 7
        if shift > 70:
            raise IndexError(place)
    return value | content[place] << shift, place + 1


def _number(content: bytes, place: int) -> tuple[int, int]:
    value, place = _varint(content, place)
    return (value >> 1) ^ -(value & 1), place


def unpacked(metadata: bytes, at: Callable[[int], bytes]) -> int:
    """The bytes that the buffers of an Arrow message unpack to.

    ``at`` gives the eight bytes at a place of its body.

    Raises:
        struct.error: the message is damaged.
    """
    message = _at(metadata, 0)
    kind, header = (_field(metadata, message, number) for number in (1, 2))
    if not header or not kind or metadata[kind] not in (DICTIONARY, ROWS):
        return 0
    batch = _at(metadata, header)
    if metadata[kind] == DICTIONARY:
        batch = _at(metadata, _field(metadata, batch, 1))
    buffers, packing = (_field(metadata, batch, number) for number in (2, 3))
    if not buffers or not packing:
        return 0
    total, first = 0, _at(metadata, buffers)
    for number in range(struct.unpack_from("<I", metadata, first)[0]):
        place, size = struct.unpack_from("<qq", metadata, first + 4 + 16 * number)
        total += max(0, struct.unpack("<q", at(place))[0]) if size >= 8 else 0
    return total


def blocks(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """The messages of an Arrow file as its end names them, and where the body of each begins.

    Raises:
        struct.error, OSError: the end is damaged.
    """
    end = stream.seek(-10, io.SEEK_END)
    size = struct.unpack("<i", stream.read(4))[0]
    stream.seek(end - size)
    footer = stream.read(size)
    for number in (2, 3):  # dictionaries, batches of rows
        field = _field(footer, _at(footer, 0), number)
        first = _at(footer, field) if field else 0
        for place in range(struct.unpack_from("<I", footer, first)[0] if field else 0):
            offset, length = struct.unpack_from("<qi", footer, first + 4 + 24 * place)
            stream.seek(offset)
            message = stream.read(length)
            yield message[8 if message.startswith(CONTINUES) else 4 :], offset + length


def _at(content: bytes, place: int) -> int:
    return place + int(struct.unpack_from("<I", content, place)[0])


def _field(content: bytes, table: int, number: int) -> int:
    """Where a field of a table is, 0 where it is not there."""
    fields = table - struct.unpack_from("<i", content, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", content, fields)[0]:
        return 0
    offset = struct.unpack_from("<H", content, fields + 4 + 2 * number)[0]
    return table + offset if offset else 0
