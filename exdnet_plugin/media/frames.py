"""Decoded frames and their planes: PyAV on one side, numpy arrays and facts on the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import av
import numpy as np
from av.video.format import VideoFormat
from numpy.typing import NDArray

from exdnet_plugin.pixel_format import pixel_format
from exdnet_plugin.stream_info import ColorFacts, Range

Plane = NDArray[np.uint8] | NDArray[np.uint16]

# H.273's code points, as FFmpeg counts and names them.
MATRICES = {
    0: "rgb", 1: "bt709", 2: "unspecified", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
    9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
    15: "ipt-c2",
}  # fmt: skip
PRIMARIES = {
    1: "bt709", 2: "unspecified", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "jedec-p22",
}  # fmt: skip
TRANSFERS = {
    1: "bt709", 2: "unspecified", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
    10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
    16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
RANGES: dict[int, Range] = {0: "unspecified", 1: "limited", 2: "full"}


def color_facts(tagged: Any) -> ColorFacts:
    """The colour facts of a codec context or frame. PyAV tells no chroma site, so that stays unspecified."""
    return ColorFacts(
        matrix=_name(MATRICES, tagged.colorspace),
        primaries=_name(PRIMARIES, tagged.color_primaries),
        transfer=_name(TRANSFERS, tagged.color_trc),
        range=RANGES.get(int(tagged.color_range), "unspecified"),
    )


def _name(table: dict[int, str], code: int) -> str:
    return table.get(int(code), f"code {int(code)}")


def copy_color_tags(source: Any, target: Any) -> None:
    """Tags as they came, from a codec context or frame to another."""
    for tag in ("colorspace", "color_primaries", "color_trc", "color_range"):
        setattr(target, tag, int(getattr(source, tag)))


def workable_format(name: str) -> str:
    """The format itself where our colour room handles it, else the planar one nearest to it, for swscale's use."""
    try:
        return pixel_format(name).name
    except ValueError:
        pass
    asked = VideoFormat(name)
    depth = max(component.bits for component in asked.components)
    suffix = "" if depth <= 8 else f"{next(bits for bits in (9, 10, 12, 14, 16) if bits >= min(depth, 16))}le"
    alpha = any(component.is_alpha for component in asked.components)
    if asked.is_rgb or asked.has_palette:
        return f"gbr{'a' if alpha else ''}p{suffix}" if not asked.has_palette else "rgba"
    if len(asked.components) <= 2:
        return f"gray{suffix}"
    sub = {(64, 64): "444", (32, 64): "422", (64, 32): "440", (32, 32): "420"}
    ratio = (asked.chroma_width(64), asked.chroma_height(64))
    return f"yuv{'a' if alpha else ''}{sub.get(ratio, '444')}p{suffix}"


def frame_planes(frame: av.VideoFrame) -> list[Plane]:
    """A frame's planes without a copy, of any strides. Not to be written to: decoders predict from them."""
    return [_plane(frame, index) for index in range(len(pixel_format(frame.format.name).planes))]


def _plane(frame: av.VideoFrame, index: int) -> Plane:
    layout = pixel_format(frame.format.name)
    kind = np.uint8 if layout.bytes_per_value == 1 else np.uint16
    plane = frame.planes[index]
    height, width, *channels = layout.plane_shape(index, frame.width, frame.height)
    rows = np.frombuffer(cast(Any, plane), kind).reshape(-1, plane.line_size // np.dtype(kind).itemsize)
    values = rows[:height, : width * (channels[0] if channels else 1)]
    return cast(Plane, values.reshape(height, width, channels[0]) if channels else values)


def frame_from_planes(planes: Sequence[Plane], like: av.VideoFrame) -> av.VideoFrame:
    """A new frame with these planes and every fact of another: time, colour, picture structure."""
    frame = av.VideoFrame(like.width, like.height, like.format.name)
    for index, plane in enumerate(planes):
        _plane(frame, index)[...] = plane
    frame.pts, frame.time_base, frame.duration = like.pts, like.time_base, like.duration
    copy_color_tags(like, frame)
    return frame
