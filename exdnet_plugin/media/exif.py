"""EXIF as a TIFF structure (CIPA DC-008, 4.6.2): directories of twelve-byte entries, linked by offsets."""

from __future__ import annotations

import struct

_ENTRY = 12  # bytes
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def without_thumbnail(exif: bytes) -> tuple[bytes, bool]:
    """The block without its link to the thumbnail's directory, IFD1, and whether there was one.

    Nothing else moves or changes, so that offsets, those of maker notes too, stay true. A broken block stays as it is.
    """
    place = _link(exif)
    if place is None or exif[place : place + 4] == bytes(4):
        return exif, False
    return exif[:place] + bytes(4) + exif[place + 4 :], True


def _link(exif: bytes) -> int | None:
    """Where IFD0 tells the offset of the next directory; None where the block is cut off or broken."""
    order = _BYTE_ORDERS.get(exif[:4])
    if order is None or len(exif) < 8:
        return None
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if not 8 <= start <= len(exif) - 2:
        return None
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    place = start + 2 + _ENTRY * count
    if not count or place + 4 > len(exif):
        return None
    (further,) = struct.unpack_from(f"{order}I", exif, place)
    return place if further <= len(exif) - 2 else None
