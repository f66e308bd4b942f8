"""Decoded frames through one of FFmpeg's own filters, their times kept."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import chain, groupby, pairwise
from threading import Lock

import av
from av.error import BlockingIOError as NeedsMore
from av.error import EOFError as NoMore
from av.filter import Graph

DEINTERLACE = ("bwdif", "mode=send_frame:deint=interlaced")
_TO_SDR = ("scale", "out_color_matrix=bt709:out_primaries=bt709:out_transfer=bt709:out_range=tv:intent=perceptual")


def through(frames: Iterator[av.VideoFrame], name: str, options: str) -> Iterator[av.VideoFrame]:
    """Frames through a filter that gives a frame for each; one begun anew where they change size or format."""
    for _, alike in groupby(frames, lambda frame: (frame.width, frame.height, frame.format.name)):
        first = next(alike)
        base = first.time_base or Fraction(1)
        graph = linked(first, base, (name, options))
        for frame in chain([first], alike):
            graph.push(frame)
            yield from _pulled(graph, base)
        graph.push(None)
        yield from _pulled(graph, base)


def tone_mapped(frame: av.VideoFrame) -> av.VideoFrame:
    """A PQ or HLG frame in BT.709."""
    base = frame.time_base or Fraction(1)
    graph, alone = _tone_map(frame.width, frame.height, frame.format.name, base)
    with alone:
        graph.push(frame)
        return next(_pulled(graph, base))


@lru_cache(maxsize=4)
def _tone_map(width: int, height: int, pixel_format: str, base: Fraction) -> tuple[Graph, Lock]:
    """What tone-maps frames of a kind, and its lock; kept, since swscale's table takes seconds to make."""
    like = av.VideoFrame(width, height, pixel_format)
    return linked(like, base, _TO_SDR), Lock()


def turned(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Frames turned upright by quarters, as the first one's display matrix says."""
    first = next(frames, None)
    if first is None:
        return iter(())
    frames = chain([first], frames)
    for _ in range(quarter_turns(first)):
        frames = through(frames, "transpose", "dir=cclock")
    return frames


def quarter_turns(frame: av.VideoFrame) -> int:
    """How often a frame is to be turned by 90° against the clock to be upright, 0 to 3."""
    return frame.rotation // 90 % 4


def linked(like: av.VideoFrame, base: Fraction, *filters: tuple[str, str]) -> Graph:
    """FFmpeg's filters by name and options, one behind the other, for frames like one, of a time base."""
    graph = Graph()
    source = graph.add_buffer(width=like.width, height=like.height, format=like.format, time_base=base)
    steps = [source, *(graph.add(*one) for one in filters), graph.add("buffersink")]
    for one, following in pairwise(steps):
        one.link_to(following)
    graph.configure()
    return graph


def _pulled(graph: Graph, base: Fraction) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (NeedsMore, NoMore):
            return
        assert isinstance(frame, av.VideoFrame)
        own = frame.time_base or base  # bwdif counts half ticks
        frame.pts, frame.duration = round((frame.pts or 0) * own / base), round((frame.duration or 0) * own / base)
        frame.time_base = base
        yield frame
