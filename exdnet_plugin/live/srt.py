"""SRT goes through another program: PyAV's FFmpeg does not speak it."""

from __future__ import annotations

import shutil

from exdnet_plugin.errors import MediaError

_SOON = ("-fflags", "nobuffer", "-probesize", "500000", "-analyzeduration", "500000")


def reader(url: str) -> tuple[str, ...]:
    """A command that writes what comes over SRT, as MPEG-TS, to its output. MediaError when there is none."""
    return _installed(
        ("ffmpeg", "-v", "error", *_SOON, "-i", url, "-c", "copy", "-f", "mpegts", "-flush_packets", "1", "-"),
        ("gst-launch-1.0", "-q", "srtsrc", f"uri={url}", "!", "fdsink"),
    )


def writer(url: str) -> tuple[str, ...]:
    """A command that sends the MPEG-TS on its input over SRT. MediaError when there is none."""
    return _installed(
        ("ffmpeg", "-v", "error", *_SOON, "-f", "mpegts", "-i", "-", "-c", "copy", "-f", "mpegts", url),
        ("gst-launch-1.0", "-q", "fdsrc", "!", "srtsink", f"uri={url}"),
    )


def _installed(*commands: tuple[str, ...]) -> tuple[str, ...]:
    """The first command whose program is here."""
    for command in commands:
        if shutil.which(command[0]):
            return command
    raise MediaError("srt:// goes through another program, and there is none; install ffmpeg, or GStreamer's tools")
