"""What a user writes for a sink, read: where it is, how FFmpeg writes it, and how it is shown to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from exdnet_plugin.errors import MediaError
from exdnet_plugin.live import srt
from exdnet_plugin.live.address import hidden, scheme_of
from exdnet_plugin.live.publish import Y4M
from exdnet_plugin.media.opening import ffmpeg_name
from exdnet_plugin.media.sink import CONTAINERS
from exdnet_plugin.whole_file import check_free

Carried = Literal["encoded", "raw"]
PipeForm = Literal["mpegts", "nut", "y4m", "raw"]

# Where a picture's length is told, a receiver need not wait for the next one to know that it is whole.
_TOLD_LENGTH = {"omit_video_pes_length": "0"}
_SINKS = {"rtsp": "rtsp", "rtsps": "rtsp", "rtmp": "flv", "rtmps": "flv", "udp": "mpegts", "tcp": "mpegts"}
RECORDINGS = CONTAINERS - {".mpg", ".mxf", ".ogv"}  # which take no H.264 with AAC
PLAYLIST, STDOUT, SEGMENT_SECONDS = ".m3u8", "pipe:1", 2


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
    scheme = scheme_of(text)
    if text == "-":
        return _pipe(form)
    if scheme == "srt":
        return Sink(text, hidden(text), "mpegts", command=srt.writer(text))
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
