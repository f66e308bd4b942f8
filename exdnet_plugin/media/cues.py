"""Subtitles one at a time, as MP4 has them: while several are shown, one that has the lines of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Cue:
    """Text, in the notation of ASS, that is shown from a time to another, in milliseconds."""

    start: int
    end: int
    text: str


class Cues:
    """Takes cues in the order in which they begin, and tells those that are shown one after the other."""

    def __init__(self) -> None:
        self._shown: list[Cue] = []
        self._told = 0  # up to where

    def add(self, cue: Cue) -> Iterator[Cue]:
        """What is shown before a further cue begins, as far as it was not told."""
        yield from self.until(cue.start)
        self._told = cue.start
        self._shown.append(cue)

    def until(self, time: float = inf) -> Iterator[Cue]:
        """What is shown up to a time, as far as it was not told."""
        while self._shown and self._told < time:
            end = min(time, *(cue.end for cue in self._shown))
            if end > self._told:
                yield Cue(self._told, int(end), r"\N".join(cue.text for cue in self._shown))
            self._shown = [cue for cue in self._shown if cue.end > end]
            self._told = int(end)
