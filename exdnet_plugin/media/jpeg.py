"""What OpenCV does not tell of a JPEG photo, or tells wrongly: its ICC profile, and what its XMP tells of."""

from __future__ import annotations

from exdnet_plugin.media.jpeg_segments import XMP, icc_profile, not_taken, read_segments
from exdnet_plugin.media.xmp import without_claims


def carried(blocks: dict[str, bytes], data: bytes) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The `exif`, `xmp` and `icc` blocks of a file's first picture, of OpenCV's `blocks` of it; notes of what is lost.

    OpenCV takes every APP2 segment for a part of the profile: an index of pictures (MPF), a gain map's header.
    """
    segments = read_segments(data)
    icc, notes = icc_profile(segments)
    xmp, claims = without_claims(blocks.get("xmp", b"").removeprefix(XMP))
    told = {"exif": blocks.get("exif", b""), "xmp": xmp, "icc": icc}
    return {name: block for name, block in told.items() if block}, (*notes, *not_taken(segments), *claims)
