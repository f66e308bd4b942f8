"""`exdnet enhance`: video files and photos."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exdnet_plugin.cli.options import chain_and_device
from exdnet_plugin.errors import ExdnetError, MediaError
from exdnet_plugin.media.photos import PHOTO_SUFFIXES

if TYPE_CHECKING:
    from exdnet_plugin.report import Report


@click.command(short_help="Brighten video files and photos.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("sink", type=click.Path(path_type=Path))
@chain_and_device
@click.option("--quality", default="exact", show_default=True, metavar="exact", help="exact: the network at full size.")
@click.option("--codec", help="Encoder, as libx264, libx265, libsvtav1, ffv1. Default: by container and depth.")
@click.option("--crf", type=float, help="Constant quality of the encoder; lower is better and larger.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any option of the encoder, as preset=slow. Repeatable.",
)
@click.option("--photo-quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of JPEG and WebP.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def enhance(
    sources: tuple[str, ...],
    sink: Path,
    chain: str,
    device: str,
    quality: str,
    codec: str | None,
    crf: float | None,
    options: tuple[str, ...],
    photo_quality: int,
    overwrite: bool,
) -> None:
    """Brighten SOURCE and write SINK.

    A source is a video file, a photo, a folder of both, or a glob. With one file, SINK is a file; with several, or a
    folder, it is a folder, made where there is none, and files keep their names. Sound, subtitles, times, EXIF and
    colour profiles are kept. A sink appears under its name when it is whole.
    """
    from exdnet_plugin.allocator import keep_memory
    from exdnet_plugin.api import check_quality

    check_quality(quality)
    keep_memory()
    encoder = dict(_pair(text) for text in options)
    jobs = _jobs(sources, sink)
    photo = _PhotoJob(chain, device, photo_quality, overwrite)
    failed = []
    for source, target in jobs:
        try:
            if source.suffix.lower() in PHOTO_SUFFIXES:
                photo.run(source, target)
            else:
                _enhance_video(source, target, chain, device, codec, crf, encoder, overwrite)
        except ExdnetError as error:
            if len(jobs) == 1:
                raise
            failed.append(source)
            click.echo(f"exdnet: {error}", err=True)
    if failed:
        raise MediaError(
            f"{len(failed)} of {len(jobs)} files failed, first {failed[0]}; the others are written to {sink}"
        )


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise ValueError(f"--option {text!r}: write KEY=VALUE, as preset=slow")
    return key, value


def _jobs(sources: tuple[str, ...], sink: Path) -> list[tuple[Path, Path]]:
    """Each file with the name it will have."""
    found = [path for source in sources for path in _expand(source)]
    into_folder = len(found) != 1 or Path(sources[0]).is_dir() or sink.is_dir()
    if not into_folder:
        return [(found[0], sink)]
    if sink.exists() and not sink.is_dir():
        raise MediaError(f"{sink} is a file, but there are {len(found)} sources; give a folder")
    targets = [sink / path.name for path in found]
    twice = next((target for target in targets if targets.count(target) > 1), None)
    if twice:
        raise MediaError(f"two sources would both be written to {twice}; enhance them one by one")
    sink.mkdir(parents=True, exist_ok=True)
    return list(zip(found, targets, strict=True))


def _expand(source: str) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        files = [
            file
            for file in sorted(path.iterdir())
            if file.is_file() and file.suffix.lower() in PHOTO_SUFFIXES | _videos()
        ]
        if not files:
            raise MediaError(
                f"{path} holds no video and no photo; known are {', '.join(sorted(PHOTO_SUFFIXES | _videos()))}"
            )
        return files
    if not path.exists() and glob.has_magic(source):
        matches = [Path(match) for match in sorted(glob.glob(source, recursive=True)) if Path(match).is_file()]
        if not matches:
            raise MediaError(f"{source} matches no file; check the pattern")
        return matches
    return [path]


def _videos() -> frozenset[str]:
    from exdnet_plugin.media.sink import CONTAINERS

    return CONTAINERS


class _PhotoJob:
    """Enhances photos one by one with the weights loaded once."""

    def __init__(self, chain: str, device: str, quality: int, overwrite: bool) -> None:
        self._chain, self._device, self._quality, self._overwrite = chain, device, quality, overwrite

    def run(self, source: Path, target: Path) -> None:
        from dataclasses import replace

        from exdnet_plugin.api import enhance_image
        from exdnet_plugin.media.photos import read_photo, write_photo
        from exdnet_plugin.media.sink import check_sink

        check_sink(target, source, PHOTO_SUFFIXES, overwrite=self._overwrite)
        photo = read_photo(source)
        result = enhance_image(photo.rgb, chain=self._chain, device=self._device)
        notes = write_photo(target, replace(photo, rgb=result), quality=self._quality)
        click.echo(f"{target}")
        _say_notes(notes)


def _enhance_video(
    source: Path,
    target: Path,
    chain: str,
    device: str,
    codec: str | None,
    crf: float | None,
    options: dict[str, str],
    overwrite: bool,
) -> None:
    from exdnet_plugin.api import enhance_video
    from exdnet_plugin.cli.progress import Progress

    with Progress(source.name) as progress:
        report = enhance_video(
            source,
            target,
            chain=chain,
            device=device,
            codec=codec,
            crf=crf,
            options=options,
            overwrite=overwrite,
            progress=progress,
        )
    _say_summary(report)


def _say_summary(report: Report) -> None:
    from exdnet_plugin.cli.progress import duration

    stages = ", ".join(f"{name} {duration(seconds)}" for name, seconds in report.seconds.items())
    rate = report.frames / max(report.wall, 1e-6)
    click.echo(
        f"{report.frames} frames in {duration(report.wall)} ({rate:.2f} a second): {stages}; "
        f"slowest: {report.slowest_stage}"
    )
    if report.cuts:
        click.echo(f"{report.cuts} cuts, at which smoothing started anew")
    if report.lost:
        click.echo(f"warning: {report.lost} frames of the source could not be decoded and are lost", err=True)
    _say_notes(report.notes)
    click.echo(f"{report.sink}")


def _say_notes(notes: list[str]) -> None:
    for note in notes:
        click.echo(f"note: {note}", err=True)
