"""Promises: what packed columns say that they unpack to, read before anything is unpacked.

Of a Parquet file these are the headers of its pages (Apache Thrift, compact protocol), of an Arrow
message the lengths in front of its buffers (Flatbuffers). Both may be false, and are then refused
by what unpacks them; but nothing there counts before it has taken the memory.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

HEADERS = 1 << 10, 1 << 24  # bytes of a page's header that are looked at: long ones are rare
DELTAS = 7  # the encoding whose texts begin as the text before them does
STOP, TRUTHS, BYTE, WHOLE, BINARY, STRUCT = 0, (1, 2), 3, (4, 5, 6), 8, 12
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


def unpacked(metadata: bytes, body: memoryview) -> tuple[int, int]:
    """The bytes that the buffers of an Arrow message unpack to, and its rows.

    Raises:
        struct.error: the message is damaged.
    """
    message = _at(metadata, 0)
    header = _field(metadata, message, 2)
    kind = _field(metadata, message, 1)
    if not header or not kind or metadata[kind] not in (2, 3):  # a dictionary, a batch of rows
        return 0, 0
    batch = _at(metadata, header)
    if metadata[kind] == 2:
        data = _field(metadata, batch, 1)
        batch = _at(metadata, data) if data else 0
    rows = _field(metadata, batch, 0)
    length = struct.unpack_from("<q", metadata, rows)[0] if rows else 0
    buffers = _field(metadata, batch, 2)
    if not buffers or not _field(metadata, batch, 3):  # it is not packed
        return 0, length
    first = _at(metadata, buffers)
    total = 0
    for number in range(struct.unpack_from("<I", metadata, first)[0]):
        place, size = struct.unpack_from("<qq", metadata, first + 4 + 16 * number)
        if size >= 8:
            total += max(0, struct.unpack_from("<q", body, place)[0])
    return total, length


def _at(content: bytes, place: int) -> int:
    return place + int(struct.unpack_from("<I", content, place)[0])


def _field(content: bytes, table: int, number: int) -> int:
    """Where a field of a table is, 0 where it is not there."""
    fields = table - struct.unpack_from("<i", content, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", content, fields)[0]:
        return 0
    offset = struct.unpack_from("<H", content, fields + 4 + 2 * number)[0]
    return table + offset if offset else 0
