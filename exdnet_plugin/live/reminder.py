"""What goes wrong again and again is told once a minute."""

from __future__ import annotations

import time

EVERY = 60.0  # seconds between two lines about the same


class Reminder:
    """Tells which lines are worth saying."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """All is well: what goes wrong next is news."""
        self._reason: str | None = None
        self._told = 0.0

    def is_due(self, reason: str) -> bool:
        """Whether to say it: it is another reason than last time, or a minute later."""
        now = time.monotonic()
        if reason == self._reason and now - self._told < EVERY:
            return False
        self._reason, self._told = reason, now
        return True
