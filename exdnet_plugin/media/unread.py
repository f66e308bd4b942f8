"""What a photo's file holds that is not read, and so not written again."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_INCH = 0.0254  # metres
_USUAL = (0, 1, 72, 96)  # dots an inch that programs write where nobody chose any
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_XMP = b"XML:com.adobe.xmp"  # the text that is read, as XMP


def unread(data: bytes) -> tuple[str, ...]:
    """Notes of a PNG's, JPEG's or WebP's bytes: text, dots an inch, and frames behind the first."""
    if data.startswith(b"\x89PNG"):
        return _of_png(data)
    if data.startswith(b"\xff\xd8"):
        return density(_jfif_density(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and data[12:16] == b"VP8X" and data[20] & 2:
        return (_ANIMATED,)
    return ()


_ANIMATED = "it is animated: only its first frame is taken"


def _of_png(data: bytes) -> tuple[str, ...]:
    """PNG (W3C), 11.3: textual information, physical pixel dimensions, animation."""
    chunks = [(kind, body) for kind, body in _chunks(data) if not body.startswith(_XMP)]
    kinds = {kind for kind, _ in chunks}
    texts = [body.partition(b"\0")[0].decode("latin-1") for kind, body in chunks if kind in _TEXTS]
    notes = [f"its text is left out: {', '.join(dict.fromkeys(texts))}"] if texts else []
    for kind, body in chunks:
        if kind == b"pHYs" and len(body) == 9 and body[8] == 1:
            notes += density(round(struct.unpack(">I", body[:4])[0] * _INCH))
    return (*notes, _ANIMATED) if b"acTL" in kinds else tuple(notes)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += length + 12


def _jfif_density(data: bytes) -> int:
    """Dots an inch of a JPEG's JFIF header (ITU-T T.871, 10.1); 0 where it tells none."""
    if data[2:4] != b"\xff\xe0" or data[6:11] != b"JFIF\0" or len(data) < 18:
        return 0
    unit, told = struct.unpack_from(">BH", data, 13)
    dots: float = told * {1: 1.0, 2: 2.54}.get(unit, 0.0)
    return round(dots)


def density(dots: int) -> tuple[str, ...]:
    """A note of so many dots an inch, unless nobody chose them."""
    return () if dots in _USUAL else (f"{dots} dots an inch are left out: photos are written without",)
