"""`exdnet demo`: a dark clip, brightened, and a picture of both."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from exdnet_plugin.cli.options import PATH, chain_and_device
from exdnet_plugin.errors import MediaError


@click.command(short_help="Make a dark clip and brighten it.")
@click.argument("sink", metavar="OUT", type=PATH)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 600, min_open=True),
    default=3.0,
    show_default=True,
    help="Length of the clip.",
)
@click.option("--size", nargs=2, type=click.IntRange(32), default=(640, 360), hidden=True, metavar="WIDTH HEIGHT")
@chain_and_device
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def demo(sink: Path, seconds: float, size: tuple[int, int], chain: str, device: str, overwrite: bool) -> None:
    """Make a dark, noisy clip with sound, brighten it into OUT, and put both side by side in a picture.

    The dark clip goes beside OUT as OUT's name with _dark, the picture with _before_after. Nothing is downloaded.
    """
    from exdnet_plugin.allocator import keep_memory
    from exdnet_plugin.api import enhance_video
    from exdnet_plugin.chain import make_chain
    from exdnet_plugin.cli.enhance import say_summary
    from exdnet_plugin.cli.progress import Progress
    from exdnet_plugin.demo.clip import before_after, make_dark_clip
    from exdnet_plugin.devices import resolve_device
    from exdnet_plugin.plugins import default_plugins

    keep_memory()
    dark, picture = _beside(sink, overwrite)
    resolve_device(device)  # what was asked wrongly is refused before the clip is made
    processors = make_chain(chain, default_plugins())
    click.echo(
        f"making a dark clip of {seconds:g} s, then brightening it: about a minute or two without a GPU", err=True
    )
    with ExitStack() as undo:
        undo.callback(dark.unlink, missing_ok=True)
        make_dark_clip(dark, seconds=seconds, size=size)
        with Progress(dark.name) as progress:
            report = enhance_video(dark, sink, chain=processors, device=device, overwrite=overwrite, progress=progress)
        undo.callback(sink.unlink, missing_ok=True)
        before_after(dark, sink, picture)
        undo.pop_all()
    say_summary(report)
    click.echo(f"{dark} is the clip as filmed, {sink} the brightened one, {picture} shows both side by side")
    click.echo("play them; then brighten your own: exdnet enhance YOUR.mp4 OUT.mp4")


def _beside(sink: Path, overwrite: bool) -> tuple[Path, Path]:
    """Names of the dark clip and of the picture; MediaError where one of the three cannot be written."""
    from exdnet_plugin.demo.clip import CONTAINERS
    from exdnet_plugin.media.sink import check_sink

    if sink.suffix.lower() not in CONTAINERS:
        raise MediaError(f"{sink} is to be a video; give it one of the extensions {', '.join(sorted(CONTAINERS))}")
    dark, picture = sink.with_name(f"{sink.stem}_dark{sink.suffix}"), sink.with_name(f"{sink.stem}_before_after.png")
    for path, suffixes in ((sink, CONTAINERS), (dark, CONTAINERS), (picture, frozenset({".png"}))):
        check_sink(path, dark if path is sink else sink, suffixes, overwrite=overwrite)
    return dark, picture
