"""Subtitles one at a time, as MP4 has them: while several are shown, one that has the lines of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Cue:
    """Text, in the notation of ASS, and the style it begins with, shown from a time to another, in milliseconds."""

    start: int
    end: int
    text: str
    style: str = "Default"


def together(cues: Sequence[Cue], start: int, end: int) -> Cue:
    """One cue of the lines of several: each begins in its own style, whatever those before have left open."""
    first, *others = cues
    lines = [first.text, *(rf"{{\b0\i0\u0\r{cue.style}}}{cue.text}" for cue in others)]  # \r alone ends none in FFmpeg
    return Cue(start, end, r"\N".join(lines), first.style)


class Cues:
    """Takes cues in the order in which they begin, and tells those that are shown one after the other."""

    def __init__(self) -> None:
        self._shown: list[Cue] = []
        self._told = 0  # up to where

    def add(self, cue: Cue) -> Iterator[Cue]:
        """What is shown before a further cue begins, as far as it was not told."""
        if cue.end <= max(cue.start, self._told):
            return
        yield from self.until(cue.start)
        self._told = max(cue.start, self._told)
        self._shown.append(cue)

    def over(self, time: float) -> Iterator[Cue]:
        """What has ended by a time, as far as it was not told."""
        while self._shown and (end := min(cue.end for cue in self._shown)) <= time:
            yield from self.until(end)

    def until(self, time: float = inf) -> Iterator[Cue]:
        """What is shown up to a time, as far as it was not told."""
        while self._shown and self._told < time:
            end = min(time, *(cue.end for cue in self._shown))
            if end > self._told:
                yield together(self._shown, self._told, int(end))
            self._shown = [cue for cue in self._shown if cue.end > end]
            self._told = int(end)
