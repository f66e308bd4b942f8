"""AVIF: a picture is turned by the properties of its primary item, and by nothing else in the file."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from exdnet_plugin.media.avif import primary_properties, seen
from exdnet_plugin.media.photos import read_photo


def avif(text: str = "", orientation: int = 1, alpha: bool = False) -> bytes:
    """A picture brighter below, with a description in its EXIF; Pillow writes the orientation as irot and imir."""
    picture = PIL.Image.fromarray(np.repeat(np.arange(20, 84, 2, dtype=np.uint8)[:, None], 48, axis=1)).convert(
        "RGBA" if alpha else "RGB"
    )
    exif, data = picture.getexif(), io.BytesIO()
    exif[0x010E], exif[0x0112] = text, orientation
    picture.save(data, "AVIF", exif=exif, quality=100)
    return data.getvalue()


@pytest.mark.parametrize("text", ["irot\x01", "imir\x00", "colrprof", "pixi\0\0\0\0\x03\x0c"])
def test_text_that_reads_like_a_property_turns_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "in.avif").write_bytes(avif(text))
    photo = read_photo(tmp_path / "in.avif")
    assert photo.rgb.shape == (32, 48, 3)
    assert photo.rgb[0].mean() < 30 < 70 < photo.rgb[-1].mean()
    assert photo.notes == ()


def test_properties_of_other_items_turn_nothing() -> None:
    whole = avif(orientation=6, alpha=True)
    assert (b"irot", b"\x03") in primary_properties(whole)
    place = whole.index(b"ipma") + 4
    count = whole[place + 10]
    own = whole[place + 11 : place + 11 + count]
    turn = [number & 0x7F for number in own].index(_number_of(whole, b"irot"))
    other = own[:turn] + b"\x01" + own[turn + 1 :]
    moved = whole[: place + 11] + other + whole[place + 11 + count :]
    assert b"irot" not in dict(primary_properties(moved))
    pixels = np.zeros((32, 48, 3), np.uint8)
    assert seen(pixels, moved)[0].shape == (32, 48, 3)
    assert seen(pixels, whole)[0].shape == (48, 32, 3)


def _number_of(data: bytes, name: bytes) -> int:
    """Which property of ipco it is, from 1."""
    at, number = data.index(b"ipco") + 4, 1
    while data[at + 4 : at + 8] != name:
        at, number = at + struct.unpack_from(">I", data, at)[0], number + 1
    return number


def test_wide_numbers_and_sizes_are_read() -> None:
    def box(name: bytes, body: bytes, wide: bool = False) -> bytes:
        size = struct.pack(">I4sQ", 1, name, len(body) + 16) if wide else struct.pack(">I4s", len(body) + 8, name)
        return size + body

    ipco = box(b"ipco", box(b"irot", b"\x01", wide=True) + box(b"irot", b"\x02"))
    entries = struct.pack(">IBH IBHH", 1, 1, 0x8002, 70000, 2, 0x8001, 9)
    ipma = box(b"ipma", b"\x01\0\0\x01" + struct.pack(">I", 2) + entries)
    pitm = box(b"pitm", b"\x01\0\0\0" + struct.pack(">I", 70000))
    meta = bytes(4) + pitm + box(b"iprp", ipco + ipma)
    assert primary_properties(box(b"ftyp", b"avif") + box(b"meta", meta)) == ((b"irot", b"\x01"),)
    assert primary_properties(struct.pack(">I4s", 0, b"meta") + meta) == ((b"irot", b"\x01"),)


def test_a_broken_header_turns_nothing() -> None:
    whole, rng = avif(orientation=6), np.random.default_rng(0)
    assert primary_properties(b"") == primary_properties(b"\0\0\0\x04meta") == ()
    for length in range(0, 500, 7):
        primary_properties(whole[:length])
    for _ in range(500):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 8):
            data[place] = rng.integers(256)
        primary_properties(bytes(data))
