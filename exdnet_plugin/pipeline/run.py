"""A source through a filter into a sink: decode, filter and encode each on a thread of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from typing import Any

import av

from exdnet_plugin.frame_filter import FrameFilter
from exdnet_plugin.media.frames import frame_from_planes, frame_planes
from exdnet_plugin.media.sink import VideoSink
from exdnet_plugin.media.source import Item, VideoSource
from exdnet_plugin.pipeline.prefetch import prefetch
from exdnet_plugin.pipeline.stages import StageClock
from exdnet_plugin.report import Report

QUEUE = 4  # frames between two stages: what memory follows
Progress = Callable[[int], None]


def run(source: VideoSource, frame_filter: FrameFilter, sink: VideoSink, progress: Progress | None = None) -> Report:
    """Run a whole file; the sink gets its name when all went well, and leaves nothing behind when not.

    Args:
        source, frame_filter, sink: opened; the filter and the sink are closed here, the source by its owner.
        progress: told the number of frames written, after each.

    Raises:
        MediaError: the sink cannot be written.
        Whatever a processor raises, as it is.
    """
    clock, started = StageClock("decode", "filter", "encode"), time.perf_counter()
    report = Report(seconds=clock.seconds, sink=sink.path)
    decoded = clock.stage("decode", lambda _: source.items(), ())
    filtered = clock.stage(
        "filter", lambda items: _filtered(frame_filter, items), prefetch(decoded, QUEUE, name="decode")
    )
    finished = False
    try:
        with closing(
            clock.stage("encode", lambda items: _written(sink, items), prefetch(filtered, QUEUE, name="filter"))
        ) as written:  # type: ignore[type-var]  # a generator
            for _ in written:
                report.frames += 1
                if progress:
                    progress(report.frames)
        sink.finish()
        finished = True
    finally:
        if not finished:
            sink.abort()
        report.lost = source.lost
        report.wall = time.perf_counter() - started
        report.notes = [*source.notes, *sink.notes]
        frame_filter.close(report)
    return report


def _filtered(frame_filter: FrameFilter, items: Iterator[Item]) -> Iterator[Item]:
    """Frames through the filter; packets of other streams pass by, in front of frames that are still in flight."""
    in_flight: deque[av.VideoFrame] = deque()
    passing: deque[Item] = deque()

    def frames() -> Iterator[tuple[list[Any], float]]:
        for item in items:
            if isinstance(item, av.VideoFrame):
                in_flight.append(item)
                yield frame_planes(item), _seconds(item)
            else:
                passing.append(item)

    for planes in frame_filter.run(frames()):
        yield from _drained(passing)
        yield frame_from_planes(planes, in_flight.popleft())
    yield from _drained(passing)


def _drained(items: deque[Item]) -> Iterator[Item]:
    while items:
        yield items.popleft()


def _seconds(frame: av.VideoFrame) -> float:
    return float((frame.pts or 0) * (frame.time_base or Fraction(1)))


def _written(sink: VideoSink, items: Iterator[Item]) -> Iterator[int]:
    """Write all items; yields once a frame."""
    for item in items:
        sink.write(item)
        if isinstance(item, av.VideoFrame):
            yield 1
