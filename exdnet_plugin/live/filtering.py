"""Pictures through the chain as a live stream needs it: opened again for other pictures, not ended by an error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from exdnet_plugin.frame_filter import FrameFilter, Quality
from exdnet_plugin.live.budget import Level
from exdnet_plugin.live.feed import Picture
from exdnet_plugin.live.figures import Figures
from exdnet_plugin.live.reminder import Reminder
from exdnet_plugin.media.frames import frame_from_planes, frame_planes
from exdnet_plugin.report import Report
from exdnet_plugin.stream_info import StreamInfo

log = logging.getLogger("exdnet.live")
COARSE = 0.1  # seconds for which the transforms of quality `coarse` are kept

Open = Callable[[StreamInfo, Quality], FrameFilter]


class LiveFilter:
    """Filters pictures in order.

    Args:
        open_filter: opens the chain over a stream.
        figures: counts pictures that passed as they were, and seconds.
        strict: let a processor's error out instead of passing the picture as it was.

    Attributes:
        opened: when the chain was opened last, by the monotonic clock.
    """

    def __init__(self, open_filter: Open, figures: Figures, *, strict: bool = False) -> None:
        self._open, self._figures, self._strict = open_filter, figures, strict
        self._filter: FrameFilter | None = None
        self._info: StreamInfo | None = None
        self._level: Level | None = None
        self._run, self.opened = 0, 0.0
        self._reminder = Reminder()
        self._noted: set[str] = set()

    def __call__(self, picture: Picture, level: Level) -> None:
        """Brighten a picture in place."""
        start = time.perf_counter()
        try:
            frame_filter = self._ready(picture, level)
            planes = frame_filter(frame_planes(picture.frame), picture.time)
            frame_from_planes(planes, picture.frame)
        except Exception as error:
            if self._strict:
                raise
            self._pass_over(error)
        finally:
            self._figures.spent("filter", start)

    def _ready(self, picture: Picture, level: Level) -> FrameFilter:
        """The filter for a picture, opened, of its level, and without memory of what the picture does not continue."""
        if self._filter is None or self._info is not picture.info or self._quality(self._level) != self._quality(level):
            self._reopen(picture, level)
        elif self._run != picture.run:
            self._filter.reset()
        assert self._filter
        self._filter.refresh = COARSE if level == "coarse" else 0.0
        self._level, self._run = level, picture.run
        return self._filter

    @staticmethod
    def _quality(level: Level | None) -> Quality:
        return "exact" if level == "exact" else "realtime"

    def _reopen(self, picture: Picture, level: Level) -> None:
        goes_on = self._info is picture.info and self._run == picture.run
        state = self._filter.remembered() if self._filter and goes_on else None
        self.close()
        self._filter, self._info = self._open(picture.info, self._quality(level)), picture.info
        if state:
            self._filter.restore(state)  # the other quality goes on where this one was: brightness does not jump
        self.opened = time.monotonic()
        for note in set(self._filter.notes) - self._noted:
            log.info(note)
        self._noted |= set(self._filter.notes)

    def _pass_over(self, error: Exception) -> None:
        self._figures.unfiltered += 1
        if self._reminder.is_due("a processor fails"):
            log.error(
                "pictures pass as they are, %d so far: %s: %s", self._figures.unfiltered, type(error).__name__, error
            )

    def close(self) -> None:
        """Close the chain."""
        if self._filter:
            self._filter.close(Report(frames=self._figures.frames_out, dropped=self._figures.left_out))
        self._filter = None
