"""A video file as a sink: enhanced video from a packet log, and every other stream copied packet for packet.

The file is written at the end of a job, beside its name, and renamed: the name never shows half a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.chapters import chapters_of
from exdnet_plugin.media.copying import stream_metadata
from exdnet_plugin.media.encoding import Encoding, check_opened, refused
from exdnet_plugin.media.kept import left_out
from exdnet_plugin.media.opening import ffmpeg_name
from exdnet_plugin.media.other_streams import OtherStreams, shifted
from exdnet_plugin.media.packet_log import PacketLog
from exdnet_plugin.media.priority import usual_priority
from exdnet_plugin.media.quicktime import is_quicktime, written_options
from exdnet_plugin.media.runs import seconds
from exdnet_plugin.media.source import VideoSource
from exdnet_plugin.whole_file import REMEDY, check_free, check_not_source, replace_whole

CONTAINERS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".flv", ".nut", ".mxf", ".mpg"}
    | ({".ogv"} if "libtheora" in av.codecs_available else set())
)


def muxer(suffix: str) -> str | None:
    """FFmpeg's muxer for a suffix; None is what FFmpeg takes it for, which for .m4v is raw MPEG-4."""
    return "mp4" if suffix.lower() == ".m4v" else None


_OF_OLD_PICTURES = frozenset({"timecode", "alpha_mode"})  # what a video's metadata tell that may have changed


class VideoSink:
    """Opens a video file for writing after the model of a source.

    Args:
        path: the file; its suffix chooses the container.
        hidden: where it is written until it is whole, in the same file system.
        source: what metadata, rotation and the other streams are taken from.
        encoding: how its video is encoded.

    Raises:
        MediaError: the path cannot be written, or the encoder or the container refuses.

    Attributes:
        notes: what could not be kept, a line each.
    """

    def __init__(self, path: Path, hidden: Path, source: VideoSource, encoding: Encoding) -> None:
        self.path, self.encoding = path, encoding
        self.notes = list(encoding.notes)
        self._hidden, self._source, source.steady = hidden, source, encoding.cfr
        try:
            self._container: OutputContainer = av.open(
                ffmpeg_name(hidden),
                "w",
                format=muxer(path.suffix),
                container_options=written_options(path, source, encoding),
            )
        except (FFmpegError, OSError) as error:
            raise MediaError(f"{path} cannot be written: {error.strerror}. {REMEDY}") from None
        try:
            self._video = self._add_video()
            self._copy_facts()
            self._start()
        except BaseException:
            self.abort()
            raise

    @property
    def video(self) -> VideoCodecContext:
        """The context under whose header the packets of every encoder go."""
        return self._video.codec_context

    @property
    def empty(self) -> list[int]:
        """The source's streams, by index, of which nothing was copied."""
        return self._others.empty

    def encoder(self) -> VideoCodecContext:
        """A new encoder for a part of the video, which starts with a keyframe."""
        return self.encoding.encoder(self.video)

    def _add_video(self) -> VideoStream:
        encoding = self.encoding
        try:
            stream = self._container.add_stream(encoding.codec, rate=encoding.rate)
        except ValueError:
            raise MediaError(f"{self.path.suffix} does not take {encoding.codec}; .mkv would") from None
        assert isinstance(stream, VideoStream)
        encoding.configure(stream.codec_context)
        stream.time_base = encoding.time_base
        if encoding.codec == "libx265" and is_quicktime(self.path):
            stream.codec_tag = "hvc1"  # what Apple's players ask for
        return stream

    def _copy_facts(self) -> None:
        source = self._source
        self._container.metadata.update(
            {k: v for k, v in source.container.metadata.items() if k not in _CONTAINER_KEYS}
        )
        own = {
            key: value for key, value in stream_metadata(source.stream).items() if key.lower() not in _OF_OLD_PICTURES
        }
        self._video.metadata.update(own | ({"timecode": source.timecode} if source.timecode else {}))
        self._video.disposition = source.stream.disposition
        if source.facts.display_matrix:
            self._video.set_display_matrix(source.facts.display_matrix)
        if chapters := chapters_of(source):
            self._container.set_chapters(chapters)
        self._others = OtherStreams(self._container, self.path, source, self.notes, chapters=bool(chapters))

    def _start(self) -> None:
        """Open the encoder and the file, so that a wrong option or folder is told before any work is done."""
        try:
            with usual_priority():
                self.video.open()
        except FFmpegError as error:
            raise refused(self.video, error) from None
        try:
            self._container.start_encoding()
        except OSError as error:  # FFmpeg's errors are of this kind too where they are the system's
            raise MediaError(f"{self.path} cannot be written: {error.strerror}. {REMEDY}") from None
        except FFmpegError as error:
            what = f"{self.path.suffix} does not take these streams ({error.strerror})"
            raise MediaError(f"{what}; .mkv takes most, or try another --codec") from None
        check_opened(self.video)

    def finish(self, log: PacketLog, *, partial: bool = False) -> None:
        """Join the video in the log and the source's other streams, write the index and give the file its name.

        With `partial`, the other streams end where the video in the log does.
        """
        try:
            filled = self._write(self._joined(log, self._shown_until(log) if partial else self._source.until))
            self._container.close()
            self.notes += left_out(self._source, self.encoding.facts, self._hidden, self._others.written(filled))
            replace_whole(self._hidden, self.path)
        except (FFmpegError, OSError) as error:
            self.abort()
            # FFmpeg's errors are the system's, as of a full disk, or of what a stream holds
            remedy = REMEDY if isinstance(error, OSError) else f"{self.path.suffix} does not take a stream; try .mkv"
            raise MediaError(f"{self.path} cannot be written: {error.strerror or error}. {remedy}") from error

    def _write(self, packets: Iterator[Packet[Any]]) -> set[int]:
        """Write packets; which streams they fill. Of those that are copied, damaged ones are left out and noted."""
        filled, damaged = set[int](), Counter[int]()
        for packet in packets:
            index = packet.stream.index
            try:
                self._container.mux(packet)
                filled.add(index)
            except FFmpegError as error:
                if index == self._video.index or isinstance(error, OSError):
                    raise
                damaged[index] += 1
        for index, count in sorted(damaged.items()):
            what = f"of {self._container.streams[index].type} stream {index}"
            self.notes.append(
                f"{count} packets {what} are left out: they are damaged, and {self.path.suffix} takes none such"
            )
        return filled

    def _shown_until(self, log: PacketLog) -> Fraction:
        """When the last frame in the log ends, in seconds of the source's own times."""
        end = log.end * self.encoding.time_base
        return end + self._source.zero if self.encoding.cfr else end

    def _joined(self, log: PacketLog, until: Fraction | None) -> Iterator[Packet[Any]]:
        """Packets of all streams, by time; of those that are copied, what is shown before a time of the source's."""
        # At a constant rate, ticks are counted from the sink's own 0.
        shift = 0 if self.encoding.cfr else round(self._source.zero / self.encoding.time_base)
        video: Iterator[Packet[Any]] = (
            shifted(packet, shift) for packet in log.packets(self._video, self.encoding.time_base)
        )
        if self._container.format.name == "mpegts":
            video = self._with_start_told(video)
        yield from merge(video, self._others.packets(until), key=seconds)

    def _with_start_told(self, packets: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
        """MPEG-TS counts no time below 0, so its writer puts all streams off where decoding would start there."""
        first = next(packets, None)
        if first is not None:
            early = -seconds(first)
            if early > 0:
                self.notes.append(
                    f"all streams start {float(early) * 1000:.0f} ms later: {self.path.suffix} has no times below 0"
                )
            yield first
        yield from packets

    def abort(self) -> None:
        """Leave nothing behind."""
        with suppress(FFmpegError, OSError, ValueError):  # the trailer of what is thrown away
            self._container.close()
        self._hidden.unlink(missing_ok=True)


_CONTAINER_KEYS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})


def check_sink(path: Path, source: Path, suffixes: frozenset[str], *, overwrite: bool) -> None:
    """Refuse a sink that is the source, is there already, has no folder, or an unknown suffix."""
    if path.suffix.lower() not in suffixes:
        known = ", ".join(sorted(suffixes))
        raise MediaError(f"{path} has the extension {path.suffix!r}, but a sink for {source.name} needs one of {known}")
    check_not_source(path, source)
    check_free(path, overwrite=overwrite)
