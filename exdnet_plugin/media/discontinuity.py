"""Times that jump back, as where recordings were put one behind the other: what follows is joined on.

One time that is far from those around it is no new clock, but a broken one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

JUMP = Fraction(1)  # seconds: less is disorder, not a new clock


class Join(NamedTuple):
    """Where a video's times jumped back.

    Attributes:
        place: in the file, in bytes; None where a container does not tell.
        offset: seconds by which all that follows is put off.
    """

    place: int | None
    offset: Fraction


def nearest(joins: Sequence[Join], place: int | None) -> Join | None:
    """The join that is nearest to a place of the file: another stream's packets may lie a little before it."""
    if place is None:
        return joins[-1] if joins else None
    return min(joins, key=lambda join: abs((join.place or 0) - place), default=None)


def mended(before: int | None, time: int | None, after: int | None, time_base: Fraction) -> int | None:
    """A time between its neighbours, in ticks, for one far from what lies between them; None where it is not."""
    if before is None or time is None or after is None or before >= after:
        return None
    far = _jump(time_base)
    return None if before - far < time < after + far else before + max((after - before) // 2, 1)


def _jump(time_base: Fraction) -> int:
    return max(round(JUMP / time_base), 1)


class Rising:
    """Puts a stream's later times off, so that they go on where the earlier ones ended.

    Args:
        time_base: seconds a tick.
        least: ticks from one time to the next at least.

    Attributes:
        offset: ticks that are added now.
        jumps: how often times jumped back.
    """

    def __init__(self, time_base: Fraction, least: int = 1) -> None:
        self._most, self._least = _jump(time_base), least
        self._last: int | None = None
        self._came: int | None = None  # the latest time as it came, since the last jump
        self._told = False  # whether the offset is that of another stream
        self.offset = self.jumps = 0

    @property
    def last(self) -> int | None:
        """The time given last, as the stream itself counts now; None before the first."""
        return None if self._last is None else self._last - self.offset

    def jumps_at(self, time: int) -> bool:
        """Whether a time jumps back."""
        return self._came is not None and time <= self._came - self._most

    def join(self, time: int, offset: int, *, told: bool) -> None:
        """Put times off by so many ticks from this one on, `told` by another stream of the file."""
        self._came, self.offset, self._told = time, offset, told
        self.jumps += 1

    def overlaps(self, time: int) -> bool:
        """Whether a time lies before what was given in front of a join that another stream told."""
        return self._told and self._last is not None and time + self.offset < self._last + self._least

    def next(self, time: int, duration: int) -> int:
        """A time, in ticks, with its offset, behind the one before."""
        if self.jumps_at(time):
            self.join(time, (self._last or 0) + max(duration, 1) - time, told=False)
        self._came = time if self._came is None else max(time, self._came)
        told = time + self.offset
        self._last = told if self._last is None else max(told, self._last + self._least)
        return self._last
