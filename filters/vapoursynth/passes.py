"""One way through a segment's frames, in order, that can go back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import vapoursynth as vs
from exdnet_plugin.filters.vapoursynth.clips import Planes, color_facts, duration, planes_of

from exdnet_plugin import ColorFacts, FrameFilter, StreamInfo
from exdnet_plugin.frame_filter import State

POINT_EVERY = 8  # frames: so many are computed at most to go a step back
PICTURES_KEPT = 4  # points, where each is as large as a frame: further back, a segment is computed from its start
Opening = Callable[[StreamInfo], FrameFilter]
Filtered = tuple[Planes, bool]  # a frame's planes, and whether a processor saw a cut before it


@dataclass(frozen=True)
class Point:
    """All that is remembered in front of a frame.

    Attributes:
        state: what processors remember, None for nothing.
        color: the facts of the frames that they remember.
        time: when the frame before ends, in seconds, None where that is not told.
        scene_ended: whether the frame before was marked as its scene's last.
    """

    state: State | None = None
    color: ColorFacts = field(default_factory=ColorFacts)
    time: float | None = None
    scene_ended: bool = False


class Pass:
    """A filter over the frames from `first` on.

    Args:
        stream: of the clip; its colour is replaced by what frames tell.
        opening: opens a filter for a stream.

    Attributes:
        first: the frame that it began at, from a fresh state.
        next: the frame that :meth:`step` takes.
    """

    def __init__(self, stream: StreamInfo, opening: Opening) -> None:
        self._stream, self._opening = stream, opening
        self._filter: FrameFilter | None = None
        self.begin(0)

    def begin(self, first: int) -> None:
        """Be at a segment's first frame, and forget."""
        self.first = first
        self._points = {first: Point()}
        self._go_to(first)

    def seek(self, n: int) -> None:
        """Be at frame `n`, which is not before `first`, or as near before it as is remembered."""
        nearest = max(number for number in self._points if number <= n)
        if n < self.next or nearest > self.next:
            self._go_to(nearest)

    def _go_to(self, number: int) -> None:
        self.next, self._before = number, self._points[number]
        self._fresh = self._before.state is None
        if self._before.state is not None:
            self._of_color(self._before.color).restore(self._before.state)

    def step(self, frame: vs.VideoFrame) -> Filtered:
        """Filter frame `next`. ValueError, vapoursynth.Error or ExdnetError when it cannot be."""
        props, color = frame.props, color_facts(frame)
        opened = self._of_color(color)
        if self._fresh or self._before.scene_ended or props.get("_SceneChangePrev", 0):
            opened.reset()
        self._fresh = False
        cuts, time = opened.cuts, self._time(props)
        due = (self.next + 1 - self.first) % POINT_EVERY == 0 and not opened.forgetful
        planes = next(opened.run([(planes_of(frame), time)], snapshots=int(due)))
        lasts = duration(props)
        ends = None if lasts is None else time + lasts
        self._before = Point(None, color, ends, bool(props.get("_SceneChangeNext", 0)))
        self.next += 1
        if due and (state := opened.snapshot) is not None:
            self._points[self.next] = replace(self._before, state=state)
            if opened.remembers_pictures:
                for number in sorted(self._points)[1:-PICTURES_KEPT]:
                    del self._points[number]
        return planes, opened.cuts > cuts

    def _time(self, props: Mapping[str, Any]) -> float:
        """By the clip's rate, else where the frame before ended: absolute time jumps where clips are joined."""
        if self._stream.rate:
            return float(self.next / self._stream.rate)
        if self._before.time is not None:
            return self._before.time
        if "_AbsoluteTime" in props:
            return float(props["_AbsoluteTime"])
        if self.next == self.first:
            return 0.0
        raise ValueError(
            f"frame {self.next} has no time: the clip has no rate, and frames no _DurationNum and _DurationDen, and no "
            "_AbsoluteTime; give it a rate with core.std.AssumeFPS(clip, fpsnum=25)"
        )

    def _of_color(self, color: ColorFacts) -> FrameFilter:
        """The filter for frames of these colours; frames of others are another stream, and it starts anew."""
        if self._filter is None or self._filter.stream.color != color:
            self.close()
            self._filter = self._opening(replace(self._stream, color=color))
        return self._filter

    def close(self) -> None:
        """Release the network."""
        if self._filter:
            self._filter.close()
        self._filter = None
