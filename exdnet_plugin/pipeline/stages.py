"""Passive stages with their own busy time: waiting for a neighbour does not count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from exdnet_plugin.pipeline.trace import Trace

T = TypeVar("T")
U = TypeVar("U")


class StageClock:
    """Busy seconds of each stage by name, right once it has ended. Each stage writes its own key, from its own thread.

    Args:
        names: of the stages.
        trace: gets each item's times, too.
    """

    def __init__(self, *names: str, trace: Trace | None = None) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(names, 0.0)
        self.trace = trace

    def _remember(self, what: str, start: float) -> None:
        if self.trace:
            self.trace.add(what, start)

    def stage(self, name: str, function: Callable[[Iterator[T]], Iterator[U]], upstream: Iterable[T]) -> Iterator[U]:
        """The generator `function` over `upstream`, timed without its waiting for `upstream` and for its consumer."""
        self.seconds[name] = 0.0
        items = iter(upstream)
        results = function(self._timed(items, name, waits=True))
        try:
            yield from self._timed(results, name)
        finally:  # by hand: an error's traceback holds on to generators, so they would not close themselves
            _close(results)
            _close(items)

    def _timed(self, items: Iterator[T], name: str, *, waits: bool = False) -> Iterator[T]:
        """The same items. What they take is the stage's busy time; what the stage `waits` for them is not."""
        while True:
            start = time.perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                taken = time.perf_counter() - start
                self.seconds[name] += -taken if waits else taken
                self._remember(f"{name} waits" if waits else name, start)
            yield item


def _close(iterator: Iterator[object]) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
