"""Mutations of bytes: what a fuzzer that knows nothing of a format does to a valid file."""

import random
from collections.abc import Callable, Sequence

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 2**63 - 1, 2**64 - 1)
TEXTS = (
    *(b"\x00", b"\n", b"\r\n", b'"', b"'", b",", b";", b"\t", b"=", b"-", b"1e999", b"nan", b"-0"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\x1b[31m", b"\xe2\x80\xae", b"[" * 2_000),
    *(b"9" * 5_001, b"2021-02-30", b"1.234,5", b"%s", b"&a *a", b"!!python/object", b"<!ENTITY a>"),
)
LONGEST = 1 << 20  # longer ones are the matter of tests that name their limit

Mutation = Callable[[random.Random, bytearray], None]


def mutated(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after some mutations; now and then two of them in one, or noise alone."""
    if chance.random() < 0.02:
        return chance.randbytes(chance.randrange(200))
    data = bytearray(chance.choice(seeds))
    if chance.random() < 0.1:
        other = chance.choice(seeds)
        data[chance.randint(0, len(data)) :] = other[chance.randint(0, len(other)) :]
    for _ in range(min(64, 1 + int(chance.expovariate(0.4)))):
        chance.choice(MUTATIONS)(chance, data)
    return bytes(data[:LONGEST])


def _place(chance: random.Random, data: bytearray) -> int:
    """Somewhere in it; headers, at the start and at the end, are met as often as all the rest."""
    near = chance.randrange(64)
    return min(chance.choice((near, len(data) - near, chance.randint(0, len(data)))), len(data)) % (
        len(data) + 1
    )


def _flip(chance: random.Random, data: bytearray) -> None:
    place = _place(chance, data)
    if place < len(data):
        data[place] ^= 1 << chance.randrange(8)


def _set(chance: random.Random, data: bytearray) -> None:
    place = _place(chance, data)
    if place < len(data):
        data[place] = chance.randrange(256)


def _number(chance: random.Random, data: bytearray) -> None:
    size, place = chance.choice((1, 2, 4, 8)), _place(chance, data)
    number = chance.choice(NUMBERS) % (1 << (8 * size))
    data[place : place + size] = number.to_bytes(size, chance.choice(("little", "big")))


def _text(chance: random.Random, data: bytearray) -> None:
    place = _place(chance, data)
    data[place : place + chance.choice((0, 0, 4))] = chance.choice(TEXTS)


def _drop(chance: random.Random, data: bytearray) -> None:
    place = _place(chance, data)
    del data[place : place + chance.choice((1, 4, 64, 4096))]


def _repeat(chance: random.Random, data: bytearray) -> None:
    place, size = _place(chance, data), chance.choice((1, 16, 256))
    data[place:place] = bytes(data[place : place + size]) * chance.choice((1, 2, 100))


def _cut(chance: random.Random, data: bytearray) -> None:
    del data[_place(chance, data) :]


MUTATIONS: tuple[Mutation, ...] = (_flip, _flip, _set, _number, _text, _drop, _repeat, _cut)
