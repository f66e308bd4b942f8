"""The one thing that makes a thread: it runs what is upstream of it ahead, over a bounded queue."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Channel(Generic[T]):
    """A bounded queue that either side can end. Waiting sides wake at once, without polling."""

    def __init__(self, size: int) -> None:
        self._items: deque[T] = deque()
        self._size = size
        self._changed = threading.Condition()
        self._closed = self._ended = False
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Wait for room and hand an item over; False when the consumer has gone."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if not self._closed:
                self._items.append(item)
                self._changed.notify_all()
            return not self._closed

    def end(self, error: BaseException | None) -> None:
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


def prefetch(items: Iterable[T], size: int = 4, *, name: str = "prefetch") -> Iterator[T]:
    """Iterate on a thread, at most `size` items ahead.

    An error upstream is raised here, behind the items before it. When the consumer ends first (an error, a break,
    Ctrl-C), the thread ends after the item it is at, generators upstream are closed on it, and it is joined.

    Args:
        items: what to run ahead.
        size: how many items wait at most, at least 1.
        name: of the thread.
    """
    if size < 1:
        raise ValueError(f"prefetch size {size}: at least 1 item must fit")
    channel = _Channel[T](size)

    def work() -> None:
        error: BaseException | None = None
        iterator = iter(items)
        try:
            for item in iterator:
                if not channel.put(item):
                    break
        except BaseException as raised:  # noqa: BLE001 - handed to the consumer, which raises it
            error = raised
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            channel.end(error)

    worker = threading.Thread(target=work, name=f"exdnet-{name}", daemon=True)

    def consume() -> Iterator[T]:
        worker.start()
        try:
            yield from channel
        finally:
            channel.close()
            worker.join()

    return consume()
