"""`exdnet info`: this installation, a file, or the weights."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from exdnet_plugin import __version__
from exdnet_plugin.cli.options import NAME, json_output

_PACKAGES = ("torch", "av", "numpy", "opencv-python-headless", "pluggy", "kornia", "safetensors")


@click.command(short_help="Show facts of this installation, a file, or the weights.")
@click.argument("what", default="installation", type=NAME, metavar="[FILE|weights]")
@click.argument("name", required=False)
@json_output
def info(what: str, name: str | None, as_json: bool) -> None:
    """Without an argument, versions and devices; with a media file, its streams.

    `weights` shows the model cards, `weights NAME` that of one, or what is known of weights in a file.
    """
    if name and what != "weights":
        raise ValueError(f"{name}: facts are shown of one file at a time")
    if what == "weights":
        _show_weights(name, as_json)
        return
    facts = _installation() if what == "installation" else _file(Path(what))
    if as_json:
        click.echo(json.dumps(facts, indent=2, default=str))
        return
    for key, value in facts.items():
        if isinstance(value, list):
            click.echo(f"{key}:")
            for item in value:
                click.echo("  " + ", ".join(f"{k} {v}" for k, v in item.items() if v not in (None, "", "unspecified")))
        else:
            click.echo(f"{key}: {value}")


def _installation() -> dict[str, Any]:
    from importlib.metadata import version

    import torch

    devices = ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]
    facts: dict[str, Any] = {"exdnet-plugin": __version__, "python": platform.python_version()}
    facts |= {name: version(name) for name in _PACKAGES}
    return facts | {"devices": ", ".join(devices), "cpu threads": torch.get_num_threads()}


def _file(path: Path) -> dict[str, Any]:
    from dataclasses import asdict

    from exdnet_plugin.color import resolve
    from exdnet_plugin.media.photos import PHOTO_SUFFIXES
    from exdnet_plugin.media.source import VideoSource

    with VideoSource(path) as source:
        enhanced = source.info
        streams = [
            {"stream": s.index, "type": s.type, "codec": s.codec_context.name if s.codec_context else None,
             "language": s.language, "frames": s.frames or None,
             "taken by enhance": "yes" if s.index == source.stream.index else None}
            for s in source.container.streams
        ]  # fmt: skip
        duration = source.container.duration
        return {
            "file": path,
            "container": source.container.format.name,
            "duration": f"{duration / 1e6:.3f} s" if duration else "not told",
            "size": f"{enhanced.width}x{enhanced.height}",
            **({} if path.suffix.lower() in PHOTO_SUFFIXES else {"rate": source.facts.rate or "not told"}),
            "pixel format": enhanced.pixel_format,
            "colour as tagged": ", ".join(f"{k} {v}" for k, v in asdict(enhanced.color).items()),
            "colour as converted": ", ".join(f"{k} {v}" for k, v in asdict(resolve(enhanced)).items()),
            "streams": streams,
        }


def _show_weights(name: str | None, as_json: bool) -> None:
    from exdnet_plugin.exdnet.checkpoint import DEFAULT, weights_path

    folder = weights_path(DEFAULT).parent
    rows = [_weights(path) for path in ([weights_path(name)] if name else sorted(folder.glob("*.safetensors")))]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']}   sha256 {row['sha256']}\n{row['file']}\n\n{row['card']}")


def _weights(path: Path) -> dict[str, str]:
    from exdnet_plugin.exdnet.checkpoint import load_weights

    weights, card = load_weights(str(path)), path.with_suffix(".md")
    exposures = f"exposure constants: {', '.join(f'{low:g} to {high:g}' for low, high in weights.constants.intervals)}"
    fade = f"\nfade: {json.dumps(asdict(weights.fade))}" if weights.fade else ""
    text = card.read_text() if card.is_file() else f"{exposures}{fade}\nno card, {card.name}, lies beside it\n"
    return {"name": path.stem, "sha256": weights.sha256, "file": str(path), "card": text}
