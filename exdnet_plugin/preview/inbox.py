"""The newest picture of a source, for the one thread that filters."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from exdnet_plugin.live.feed import Picture


class Inbox:
    """The newest picture for the thread that filters. What it has not taken when the next comes is dropped."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._last: Picture | None = None
        self._due = self._ended = False

    def put(self, picture: Picture | None) -> None:
        """A new picture; None forgets the last one."""
        with self._changed:
            self._last, self._due = picture, picture is not None
            self._changed.notify_all()

    def again(self) -> None:
        """Hand out the last picture once more, where no newer one waits."""
        with self._changed:
            if self._last and not self._due:
                self._last = replace(self._last, arrived=time.monotonic())
            self._due = True
            self._changed.notify_all()

    def end(self) -> None:
        """There is no more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Picture | None]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._due or self._ended)
                if self._ended:
                    return
                picture, self._due = self._last, False
            yield picture
