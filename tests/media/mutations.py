"""Broken files made from whole ones: bytes and, by the form of each container, sizes, names, counts and order."""

from __future__ import annotations

import struct
from collections.abc import Callable

from numpy.random import Generator

Mutation = Callable[[bytearray, Generator], bytearray]


def flipped(data: bytearray, rng: Generator) -> bytearray:
    for place in rng.integers(len(data), size=int(rng.integers(1, 40))):
        data[place] ^= 1 << int(rng.integers(8))
    return data


def cut(data: bytearray, rng: Generator) -> bytearray:
    return data[: int(rng.integers(len(data)))]


def moved(data: bytearray, rng: Generator) -> bytearray:
    """A chunk goes, or stands somewhere else, or twice."""
    start, length, to = (int(v) for v in rng.integers(len(data), size=3))
    chunk = data[start : start + length // 8]
    if rng.random() < 0.5:
        del data[start : start + len(chunk)]
    place = to % (len(data) + 1)
    if rng.random() < 0.7:
        data[place:place] = chunk
    return data


def zeroed(data: bytearray, rng: Generator) -> bytearray:
    start = int(rng.integers(len(data)))
    length = min(int(rng.integers(1, 600)), len(data) - start)
    data[start : start + length] = bytes([int(rng.choice([0, 255]))]) * length
    return data


def overgrown(data: bytearray, rng: Generator) -> bytearray:
    """A field of four bytes claims an extreme number: sizes, counts, times, dimensions."""
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(max(len(data) - 4, 1)))
        number = int(rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 0x01000000]))
        data[place : place + 4] = struct.pack(">I" if rng.random() < 0.7 else "<I", number)
    return data


_BOXES = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"stss"]
_BOXES += [b"elst", b"mvhd", b"tkhd", b"mdhd", b"hdlr", b"avcC", b"avc1", b"mdat", b"udta", b"colr"]


def box(data: bytearray, rng: Generator) -> bytearray:
    """An MP4 box of another size, name, or with other numbers at its start."""
    places = [place for name in _BOXES if (place := data.find(name)) >= 4]
    if not places:
        return flipped(data, rng)
    place = int(rng.choice(places))
    kind = rng.integers(3)
    if kind == 0:
        size = int(rng.choice([0, 1, 7, 8, 9, 0x7FFFFFFF, 0xFFFFFFFF, int(rng.integers(1 << 16))]))
        data[place - 4 : place] = struct.pack(">I", size)
    elif kind == 1:
        data[place : place + 4] = _BOXES[int(rng.integers(len(_BOXES)))]
    else:
        field = place + 4 + 4 * int(rng.integers(8))
        data[field : field + 4] = struct.pack(">I", int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x00010000])))
    return data


_ELEMENTS = [b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\xe0", b"\xb0", b"\xba"]
_ELEMENTS += [b"\x1f\x43\xb6\x75", b"\xa3", b"\x63\xa2", b"\x86", b"\x2a\xd7\xb1", b"\x1c\x53\xbb\x6b"]


def element(data: bytearray, rng: Generator) -> bytearray:
    """A Matroska element of another length or identity."""
    name = _ELEMENTS[int(rng.integers(len(_ELEMENTS)))]
    place = data.find(name, int(rng.integers(len(data) // 2)))
    if place < 0:
        return flipped(data, rng)
    if rng.random() < 0.3:
        data[place : place + len(name)] = _ELEMENTS[int(rng.integers(len(_ELEMENTS)))]
    else:
        sizes = [
            b"\x01\xff\xff\xff\xff\xff\xff\xff",
            b"\x80",
            b"\x01\x00\x00\x00\x7f\xff\xff\xff",
            b"\xff",
            b"\x40\x01",
        ]
        size = sizes[int(rng.integers(len(sizes)))]
        data[place + len(name) : place + len(name) + len(size)] = size
    return data


def transport(data: bytearray, rng: Generator) -> bytearray:
    """MPEG-TS packets in another order, of another stream, without their marks."""
    count = len(data) // 188
    for _ in range(int(rng.integers(1, 10))):
        one, other = (188 * int(v) for v in rng.integers(count, size=2))
        kind = rng.integers(4)
        if kind == 0:
            data[one : one + 188], data[other : other + 188] = data[other : other + 188], data[one : one + 188]
        elif kind == 1:
            data[one] = 0
        elif kind == 2:
            data[one + 1 : one + 3] = struct.pack(">H", int(rng.integers(0x2000)))
        else:
            data[one + 3 : one + 6] = bytes(rng.integers(256, size=3).astype("uint8"))
    return data


ANY: list[Mutation] = [flipped, cut, moved, zeroed, overgrown]
BY_SUFFIX: dict[str, list[Mutation]] = {
    ".mp4": [*ANY, box, box],
    ".mkv": [*ANY, element, element],
    ".ts": [*ANY, transport],
}


def mutated(data: bytes, suffix: str, rng: Generator) -> bytes:
    """A broken version of a file."""
    result = bytearray(data)
    kinds = BY_SUFFIX.get(suffix, ANY)
    for _ in range(int(rng.integers(1, 4))):
        if len(result) > 8:
            result = kinds[int(rng.integers(len(kinds)))](result, rng)
    return bytes(result)
