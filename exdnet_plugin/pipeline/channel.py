"""A bounded queue between two threads, which either side can end."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
Drop = Literal["never", "oldest"]


class Channel(Generic[T]):
    """Items in order, at most `size` of them. Waiting sides wake at once, without polling.

    Args:
        size: how many items wait at most.
        drop: what happens when there is no room: the producer waits (`never`), or the `oldest` item is dropped.

    Attributes:
        dropped: how many items were.
    """

    def __init__(self, size: int, drop: Drop = "never") -> None:
        self._items: deque[T] = deque()
        self._size, self._drops = size, drop == "oldest"
        self._changed = threading.Condition()
        self._closed = self._ended = False
        self._error: BaseException | None = None
        self.dropped = 0

    def put(self, item: T) -> bool:
        """Hand an item over, as soon as there is room or at once; False when the consumer has gone."""
        with self._changed:
            if not self._drops:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            elif len(self._items) == self._size:
                self._items.popleft()
                self.dropped += 1
            if not self._closed:
                self._items.append(item)
                self._changed.notify_all()
            return not self._closed

    def clear(self) -> int:
        """Drop all that waits; how many."""
        with self._changed:
            count = len(self._items)
            self.dropped += count
            self._items.clear()
            self._changed.notify_all()
            return count

    def end(self, error: BaseException | None = None) -> None:
        """The producer has no more, or failed."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """The consumer has gone; what is queued is dropped."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._items) or self._ended)
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
