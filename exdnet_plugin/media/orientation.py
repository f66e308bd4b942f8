"""The orientation that EXIF tells, for formats that cannot carry it: pixels are turned upright instead."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ORIENTATION = 0x0112


def exif_orientation(exif: bytes) -> int:
    """EXIF's orientation, 1 to 8 (CIPA DC-008, 4.6.4); 1 where it is not told."""
    found = _find(exif)
    return found[1] if found else 1


def as_upright(exif: bytes) -> bytes:
    """The same block, with the orientation of pixels that are upright already."""
    found = _find(exif)
    if not found:
        return exif
    place, _ = found
    return exif[:place] + (b"\x00\x01" if exif[:2] == b"MM" else b"\x01\x00") + exif[place + 2 :]


def _find(exif: bytes) -> tuple[int, int] | None:
    """Where the orientation lies, and what it is."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    try:
        (offset,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, offset)
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
            if tag == _ORIENTATION and kind == 3 and 1 <= value <= 8:
                return entry + 8, value
    except struct.error:
        pass  # a block that is cut off tells nothing
    return None


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """(H, W, …) pixels as they are to be seen."""
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}[orientation]
    turned = np.rot90(pixels, turns)
    return np.ascontiguousarray(turned[:, ::-1] if orientation in (2, 4, 5, 7) else turned)
