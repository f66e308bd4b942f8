"""The time of a live stream as its sinks see it: seconds from the first frame, rising whatever the source does."""

from __future__ import annotations

BACK, AHEAD = 1.0, 10.0  # seconds: a source whose times jump further has started a new clock
LEAST = 1e-3  # seconds between two frames


class Timeline:
    """Puts pictures and sound of one connection after another on one clock, in step.

    Within a connection the source's own times count, so pictures and sound stay together and jitter of the network
    does not show. A new connection, or a clock that jumps, is joined on at the moment at which it arrives.
    """

    def __init__(self) -> None:
        self._start: float | None = None
        self._offset: float | None = None
        self._source, self._last, self._sound = 0.0, -LEAST, -LEAST
        self.runs = 0

    def interrupt(self) -> None:
        """What comes now does not continue what came before."""
        self._offset = None

    def picture(self, source: float | None, arrived: float) -> float:
        """When a picture is shown.

        Args:
            source: its time by the source's clock, in seconds; None where there is none.
            arrived: when it came, by the monotonic clock.
        """
        if self._start is None:
            self._start = arrived
        jumped = source is None or not self._source - BACK <= source <= self._source + AHEAD
        if source is None:
            source, jumped = arrived - self._start, self._offset is None
        if self._offset is None or jumped:
            self.runs += 1
            self._offset = max(arrived - self._start, self._last + LEAST) - source
        self._source = source
        self._last = max(source + self._offset, self._last + LEAST)
        return self._last

    def sound(self, source: float) -> float | None:
        """When a piece of sound is heard; None where no picture tells yet, or its clock jumped before theirs."""
        if self._offset is None:
            return None
        heard = source + self._offset
        if not self._last - AHEAD <= heard <= self._last + AHEAD or heard <= self._sound:
            return None
        self._sound = heard
        return heard
