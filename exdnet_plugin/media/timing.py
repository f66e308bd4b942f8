"""When decoded frames are shown in the sink: at their own times or, on request, at a constant rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import av

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.source import VideoSource

MOST_REPEATS = 100_000  # an hour at 25 frames a second is a gap that someone may want; a broken clock's is longer
Stamp = tuple[int, int]  # pts and duration in ticks of the encoder's time base; a duration of 0 is unknown


@dataclass(frozen=True)
class Shown:
    """A decoded frame and when it is shown: never, once, or repeatedly at a constant rate."""

    frame: av.VideoFrame
    pts: int
    stamps: tuple[Stamp, ...]


def at_own_times(frames: Iterator[av.VideoFrame]) -> Iterator[Shown]:
    """Every frame once, at its own time, for its own duration."""
    for frame in frames:
        pts = frame.pts or 0
        yield Shown(frame, pts, ((pts, frame.duration or 0),))


def at_constant_rate(frames: Iterator[av.VideoFrame], rate: Fraction, source: VideoSource) -> Iterator[Shown]:
    """Frames repeated or left out so that there is one at every tick of a rate; each at the tick nearest to its time.

    A frame's ticks depend on its own time and the next one's alone, so a job that is resumed gives the same. The last
    one's end where it does, or the excerpt: it may have none, unless it is the only frame.
    """
    base = source.facts.time_base

    def nearest(moment: Fraction) -> int:
        return floor((moment - source.zero) * rate + Fraction(1, 2))  # round() would send halves to and fro

    def tick(pts: int) -> int:
        return nearest(pts * base)

    waiting: av.VideoFrame | None = None
    for frame in frames:
        if waiting is not None:
            yield _ticks(waiting, tick(waiting.pts or 0), tick(frame.pts or 0))
        waiting = frame
    if waiting is not None:
        pts, duration = waiting.pts or 0, waiting.duration or 0
        first, end = tick(pts), tick(pts + duration)
        if source.until is not None:
            end = min(end, nearest(source.until))
        needed = not duration or first == nearest(source.origin)
        yield _ticks(waiting, first, max(end, first + needed))


def _ticks(frame: av.VideoFrame, first: int, end: int) -> Shown:
    if end - first > MOST_REPEATS:
        raise MediaError(
            f"a frame would be repeated {end - first} times; the source's times have a gap. "
            "Leave --cfr away, or cut the gap out with --from and --to"
        )
    return Shown(frame, frame.pts or 0, tuple((tick, 1) for tick in range(first, end)))
