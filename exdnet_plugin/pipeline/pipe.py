"""ExdNet between two FFmpeg commands: raw video in on one pipe, out on another."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from typing import Any, BinaryIO, Literal, cast

import av
from av.error import FFmpegError
from av.video.stream import VideoStream

from exdnet_plugin import ColorFacts, FrameFilter, MediaError, Report, StreamInfo, open_filter
from exdnet_plugin.media.frames import frame_from_planes, frame_planes, reformatted, workable_format
from exdnet_plugin.stream_info import ChromaSite

log = logging.getLogger(__name__)
Form = Literal["y4m", "nut"]
# What y4m tells beside C420jpeg, which FFmpeg writes for the centre and for what is not told.
_SITES: dict[bytes, ChromaSite] = {b" C420mpeg2": "left", b" C420paldv": "topleft"}
FORMS = {"y4m": ("yuv4mpegpipe", "wrapped_avframe"), "nut": ("nut", "rawvideo")}


class _Pipe:
    """A pipe as PyAV takes it: one that offers `seek` would be sought in."""

    def __init__(self, stream: BinaryIO) -> None:
        self._read = getattr(stream, "read1", stream.read)  # what is there: the next frame may wait for this one
        self._write, self._flush = stream.write, stream.flush
        self.closed, self.head, self.aspect = False, b"", Fraction(0)

    def read(self, size: int) -> bytes:
        """Read; `head` is what came first."""
        data = self._read(size)
        self.head = self.head or bytes(data[:128])
        return data

    @property
    def chroma_site(self) -> ChromaSite:
        """Where chroma lies, as y4m's header tells, which FFmpeg reads and PyAV does not tell."""
        line = self.head.partition(b"\n")[0] if self.head.startswith(b"YUV4MPEG2 ") else b""
        return next((site for name, site in _SITES.items() if name in line), "unspecified")

    def write(self, data: bytes) -> int:
        """Write; `closed` tells whether the reader has gone, for which PyAV's own errors have no words.

        PyAV does not tell a muxer the shape of pixels, which is put into y4m's header here.
        """
        if self.aspect and data.startswith(b"YUV4MPEG2 "):
            told = f" A{self.aspect.numerator}:{self.aspect.denominator} "
            data, self.aspect = bytes(data).replace(b" A0:0 ", told.encode(), 1), Fraction(0)
        try:
            self._write(data)
            self._flush()
        except BrokenPipeError:
            self.closed = True
            raise
        return len(data)


def run_pipe(
    source: BinaryIO,
    sink: BinaryIO,
    *,
    form: Form = "y4m",
    color: ColorFacts | None = None,
    **how: Any,
) -> Report:
    """Filter raw video from one binary stream to another, of the same form, pixel format, size and times.

    Args:
        source, sink: as `sys.stdin.buffer` and `sys.stdout.buffer`.
        form: `y4m`, which has a steady rate; `nut`, which keeps each frame's time.
        color: the colour facts, which neither form tells but for y4m's range.
        how: chain, device, quality and plugins of :func:`exdnet_plugin.open_filter`.

    Raises:
        MediaError: what comes in is not of that form, or interlaced.
        BrokenPipeError: the reader of the sink has gone.
        ValueError: as for `open_filter`.
    """
    out = _Pipe(sink)
    try:
        return _run(source, out, form, color, how)
    except FFmpegError:
        if out.closed:
            raise BrokenPipeError from None
        raise


def _run(source: BinaryIO, sink: _Pipe, form: Form, color: ColorFacts | None, how: dict[str, Any]) -> Report:
    container_format, codec = FORMS[form]
    report = Report()
    pipe = _Pipe(source)
    try:
        opened = av.open(pipe, "r", format=container_format, options={"probesize": "65536"})
    except FFmpegError as error:
        found = "nothing comes in" if not pipe.head else f"what comes in is not {form}: {error.strerror}"
        raise MediaError(f"{found}; let FFmpeg write -f {container_format}") from None
    with opened as reader, av.open(sink, "w", format=container_format, container_options=_STRICT) as writer:
        stream = reader.streams.video[0]
        frames = _workable(reader, stream)
        first = next(frames, None)
        if first is None:
            raise MediaError(f"what comes in holds no frame; let FFmpeg write -f {container_format}")
        out = _like(writer, codec, stream, first)
        if pipe.chroma_site != "unspecified":
            out.codec_context.options = {"chroma_sample_location": pipe.chroma_site}
        sink.aspect = stream.sample_aspect_ratio or Fraction(0)
        if form == "nut" and sink.aspect not in (0, 1):
            log.warning("pixels of %s are not told on in nut; give the FFmpeg that reads it -vf setsar", sink.aspect)
        with _opened(first, stream, _told(color or ColorFacts(), first, pipe), how) as frame_filter:
            for frame in _filtered(frame_filter, chain([first], frames)):
                writer.mux(out.encode(frame))
                report.frames += 1
            writer.mux(out.encode(None))
            report.notes = frame_filter.notes
    return report


FIELDS = "let FFmpeg deinterlace before (-vf bwdif), or use exdnet enhance, which brightens field by field"
_STRICT = {"strict": "-1", "flush_packets": "1"}  # y4m of more than 8 bits is FFmpeg's own; each frame goes on at once


def _workable(reader: Any, stream: VideoStream) -> Iterator[av.VideoFrame]:
    for frame in reader.decode(stream):
        if frame.interlaced_frame:
            raise MediaError(f"what comes in is interlaced; {FIELDS}")
        yield reformatted(frame, workable_format(frame.format.name))


def _like(writer: Any, codec: str, stream: VideoStream, first: av.VideoFrame) -> VideoStream:
    """A stream of the same size, format and times."""
    out = writer.add_stream(codec, rate=stream.average_rate or stream.guessed_rate or 25)
    out.width, out.height, out.pix_fmt = first.width, first.height, first.format.name
    out.time_base = out.codec_context.time_base = first.time_base or Fraction(1, 25)
    out.codec_context.color_range = first.color_range
    return cast(VideoStream, out)


def _told(color: ColorFacts, first: av.VideoFrame, pipe: _Pipe) -> ColorFacts:
    """What was given, and behind it what the pipe tells."""
    if color.range == "unspecified" and int(first.color_range) == 2:
        color = replace(color, range="full")
    return color if color.chroma_site != "unspecified" else replace(color, chroma_site=pipe.chroma_site)


def _opened(first: av.VideoFrame, stream: VideoStream, told: ColorFacts, how: dict[str, Any]) -> FrameFilter:
    return open_filter(StreamInfo(first.width, first.height, first.format.name, stream.average_rate, told), **how)


def _filtered(frame_filter: FrameFilter, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    in_flight: deque[av.VideoFrame] = deque()

    def planes() -> Iterator[tuple[list[Any], float]]:
        for frame in frames:
            in_flight.append(frame)
            yield frame_planes(frame), float(frame.time or 0)

    for made in frame_filter.run(planes()):
        yield frame_from_planes(made, in_flight.popleft())
