"""Photos of `exdnet enhance`: each by itself, or as the frames of a video."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from exdnet_plugin.cli.files import say_notes
from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.photos import PHOTO_SUFFIXES, Photo, read_photo, write_photo
from exdnet_plugin.report import Report

if TYPE_CHECKING:
    from exdnet_plugin.frame_filter import FrameFilter
    from exdnet_plugin.stream_info import StreamInfo

ALL_THE_SAME = "--chain exdnet=well_lit=enhance brightens what is well lit, too"


class PhotoJob:
    """Enhances photos one by one with the weights loaded once.

    Args:
        how: chain, device and quality of :func:`exdnet_plugin.open_filter`.
        photo_quality: of lossy formats, 1 to 100.
        rate: photos are a video's frames, so many a second; None for photos that know nothing of each other.
        overwrite: whether photos that are there are replaced.

    Attributes:
        rate: as given.
    """

    def __init__(self, how: dict[str, Any], photo_quality: int, rate: Fraction | None, *, overwrite: bool) -> None:
        self._how, self._photo_quality, self.rate, self._overwrite = how, photo_quality, rate, overwrite
        self._opened: tuple[StreamInfo, FrameFilter] | None = None
        self._count = self._lit = 0
        self._same = False

    def run(self, source: Path, target: Path) -> None:
        """Enhance one photo. MediaError where it is none, cannot be written, or is of another size in a sequence."""
        from exdnet_plugin.media.sink import check_sink

        time, self._count = self._count / (self.rate or 1), self._count + 1
        check_sink(target, source, PHOTO_SUFFIXES, overwrite=self._overwrite)
        photo = read_photo(source)
        try:
            result = self._filter(photo, source)([photo.rgb], float(time))[0]
        finally:
            if self.rate is None:
                self._close()
        self._same = np.array_equal(result, photo.rgb)
        notes = write_photo(target, replace(photo, rgb=result), quality=self._photo_quality)
        click.echo(f"{target}")
        say_notes(notes)

    def _filter(self, photo: Photo, source: Path) -> FrameFilter:
        """What a photo goes through: of a sequence, the same for all."""
        from exdnet_plugin.api import open_filter
        from exdnet_plugin.stream_info import StreamInfo

        height, width = photo.rgb.shape[:2]
        stream = StreamInfo(width, height, "rgb24" if photo.rgb.itemsize == 1 else "rgb48le", self.rate)
        if self._opened is None:
            self._opened = stream, open_filter(stream, **self._how)
        first, through = self._opened
        if stream != first:
            raise MediaError(f"{source} is {_told(stream)}, the sequence's first {_told(first)}; enhance it by itself")
        return through

    def say_lit(self) -> None:
        """Tell how many photos stay what they were."""
        self._close()
        if self._lit:
            what = f"{self._lit} of {self._count} photos are well lit and stay, in part or wholly, what they were"
            if self._count == 1:
                what = f"it is well lit and stays{'' if self._same else ', in part,'} what it was"
            click.echo(f"{what}; {ALL_THE_SAME}")

    def _close(self) -> None:
        if self._opened:
            report = Report()
            self._opened[1].close(report)
            self._opened, self._lit = None, self._lit + report.lit

    def __enter__(self) -> PhotoJob:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()


def _told(stream: StreamInfo) -> str:
    return f"{stream.width}x{stream.height} of {8 if stream.pixel_format == 'rgb24' else 16} bits"


def in_sequence(jobs: list[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    """In the order of the sources' names, of which numbers count as such: frame_9 comes before frame_10."""

    def by_number(job: tuple[Path, Path]) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", str(job[0]))
        return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]

    return sorted(jobs, key=by_number)
