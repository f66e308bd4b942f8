"""Passive stages with their own busy time: waiting for a neighbour does not count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from exdnet_plugin.pipeline.trace import Trace

T = TypeVar("T")
U = TypeVar("U")


class StageClock:
    """Busy seconds of each stage by name. Each stage writes its own key, from its own thread.

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
        waited = 0.0
        items = iter(upstream)

        def pulled() -> Iterator[T]:
            nonlocal waited
            while True:
                start = time.perf_counter()
                try:
                    item = next(items)
                except StopIteration:
                    return
                finally:
                    waited += time.perf_counter() - start
                    self._remember(f"{name} waits", start)
                yield item

        results = function(pulled())
        try:
            while True:
                start, waited = time.perf_counter(), 0.0
                try:
                    result = next(results)
                except StopIteration:
                    return
                finally:
                    self.seconds[name] += time.perf_counter() - start - waited
                    self._remember(name, start)
                yield result
        finally:  # by hand: an error's traceback holds on to generators, so they would not close themselves
            _close(results)
            _close(items)


def _close(iterator: Iterator[object]) -> None:
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
