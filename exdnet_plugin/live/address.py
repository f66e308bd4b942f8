"""What a user writes for a source or a sink, read: where it is, how FFmpeg opens it, and how it is shown to people."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from av.format import ContainerFormat

from exdnet_plugin.errors import MediaError
from exdnet_plugin.live.publish import Y4M
from exdnet_plugin.media.opening import ffmpeg_name
from exdnet_plugin.media.sink import CONTAINERS

Carried = Literal["encoded", "raw"]
PipeForm = Literal["mpegts", "nut", "y4m", "raw"]
Transport = Literal["tcp", "udp"]

_LOW_DELAY = {"fflags": "nobuffer", "flags": "low_delay", "probesize": "32768", "analyzeduration": "0"}
# FFmpeg's parsers hold a picture back until the next one begins. Pictures come whole all the same, but sound may not.
_UNPARSED = {"fflags": "nobuffer+noparse"}
# HLS and files in HTTP are read in pieces: so short a look would miss the video in the first.
_SOURCES: dict[str, dict[str, str]] = {
    "rtsp": _LOW_DELAY, "rtsps": _LOW_DELAY, "rtmp": _LOW_DELAY, "rtmps": _LOW_DELAY, "udp": _LOW_DELAY,
    "rtp": _LOW_DELAY, "tcp": _LOW_DELAY, "http": {"flags": "low_delay"}, "https": {"flags": "low_delay"},
}  # fmt: skip
# Where a picture's length is told, a receiver need not wait for the next one to know that it is whole.
_TOLD_LENGTH = {"omit_video_pes_length": "0"}
_SINKS = {"rtsp": "rtsp", "rtsps": "rtsp", "rtmp": "flv", "rtmps": "flv", "udp": "mpegts", "tcp": "mpegts"}
_SECRETS = re.compile(r"(?i)([\w.-]*(?:pass|pwd|tok|key|secret|sig|auth|cred|jwt|streamid)[\w.-]*)=[^&]*")
RECORDINGS = CONTAINERS - {".mpg", ".mxf", ".ogv"}  # which take no H.264 with AAC
_PEERS_ERRORS = {
    "ConnectionRefusedError": "refuses the connection: no server listens at that port",
    "HTTPUnauthorizedError": "refuses the user or password (401)",
}
PLAYLIST, STDOUT, SEGMENT_SECONDS = ".m3u8", "pipe:1", 2


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


@dataclass(frozen=True)
class Sink:
    """Where live video goes.

    Attributes:
        url, format, options: as FFmpeg opens it.
        carried: `encoded` video and sound, or `raw` frames without sound.
        command: a command that takes MPEG-TS on its input instead.
        shown: the address without what is secret in it.
        file: the recording, where it is one.
    """

    url: str
    shown: str
    format: str
    options: Mapping[str, str] = field(default_factory=dict)
    carried: Carried = "encoded"
    command: tuple[str, ...] = ()
    file: Path | None = None


def meaning(error: str) -> str | None:
    """What an error of FFmpeg's, by PyAV's name for it, means of a peer; None where that is not the peer's doing."""
    return _PEERS_ERRORS.get(error)


def hidden(url: str) -> str:
    """An address as it may stand in logs: without user, password, keys, and RTMP's stream name, which is one."""
    shown, (head, mark, rest) = url, url.partition("://")
    before, at, host = (rest if mark else head).rpartition("@")  # a password may hold / or #, which end a host's part
    if at and before and (mark or ":" in before):  # udp://@:5000 has no user
        shown = f"{head}://***@{host}" if mark else f"***@{host}"
    parts = urlsplit(shown)
    if parts.scheme in ("rtmp", "rtmps") and parts.path.count("/") > 1:
        shown = shown.replace(parts.path, parts.path.rpartition("/")[0] + "/***", 1)
    return _SECRETS.sub(r"\1=***", shown)


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
        text: a URL (rtsp, rtmp, udp, rtp, tcp, http, srt), /dev/video0, `screen` or `screen:DISPLAY`, `-` for standard
            input, `lavfi:GRAPH`, or a file.
        transport: of RTSP.
        form: FFmpeg's name of the format, where it cannot be found out.
        sound: whether its sound is wanted; without, pictures come a frame's time sooner.
        options: any option of FFmpeg's format or protocol.

    Raises:
        MediaError: an unknown scheme or format, a folder, a file that is not there, no command that speaks SRT.
    """
    _check_format(form)
    own, scheme = dict(options or {}), _scheme(text)
    if text == "-":
        return Source("-", "standard input", form, own, ends=True)
    if scheme == "srt":
        return Source(text, hidden(text), form or "mpegts", _LOW_DELAY | own, command=_srt_reader(text))
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


def _scheme(text: str) -> str:
    match = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):", text)
    if text == "screen" or (match and match[1] in ("screen", "lavfi")):
        return text.partition(":")[0]
    return match[1].lower() if match and text[match.end() :].startswith("//") else ""


def _made_here(scheme: str, text: str, options: dict[str, str]) -> Source:
    rest = text.partition(":")[2]
    if scheme == "screen":
        return Source(rest or ":0.0", text, "x11grab", {"framerate": "30"} | options)
    return Source(rest, text, "lavfi", options, ends=True, paced=True)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise MediaError(f"{path} is a folder; a stream comes from a URL, a device or one file")
    if not path.exists():
        raise MediaError(f"{hidden(str(path))} is no file, and no URL: write one as rtsp://HOST/PATH, or udp://@:PORT")


def read_sink(text: str, *, form: PipeForm = "mpegts", segment: float | None = None, overwrite: bool = False) -> Sink:
    """A sink from what a user wrote.

    Args:
        text: a URL (rtmp, rtsp, udp, tcp, srt), `NAME.m3u8` for HLS, a video file's name, or `-` for standard output.
        form: what is written to standard output: `raw` frames without a header, `y4m`, `nut` or `mpegts`.
        segment: cut a recording into files of so many seconds.
        overwrite: replace a recording that is there.

    Raises:
        MediaError: an unknown scheme or suffix, a name that nothing can be written to, no command that speaks SRT.
    """
    scheme = _scheme(text)
    if text == "-":
        return _pipe(form)
    if scheme == "srt":
        return Sink(text, hidden(text), "mpegts", command=_srt_writer(text))
    if scheme in _SINKS:
        options = {
            "udp": {"pkt_size": "1316"} | _TOLD_LENGTH,
            "tcp": _TOLD_LENGTH,
            "rtsp": {"rtsp_transport": "tcp"},
            "rtsps": {"rtsp_transport": "tcp"},
        }
        return Sink(text, hidden(text), _SINKS[scheme], options.get(scheme, {}))
    if scheme:
        known = ", ".join(sorted({*_SINKS, "srt"}))
        raise MediaError(f"{hidden(text)}: {scheme}:// is no kind of sink; there are {known}, files, .m3u8 and -")
    return _playlist(Path(text)) if text.endswith(PLAYLIST) else _recording(Path(text), segment, overwrite)


def _pipe(form: PipeForm) -> Sink:
    formats: dict[PipeForm, tuple[str, Carried]] = {
        "mpegts": ("mpegts", "encoded"),
        "nut": ("nut", "encoded"),
        "y4m": (Y4M, "raw"),
        "raw": ("rawvideo", "raw"),
    }
    name, carried = formats[form]
    options = {
        "mpegts": _TOLD_LENGTH,
        "y4m": {"strict": "-1"},  # more than 8 bits are FFmpeg's own
        "nut": {"write_index": "0"},  # an index of a stream without end would fill the memory
    }
    return Sink(STDOUT, "standard output", name, options.get(form, {}), carried)


def _playlist(path: Path) -> Sink:
    if not path.parent.is_dir():
        raise MediaError(f"{path}: the folder {path.parent} does not exist; make it first")
    options = {
        "hls_time": str(SEGMENT_SECONDS),
        "hls_list_size": "6",
        "hls_flags": "delete_segments+append_list+program_date_time+temp_file",
    }
    return Sink(ffmpeg_name(path), str(path), "hls", options, file=path)


def _recording(path: Path, segment: float | None, overwrite: bool) -> Sink:
    from exdnet_plugin.whole_file import check_free

    if path.suffix.lower() not in RECORDINGS:
        known = ", ".join(sorted(RECORDINGS))
        raise MediaError(f"{path} is no URL, no {PLAYLIST}, and no video file's name ({known})")
    if segment is None:
        check_free(path, overwrite=overwrite)
        return Sink(ffmpeg_name(path), str(path), _muxer(path), _whole_at_any_time(path), file=path)
    check_free(path.with_name(path.stem), overwrite=True)
    pattern = ffmpeg_name(path.with_name(f"{path.stem}-%Y%m%d-%H%M%S{path.suffix}"))
    options = {"segment_time": f"{segment:g}", "segment_format": _muxer(path), "strftime": "1", "reset_timestamps": "1"}
    inner = ":".join(f"{key}={value}" for key, value in _whole_at_any_time(path).items())
    return Sink(pattern, pattern, "segment", options | ({"segment_format_options": inner} if inner else {}))


def _muxer(path: Path) -> str:
    names = {".mkv": "matroska", ".webm": "webm", ".ts": "mpegts", ".mts": "mpegts", ".m2ts": "mpegts", ".m4v": "mp4"}
    return names.get(path.suffix.lower(), path.suffix[1:].lower())


def _whole_at_any_time(path: Path) -> dict[str, str]:
    """MP4 in fragments: what is written can be played when the machine stops in the middle."""
    fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    return fragments if path.suffix.lower() in (".mp4", ".m4v", ".mov") else {}


_SOON = ("-fflags", "nobuffer", "-probesize", "500000", "-analyzeduration", "500000")


def _srt_reader(url: str) -> tuple[str, ...]:
    return _srt(
        ("ffmpeg", "-v", "error", *_SOON, "-i", url, "-c", "copy", "-f", "mpegts", "-flush_packets", "1", "-"),
        ("gst-launch-1.0", "-q", "srtsrc", f"uri={url}", "!", "fdsink"),
    )


def _srt_writer(url: str) -> tuple[str, ...]:
    return _srt(
        ("ffmpeg", "-v", "error", *_SOON, "-f", "mpegts", "-i", "-", "-c", "copy", "-f", "mpegts", url),
        ("gst-launch-1.0", "-q", "fdsrc", "!", "srtsink", f"uri={url}"),
    )


def _srt(*commands: tuple[str, ...]) -> tuple[str, ...]:
    """The first command that is installed: PyAV's FFmpeg speaks no SRT."""
    for command in commands:
        if shutil.which(command[0]):
            return command
    raise MediaError("srt:// goes through another program, and there is none; install ffmpeg, or GStreamer's tools")
