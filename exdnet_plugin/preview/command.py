"""The command line that does to the whole source what a page shows of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from exdnet_plugin.live.address import hidden
from exdnet_plugin.media.photos import PHOTO_SUFFIXES
from exdnet_plugin.preview.player import CAMERA
from exdnet_plugin.preview.session import Settings

DEVICE = "/dev/video0"  # where a visitor's camera is found on Linux, when there is one


def command_line(source: str, settings: Settings, options: Sequence[str] = ()) -> str:
    """`exdnet enhance` for a file, `exdnet stream` for what is live, quoted for a shell.

    Args:
        source: as it was given to `exdnet preview`.
        settings: what is set; what a command does by itself is left out.
        options: of `enhance`, to be given, too.

    What is secret in an address is not in it: a page may be seen by others than who gave it.
    """
    if Path(source).is_file():
        path = f"./{source}" if source.startswith("-") else source
        suffix = Path(source).suffix if Path(source).suffix.lower() in PHOTO_SUFFIXES else ".mp4"
        words, own_quality = ["exdnet", "enhance", path, f"bright{suffix}", *options], "exact"
    else:
        live = DEVICE if source == CAMERA else hidden(source)
        words, own_quality = ["exdnet", "stream", live, "bright.mkv"], "realtime"
    chosen = {"chain": ("exdnet", settings.chain), "device": ("auto", settings.device)}
    chosen["quality"] = (own_quality, settings.quality)
    for name, (usual, value) in chosen.items():
        words += [] if value == usual else [f"--{name}", value]
    return shlex.join(words)
