"""MP4 and MOV: containers of QuickTime's family, with edit lists that say what is not shown."""

from __future__ import annotations

from math import lcm
from pathlib import Path

from exdnet_plugin.media.encoding import Encoding
from exdnet_plugin.media.source import VideoSource

_SUFFIXES = (".mp4", ".mov", ".m4v")
_MOST_TICKS = (1 << 31) - 1


def is_quicktime(path: Path) -> bool:
    """Whether a container is of this family."""
    return path.suffix.lower() in _SUFFIXES


def written_options(path: Path, source: VideoSource, encoding: Encoding) -> dict[str, str]:
    """MP4 tells in ticks of the movie, of 1/1000 s, where streams start: finer ones keep each start exact."""
    if not is_quicktime(path):
        return {}
    audio = [stream.codec_context for stream in source.container.streams.audio if stream.codec_context]
    rates = {int(context.sample_rate) for context in audio if context.sample_rate}
    ticks = lcm(encoding.time_base.denominator, *rates)
    return {"movie_timescale": str(ticks)} if ticks <= _MOST_TICKS else {}
