"""What an evaluation found: rows, means, and how their figures are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Literal, NamedTuple

from exdnet_plugin.evaluation.thumbnails import Look, thumbnail

Row = dict[str, Any]
SIDES = ("before", "after")
NOTHING = "–"
LOOKS = 120  # at most so many pictures are kept for a report, and half as many at least


class Column(NamedTuple):
    """A figure: its key in rows, its name for people, its unit, and its digits.

    Attributes:
        scale: what a value is multiplied by where it is written for people.
        decimals: how JSON is rounded.
        mean: `mean` or, of changes that go up and down, `rms`, the root of the mean square.
    """

    key: str
    label: str
    unit: str = ""
    digits: int = 2
    scale: float = 1
    decimals: int = 4
    mean: Literal["mean", "rms"] = "mean"

    def text(self, value: float | None) -> str:
        """A value for people, without its unit."""
        return NOTHING if value is None else f"{value * self.scale:.{self.digits}f}"

    def over(self, values: Sequence[float | None]) -> float | None:
        """The mean of the values that there are, rounded."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        if self.mean == "rms":
            return round(sqrt(sum(value**2 for value in known) / len(known)), self.decimals)
        return round(sum(known) / len(known), self.decimals)

    def told(self, text: str) -> str:
        """A figure with its name and unit, as `PSNR 20.48 dB`."""
        return f"{self.label} {text}" if text == NOTHING else f"{self.label} {text} {self.unit}".strip()

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label


PAIR_COLUMNS = (
    Column("psnr", "PSNR", "dB"),
    Column("ssim", "SSIM", digits=4),
    Column("chroma_ratio", "chroma ratio"),
    Column("delta_e", "ΔE2000"),
    Column("psnr_before", "PSNR before", "dB"),
)
PICTURE_COLUMNS = (
    Column("luma", "luma", digits=3),
    Column("under_exposed", "under-exposed", "%", 1),
    Column("clipped", "clipped", "%", 1),
    Column("chroma", "chroma", digits=1),
    Column("contrast", "contrast", digits=3),
    Column("noise", "noise", "codes", 1),
)
VIDEO_COLUMNS = (
    Column("luma", "luma", digits=3, decimals=6),
    Column("flicker", "flicker", "%", 3, decimals=5, mean="rms"),
    Column("warping_error", "warping error", "×10⁻³", 3, 1e3, decimals=8),
    Column("warping_relative", "relative warping error", "%", 2),
)


def rounded(values: Mapping[str, float | None], columns: Sequence[Column]) -> Row:
    """Values of columns as JSON has them."""
    found = {column.key: values[column.key] for column in columns}
    decimals = {column.key: column.decimals for column in columns}
    return {key: None if value is None else round(value, decimals[key]) for key, value in found.items()}


class Evaluated(NamedTuple):
    """A picture or a frame: its figures, and how it looks: `before`, `after` and, of a pair, `truth`."""

    row: Row
    pictures: Mapping[str, Look]


@dataclass
class Evaluation:
    """Rows of one evaluation.

    Args:
        title: what was evaluated.
        unit: `pictures` or `frames`.
        columns: the figures of each row, beside the name; or below `before` and `after`.
        facts: what it was measured with, by name.
    """

    title: str
    unit: Literal["pictures", "frames"]
    columns: Sequence[Column]
    facts: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    looks: list[tuple[Row, dict[str, bytes]]] = field(default_factory=list)
    _every: int = field(default=1, init=False, repr=False)

    def add(self, one: Evaluated, *, look: bool = False) -> None:
        """Take in a picture or frame; with `look`, keep small ones of some for a report, as JPEG, at even distances."""
        if look and len(self.rows) % self._every == 0:
            self.looks.append((one.row, {name: thumbnail(picture) for name, picture in one.pictures.items()}))
            if len(self.looks) > LOOKS:
                self.looks, self._every = self.looks[::2], self._every * 2
        self.rows.append(one.row)

    @property
    def mean(self) -> Row:
        """The mean of every column, beside or below `before` and `after` as in rows."""
        if "before" not in self.rows[0]:
            return self._mean(self.rows)
        return {side: self._mean([row[side] for row in self.rows]) for side in SIDES}

    def _mean(self, rows: Sequence[Row]) -> Row:
        return {column.key: column.over([row[column.key] for row in rows]) for column in self.columns}

    def share(self, key: str) -> float | None:
        """The mean of a figure that stands beside `before` and `after`, as `static`; None where no row has it."""
        return Column(key, key, decimals=2).over([row.get(key) for row in self.rows])

    @property
    def cuts(self) -> int:
        """Cuts of a video."""
        return sum(bool(row.get("cut")) for row in self.rows)

    def summary(self) -> Row:
        """All of it, for JSON."""
        counts: Row = {self.unit: len(self.rows)}
        if self.unit == "frames":
            counts |= {"cuts": self.cuts, "static": self.share("static"), "compared": self.share("compared")}
        names: Row = {name: self.facts[name] for name in ("chain", "before", "after") if name in self.facts}
        return {**names, **counts, "mean": self.mean, "rows": self.rows}


def name_of(row: Row) -> str:
    """A picture's name, or a frame's time."""
    return str(row["name"]) if "name" in row else f"{row['time']:.3f} s"


def cell(row: Row, column: Column) -> str:
    """A row's figure for people, of both sides where there are two."""
    if column.key in row and "before" not in row:
        return column.text(row[column.key])
    texts = [column.text(row[side][column.key]) for side in SIDES]
    return NOTHING if texts == [NOTHING, NOTHING] else " → ".join(texts)
