"""Promises: what packed columns say that they unpack to, read before anything is unpacked.

Of a Parquet file these are the headers of its pages (Apache Thrift, compact protocol), of an Arrow
message the lengths in front of its buffers (Flatbuffers). Both may be false, and are then refused
by what unpacks them; but nothing there counts before it has taken the memory.
"""

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

HEADERS = 1 << 10, 1 << 24  # bytes of a page's header that are looked at: long ones are rare
POINTING = {2, 8}  # encodings of texts that are told once and pointed to
TOLD = {0, 3, *POINTING}  # and those that tell each
DELTAS = 7  # the encoding whose texts begin as the text before them does
STOP, TRUTHS, BYTE, WHOLE, BINARY, STRUCT = 0, (1, 2), 3, (4, 5, 6), 8, 12
DICTIONARY, ROWS = 2, 3  # kinds of Arrow messages
CONTINUES = b"\xff\xff\xff\xff"  # in front of a message
DEEPEST = 2  # structs in the header of a page


@dataclass(frozen=True)
class Page:
    """A page of a column: the bytes that it unpacks to, how many values, in which encoding."""

    size: int
    values: int
    encoding: int


def pages(stream: IO[bytes], start: int, stop: int) -> Iterator[Page]:
    """The pages of a column that lies between two places of a Parquet file.

    Raises:
        ValueError: there are no pages.
    """
    place = start
    while place < stop:
        fields, length = _header(stream, place)
        numbers: dict[int, int] = next(
            (fields[key] for key in (5, 7, 8) if isinstance(fields.get(key), dict)), {}
        )
        encoding = numbers.get(4 if 8 in fields else 2, 0)
        size, packed = fields.get(2, -1), fields.get(3, -1)
        if min(size, packed) < 0:
            raise ValueError("the header of a page is damaged")
        yield Page(size, numbers.get(1, 0), encoding)
        place += length + packed


def _header(stream: IO[bytes], place: int) -> tuple[dict[int, Any], int]:
    """The fields of a page's header, and its length."""
    for length in HEADERS:
        stream.seek(place)
        try:
            return _struct(stream.read(length), 0, DEEPEST)
        except IndexError:
            continue
    raise ValueError("the header of a page is damaged")


def _struct(content: bytes, place: int, deep: int) -> tuple[dict[int, Any], int]:
    """The numbers and structs of a struct by their fields, and where it ends."""
    found: dict[int, Any] = {}
    key = 0
    while (head := content[place]) != STOP:
        place += 1
        if head >> 4:
            key += head >> 4
        else:
            key, place = _number(content, place)
        kind = head & 15
        found[key], place = _value(content, place, kind, deep)
    return found, place + 1


def _value(content: bytes, place: int, kind: int, deep: int) -> tuple[Any, int]:
    if kind in TRUTHS:
        return kind == TRUTHS[0], place
    if kind == STRUCT and deep:
        return _struct(content, place, deep - 1)
    if kind == BYTE:
        return content[place], place + 1
    if kind == BINARY:
        size, place = _varint(content, place)
        return None, place + size
    if kind in WHOLE:
        return _number(content, place)
    raise IndexError(kind)


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while content[place] & 128:
        value |= (content[place] & 127) << shift
        place, shift = place + 1, shift + 7
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
