"""What OpenCV does not tell of an AVIF photo, from properties in its header (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FULL = 4  # bytes of version and flags that begin a full box (ISO/IEC 14496-12, 4.2)
_PROFILES = (b"prof", b"rICC")


def seen(pixels: NDArray[Any], data: bytes) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Pixels as OpenCV decoded them from `data` to the full range of their type and upright; notes of what is lost."""
    told = primary_properties(data)
    if pixels.dtype == np.uint16:
        pixels = np.round(pixels * (65535 / ((1 << _depth(told)) - 1))).astype(np.uint16)
    pixels = np.rot90(pixels, _byte(told, b"irot", 0) & 3)  # 6.5.10: quarter turns against the clock
    if any(name == b"imir" for name, _ in told):  # 6.5.12: axis 0 swaps top and bottom
        pixels = pixels[:, ::-1] if _byte(told, b"imir", 0) & 1 else pixels[::-1]
    profile = any(name == b"colr" and body[:4] in _PROFILES for name, body in told)
    return np.ascontiguousarray(pixels), ("its ICC profile is left out: AVIF is read without",) if profile else ()


def primary_properties(data: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The properties of the primary item, (name, body) each, in their order; none where the header is broken.

    Other items, such as alpha, a gain map or a thumbnail, have properties of their own in the same list.
    """
    try:
        meta = dict(_boxes(dict(_boxes(data))[b"meta"][_FULL:]))
        parts = list(_boxes(meta[b"iprp"]))
        properties = list(_boxes(dict(parts)[b"ipco"]))
        version = meta[b"pitm"][0]
        (primary,) = struct.unpack_from(">I" if version else ">H", meta[b"pitm"], _FULL)
        places = [place for name, body in parts if name == b"ipma" for place in _associated(body, primary)]
    except (KeyError, IndexError, struct.error):
        return ()
    return tuple(properties[place - 1] for place in places if 0 < place <= len(properties))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Boxes one after another, (name, body) each (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, at + 8), 16
        end = at + size if size else len(data)  # 0: it goes on to the end
        if size and size < head:
            return
        yield name, data[at + head : end]
        at = end


def _associated(ipma: bytes, item: int) -> Iterator[int]:
    """Numbers, from 1, of an item's properties in a box of associations (9.3 of ISO/IEC 23008-12)."""
    version, wide = ipma[0], ipma[3] & 1
    (count,) = struct.unpack_from(">I", ipma, _FULL)
    at = _FULL + 4
    for _ in range(count):
        (number,) = struct.unpack_from(">I" if version else ">H", ipma, at)
        at += 4 if version else 2
        places = struct.unpack_from(f">{ipma[at]}{'H' if wide else 'B'}", ipma, at + 1)
        at += 1 + len(places) * (2 if wide else 1)
        if number == item:  # the highest bit says whether a property is essential
            yield from (place & (0x7FFF if wide else 0x7F) for place in places)


def _depth(told: tuple[tuple[bytes, bytes], ...]) -> int:
    """Bits a channel (6.5.6): OpenCV hands the codes out unscaled."""
    depth = _byte(told, b"pixi", _FULL + 1)
    return depth if depth in (10, 12) else 10


def _byte(told: tuple[tuple[bytes, bytes], ...], name: bytes, offset: int) -> int:
    """A byte of a property, 0 where there is none."""
    body = next((body for found, body in told if found == name), b"")
    return body[offset] if offset < len(body) else 0
