"""What a user writes for a source, read: where it is, how FFmpeg opens it, and how it is shown to people."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from av.format import ContainerFormat

from exdnet_plugin.errors import MediaError
from exdnet_plugin.live import srt
from exdnet_plugin.live.address import hidden, scheme_of
from exdnet_plugin.media.opening import ffmpeg_name

Transport = Literal["tcp", "udp"]

_LOW_DELAY = {"fflags": "nobuffer", "flags": "low_delay", "probesize": "32768", "analyzeduration": "0"}
# FFmpeg's parsers hold a picture back until the next one begins. Pictures come whole all the same, but sound may not.
_UNPARSED = {"fflags": "nobuffer+noparse"}
# HLS and files in HTTP are read in pieces: so short a look would miss the video in the first.
_SOURCES: dict[str, dict[str, str]] = {
    "rtsp": _LOW_DELAY, "rtsps": _LOW_DELAY, "rtmp": _LOW_DELAY, "rtmps": _LOW_DELAY, "udp": _LOW_DELAY,
    "rtp": _LOW_DELAY, "tcp": _LOW_DELAY, "http": {"flags": "low_delay"}, "https": {"flags": "low_delay"},
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Where live video comes from.

    Attributes:
        url, format, options: as FFmpeg opens it; format None is found out.
        command: a command whose output is read instead.
        shown: the address without what is secret in it.
        ends: whether its end is the end (a file, a pipe), not something to reconnect after.
        paced: whether it must be held back to its own rate.
    """

    url: str
    shown: str
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    ends: bool = False
    paced: bool = False


def read_source(
    text: str,
    *,
    transport: Transport = "tcp",
    form: str | None = None,
    sound: bool = True,
    options: Mapping[str, str] | None = None,
) -> Source:
    """A source from what a user wrote.

    Args:
        text: a URL (rtsp, rtmp, udp, rtp, tcp, http, srt), /dev/video0, `screen`, which is the one that the variable
            DISPLAY names, or `screen:DISPLAY`, `-` for standard input, `lavfi:GRAPH`, or a file.
        transport: of RTSP.
        form: FFmpeg's name of the format, where it cannot be found out.
        sound: whether its sound is wanted; without, pictures come a frame's time sooner.
        options: any option of FFmpeg's format or protocol.

    Raises:
        MediaError: an unknown scheme or format, a folder, a file or display that is not there, no command for SRT.
    """
    _check_format(form)
    own, scheme = dict(options or {}), scheme_of(text)
    if text == "-":
        return Source("-", "standard input", form, own, ends=True)
    if scheme == "srt":
        return Source(text, hidden(text), form or "mpegts", _LOW_DELAY | own, command=srt.reader(text))
    if scheme in ("screen", "lavfi"):
        return _made_here(scheme, text, own)
    if scheme in _SOURCES:
        extra: dict[str, str] = {"rtsp_transport": transport} if scheme.startswith("rtsp") else {}
        if not sound and _SOURCES[scheme] is _LOW_DELAY:
            extra |= _UNPARSED
        return Source(text, hidden(text), form, _SOURCES[scheme] | extra | own)
    if scheme:
        known = ", ".join(sorted({*_SOURCES, "srt"}))
        raise MediaError(f"{hidden(text)}: {scheme}:// is no kind of source; there are {known}, files and devices")
    path = Path(text)
    if text.startswith("/dev/"):
        if not path.exists():
            raise MediaError(f"{text}: there is no such device; `ls /dev/video*` shows cameras")
        return Source(text, text, form or "v4l2", own)
    _check_file(path)
    return Source(ffmpeg_name(path), text, form, own, ends=True, paced=True)


def _check_format(form: str | None) -> None:
    try:
        ContainerFormat(form or "mpegts", "r")
    except ValueError:
        raise MediaError(f"there is no format {form!r} to read; FFmpeg's names are `ffmpeg -formats`") from None


def _made_here(scheme: str, text: str, options: dict[str, str]) -> Source:
    rest = text.partition(":")[2]
    if scheme == "screen":
        if not (display := rest or os.environ.get("DISPLAY")):
            raise MediaError(f"{text}: DISPLAY is not set; name an X display, as screen::0.0")
        return Source(display, text, "x11grab", {"framerate": "30"} | options)
    return Source(rest, text, "lavfi", options, ends=True, paced=True)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise MediaError(f"{path} is a folder; a stream comes from a URL, a device or one file")
    if not path.exists():
        raise MediaError(f"{hidden(str(path))} is no file, and no URL: write one as rtsp://HOST/PATH, or udp://@:PORT")
