"""Decoded frames and their planes: PyAV on one side, numpy arrays and facts on the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import av
import numpy as np
from av.video.format import VideoFormat
from av.video.frame import PictureType
from numpy.typing import NDArray

from exdnet_plugin.pixel_format import pixel_format

Plane = NDArray[np.uint8] | NDArray[np.uint16]


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
    if asked.is_rgb or asked.has_palette or (alpha and len(asked.components) <= 2):  # gray with alpha is among RGB
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


def frame_from_planes(planes: Sequence[Plane], decoded: av.VideoFrame) -> av.VideoFrame:
    """A decoded frame with other planes. Every other fact of it stays: time, colour, fields, captions, light levels."""
    own = frame_planes(decoded)
    planes = [
        plane.copy() if np.may_share_memory(plane, old) else plane for plane, old in zip(planes, own, strict=True)
    ]
    decoded.make_writable()  # the decoder still predicts from what it holds; the old planes may be gone now
    for index, plane in enumerate(planes):
        _plane(decoded, index)[...] = plane
    decoded.pict_type = PictureType.NONE  # the encoder places its own keyframes
    return decoded


def reformatted(
    frame: av.VideoFrame,
    pixel_format: str,
    size: tuple[int, int] | None = None,
    colors: tuple[int, int] | None = None,
) -> av.VideoFrame:
    """The frame itself where it is of that format and size, else converted by swscale with its times kept.

    `colors` are needed where YUV is made of RGB, or RGB of YUV: FFmpeg's codes of the matrix and of the new range.
    """
    width, height = size or (frame.width, frame.height)
    if (frame.format.name, frame.width, frame.height) == (pixel_format, width, height):
        return frame
    pts, time_base, duration = frame.pts, frame.time_base, frame.duration
    matrix, range_ = colors or (None, None)
    frame = frame.reformat(
        width, height, pixel_format, src_colorspace=matrix, dst_colorspace=matrix, dst_color_range=range_
    )
    frame.pts, frame.duration = pts, duration
    if time_base is not None:
        frame.time_base = time_base
    return frame
