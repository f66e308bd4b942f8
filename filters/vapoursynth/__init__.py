"""ExdNet for VapourSynth: `exdnet(clip)` gives a clip of the same format, brightened."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

try:
    import vapoursynth as vs
except ImportError as error:
    raise ImportError(
        f"exdnet: VapourSynth does not load here ({error}); with Python 3.12 or later, pip install vapoursynth"
    ) from error

from exdnet_plugin.filters.vapoursynth.clips import clip_stream, working_format
from exdnet_plugin.filters.vapoursynth.passes import Opening
from exdnet_plugin.filters.vapoursynth.segments import RATE_ASSUMED, SegmentedFilter

from exdnet_plugin import open_filter
from exdnet_plugin.api import check_filter
from exdnet_plugin.errors import ExdnetError
from exdnet_plugin.frame_filter import Quality


def exdnet(
    clip: vs.VideoNode,
    *,
    chain: str = "exdnet",
    device: str = "auto",
    quality: Quality = "exact",
    segment: float = 8.0,
) -> vs.VideoNode:
    """Brighten a clip.

    Args:
        clip: a `vapoursynth.VideoNode` of one format and size: YUV (4:2:0, 4:2:2, 4:4:0, 4:4:4), RGB or GRAY, of 8 to
            16 bits, half or float. Its frame properties tell its colours.
        chain: frame processors as text, as for :func:`exdnet_plugin.open_filter`.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        quality: `exact`, every frame at full size, or `realtime`: the chain on small frames, its colours transferred.
        segment: seconds after which temporal state starts anew, faded over; a frame out of order costs at most that
            much video and an eighth more. 0 makes the whole clip one segment.

    Returns:
        A clip of the same format, size, length and properties. `_SceneChangePrev` is set where a cut was seen.

    Raises:
        vapoursynth.Error: the clip, an option or, when a frame is made, its properties are not handled; says which are.
    """
    _check(clip, segment)
    stream = clip_stream(clip)
    opening = partial(open_filter, chain=chain, device=device, quality=quality)
    try:
        check_filter(stream, chain=chain, device=device, quality=quality)
    except (ValueError, ExdnetError) as error:
        raise vs.Error(f"exdnet: {error}") from None
    length = round(segment * float(stream.rate or RATE_ASSUMED)) if segment else clip.num_frames
    if clip.format.sample_type == vs.FLOAT:
        return _filtered_float(clip, lambda codes: _filtered(codes, opening, length))
    return _filtered(clip, opening, length)


def _check(clip: object, segment: float) -> None:
    if not isinstance(clip, vs.VideoNode):
        raise vs.Error(f"exdnet: clip is a {type(clip).__name__}; a vapoursynth.VideoNode is needed")
    if not segment >= 0:
        raise vs.Error(f"exdnet: segment {segment}: seconds are needed, 0 (the whole clip is one) or more")


def _filtered(clip: vs.VideoNode, opening: Opening, length: int) -> vs.VideoNode:
    # std.ModifyFrame calls its selector from many threads, but never twice at a time: it needs no lock.
    return clip.std.ModifyFrame(clip, SegmentedFilter(clip, opening, length))


def _filtered_float(clip: vs.VideoNode, filtered: Callable[[vs.VideoNode], vs.VideoNode]) -> vs.VideoNode:
    """Floats through 16 bits: what the chain changes there is added, so what 16 bits cannot hold goes around it."""
    full = {"range_s": "full"} if clip.format.color_family == vs.RGB else {}  # RGB of floats has no other
    codes = clip.resize.Point(format=working_format(clip), **full)
    bright = filtered(codes)
    before, after = (one.resize.Point(format=clip.format.id) for one in (codes, bright))
    result = vs.core.std.Expr([clip, before, after], "x y - z +")
    return result.std.CopyFrameProps(bright, props=["_SceneChangePrev"])
