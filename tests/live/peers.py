"""Real peers for live tests: processes that send and receive on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from exdnet_plugin.live.sinks import Sink
from exdnet_plugin.live.sources import Source
from exdnet_plugin.live.stream import LiveOptions, LiveStream
from exdnet_plugin.report import Report

COMMAND = [sys.executable, "-m", "exdnet_plugin", "stream"]
CURVE = "kornia=op=enhance.adjust_gamma:gamma=0.5"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Peer:
    """A sender or receiver as a process; a receiver's rows are read as they come."""

    def __init__(self, what: str, url: str, *options: str) -> None:
        command = [sys.executable, "-m", "exdnet_plugin.benchmarks.live_peers", what, url, *options]
        self.rows: list[dict[str, Any]] = []
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with suppress(ValueError):
            for line in self.process.stdout:
                self.rows.append(json.loads(line))

    @property
    def pictures(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if "luma" in row]

    @property
    def opened(self) -> float:
        """When it opened its end, by the monotonic clock; waits for that."""
        until(lambda: self.rows, "the peer does not start")
        return float(self.rows[0]["opens"])

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        assert self.process.stdout
        self.process.stdout.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Running:
    """A live stream on a thread of its own."""

    def __init__(self, source: Source, sinks: list[Sink], **options: Any) -> None:
        self.live = LiveStream(source, sinks, LiveOptions(**{"chain": CURVE, "patience": 1.0, **options}))
        self.report: Report | None = None
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.report = self.live.run()
        except Exception as error:  # noqa: BLE001 - for the test to look at
            self.error = error

    def wait(self, seconds: float = 30.0) -> None:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the stream does not end"

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()
        self.wait()


def until(condition: Callable[[], object], what: str, seconds: float = 20.0) -> float:
    """Wait for something; how long it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"after {seconds:g} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - start
