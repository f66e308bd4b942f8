"""A budget of latency: quality goes a step down where it is passed, and up again when there is room."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Literal

from exdnet_plugin.live.figures import Figures

log = logging.getLogger("exdnet.live")
Level = Literal["exact", "realtime", "coarse"]
LEVELS: tuple[Level, ...] = ("exact", "realtime", "coarse")
LOOK = 1.0  # seconds between two looks: a single late frame is no trend
ROOM = 0.5  # of the budget: with latency under it, a better quality may fit
# Seconds of room before a step up; doubled each time that a step up did not hold.
FIRST_WAIT, LONGEST_WAIT = 10.0, 300.0


class Budget:
    """Chooses the quality from the latency of the pictures that went out.

    Args:
        seconds: the budget; None never changes the level.
        best: the level to begin with, and not to go beyond.
        figures: takes the level and its changes.
        clock: monotonic seconds.
    """

    def __init__(
        self, seconds: float | None, best: Level, figures: Figures, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if seconds is not None and not seconds > 0:
            raise ValueError(f"latency of {seconds * 1000:g} ms: a budget is more than 0")
        self._seconds, self._figures, self._clock = seconds, figures, clock
        self._levels = LEVELS[LEVELS.index(best) :]
        self._at, self._worst, self._looked, self._changed = 0, 0.0, clock(), clock()
        self._wait, self._stepped_up = FIRST_WAIT, False
        figures.level = self.level

    @property
    def level(self) -> Level:
        """The quality now."""
        return self._levels[self._at]

    def spent(self, latency: float) -> None:
        """Told the latency of a picture that went out, in seconds."""
        if self._seconds is None:
            return
        now, self._worst = self._clock(), max(self._worst, latency)
        if now - self._looked >= LOOK:
            self._look(now, self._worst, self._seconds)
            self._looked, self._worst = now, 0.0

    def _look(self, now: float, latency: float, budget: float) -> None:
        if latency > budget and self._at < len(self._levels) - 1:
            self._wait = min(self._wait * 2, LONGEST_WAIT) if self._stepped_up else FIRST_WAIT
            self._step(1, now, f"latency of {latency * 1000:.0f} ms is over {budget * 1000:.0f}")
        elif latency > budget * ROOM:
            self._changed = now  # room has to last
        elif self._at and now - self._changed >= self._wait:
            self._step(-1, now, f"latency of {latency * 1000:.0f} ms leaves room")

    def _step(self, by: int, now: float, why: str) -> None:
        self._at += by
        self._changed, self._stepped_up = now, by < 0
        self._figures.level = self.level
        self._figures.changes[self.level] += 1
        log.warning("%s: quality is %s now", why, self.level)
