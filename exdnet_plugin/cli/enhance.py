"""`exdnet enhance`: video files and photos."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exdnet_plugin.cli.files import jobs_of, say_notes
from exdnet_plugin.cli.options import (
    NAME,
    PATH,
    chain_and_device,
    key_values,
    parse_bits,
    parse_rate,
    parse_time,
    quality_option,
)
from exdnet_plugin.cli.photos import ALL_THE_SAME, PhotoJob, in_sequence
from exdnet_plugin.errors import ExdnetError, MediaError, PluginError, in_a_line
from exdnet_plugin.media.photos import PHOTO_SUFFIXES

if TYPE_CHECKING:
    from exdnet_plugin.frame_filter import Quality
    from exdnet_plugin.report import Report


NOTICED, SLOW = 5, 60  # seconds, after which people wonder how long it took, and whether it could be faster
FASTER = "--quality realtime would take less time, most of all on a CPU"


@click.command(short_help="Brighten video files and photos.")
@click.argument("sources", nargs=-1, type=NAME, metavar="SOURCE...")
@click.argument("sink", type=PATH)
@chain_and_device
@quality_option("exact")
@click.option("--codec", help="Encoder, as libx264, libx265, libsvtav1, ffv1. Default: by container and depth.")
@click.option("--crf", type=float, help="Constant quality of the encoder; lower is better and larger.")
@click.option("--bitrate", metavar="RATE", help="Bits a second, as 8M or 800k, instead of --crf.")
@click.option("--preset", help="The encoder's preset, as slow (libx264) or 6 (libsvtav1).")
@click.option("--pixel-format", help="What the encoder is given, as yuv420p10le. Default: the source's.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other option of the encoder, as tune=film. Repeatable.",
)
@click.option("--from", "start", default="0", metavar="TIME", help="Start, in seconds or as 1:02:03.5.")
@click.option("--to", "end", metavar="TIME", help="End, likewise.")
@click.option(
    "--cfr", metavar="RATE", help="A constant rate, as 25 or 30000/1001. Default: every frame keeps its time."
)
@click.option(
    "--video-stream", type=click.IntRange(0), metavar="N", help="Which video stream, from 0. Others are copied."
)
@click.option(
    "--hdr",
    type=click.Choice(["keep", "sdr"]),
    default="keep",
    show_default=True,
    help="PQ and HLG: stay so, or tone-map.",
)
@click.option("--deinterlace", is_flag=True, help="Make whole frames of fields. Default: fields stay fields.")
@click.option(
    "--on-change",
    type=click.Choice(["scale", "split"]),
    default="scale",
    show_default=True,
    help="Frames that change size: scale them to the first, or a further file for each.",
)
@click.option(
    "--photo-quality", type=click.IntRange(1, 100), default=95, show_default=True, help="JPEG, WebP, AVIF, HEIC."
)
@click.option(
    "--sequence",
    metavar="RATE",
    help="Photos are a video's frames by their names' numbers, RATE a second: brightness stays steady. One size each.",
)
@click.option("--profile", type=PATH, help="Write a trace of the stages, for ui.perfetto.dev.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option(
    "--resume", is_flag=True, help="Go on with a video that was stopped; of several files, leave those that are there."
)
@click.option(
    "--on-stop",
    type=click.Choice(["keep", "partial", "discard"]),
    default="keep",
    show_default=True,
    help="A stopped video: keep the work for --resume, write what is done to NAME.partial.mp4, or discard it.",
)
def enhance(
    sources: tuple[str, ...],
    sink: Path,
    chain: str,
    device: str,
    quality: Quality,
    options: tuple[str, ...],
    photo_quality: int,
    sequence: str | None,
    overwrite: bool,
    start: str,
    end: str | None,
    cfr: str | None,
    bitrate: str | None,
    **video: Any,
) -> None:
    """Brighten SOURCE and write SINK.

    A source is a video file, a photo, a folder of both (not the folders in it), or a glob, as 'in/**/*.jpg'. With one
    file, SINK is a file's name with its extension; otherwise it is a folder, made where there is none, and files keep
    their names. Sound, subtitles, times, EXIF and colour profiles are kept. A sink appears under its name when it is
    whole; a video that was stopped goes on with --resume.
    """
    from exdnet_plugin.allocator import keep_memory

    if not sources:  # of one name alone, click would miss the source
        context = click.get_current_context()
        raise click.MissingParameter(ctx=context, param_hint="'SINK'", param_type="argument")
    if sequence and video["resume"]:
        raise ValueError("--resume: a sequence goes on from no frame but its first; take --overwrite")
    keep_memory()
    for number in (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])):
        signal.signal(number, _stop)  # as from a service's manager, a container's, a closed terminal
    video |= {
        "options": key_values("--option", options),
        "start": parse_time("--from", start),
        "end": parse_time("--to", end) if end else None,
        "cfr": parse_rate("--cfr", cfr) if cfr else None,
        "bitrate": parse_bits(bitrate) if bitrate else None,
        "chain": chain,
        "device": device,
        "quality": quality,
        "overwrite": overwrite,
    }
    rate = parse_rate("--sequence", sequence) if sequence else None
    jobs = in_sequence(jobs_of(sources, sink)) if rate else jobs_of(sources, sink)
    if video["profile"] and sum(source.suffix.lower() not in PHOTO_SUFFIXES for source, _ in jobs) > 1:
        raise ValueError("--profile: each video would replace the trace of the one before; give one video")
    if len(jobs) > 1 and overwrite and video["resume"]:
        raise ValueError("--overwrite replaces files that are there, and --resume leaves them; give one of the two")
    _say_without_effect(click.get_current_context(), [source.suffix.lower() in PHOTO_SUFFIXES for source, _ in jobs])
    how = {"chain": chain, "device": device, "quality": quality}
    with PhotoJob(how, photo_quality, rate, overwrite=overwrite) as photo:
        _enhance_all(jobs, photo, video, sink)


def _stop(number: int, _: object) -> None:
    raise KeyboardInterrupt(number)


_FOR_BOTH = frozenset({"sources", "sink", "chain", "engine", "device", "quality", "overwrite"})


def _say_without_effect(context: click.Context, are_photos: list[bool]) -> None:
    """Name the options that were given and are for videos alone, or for photos, where there are none of these."""
    if any(are_photos) and not all(are_photos):
        return
    for_photos = {"photo_quality", "sequence", *(["resume"] if len(are_photos) > 1 else [])}
    given = {p.name: p.opts[0] for p in context.command.params if p.name and _is_given(context, p.name)}
    unused = [given[name] for name in given if name not in _FOR_BOTH and (name in for_photos) != all(are_photos)]
    if unused:
        others = "videos" if all(are_photos) else "photos"
        say_notes([f"{', '.join(unused)}: of no effect here, being for {others}"])


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _enhance_all(jobs: list[tuple[Path, Path]], photo: PhotoJob, video: dict[str, Any], sink: Path) -> None:
    """Every file; of several, those that fail do not stop the others."""
    from exdnet_plugin.cli.progress import duration

    failed, photos, started = list[Path](), 0, time.monotonic()
    for number, (source, target) in enumerate(jobs):
        if len(jobs) > 1 and video["resume"] and target.exists():
            click.echo(f"{target} is there already, and left as it is")
            continue
        try:
            if source.suffix.lower() in PHOTO_SUFFIXES:
                photo.run(source, target)
                photos += 1
            else:
                _enhance_video(source, target, video)
        except KeyboardInterrupt as error:
            if len(jobs) > 1:
                rest = "" if photo.rate else "; --resume leaves them"
                error.add_note(f"{number - len(failed)} of {len(jobs)} files are done{rest}")
            raise
        except Exception as error:  # also a processor's own, of any kind: the next file may do without it
            if len(jobs) == 1:
                raise
            failed.append(source)
            click.echo(f"exdnet: {_told(error, source)}", err=True)
            say_notes(getattr(error, "__notes__", []))
    seconds = time.monotonic() - started
    if photos > 1 or (photos and seconds > NOTICED):
        click.echo(f"{photos} photo{'s' if photos > 1 else ''} in {duration(seconds)}")
    photo.say_lit()
    if photos and seconds > SLOW and video["quality"] == "exact":
        click.echo(FASTER)
    if failed:
        others = f"the others are written to {sink}" if len(failed) < len(jobs) else "nothing is written"
        raise MediaError(f"{len(failed)} of {len(jobs)} files failed, first {failed[0]}; {others}")


def _told(error: Exception, source: Path) -> str:
    """An error in a line that names the source: those of our own do, but for a processor's, which knows no files."""
    if isinstance(error, PluginError):
        return f"{source}: {error}"
    return str(error) if isinstance(error, ExdnetError | ValueError) else f"{source}: {in_a_line(error)}"


def _enhance_video(source: Path, target: Path, options: dict[str, Any]) -> None:
    from exdnet_plugin.api import enhance_video
    from exdnet_plugin.cli.progress import Progress

    with Progress(source.name) as progress:
        report = enhance_video(source, target, progress=progress, **options)
    say_summary(report)
    if report.slowest_stage == "filter" and report.wall > SLOW and options["quality"] == "exact":
        click.echo(FASTER)


def say_summary(report: Report) -> None:
    """What happened, in a few lines."""
    from exdnet_plugin.cli.progress import duration

    stages = ", ".join(f"{name} {duration(seconds)}" for name, seconds in report.seconds.items())
    rate = (report.frames - report.resumed) / max(report.wall, 1e-6)
    click.echo(
        f"{report.frames} frames in {duration(report.wall)} ({rate:.2f} a second): {stages}; "
        f"slowest: {report.slowest_stage}"
    )
    if report.resumed:
        click.echo(f"{report.resumed} frames were done before; these times are of the others")
    if report.untouched:
        streams = ", ".join(map(str, report.untouched))
        click.echo(f"video stream {streams} of the source stays as it is; --video-stream N enhances another")
    if report.cuts:
        click.echo(f"{report.cuts} cuts, at which smoothing started anew")
    if report.lit:
        click.echo(f"{report.lit} frames are well lit and stay, in part or wholly, what they were; {ALL_THE_SAME}")
    if report.lost:
        click.echo(f"warning: {report.lost} frames of the source could not be decoded and are lost", err=True)
    say_notes(report.notes)
    for sink in (report.sink, *report.further):
        click.echo(f"{sink}")
