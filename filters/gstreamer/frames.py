"""What GStreamer tells of a stream and a buffer, in this package's terms. It is handed objects and imports no `gi`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exdnet_plugin.pixel_format import pixel_format
from exdnet_plugin.stream_info import ChromaSite, ColorFacts, Range, StreamInfo

PIXEL_FORMATS = {
    "I420": "yuv420p",
    "NV12": "nv12",
    "RGB": "rgb24",
    "I420_10LE": "yuv420p10le",
    "P010_10LE": "p010le",
}
# FFmpeg's names by GStreamer's nicks; what has none in H.273 is unspecified.
_MATRICES = {
    "rgb": "rgb", "fcc": "fcc", "bt709": "bt709", "bt601": "smpte170m", "smpte240m": "smpte240m", "bt2020": "bt2020nc",
}  # fmt: skip
_TRANSFERS = {
    "gamma10": "linear", "gamma22": "bt470m", "gamma28": "bt470bg", "bt709": "bt709", "bt601": "smpte170m",
    "smpte240m": "smpte240m", "srgb": "iec61966-2-1", "log100": "log100", "log316": "log316",
    "bt2020-10": "bt2020-10", "bt2020-12": "bt2020-12", "smpte2084": "smpte2084", "arib-std-b67": "arib-std-b67",
}  # fmt: skip
_PRIMARIES = {
    "bt709": "bt709", "bt470m": "bt470m", "bt470bg": "bt470bg", "smpte170m": "smpte170m", "smpte240m": "smpte240m",
    "film": "film", "bt2020": "bt2020", "smptest428": "smpte428", "smpterp431": "smpte431", "smpteeg432": "smpte432",
    "ebu3213": "jedec-p22",
}  # fmt: skip
_RANGES: dict[str, Range] = {"0-255": "full", "16-235": "limited"}
# GstVideoChromaSite is a set of flags: none 1, horizontally cosited 2, vertically cosited 4.
_CHROMA_SITES: dict[int, ChromaSite] = {1: "center", 2: "left", 4: "top", 6: "topleft"}


def stream_info(info: Any) -> StreamInfo:
    """The stream of a `GstVideo.VideoInfo`. ValueError for interlaced video, whose rows are of two moments."""
    mode = info.interlace_mode.value_nick
    if mode != "progressive":
        raise ValueError(f"interlace-mode {mode}: only progressive is handled; put deinterlace before exdnet")
    rate = Fraction(info.fps_n, info.fps_d) if info.fps_n and info.fps_d else None
    return StreamInfo(info.width, info.height, PIXEL_FORMATS[info.finfo.name], rate, color_facts(info))


def color_facts(info: Any) -> ColorFacts:
    """The colorimetry and chroma site of a `GstVideo.VideoInfo`; what caps left out, GStreamer has filled in."""
    tagged = info.colorimetry
    return ColorFacts(
        matrix=_MATRICES.get(tagged.matrix.value_nick, "unspecified"),
        primaries=_PRIMARIES.get(tagged.primaries.value_nick, "unspecified"),
        transfer=_TRANSFERS.get(tagged.transfer.value_nick, "unspecified"),
        range=_RANGES.get(tagged.range.value_nick, "unspecified"),
        chroma_site=_CHROMA_SITES.get(int(info.chroma_site), "unspecified"),
    )


def plane_views(
    data: memoryview, stream: StreamInfo, offsets: Sequence[int], strides: Sequence[int]
) -> list[NDArray[Any]]:
    """A mapped buffer's planes as arrays over its memory, to be dropped before it is unmapped.

    Args:
        data: the buffer's bytes.
        stream: gives size and pixel format.
        offsets, strides: in bytes, one a plane, of the buffer's video meta or else of its caps.

    Raises:
        ValueError: the buffer is smaller than its planes.
    """
    layout = pixel_format(stream.pixel_format)
    kind = np.dtype(np.uint8 if layout.bytes_per_value == 1 else np.uint16)
    views = []
    for index, channels in enumerate(layout.planes):
        shape = layout.plane_shape(index, stream.width, stream.height)
        steps = (strides[index], len(channels) * kind.itemsize, kind.itemsize)[: len(shape)]
        end = offsets[index] + strides[index] * (shape[0] - 1) + shape[1] * len(channels) * kind.itemsize
        if end > len(data):
            raise ValueError(
                f"a buffer of {len(data)} bytes for {stream.width}x{stream.height} {layout.name}, which needs {end}; "
                "put rawvideoparse behind a source of bytes"
            )
        views.append(np.ndarray(shape, kind, data, offsets[index], steps))
    return views
