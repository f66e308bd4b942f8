"""What ran when, on which thread, as a file that Perfetto opens."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from exdnet_plugin.whole_file import check_writable, whole_file

LIVE = 300_000  # events that are kept of a live stream, the latest: it runs for weeks


class Trace:
    """Spans of time by name and thread. Any thread adds to it.

    Args:
        path: where it is written.
        beside: files that it must not replace: sources and sinks.
        kept: how many spans, the latest; None for all.

    Raises:
        ValueError: the path is one of these files.
        MediaError: nothing can be written there.
    """

    def __init__(self, path: Path, beside: Iterable[Path] = (), kept: int | None = None) -> None:
        if path.resolve() in {other.resolve() for other in beside}:
            raise ValueError(f"profile {path} is the name of a source or a sink; give it another name")
        check_writable(path)
        self._path = path
        self._events: deque[tuple[str, str, float, float]] = deque(maxlen=kept)

    def add(self, what: str, start: float, end: float | None = None) -> None:
        """A span on this thread, by `time.perf_counter`, up to now if no end is given."""
        self._events.append((what, threading.current_thread().name, start, end or time.perf_counter()))

    def write(self) -> None:
        """Write Chrome's trace events (JSON), which ui.perfetto.dev and chrome://tracing open.

        Raises:
            MediaError: it cannot be written.
        """
        kept = list(self._events)
        threads = {name: number for number, name in enumerate(dict.fromkeys(event[1] for event in kept), 1)}
        begin = min((event[2] for event in kept), default=0.0)
        events: list[dict[str, object]] = [
            {"ph": "M", "pid": 1, "tid": number, "name": "thread_name", "args": {"name": name}}
            for name, number in threads.items()
        ]
        for what, thread, start, end in kept:
            times = {"ts": round((start - begin) * 1e6, 1), "dur": round((end - start) * 1e6, 1)}
            events.append({"ph": "X", "pid": 1, "tid": threads[thread], "name": what, **times})
        with whole_file(self._path) as hidden:
            hidden.write_text(json.dumps({"traceEvents": events}))
