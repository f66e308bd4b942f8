"""What OpenCV does not tell of an AVIF photo, from properties in its header (ISO/IEC 23008-12)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def seen(pixels: NDArray[Any], data: bytes) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Pixels as OpenCV decoded them from `data` to the full range of their type and upright; notes of what is lost."""
    if pixels.dtype == np.uint16:
        pixels = np.round(pixels * (65535 / ((1 << _depth(data)) - 1))).astype(np.uint16)
    pixels = np.rot90(pixels, _property(data, b"irot", 0) & 3)  # 6.5.10: quarter turns against the clock
    if b"imir" in data:  # 6.5.12: axis 0 swaps top and bottom
        pixels = pixels[:, ::-1] if _property(data, b"imir", 0) & 1 else pixels[::-1]
    profile = b"colrprof" in data or b"colrrICC" in data
    return np.ascontiguousarray(pixels), ("its ICC profile is left out: AVIF is read without",) if profile else ()


def _depth(data: bytes) -> int:
    """Bits a channel (6.5.6): OpenCV hands the codes out unscaled."""
    depth = _property(data, b"pixi", 5)
    return depth if depth in (10, 12) else 10


def _property(data: bytes, name: bytes, offset: int) -> int:
    """A byte of a property, 0 where there is none."""
    place = data.find(name)
    behind = place + len(name) + offset
    return data[behind] if place >= 0 and behind < len(data) else 0
