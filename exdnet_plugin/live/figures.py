"""What a live stream counts, for the status line, the summary, and whoever watches it."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator

from exdnet_plugin.pipeline.trace import Trace

LATENCY_BUCKETS = (0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)  # seconds
TOO_SLOW, LATE = "filter too slow", "late"  # why a picture is left out
RECENT = 300  # frames that the figures of now are taken from


class Figures:
    """Counts of one live stream. Any thread adds to them.

    Args:
        trace: also gets each picture's time in each stage.

    Attributes:
        frames_in, frames_out: pictures that came and that were handed to the sinks.
        dropped: pictures and packets left out, by reason.
        unfiltered: pictures that passed as they were, because a processor raised.
        broken: packets that could not be decoded.
        reconnects: connections to the source after the first.
        reopened: by sink, how often it was opened again.
        changes: of quality, by the level changed to.
        seconds: busy seconds of each stage.
        level: the quality now.
        source_up: whether the source is connected.
        sinks_up: by sink, whether it takes what is sent.
    """

    def __init__(self, trace: Trace | None = None) -> None:
        self._lock, self._trace = threading.Lock(), trace
        self.started = time.monotonic()
        self.frames_in = self.frames_out = self.unfiltered = self.broken = self.reconnects = 0
        self.dropped: Counter[str] = Counter()
        self.reopened: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.seconds: dict[str, float] = dict.fromkeys(("decode", "filter", "encode"), 0.0)
        self.level, self.source_up = "", False
        self.sinks_up: dict[str, bool] = {}
        self.latency_counts = [0] * (len(LATENCY_BUCKETS) + 1)
        self.latency_sum = 0.0
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT)

    def drop(self, reason: str, count: int = 1) -> None:
        """Count what was left out."""
        with self._lock:
            self.dropped[reason] += count

    def spent(self, stage: str, start: float, seconds: float | None = None) -> None:
        """Count busy time of a stage from a moment of `time.perf_counter` on, up to now if it is not told how long."""
        end = time.perf_counter() if seconds is None else start + seconds
        self.seconds[stage] += end - start
        if self._trace:
            self._trace.add(stage, start, end)

    def out(self, latency: float) -> None:
        """Count a picture handed to the sinks, so many seconds after it had come."""
        with self._lock:
            self.frames_out += 1
            self.latency_counts[bisect_left(LATENCY_BUCKETS, latency)] += 1
            self.latency_sum += latency
            self._recent.append((time.monotonic(), latency))

    @property
    def left_out(self) -> int:
        """Pictures that no sink got; what one sink missed is not among them."""
        return sum(self.dropped[reason] for reason in (TOO_SLOW, LATE))

    def latency(self, share: float) -> float:
        """The latency that this share of recent pictures keeps, in seconds; 0 before any."""
        with self._lock:
            recent = sorted(latency for _, latency in self._recent)
        return recent[min(int(share * len(recent)), len(recent) - 1)] if recent else 0.0

    @property
    def rate(self) -> float:
        """Pictures a second that went out lately."""
        with self._lock:
            moments = [moment for moment, _ in self._recent]
        span = time.monotonic() - moments[0] if moments else 0.0
        return len(moments) / span if span > 0 else 0.0

    @property
    def silent(self) -> float:
        """Seconds since a picture went out, or since the start."""
        with self._lock:
            return time.monotonic() - (self._recent[-1][0] if self._recent else self.started)

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """Latency as a histogram's buckets: up to how many seconds, how many pictures."""
        total = 0
        for bound, count in zip((*map(str, LATENCY_BUCKETS), "+Inf"), self.latency_counts, strict=True):
            total += count
            yield bound, total

    def as_dict(self) -> dict[str, object]:
        """How it is now, for logs and `/health`."""
        return {
            "frames_in": self.frames_in,
            "frames_out": self.frames_out,
            "dropped": dict(self.dropped),
            "unfiltered": self.unfiltered,
            "reconnects": self.reconnects,
            "quality": self.level,
            "latency_p50_ms": round(self.latency(0.5) * 1000),
            "latency_p95_ms": round(self.latency(0.95) * 1000),
            "frames_a_second": round(self.rate, 1),
            "seconds_without_picture": round(self.silent, 1),
            "source_up": self.source_up,
            "sinks_up": dict(self.sinks_up),
        }

    def line(self) -> str:
        """One line of how it is now."""
        away = [] if self.source_up else ["source is away" if self.frames_in else "waiting for the source"]
        away += [f"{name} is away" for name, up in self.sinks_up.items() if not up]
        parts = [  # what is away first: a narrow terminal cuts the end
            *away,
            f"{self.rate:.1f} frames a second",
            f"latency {self.latency(0.5) * 1000:.0f} ms, 95 % within {self.latency(0.95) * 1000:.0f}",
            self.level,
            f"{self.frames_out} out, {self.left_out} left out, {self.reconnects} reconnects",
        ]
        return "; ".join(filter(None, parts))
