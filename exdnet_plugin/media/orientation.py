"""The orientation that EXIF tells, for formats that cannot carry it: pixels are turned upright instead."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ORIENTATION = 0x0112


def exif_orientation(exif: bytes) -> int:
    """EXIF's orientation, 1 to 8 (CIPA DC-008, 4.6.4); 1 where it is not told."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    try:
        if order is None:
            return 1
        (offset,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, offset)
        for index in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, offset + 2 + 12 * index)
            if tag == _ORIENTATION and kind == 3 and 1 <= value <= 8:
                return int(value)
    except struct.error:
        pass  # a block that is cut off tells nothing
    return 1


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """(H, W, …) pixels as they are to be seen."""
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}[orientation]
    turned = np.rot90(pixels, turns)
    return np.ascontiguousarray(turned[:, ::-1] if orientation in (2, 4, 5, 7) else turned)
