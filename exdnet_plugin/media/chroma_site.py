"""Where a stream's chroma samples lie, by a way around PyAV, which does not tell."""

from __future__ import annotations

import io

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from exdnet_plugin.stream_info import ChromaSite

# RFC 9559 (Matroska), 5.1.4.1.28.23 and .24: ChromaSitingHorz and ChromaSitingVert, each a number of one byte.
_HORIZONTAL, _VERTICAL = b"\x55\xb7\x81", b"\x55\xb8\x81"
_SITES: dict[tuple[int, int], ChromaSite] = {(1, 2): "left", (2, 2): "center", (1, 1): "topleft", (2, 1): "top"}


def chroma_site(stream: VideoStream) -> ChromaSite:
    """The site that FFmpeg read from a stream: it writes it into a Matroska header, and there it can be read.

    Matroska knows no bottom sites: they count as unspecified, as does a codec that Matroska does not take.
    """
    header = io.BytesIO()
    try:
        with av.open(header, "w", format="matroska") as container:
            container.add_stream_from_template(stream)
            container.start_encoding()
    except (FFmpegError, ValueError):
        return "unspecified"
    content = header.getvalue()
    return _SITES.get((_number(content, _HORIZONTAL), _number(content, _VERTICAL)), "unspecified")


def _number(header: bytes, element: bytes) -> int:
    """The value of an element of one byte; 0, Matroska's own word for unspecified, where it is not there."""
    place = header.find(element)
    return header[place + len(element)] if place >= 0 else 0
