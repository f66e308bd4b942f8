"""What VapourSynth tells of a clip and its frames, in this package's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from exdnet_plugin.media.facts import ColorTags
from exdnet_plugin.stream_info import ChromaSite, ColorFacts, StreamInfo

Planes = list[NDArray[Any]]
FORMATS = "YUV 4:2:0, 4:2:2, 4:4:0, 4:4:4, RGB and GRAY of 8, 9, 10, 12, 14, 16 bits, half and float"
_DEPTHS = (8, 9, 10, 12, 14, 16)
_SUBSAMPLING = {(1, 1): "420", (1, 0): "422", (0, 0): "444", (0, 1): "440"}
_CHROMA_SITES: dict[int, ChromaSite] = {0: "left", 1: "center", 2: "topleft", 3: "top"}
_GBR = (1, 2, 0)  # FFmpeg's order of planar RGB, by VapourSynth's


def clip_stream(clip: vs.VideoNode) -> StreamInfo:
    """The stream of a clip; of floats, that of its 16-bit form. vapoursynth.Error for what is not handled."""
    if clip.format is None or clip.format.color_family == vs.UNDEFINED or not clip.width:
        raise vs.Error(
            "exdnet: the clip changes format or size on the way; bring it to one with "
            "core.resize.Bicubic(clip, width=1920, height=1080, format=vs.YUV420P8)"
        )
    rate = Fraction(clip.fps_num, clip.fps_den) if clip.fps_num else None
    return StreamInfo(clip.width, clip.height, _pixel_format(clip.format), rate)


def working_format(clip: vs.VideoNode) -> int:
    """VapourSynth's number of a clip's format with integers of 16 bits."""
    layout = clip.format
    return int(layout.replace(sample_type=vs.INTEGER, bits_per_sample=16).id)


def _pixel_format(layout: vs.VideoFormat) -> str:
    is_float = layout.sample_type == vs.FLOAT
    depth = 16 if is_float else layout.bits_per_sample
    subsampling = _SUBSAMPLING.get((layout.subsampling_w, layout.subsampling_h))
    if depth not in _DEPTHS or subsampling is None:
        near = {vs.YUV: "YUV444P16", vs.RGB: "RGB48", vs.GRAY: "GRAY16"}[layout.color_family]
        raise vs.Error(
            f"exdnet: format {layout.name} is not handled; there are {FORMATS}. "
            f"Convert it first: core.resize.Bicubic(clip, format=vs.{near})"
        )
    name = {vs.YUV: f"yuv{subsampling}p", vs.RGB: "gbrp", vs.GRAY: "gray"}[layout.color_family]
    return name if depth == 8 else f"{name}{depth}le"


def planes_of(frame: vs.VideoFrame) -> Planes:
    """A frame's planes, copied, in FFmpeg's order."""
    planes = [np.array(frame[index]) for index in range(frame.format.num_planes)]
    return [planes[index] for index in _order(frame)]


def with_planes(frame: vs.VideoFrame, planes: Planes) -> vs.VideoFrame:
    """A copy of a frame, with its properties, that has these planes, in FFmpeg's order."""
    result = frame.copy()
    for index, plane in zip(_order(frame), planes, strict=True):
        np.copyto(np.asarray(result[index]), plane)
    return result


def _order(frame: vs.VideoFrame) -> Sequence[int]:
    return _GBR if frame.format.color_family == vs.RGB else range(frame.format.num_planes)


def color_facts(frame: vs.VideoFrame) -> ColorFacts:
    """What a frame's properties tell of its colours. vapoursynth.Error for what is not handled."""
    props, family = frame.props, frame.format.color_family
    if props.get("_FieldBased", 0):
        raise vs.Error(
            f"exdnet: the frame is interlaced (_FieldBased={int(props['_FieldBased'])}); deinterlace it, or "
            "core.std.SeparateFields(clip), or core.std.SetFieldBased(clip, 0) if it is not"
        )
    limited = _is_limited(props)
    if family == vs.RGB and limited:
        raise vs.Error('exdnet: RGB of limited range is not handled; core.resize.Point(clip, range_s="full")')
    if family == vs.GRAY and limited is None:
        limited = True  # VapourSynth's rule for what is not RGB; FFmpeg's gray would be full
    tags = ColorTags(
        matrix=int(props.get("_Matrix", 2)),
        primaries=int(props.get("_Primaries", 2)),
        transfer=int(props.get("_Transfer", 2)),
        range=0 if limited is None else 1 if limited else 2,
    )
    return tags.names(_chroma_site(props))


def _is_limited(props: Mapping[str, Any]) -> bool | None:
    """`_Range` counts 0 for limited and 1 for full, `_ColorRange`, before VapourSynth R74, the other way round."""
    if "_Range" in props:
        return int(props["_Range"]) == 0
    return int(props["_ColorRange"]) == 1 if "_ColorRange" in props else None


def _chroma_site(props: Mapping[str, Any]) -> ChromaSite:
    if "_ChromaLocation" not in props:
        return "unspecified"
    number = int(props["_ChromaLocation"])
    if number not in _CHROMA_SITES:
        raise vs.Error(
            f"exdnet: _ChromaLocation {number} is not handled; there are 0 (left), 1 (center), 2 (top left), 3 (top). "
            'Move it: core.resize.Bicubic(clip, chromaloc_s="left")'
        )
    return _CHROMA_SITES[number]


def duration(props: Mapping[str, Any]) -> float | None:
    """A frame's duration in seconds, where it is told."""
    if not props.get("_DurationDen"):
        return None
    return float(Fraction(int(props["_DurationNum"]), int(props["_DurationDen"])))
