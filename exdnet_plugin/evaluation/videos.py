"""Videos: how bright and how steady one is before and after a chain, or two that were made of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import torch

from exdnet_plugin.api import open_filter
from exdnet_plugin.color import ColorConverter
from exdnet_plugin.evaluation.consistency import Consistency, FramePair
from exdnet_plugin.evaluation.motion import SMALLEST, Floats
from exdnet_plugin.evaluation.results import VIDEO_COLUMNS, Evaluated, rounded
from exdnet_plugin.media.frames import frame_planes
from exdnet_plugin.media.source import Excerpt, VideoSource

FRAMES = 120


def open_source(path: Path, start: Fraction = Fraction(0)) -> VideoSource:
    """A video to be measured, of whole frames: interlaced ones are deinterlaced.

    Raises:
        MediaError: it cannot be read.
        ValueError: its frames are too small for optical flow.
    """
    source = VideoSource(path, excerpt=Excerpt(start))
    if source.fields == 2:
        source.close()
        source = VideoSource(path, excerpt=Excerpt(start), deinterlace=True)
    width, height = source.facts.width, source.facts.height
    if min(width, height) < SMALLEST:
        source.close()
        raise ValueError(f"{path} is {width}x{height}: optical flow needs at least {SMALLEST}x{SMALLEST}")
    return source


def evaluate_video(
    source: VideoSource, *, chain: str = "exdnet", device: str = "auto", frames: int = FRAMES
) -> Iterator[Evaluated]:
    """A row a frame, the first `frames` of them: luma, flicker and warping error before and after a chain.

    The chain runs as :func:`exdnet_plugin.enhance_video` runs it, with its state from frame to frame; nothing is
    encoded in between.

    Raises:
        ValueError, CheckpointError: as for :func:`exdnet_plugin.open_filter`.
    """
    measure, converter = Consistency(), ColorConverter(source.info)
    with open_filter(source.info, chain=chain, device=device) as opened:
        for time, planes in _frames(source, frames):
            sides = {"before": planes, "after": opened(planes, time)}
            yield _evaluated(measure, time, {side: _rgb(converter, some) for side, some in sides.items()})


def evaluate_videos(before: VideoSource, after: VideoSource, *, frames: int = FRAMES) -> Iterator[Evaluated]:
    """A row a frame, the first `frames` of them, of two versions of one video; motion is that of `before`.

    Raises:
        ValueError: they differ in size, in the number of frames, or in when frames are shown.
    """
    check_alike(before, after)
    measure, sources = Consistency(), (before, after)
    converters = [ColorConverter(source.info) for source in sources]
    others = _frames(after, frames)
    count = 0
    for time, planes in _frames(before, frames):
        other = next(others, None)
        if other is None:
            raise _other_count(after, before, count)
        _check_times(before, after, time, other[0])
        pictures = [_rgb(*pair) for pair in zip(converters, (planes, other[1]), strict=True)]
        yield _evaluated(measure, time, {"before": pictures[0], "after": pictures[1]})
        count += 1
    if next(others, None):
        raise _other_count(before, after, count)


def check_alike(before: VideoSource, after: VideoSource) -> None:
    """ValueError when two videos differ in size."""
    sizes = [f"{source.facts.width}x{source.facts.height}" for source in (before, after)]
    if sizes[0] != sizes[1]:
        raise ValueError(f"{before.path} is {sizes[0]} but {after.path} is {sizes[1]}: scale one to the other's size")


def _other_count(short: VideoSource, long: VideoSource, count: int) -> ValueError:
    return ValueError(
        f"{short.path} ends behind {count} frames but {long.path} goes on: give two versions of the same frames, or "
        f"--frames {count}"
    )


def _check_times(before: VideoSource, after: VideoSource, time: float, other: float) -> None:
    if abs(time - other) > 0.5 / float(before.facts.rate or 25):
        raise ValueError(
            f"a frame of {before.path} is shown at {time:.3f} s but its fellow of {after.path} at {other:.3f} s: give "
            "two versions of the same frames"
        )


def _frames(source: VideoSource, count: int) -> Iterator[tuple[float, list[Any]]]:
    """Seconds since the excerpt's start, and planes, of the first frames."""
    base, first = source.facts.time_base, None
    for _, frame in zip(range(count), source.frames(), strict=False):
        seconds = (frame.pts or 0) * base
        first = seconds if first is None else first
        yield float(seconds - first), frame_planes(frame)


def _rgb(converter: ColorConverter, planes: list[Any]) -> Floats:
    """(H, W, 3) float32 RGB in [0, 1]."""
    rgb = converter.to_rgb([torch.from_numpy(plane) for plane in planes])[0].clamp(0, 1)
    return cast(Floats, rgb.permute(1, 2, 0).contiguous().numpy())


def _evaluated(measure: Consistency, time: float, frames: Mapping[str, Floats]) -> Evaluated:
    return Evaluated(_row(measure.update(frames), time), frames)


def _row(pair: FramePair, time: float) -> dict[str, Any]:
    shares = {name: None if (v := getattr(pair, name)) is None else round(v, 2) for name in ("static", "compared")}
    sides = {side: rounded(getattr(pair, side)._asdict(), VIDEO_COLUMNS) for side in ("before", "after")}
    return {"time": round(time, 4), "cut": pair.cut, **shares, **sides}
