"""`exdnet pipe`: raw video on pipes, between two FFmpeg commands."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from exdnet_plugin.cli.options import PATH, chain_and_device, quality_option


@click.command(short_help="Brighten raw video between two FFmpeg commands.")
@chain_and_device
@quality_option("exact")
@click.option("--format", "form", type=click.Choice(["y4m", "nut"]), default="y4m", show_default=True)
@click.option(
    "--matrix", default="unspecified", help="Colour facts, which raw video does not carry, by FFmpeg's names."
)
@click.option("--primaries", default="unspecified")
@click.option("--transfer", default="unspecified")
@click.option("--range", "range_", type=click.Choice(["limited", "full", "unspecified"]), default="unspecified")
@click.option(
    "--commands",
    nargs=2,
    type=PATH,
    metavar="SOURCE SINK",
    help="Print the whole shell line for a file, and do nothing.",
)
def pipe(
    chain: str,
    device: str,
    quality: str,
    form: str,
    matrix: str,
    primaries: str,
    transfer: str,
    range_: str,
    commands: tuple[Path, Path] | None,
) -> None:
    """Brighten raw video from standard input to standard output.

    y4m has a steady rate; nut keeps each frame's time. `exdnet pipe --commands in.mp4 out.mp4` prints a line that
    brightens a file so, with its sound, times and colour tags.
    """
    from exdnet_plugin import ColorFacts
    from exdnet_plugin.allocator import keep_memory
    from exdnet_plugin.pipeline.ffmpeg_commands import commands as lines
    from exdnet_plugin.pipeline.pipe import run_pipe

    if commands:
        click.echo(lines(*commands, chain_text=chain, quality=quality, device=device))
        return
    if sys.stdin.isatty() or sys.stdout.isatty():
        raise ValueError("pipe stands between two commands; see exdnet pipe --commands SOURCE SINK for an example")
    keep_memory()
    color = ColorFacts(matrix, primaries, transfer, range_)  # type: ignore[arg-type]
    how = {"chain": chain, "device": device, "quality": quality}
    report = run_pipe(sys.stdin.buffer, sys.stdout.buffer, form=form, color=color, **how)  # type: ignore[arg-type]
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{report.frames} frames", err=True)
