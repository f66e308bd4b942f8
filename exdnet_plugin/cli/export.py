"""`exdnet export`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from exdnet_plugin.cli.options import PATH


@click.command(short_help="Write the network as ONNX, OpenVINO or a PyTorch program.")
@click.argument("out", type=PATH)
@click.option(
    "--format", "format_", type=click.Choice(["onnx", "openvino", "torch"]), required=True, help="What reads it."
)
@click.option("--weights", default="default", show_default=True, help="A shipped name, or a .safetensors or .pth file.")
@click.option("--size", metavar="WIDTHxHEIGHT", help="One size only, for hosts that need it, as FFmpeg does.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def export(out: Path, format_: Any, weights: str, size: str | None, overwrite: bool) -> None:
    """Write the network to OUT: RGB frames in [0, 1] in, brighter ones out, each by itself, without temporal smoothing.

    OUT ends in .onnx, .xml (OpenVINO; a .bin comes beside it) or .pt2 (PyTorch). The written file is run and compared
    with PyTorch, and kept only if both agree to 1e-4.
    """
    from exdnet_plugin.exdnet.export import export as write

    made = write(out, format=format_, weights=weights, size=_parse_size(size), overwrite=overwrite)
    runs = " and ".join(f"{count} of {width}x{height}" for count, _, height, width in made.shapes)
    click.echo(
        f"weights {weights}, sha256 {made.sha256}\n"
        f"largest difference from PyTorch {made.difference:.1e} (frames: {runs})\n{made.path}"
    )


def _parse_size(text: str | None) -> tuple[int, int] | None:
    """Height and width of `1280x720`."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise ValueError(f"--size {text!r}: write WIDTHxHEIGHT, as 1280x720")
    return int(match[2]), int(match[1])
