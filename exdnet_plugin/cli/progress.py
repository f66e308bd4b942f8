"""How far a job is, on stderr: a bar on a terminal, a plain line every few seconds elsewhere. Output stays clean."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PLAIN_INTERVAL = 10.0  # seconds


class Progress:
    """Counts frames of one job: done, of how many, frames a second, time left."""

    def __init__(self, title: str, unit: str = "frames") -> None:
        self._title, self._unit = title, unit
        self._started, self._before = time.monotonic(), -1
        self._shown = self._started
        self._bar = _bar(unit) if sys.stderr.isatty() else None
        self._task = self._bar.add_task(title, total=None, rate=0.0) if self._bar else None

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, done: int, total: int | None) -> None:
        """Told after each frame."""
        now = time.monotonic()
        if self._before < 0:  # a job that is gone on with begins where it stopped
            self._before = done - 1
        rate = (done - self._before) / max(now - self._started, 1e-6)
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, rate=rate)
        elif now - self._shown >= PLAIN_INTERVAL:
            self._shown = now
            click.echo(self._line(done, total, rate), err=True)

    def _line(self, done: int, total: int | None, rate: float) -> str:
        if not total:
            return f"{self._title}: {done} {self._unit}, {rate:.2f} a second"
        left = duration((total - done) / rate) if total > done else "no time"
        return f"{self._title}: {done} of {total} {self._unit}, {rate:.2f} a second, {left} left"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def _bar(unit: str) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    rate = TextColumn(f"{unit}, {{task.fields[rate]:.2f}} a second, left")
    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        rate,
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
