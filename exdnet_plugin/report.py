"""What happened to a stream: the figures of the summary, and what `stream_closed` tells plugins."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    """Counts and times of one stream.

    Attributes:
        frames: frames that went through, those of an earlier run that this one resumed included.
        resumed: how many of them were done already.
        dropped: frames left out on purpose (live streams).
        lost: frames that the source announced and that could not be decoded.
        cuts: frames at which temporal state started anew.
        lit: frames that were well lit, and stayed, in part or wholly, what they were.
        seconds: busy time of each stage, in seconds, without its waiting for others.
        wall: seconds from first to last.
        untouched: further video streams of the source, by their index, which are copied as they are.
        sink: the file that was written, if any.
        further: files behind it, where one source became several.
        notes: what could not be kept, a line each.
    """

    frames: int = 0
    resumed: int = 0
    dropped: int = 0
    lost: int = 0
    cuts: int = 0
    lit: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0
    untouched: list[int] = field(default_factory=list)
    sink: Path | None = None
    further: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def slowest_stage(self) -> str | None:
        """The stage that took longest, None before any ran."""
        return max(self.seconds, key=lambda name: self.seconds[name], default=None)

    def joined(self, later: Report) -> Report:
        """Both together, with the files of each."""
        names = [*self.seconds, *(name for name in later.seconds if name not in self.seconds)]
        return Report(
            frames=self.frames + later.frames,
            resumed=self.resumed + later.resumed,
            dropped=self.dropped + later.dropped,
            lost=self.lost + later.lost,
            cuts=self.cuts + later.cuts,
            lit=self.lit + later.lit,
            seconds={name: self.seconds.get(name, 0.0) + later.seconds.get(name, 0.0) for name in names},
            wall=self.wall + later.wall,
            untouched=self.untouched,
            sink=self.sink,
            further=[*self.further, *([later.sink] if later.sink else []), *later.further],
            notes=[*self.notes, *(note for note in later.notes if note not in self.notes)],
        )
