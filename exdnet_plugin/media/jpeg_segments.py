"""The marker segments of a JPEG (ITU-T T.81, B.1.1): what its first picture carries, and what follows it."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

XMP = b"http://ns.adobe.com/xap/1.0/\0"  # XMP specification, part 3, 1.1.3
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_ICC = b"ICC_PROFILE\0"  # ICC.1, B.4
_MPF = b"MPF\0"  # CIPA DC-007, 5.1
_APP0, _APP1, _APP2, _EOI = 0xE0, 0xE1, 0xE2, 0xD9
_ROOM = 65519  # bytes of a profile in one segment
# a marker that is no stuffed zero, no restart and no fill byte: coded data is passed over
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True)
class Segments:
    """The first picture's segments.

    Attributes:
        found: (marker's second byte, body) each, in their order.
        behind: how many bytes follow the picture, without zeros that only fill.
    """

    found: tuple[tuple[int, bytes], ...]
    behind: int = 0

    def bodies(self, marker: int, identifier: bytes) -> list[bytes]:
        """What follows the identifier in segments that begin with it."""
        return [body[len(identifier) :] for kind, body in self.found if kind == marker and body.startswith(identifier)]


def is_jpeg(data: bytes) -> bool:
    """Whether a file begins as JPEG does."""
    return data.startswith(b"\xff\xd8")


def read_segments(data: bytes) -> Segments:
    """The segments of a JPEG's first picture; those before the damage where it is cut off."""
    found: list[tuple[int, bytes]] = []
    at = 2
    while marker := _MARKER.search(data, at):
        kind, at = data[marker.end() - 1], marker.end()
        if kind == _EOI:
            return Segments(tuple(found), len(data[at:].rstrip(b"\0")))
        if at + 2 > len(data):
            break
        (length,) = struct.unpack_from(">H", data, at)
        found.append((kind, data[at + 2 : at + length]))
        at += max(length, 2)
    return Segments(tuple(found))


def icc_profile(segments: Segments) -> tuple[bytes, tuple[str, ...]]:
    """The ICC profile, put together by its parts' numbers, or b"", and a note where parts are missing (ICC.1, B.4)."""
    parts = sorted((body[:2], body[2:]) for body in segments.bodies(_APP2, _ICC) if len(body) > 2)
    if not parts:
        return b"", ()
    count = parts[0][0][1]
    if [number for number, _ in parts] != [bytes((number, count)) for number in range(1, count + 1)]:
        return b"", (f"its ICC profile is left out: {len(parts)} of {count} parts do not make it whole",)
    return b"".join(part for _, part in parts), ()


def not_taken(segments: Segments) -> tuple[str, ...]:
    """Notes of further pictures, of data behind the first and of XMP that goes on in other segments."""
    further = ["an index of pictures (MPF)"] if segments.bodies(_APP2, _MPF) else []
    further += [f"{segments.behind} bytes behind it"] if segments.behind else []
    notes = [f"only its first picture is taken; left out: {', '.join(further)}"] if further else []
    notes += ["its extended XMP is left out"] if segments.bodies(_APP1, _EXTENDED_XMP) else []
    return tuple(notes)


def with_icc(data: bytes, profile: bytes) -> bytes:
    """The JPEG with a profile behind its JFIF, EXIF and XMP, in as many segments as it takes: OpenCV writes one."""
    at = 2
    while data[at : at + 2] in (bytes((0xFF, _APP0)), bytes((0xFF, _APP1))):
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    parts = [profile[start : start + _ROOM] for start in range(0, len(profile), _ROOM)]
    heads = [_ICC + bytes((number, len(parts))) for number in range(1, len(parts) + 1)]
    return data[:at] + b"".join(map(_app2, heads, parts)) + data[at:]


def _app2(head: bytes, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, _APP2, 2 + len(head) + len(body)) + head + body
