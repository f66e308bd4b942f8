"""Frames in any order: each segment of a clip has a temporal state of its own, and segments are faded into each other.

A frame's result is a function of the clip alone, whoever asks for what before: that of its segment's frames up to it,
in order, from a fresh state. In the overlap at a segment's start, the segment before is gone on with too.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import numpy as np
import vapoursynth as vs
from exdnet_plugin.filters.vapoursynth.clips import Planes, clip_stream, with_planes
from exdnet_plugin.filters.vapoursynth.passes import POINT_EVERY, Filtered, Opening, Pass
from numpy.typing import NDArray

from exdnet_plugin import FrameFilter, StreamInfo
from exdnet_plugin.errors import ExdnetError

RATE_ASSUMED = 25  # frames a second, for the length of segments where a clip has no steady rate
OVERLAP = 8  # a segment is so many overlaps long: so many times a frame, another is computed twice
PASSES = 4  # at an overlap two are under way; two more are for whoever looks at another place, too


class SegmentedFilter:
    """A selector for `std.ModifyFrame`: the result of any frame.

    Args:
        clip: of integers.
        opening: opens a filter for a stream.
        length: frames a segment.
    """

    def __init__(self, clip: vs.VideoNode, opening: Opening, length: int) -> None:
        self._clip, self._length = clip, max(1, length)
        self._overlap = self._length // OVERLAP
        self._passes: OrderedDict[int, Pass] = OrderedDict()  # by first frame, the one used last at the end
        self._new_pass = partial(Pass, clip_stream(clip), _telling(opening))
        self._kept: OrderedDict[tuple[int, int], Filtered] = OrderedDict()
        self._keep = 2 * POINT_EVERY + vs.core.num_threads  # on the way to a frame, and asked for ahead
        # Every thread that calls PyTorch gets a pool of threads from OpenMP, so one calls it for all of VapourSynth's.
        self._thread = ThreadPoolExecutor(1, "exdnet")
        weakref.finalize(self, _close, self._passes)

    def __call__(self, n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        """Frame `n`, brightened; `f` is the clip's. vapoursynth.Error when a frame or its properties are not handled"""
        first = n - n % self._length
        planes, cut = self._result(first, n, f)
        into = n - first
        if first and into < self._overlap:
            before, cut_before = self._result(first - self._length, n, f)
            planes, cut = faded(before, planes, (into + 1) / (self._overlap + 1)), cut or cut_before
        result = with_planes(f, planes)
        if cut:
            result.props["_SceneChangePrev"] = 1
        return result

    def _result(self, first: int, n: int, frame: vs.VideoFrame) -> Filtered:
        """Frame `n` in the pass that begins at `first`."""
        if (first, n) not in self._kept:
            under_way = self._pass(first)
            under_way.seek(n)
            for number in range(under_way.next, n):
                with self._clip.get_frame(number) as earlier:  # gives up this thread's place in VapourSynth's pool
                    self._step(under_way, earlier)
            self._step(under_way, frame)
        return self._kept[first, n]

    def _step(self, under_way: Pass, frame: vs.VideoFrame) -> None:
        key = under_way.first, under_way.next
        try:
            self._kept[key] = self._thread.submit(under_way.step, frame).result()
        except Exception as error:
            under_way.begin(under_way.first)  # what it remembers may be half of a frame's
            if isinstance(error, (ValueError, ExdnetError)):
                raise vs.Error(f"exdnet: {error}") from error
            raise
        while len(self._kept) > self._keep:
            self._kept.popitem(last=False)

    def _pass(self, first: int) -> Pass:
        if first not in self._passes:
            full = len(self._passes) == PASSES
            under_way: Pass = self._passes.popitem(last=False)[1] if full else self._new_pass()
            under_way.begin(first)
            self._passes[first] = under_way
        self._passes.move_to_end(first)
        return self._passes[first]


def _telling(opening: Opening) -> Opening:
    """Log what opened filters take for granted, each thing once."""
    core, told = vs.core.core, set[str]()  # the proxy works on VapourSynth's own threads alone

    def opened(stream: StreamInfo) -> FrameFilter:
        result: FrameFilter = opening(stream)
        for note in result.notes:
            if note not in told:
                core.log_message(vs.MESSAGE_TYPE_WARNING, f"exdnet: {note}")
        told.update(result.notes)
        return result

    return opened


def _close(passes: OrderedDict[int, Pass]) -> None:
    for under_way in passes.values():
        under_way.close()


def faded(before: Planes, after: Planes, weight: float) -> Planes:
    """Between two results of a frame; `weight` in (0, 1) is that of the second.

    Rounded by a pattern: two results may differ by less than a code, and plain rounding would switch all of their
    pixels at once.
    """
    share = np.float32(weight)
    return [
        np.floor(one + (two.astype(np.float32) - one) * share + _pattern(one.shape)).astype(one.dtype)
        for one, two in zip(before, after, strict=True)
    ]


@lru_cache(4)
def _pattern(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Evenly spread thresholds, from the two-dimensional golden ratio; below 1 by what float32 rounds off 16 bits."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return ((rows * 0.5698402909980532 + columns * 0.7548776662466927) % 1 * 0.99).astype(np.float32)
