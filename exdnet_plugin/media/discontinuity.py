"""Times that jump back, as where recordings were put one behind the other: what follows is joined on."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

JUMP = Fraction(1)  # seconds: less is disorder, not a new clock


class Rising:
    """Puts a stream's later times off, so that they go on where the earlier ones ended.

    Args:
        time_base: seconds a tick.
        joins: seconds by which times are to be put off behind each jump, as another stream of the file was, so that
            both stay in step; without, or behind further jumps, this stream's own end counts.
        least: ticks from one time to the next at least.

    Attributes:
        offset: ticks that are added now.
        jumps: how often times jumped back.
    """

    def __init__(self, time_base: Fraction, joins: Sequence[Fraction] = (), least: int = 1) -> None:
        self._most = max(round(JUMP / time_base), 1)
        self._joins, self._least = [round(join / time_base) for join in joins], least
        self._last: int | None = None
        self._came: int | None = None  # the latest time as it came, since the last jump
        self.offset = self.jumps = 0

    @property
    def last(self) -> int | None:
        """The time given last, as the stream itself counts now; None before the first."""
        return None if self._last is None else self._last - self.offset

    def follow(self, time: int, duration: int) -> bool:
        """Join a time on if it jumps back. False if it overlaps what came in front of a join, and is to be left out."""
        jumps = self._came is not None and time <= self._came - self._most
        if jumps:
            joined = self.jumps < len(self._joins)
            self.offset = self._joins[self.jumps] if joined else (self._last or 0) + max(duration, 1) - time
            self.jumps += 1
        self._came = time if jumps or self._came is None else max(time, self._came)
        alone = not 0 < self.jumps <= len(self._joins)
        return alone or self._last is None or time + self.offset >= self._last + self._least

    def next(self, time: int, duration: int) -> int:
        """A time, in ticks, with its offset, behind the one before."""
        self.follow(time, duration)
        told = time + self.offset
        self._last = told if self._last is None else max(told, self._last + self._least)
        return self._last
