"""Times that jump back, as where recordings were put one behind the other: what follows is joined on."""

from __future__ import annotations

from fractions import Fraction

JUMP = Fraction(1)  # seconds: less is disorder, not a new clock


class Rising:
    """Puts a stream's later times off, so that they go on where the earlier ones ended.

    Args:
        time_base: seconds a tick.

    Attributes:
        offset: ticks that are added now.
        jumped: whether times ever jumped back.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._most = max(round(JUMP / time_base), 1)
        self._last: int | None = None
        self.offset, self.jumped = 0, False

    @property
    def last(self) -> int | None:
        """The time given last, as the stream itself counts now; None before the first."""
        return None if self._last is None else self._last - self.offset

    def next(self, time: int, duration: int) -> int:
        """A time, in ticks, with its offset, behind the one before."""
        if self._last is not None and time + self.offset <= self._last - self._most:
            self.offset, self.jumped = self._last + max(duration, 1) - time, True
        told = time + self.offset
        self._last = told if self._last is None else max(told, self._last + 1)
        return self._last
