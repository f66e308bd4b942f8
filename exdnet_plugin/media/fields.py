"""Fields of interlaced frames: each is a picture of its own moment, so each is processed by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import av
import numpy as np
from av.error import BlockingIOError as NeedsMore
from av.error import EOFError as NoMore
from av.filter import Graph
from av.video.stream import VideoStream

from exdnet_plugin.media.frames import Plane
from exdnet_plugin.pixel_format import pixel_format


def has_fields(format_name: str, height: int) -> bool:
    """Whether frames split into two fields of one size, chroma too."""
    return height % (2 << pixel_format(format_name).log2_chroma[1]) == 0


def split(planes: Sequence[Plane]) -> tuple[list[Any], list[Any]]:
    """The upper and the lower field, without a copy."""
    return [plane[0::2] for plane in planes], [plane[1::2] for plane in planes]


def woven(upper: Sequence[Plane], lower: Sequence[Plane]) -> list[Any]:
    """Frames of two fields, line by line."""
    return [
        np.stack([top, bottom], axis=1).reshape(-1, *top.shape[1:]) for top, bottom in zip(upper, lower, strict=True)
    ]


def deinterlaced(frames: Iterator[av.VideoFrame], stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Whole frames at the frames' own times, by FFmpeg's bwdif; frames that are progressive pass as they are."""
    graph, base = Graph(), stream.time_base
    steps = [
        graph.add_buffer(template=stream),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("buffersink"),
    ]
    for one, next_one in pairwise(steps):
        one.link_to(next_one)
    graph.configure()
    for frame in frames:
        graph.push(frame)
        yield from _pulled(graph, base)
    graph.push(None)
    yield from _pulled(graph, base)


def _pulled(graph: Graph, base: Any) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (NeedsMore, NoMore):
            return
        assert isinstance(frame, av.VideoFrame)
        frame.pts = round((frame.pts or 0) * (frame.time_base or base) / base)  # the filter counts half ticks
        frame.time_base = base
        yield frame
