"""Broken versions of real bytes, each a function of a seed: flips, cuts, splices, odd numbers, words that mean much."""

import random
from collections.abc import Callable, Sequence

NUMBERS = [0, 1, -1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, 1 << 63]
WORDS = [
    b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b'"\\ud800"', b"\\u0000", b"NaN", b"-Infinity", b"1e999",
    b"9" * 40, b"9" * 5000, b"-0", b"0x1F", b"1_000", b"../../etc/passwd", b"/etc/passwd", b"C:\\x", b"..", b".", b"~",
    b",", b'"', b'""', b"\r\n", b"\n\n", b"\r", b"\t", b";", b"=1+1", b"{", b"}", b"[" * 3000, b"{\"a\":" * 3000, b"]",
    b"&a [*a, *a]", b"*a", b"&a", b"<<: *a", b"!!python/object/apply:os.system ['false']", b"!!binary x", b"!!set",
    b"? ", b": ", b"- ", b"#", b"%YAML 9.9", b"---\n", b"...", b"2024-13-45", b"1:99:99", b"0b2", b"~", b"null",
    b"true", b"${oc.env:HOME}", b"${a}", b"${", b"${.}", b"${..x}", b"class_path: os.system", b"class_path",
    b"init_args", b"base", b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>", b"&a;", b"<", b"/>", b"PK\x03\x04", b"PAR1", b"ftyp",
    b"moov", b"mdat", "é".encode(), "e\u0301".encode(), "\u202egpj.exe".encode(), "\u2028".encode(), "名前".encode(),
    b"\x1b[2J",
]  # fmt: skip

Change = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def mutate(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A broken version of ``data``; ``others`` are spliced in now and then."""
    broken = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        chance.choice(CHANGES)(broken, chance, others)
    return bytes(broken[: 1 << 22])


def _span(data: bytearray, chance: random.Random, most: int = 4096) -> tuple[int, int]:
    first = chance.randrange(len(data) + 1)
    return first, min(len(data), first + int(most ** chance.random()))


def _flip(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    for _ in range(chance.choice((1, 1, 2, 8, 64)) if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _noise(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    first, last = _span(data, chance, 64)
    data[first:last] = chance.randbytes(last - first)


def _number(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    """A length, a size or a count becomes another; headers, where most stand, more often."""
    width = chance.choice((1, 2, 4, 4, 8))
    reach = len(data) if chance.random() < 0.5 else min(len(data), 256)
    if reach > width:
        place = chance.randrange(reach - width)
        value = (chance.choice(NUMBERS) + chance.choice((0, 0, 1, -1))) % (1 << 8 * width)
        data[place : place + width] = value.to_bytes(width, chance.choice(("big", "little")))


def _cut(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _drop(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    first, last = _span(data, chance)
    del data[first:last]


def _repeat(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    first, last = _span(data, chance)
    data[first:first] = data[first:last] * chance.choice((1, 2, 30))


def _splice(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    first, last = _span(bytearray(other), chance)
    place, end = _span(data, chance)
    data[place : end if chance.random() < 0.5 else place] = other[first:last]


def _swap(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    first, last = _span(data, chance)
    piece = data[first:last]
    del data[first:last]
    place = chance.randrange(len(data) + 1)
    data[place:place] = piece


def _word(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    first, last = _span(data, chance, 16)
    data[first : last if chance.random() < 0.5 else first] = chance.choice(WORDS)


def _digits(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    """A number that is written in letters becomes another one."""
    places = [place for place, letter in enumerate(data[:100_000]) if 48 <= letter < 58]
    if places:
        place = chance.choice(places)
        data[place : place + 1] = chance.choice((b"-1", b"0", b"1e308", b"99999999999999999999", b"nan", b"x", b""))


CHANGES: tuple[Change, ...] = (_flip, _noise, _number, _number, _cut, _drop, _repeat, _splice, _swap, _word, _digits)
