"""The one thing that makes a thread: it runs what is upstream of it ahead, over a bounded queue."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from exdnet_plugin.pipeline.channel import Channel

T = TypeVar("T")


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
    channel = Channel[T](size)

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
