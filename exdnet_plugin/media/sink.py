"""A video file as a sink: enhanced frames encoded, every other stream copied packet for packet.

The file is written beside its name and renamed at the end, so that the name never shows half a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path

import av
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.frames import copy_color_tags
from exdnet_plugin.media.source import VideoSource
from exdnet_plugin.pixel_format import pixel_format
from exdnet_plugin.whole_file import REMEDY, beside

CONTAINERS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".flv", ".nut", ".mxf", ".mpg", ".ogv"}
)
_DEFAULT_CRF = {"libx264": "18", "libx265": "20", "libvpx-vp9": "30", "libsvtav1": "28"}
_DEFAULT_OPTIONS = {
    "libx264": {"preset": "medium"},
    "libx265": {"preset": "medium", "x265-params": "log-level=error"},
    "libvpx-vp9": {"b": "0", "cpu-used": "4", "row-mt": "1"},
    "libsvtav1": {"preset": "8"},
}


@dataclass(frozen=True)
class EncodingOptions:
    """How the sink's video is encoded. None leaves the choice to the container and the source's depth."""

    codec: str | None = None
    crf: float | None = None
    options: Mapping[str, str] = field(default_factory=dict)


class VideoSink:
    """Opens a video file for writing after the model of a source.

    Args:
        path: the file; its suffix chooses the container.
        source: what size, time base, colour tags, rotation, metadata and other streams are taken from.
        encoding: the encoder's settings.
        overwrite: replace a file that is there.

    Raises:
        MediaError: the path cannot be written, is the source, or its suffix or codec is unknown.
    """

    def __init__(
        self, path: Path, source: VideoSource, encoding: EncodingOptions | None = None, *, overwrite: bool = False
    ) -> None:
        check_sink(path, source.path, CONTAINERS, overwrite=overwrite)
        self.path, self.notes = path, list[str]()
        self._beside = beside(path)
        self._copied: dict[int, Stream] = {}
        try:
            self._container: OutputContainer = av.open(str(self._beside), "w")
        except (FFmpegError, OSError) as error:
            raise MediaError(f"{path} cannot be written: {error.strerror}. {REMEDY}") from None
        try:
            self._video = self._add_video(source, encoding or EncodingOptions())
            self._copy_facts(source)
            self._start()
        except BaseException:
            self.abort()
            raise

    def _start(self) -> None:
        """Open the encoder and the file, so that a wrong option or folder is told before any work is done."""
        try:
            self._container.start_encoding()
        except OSError as error:  # FFmpeg's errors are of this kind too where they are the system's
            raise MediaError(f"{self.path} cannot be written: {error.strerror}. {REMEDY}") from None
        except FFmpegError as error:
            name = self._video.codec_context.name
            raise MediaError(f"encoder {name} refuses its settings ({error.strerror}); check crf and options") from None
        for unused in self._video.codec_context.options:  # FFmpeg leaves what it does not know
            raise MediaError(_unknown_option(self._video.codec_context, unused))

    def _add_video(self, source: VideoSource, encoding: EncodingOptions) -> VideoStream:
        name = encoding.codec or _default_codec(self.path.suffix.lower(), source)
        try:
            codec = Codec(name, "w")
        except UnknownCodecError:
            raise MediaError(
                f"codec {name!r} is not in this build of FFmpeg; "
                "try libx264, libx265, libsvtav1, libvpx-vp9, ffv1 or prores"
            ) from None
        crf = {"crf": f"{encoding.crf:g}"} if encoding.crf is not None else {}
        if name in _DEFAULT_CRF:
            crf = crf or {"crf": _DEFAULT_CRF[name]}
        options = {**_DEFAULT_OPTIONS.get(codec.name, {}), **crf, **encoding.options}
        stream = self._container.add_stream(codec.name, rate=source.rate or Fraction(25), options=options)
        assert isinstance(stream, VideoStream)
        context = stream.codec_context
        stream.width, stream.height = source.info.width, source.info.height
        stream.pix_fmt = self._pixel_format(codec, source)
        stream.time_base = context.time_base = source.stream.time_base or Fraction(1, 90000)
        if source.stream.sample_aspect_ratio:
            context.sample_aspect_ratio = source.stream.sample_aspect_ratio
        copy_color_tags(source.stream.codec_context, context)
        if codec.name == "libx265" and self.path.suffix.lower() in (".mp4", ".mov", ".m4v"):
            stream.codec_tag = "hvc1"  # what Apple's players ask for
        return stream

    def _pixel_format(self, codec: Codec, source: VideoSource) -> str:
        """The source's format where the encoder takes it, else the nearest that it does."""
        taken = [video_format.name for video_format in codec.video_formats or []]
        wanted = pixel_format(source.info.pixel_format)
        odd = codec.name in ("libx264", "libx265") and bool(source.info.width % 2 or source.info.height % 2)
        if (wanted.name in taken or not taken) and not (odd and wanted.log2_chroma != (0, 0)):
            return wanted.name
        deep = wanted.depth > 8
        chroma = "444" if odd or (wanted.family == "rgb" and codec.name == "ffv1") else "420"
        names = [f"yuv{chroma}p{suffix}" for suffix in (("10le", "12le", "") if deep else ("",))] + taken
        choice = next(name for name in names if name in taken)
        self.notes.append(
            f"{wanted.name} is encoded as {choice}: "
            f"{codec.name} does not take it at {source.info.width}x{source.info.height}"
        )
        return choice

    def _copy_facts(self, source: VideoSource) -> None:
        self._container.metadata.update(
            {k: v for k, v in source.container.metadata.items() if k not in _CONTAINER_KEYS}
        )
        self._video.metadata.update({k: v for k, v in source.stream.metadata.items() if k not in _STREAM_KEYS})
        self._video.disposition = source.stream.disposition
        if source.rotation:
            self._video.set_display_rotation(source.rotation)
        if chapters := source.container.chapters():
            self._container.set_chapters(chapters)
        for stream in source.others:
            if not _is_made_anew(stream, bool(chapters)):
                self._copy_stream(stream)

    def _copy_stream(self, stream: Stream) -> None:
        codec = stream.codec_context.name if stream.codec_context else stream.type
        what = f"{stream.type} stream {stream.index} ({codec})"
        if stream.codec_context and stream.codec_context.codec.canonical_name not in self._container.supported_codecs:
            self.notes.append(f"{what} is left out: {self.path.suffix} does not take it; .mkv would")
            return
        try:
            copy = self._container.add_stream_from_template(stream)
        except (FFmpegError, ValueError, AttributeError, TypeError) as error:
            self.notes.append(f"{what} is left out: {error}")
            return
        copy.metadata.update({k: v for k, v in stream.metadata.items() if k not in _STREAM_KEYS})
        copy.disposition = stream.disposition
        copy.time_base = stream.time_base
        self._copied[stream.index] = copy

    def write(self, item: av.VideoFrame | Packet[Stream]) -> None:
        """Encode a frame or copy a packet. MediaError when the disk is full or the encoder refuses."""
        try:
            if isinstance(item, av.VideoFrame):
                self._encode(item)
            elif item.stream.index in self._copied:
                item.stream = self._copied[item.stream.index]
                self._container.mux(item)
        except (FFmpegError, OSError) as error:
            raise MediaError(
                f"{self.path} cannot be written: {error.strerror or error}. "
                "Free some space or choose another folder or codec"
            ) from error

    def _encode(self, frame: av.VideoFrame) -> None:
        if frame.format.name != self._video.pix_fmt:
            pts, time_base, duration = frame.pts, frame.time_base, frame.duration
            frame = frame.reformat(format=self._video.pix_fmt)
            frame.pts, frame.time_base, frame.duration = pts, time_base, duration
        self._container.mux(self._video.encode(frame))

    def finish(self) -> None:
        """Flush the encoder, write the index and give the file its name."""
        try:
            self._container.mux(self._video.encode(None))
            self._container.close()
            os.replace(self._beside, self.path)
        except (FFmpegError, OSError) as error:
            self.abort()
            raise MediaError(
                f"{self.path} cannot be finished: {error.strerror or error}. Free some space or choose another folder"
            ) from error

    def abort(self) -> None:
        """Leave nothing behind."""
        with suppress(FFmpegError, OSError, ValueError):  # the trailer of what is thrown away
            self._container.close()
        self._beside.unlink(missing_ok=True)


def _unknown_option(context: VideoCodecContext, name: str) -> str:
    known = {
        option.name
        for group in (context.supported_options.generic, context.supported_options.private)
        for option in group
    }
    near = get_close_matches(name, known, 3, 0.5)
    return f"encoder {context.name} has no option {name!r}; " + (
        f"near it are {', '.join(near)}" if near else f"`ffmpeg -h encoder={context.name}` lists them"
    )


_CONTAINER_KEYS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
_STREAM_KEYS = frozenset({"encoder", "vendor_id", "DURATION", "BPS", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES"})


def _is_made_anew(stream: Stream, chapters: bool) -> bool:
    """Whether a data stream is one that the muxer writes itself: MP4's chapter titles, a timecode track."""
    if stream.type != "data":
        return False
    return (chapters and getattr(stream, "name", None) == "bin_data") or "timecode" in stream.metadata


def _default_codec(suffix: str, source: VideoSource) -> str:
    deep = pixel_format(source.info.pixel_format).depth > 8
    if suffix == ".webm":
        return "libsvtav1" if deep else "libvpx-vp9"
    if suffix == ".ogv":
        return "libtheora"
    if suffix in (".mpg", ".mxf"):
        return "mpeg2video"
    return "libx265" if deep else "libx264"


def check_sink(path: Path, source: Path, suffixes: frozenset[str], *, overwrite: bool) -> None:
    """Refuse a sink that is the source, is there already, has no folder, or an unknown suffix."""
    if path.suffix.lower() not in suffixes:
        known = ", ".join(sorted(suffixes))
        raise MediaError(f"{path} has the unknown extension {path.suffix!r}; known are {known}")
    if not path.parent.is_dir():
        raise MediaError(f"{path}: the folder {path.parent} does not exist; make it first")
    if path.is_dir():
        raise MediaError(f"{path} is a folder; give a file's name in it")
    if path.exists() and source.exists() and path.samefile(source):
        raise MediaError(f"{path} is the source itself; give the sink another name")
    if path.exists() and not overwrite:
        raise MediaError(f"{path} is there already; give another name, or --overwrite to replace it")
