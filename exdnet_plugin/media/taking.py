"""Which streams a container takes as they are."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from exdnet_plugin.media.channel_layout import is_usual, layout_of
from exdnet_plugin.media.opening import is_cover

# FFmpeg's MPEG-TS writer takes anything, what it does not know as private data that nothing plays.
_MPEGTS = frozenset(
    {"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "aac", "aac_latm", "mp2", "mp3", "ac3", "eac3", "dts", "opus"}
    | {"truehd", "dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle"}
)
# FFmpeg's AVI writer takes more, which cannot be played or has other times.
_AVI = frozenset({"mp3", "mp2", "ac3", "aac"})
_COUNTING = frozenset({"mp4", "mov", "avi", "mxf"})  # PCM's time in them is how much there was before
# FFmpeg's FLV writer ends the process when it is given PCM, ADPCM or Speex.
_FLV = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "nellymoser"})
_LATE = Fraction(1, 20)  # seconds
_WITH_COVERS = frozenset({"mp4", "mov"})


def codec_name(stream: Stream) -> str:
    """A stream's codec in FFmpeg's words, or where it has none, its type."""
    context = stream.codec_context
    return context.codec.canonical_name if context else stream.type


def takes(container: OutputContainer, stream: Stream) -> bool:
    """Whether the container's format lists the codec, and its writer takes this very stream in a file of its own.

    Of video, it is given the first packet, too: AVI refuses H.264 as MP4 has it only when it comes.
    """
    kind, codec = container.format.name, codec_name(stream)
    if kind == "mpegts" and codec not in _MPEGTS:
        return False
    if isinstance(stream, AudioStream) and not _takes_sound(kind, stream, codec):
        return False
    if kind == "nut" and codec.startswith(("wma", "adpcm")):  # of which it does not tell what a decoder needs
        return False
    if stream.codec_context:
        cover = is_cover(stream) and kind in _WITH_COVERS
        if kind != "mpegts" and codec not in container.supported_codecs and not cover:
            return False
    first = first_packet(stream) if stream.type == "video" else None

    def add(trial: OutputContainer) -> None:
        copy = trial.add_stream_from_template(stream)
        copy.disposition = stream.disposition
        trial.start_encoding()
        if first is not None and first.dts is not None:
            first.stream = copy
            trial.mux(first)

    return accepted(kind, add)


def accepted(kind: str, add: Callable[[OutputContainer], object]) -> bool:
    """Whether a container's writer takes what is added to a file of its own."""
    trial = av.open(io.BytesIO(), "w", format=kind)
    try:
        if kind == "mxf":  # writes no sound without a video before it
            _add_video(trial)
        add(trial)
        trial.start_encoding()
    except (FFmpegError, ValueError, AttributeError, TypeError):
        return False
    finally:
        with suppress(FFmpegError):  # the file is empty, which some writers refuse to end
            trial.close()
    return True


def _add_video(container: OutputContainer) -> None:
    video = container.add_stream("mpeg2video", rate=25)
    video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"


def _takes_sound(kind: str, stream: AudioStream, codec: str) -> bool:
    if codec.startswith("pcm_"):
        return kind not in _COUNTING and kind != "flv" and is_usual(layout_of(stream.codec_context))
    if kind == "avi":
        return codec in _AVI and _begins_first(stream)
    return codec in _FLV if kind == "flv" else kind != "mxf"


def _begins_first(stream: Stream) -> bool:
    """Whether sound is heard from the beginning: AVI tells of no silence in front."""
    begins = [(one.start_time or 0) * (one.time_base or 0) for one in (stream, *stream.container.streams.video[:1])]
    return begins[0] - min(begins) < _LATE


def first_packet(stream: Stream) -> Packet[Any] | None:
    """A stream's first packet, by a reader of its own."""
    with av.open(stream.container.name, metadata_errors="replace") as again:
        return next((packet for packet in again.demux(again.streams[stream.index]) if packet.size), None)
