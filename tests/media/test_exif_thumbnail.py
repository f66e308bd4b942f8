"""An enhanced photo has no thumbnail of the dark one."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import PIL.ExifTags
import PIL.Image
import pytest

from exdnet_plugin.media.exif import without_thumbnail
from exdnet_plugin.media.photos import read_photo, write_photo


def thumbnail() -> bytes:
    data = io.BytesIO()
    PIL.Image.new("RGB", (16, 12), (9, 9, 9)).save(data, "JPEG")
    return data.getvalue()


def exif_block(order: str) -> bytes:
    """IFD0 with Make, IFD1 with a JPEG thumbnail, as cameras write them."""
    small = thumbnail()
    first = struct.pack(f"{order}H HHI4s I", 1, 0x010F, 2, 4, b"Cam\0", 26)
    fields = ((0x0103, 3, 6 if order == "<" else 6 << 16), (0x0201, 4, 68), (0x0202, 4, len(small)))
    second = b"".join(struct.pack(f"{order}HHII", tag, kind, 1, value) for tag, kind, value in fields)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return head + first + struct.pack(f"{order}H", 3) + second + bytes(4) + small


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".heic"])
def test_the_dark_thumbnail_is_left_out(tmp_path: Path, order: str, suffix: str) -> None:
    block = exif_block(order)
    PIL.Image.new("RGB", (64, 48), (30, 30, 30)).save(tmp_path / "in.jpg", exif=b"Exif\0\0" + block)
    assert PIL.Image.open(tmp_path / "in.jpg").getexif().get_ifd(PIL.ExifTags.IFD.IFD1), "IFD1 is there before"
    notes = write_photo(tmp_path / f"out{suffix}", read_photo(tmp_path / "in.jpg"))
    assert "its EXIF thumbnail is left out: it shows the photo as it was" in notes
    blocks = dict(read_photo(tmp_path / f"out{suffix}").metadata)
    written = blocks[cv2.IMAGE_METADATA_EXIF].tobytes()
    changed = block[:22] + bytes(4) + block[26:]
    assert written[: len(changed)] == changed, "all else stays byte for byte"


def test_exif_without_a_thumbnail_stays_and_is_not_named(tmp_path: Path) -> None:
    whole = exif_block(">")
    bare = whole[:22] + bytes(4)
    PIL.Image.new("RGB", (64, 48)).save(tmp_path / "in.png", exif=bare)
    assert write_photo(tmp_path / "out.png", read_photo(tmp_path / "in.png")) == []
    assert without_thumbnail(bare) == (bare, False)


def test_exif_that_is_not_sound_stays_as_it_is() -> None:
    whole, rng = exif_block("<"), np.random.default_rng(0)
    broken = [whole[:length] for length in range(26)]
    broken += [b"", b"Exif\0\0" + whole, b"II+\0" + whole[4:]]
    broken += [whole[:4] + struct.pack("<I", start) + whole[8:] for start in (0, 7, len(whole), 0xFFFFFFFF)]
    broken += [whole[:8] + struct.pack("<H", count) + whole[10:] for count in (0, 0xFFFF)]
    broken += [whole[:22] + struct.pack("<I", 0xFFFFFFFF) + whole[26:]]
    assert all(without_thumbnail(block) == (block, False) for block in broken)
    for _ in range(300):
        noise = whole[:4] + rng.integers(0, 256, 200).astype(np.uint8).tobytes()
        assert len(without_thumbnail(noise)[0]) == len(noise)
