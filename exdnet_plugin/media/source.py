"""A video file as a source: decoded frames of one stream, packets of all others, in the file's order."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.frames import color_facts, workable_format
from exdnet_plugin.stream_info import StreamInfo

log = logging.getLogger(__name__)
Item: TypeAlias = "av.VideoFrame | Packet[Stream]"
MAX_PIXELS = 1 << 28  # 16384 x 16384: more is a broken header


class VideoSource:
    """Opens a video file for reading.

    Args:
        path: the file.
        device: where frames will be processed; goes into `info`.

    Raises:
        MediaError: the file is missing, empty, no media, or has no video.

    Attributes:
        info: what the stream is.
        rotation: by how many degrees players turn the frames, from the first one.
        lost: frames that were announced and could not be decoded, once `items` has ended.
        notes: what was not as it should be, a line each.
    """

    def __init__(self, path: Path, *, device: str = "cpu") -> None:
        self.path = path
        self.container = _open(path)
        self.lost = 0
        self.notes: list[str] = []
        self._decoded = self._broken = 0
        try:
            self.stream = self._choose_stream()
            self.stream.thread_type = "AUTO"
            self.info = self._stream_info(device)
            self._ahead, self._rest = self._first_items()
        except BaseException:
            self.container.close()
            raise

    def _choose_stream(self) -> VideoStream:
        """The stream to enhance: the default one, then the one of most pixels; never a cover picture."""
        streams = [
            stream for stream in self.container.streams.video if not stream.disposition & Disposition.attached_pic
        ]
        if not streams:
            kinds = ", ".join(sorted({stream.type for stream in self.container.streams})) or "nothing"
            raise MediaError(f"{self.path} has no video stream (it holds {kinds}); give a file with video")
        return max(
            streams, key=lambda stream: (bool(stream.disposition & Disposition.default), stream.width * stream.height)
        )

    def _stream_info(self, device: str) -> StreamInfo:
        context = self.stream.codec_context
        if context.pix_fmt is None or not context.width or not context.height:
            raise MediaError(
                f"{self.path}: its video stream ({context.name}) tells no size or pixel format; "
                "the file is cut off or broken"
            )
        if context.width * context.height > MAX_PIXELS:
            raise MediaError(
                f"{self.path} claims frames of {context.width}x{context.height}; at most {MAX_PIXELS} pixels are taken"
            )
        return StreamInfo(
            context.width, context.height, workable_format(context.pix_fmt), self.rate, color_facts(context), device
        )

    def _first_items(self) -> tuple[list[Item], Iterator[Item]]:
        """Items up to the first frame, which tells what the container does not, and those behind it."""
        ahead: list[Item] = []
        rest = self._all_items()
        for item in rest:
            ahead.append(item)
            if isinstance(item, av.VideoFrame):
                self.rotation = item.rotation
                return ahead, rest
        raise MediaError(f"{self.path} holds no video frame that can be decoded; the file is cut off or broken")

    @property
    def rate(self) -> Fraction | None:
        """Frames a second as the container tells, None where it does not."""
        return self.stream.average_rate or self.stream.guessed_rate or None

    @property
    def others(self) -> list[Stream]:
        """Every stream but the one that is decoded."""
        return [stream for stream in self.container.streams if stream.index != self.stream.index]

    @property
    def expected_frames(self) -> int | None:
        """How many frames there are, as announced or by duration and rate; None where neither is told."""
        if self.stream.frames:
            return self.stream.frames
        if self.rate and self.container.duration:
            return max(1, round(self.container.duration * self.rate / av.time_base))
        return None

    def items(self) -> Iterator[Item]:
        """Frames of the chosen stream, with pts and of `info`'s size and format, and packets of the others. Once only.

        Packets that cannot be decoded are passed over and counted: a truncated file yields all that can be had.
        """
        while self._ahead:
            yield self._ahead.pop(0)
        yield from self._rest

    def _all_items(self) -> Iterator[Item]:
        try:
            for packet in self._demux():
                if packet.stream.index != self.stream.index:
                    if packet.dts is not None:
                        yield packet
                else:
                    yield from self._decode(packet)
            yield from self._decode(None)
        finally:
            announced = self.stream.frames or self._decoded + self._broken
            self.lost = max(announced - self._decoded, 0)

    def _demux(self) -> Iterator[Packet[Stream]]:
        try:
            yield from (packet for packet in self.container.demux() if packet.size)
        except FFmpegError as error:
            self.notes.append(f"{self.path.name} is cut off or broken: {error.strerror}")

    def _decode(self, packet: Packet[Stream] | None) -> Iterator[av.VideoFrame]:
        try:
            frames = self.stream.codec_context.decode(packet)
        except FFmpegError as error:
            if packet is None:
                return
            self._broken += 1
            log.debug("packet at %s cannot be decoded: %s", packet.pts, error)
            return
        for frame in frames:
            yield self._normal(frame)

    def _normal(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A frame with a pts, of the stream's first size, in a format that our colour room handles."""
        frame.time_base = frame.time_base or self.stream.time_base  # frames flushed at the end come without
        if frame.pts is None:
            rate = self.rate or Fraction(25)
            frame.pts = round(self._decoded / (rate * (self.stream.time_base or 1 / rate)))
            self._note_once("frames carry no time; they are spaced by the stream's rate")
        self._decoded += 1
        info = self.info
        if (frame.width, frame.height) != (info.width, info.height):
            self._note_once(
                f"frames change size to {frame.width}x{frame.height}; they are scaled to {info.width}x{info.height}"
            )
        elif frame.format.name == info.pixel_format:
            return frame
        pts, time_base, duration = frame.pts, frame.time_base, frame.duration
        frame = frame.reformat(width=info.width, height=info.height, format=info.pixel_format)
        frame.pts, frame.time_base, frame.duration = pts, time_base, duration
        return frame

    def _note_once(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(path: Path) -> InputContainer:
    if not path.exists():
        raise MediaError(f"{path} does not exist; check the path")
    if path.is_dir():
        raise MediaError(f"{path} is a folder, not a video file")
    if path.is_file() and path.stat().st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes); give a file with video")
    try:
        return av.open(str(path), "r", metadata_errors="replace")
    except PermissionError:
        raise MediaError(f"{path} may not be read: permission denied") from None
    except FFmpegError as error:
        raise MediaError(
            f"{path} is not a media file that FFmpeg can read, or its index is cut off: {error.strerror}"
        ) from None
