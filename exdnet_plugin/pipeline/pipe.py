"""ExdNet between two FFmpeg commands: raw video in on one pipe, out on another, and the commands for a whole file."""

from __future__ import annotations

import logging
import shlex
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Literal, cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError
from av.stream import Stream
from av.video.stream import VideoStream

from exdnet_plugin import ColorFacts, FrameFilter, MediaError, Report, StreamInfo, open_filter
from exdnet_plugin.media.choosing import choose_encoding
from exdnet_plugin.media.converting import add_converted, change
from exdnet_plugin.media.encoding import Encoding, EncodingOptions
from exdnet_plugin.media.facts import MATRICES, VideoFacts
from exdnet_plugin.media.frames import frame_from_planes, frame_planes, reformatted, workable_format
from exdnet_plugin.media.other_streams import is_made_anew
from exdnet_plugin.media.sink import CONTAINERS, check_sink, muxer
from exdnet_plugin.media.source import VideoSource
from exdnet_plugin.media.taking import takes

log = logging.getLogger(__name__)
Form = Literal["y4m", "nut"]
FORMS = {"y4m": ("yuv4mpegpipe", "wrapped_avframe"), "nut": ("nut", "rawvideo")}


class _Pipe:
    """A pipe as PyAV takes it: one that offers `seek` would be sought in."""

    def __init__(self, stream: BinaryIO) -> None:
        self._read = getattr(stream, "read1", stream.read)  # what is there: the next frame may wait for this one
        self._write, self._flush = stream.write, stream.flush
        self.closed, self.empty, self.aspect = False, True, Fraction(0)

    def read(self, size: int) -> bytes:
        """Read; `empty` tells whether nothing ever came."""
        data = self._read(size)
        self.empty = self.empty and not data
        return data

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
        found = "nothing comes in" if pipe.empty else f"what comes in is not {form}: {error.strerror}"
        raise MediaError(f"{found}; let FFmpeg write -f {container_format}") from None
    with opened as reader, av.open(sink, "w", format=container_format, container_options=_STRICT) as writer:
        stream = reader.streams.video[0]
        frames = _workable(reader, stream)
        first = next(frames, None)
        if first is None:
            raise MediaError(f"what comes in holds no frame; let FFmpeg write -f {container_format}")
        out = _like(writer, codec, stream, first)
        sink.aspect = stream.sample_aspect_ratio or Fraction(0)
        if form == "nut" and sink.aspect not in (0, 1):
            log.warning("pixels of %s are not told on in nut; give the FFmpeg that reads it -vf setsar", sink.aspect)
        with _opened(first, stream, color, how) as frame_filter:
            for frame in _filtered(frame_filter, chain([first], frames)):
                writer.mux(out.encode(frame))
                report.frames += 1
            writer.mux(out.encode(None))
            report.notes = frame_filter.notes
    return report


_FIELDS = "let FFmpeg deinterlace before (-vf bwdif), or use exdnet enhance, which brightens field by field"
_STRICT = {"strict": "-1", "flush_packets": "1"}  # y4m of more than 8 bits is FFmpeg's own; each frame goes on at once


def _workable(reader: Any, stream: VideoStream) -> Iterator[av.VideoFrame]:
    for frame in reader.decode(stream):
        if frame.interlaced_frame:
            raise MediaError(f"what comes in is interlaced; {_FIELDS}")
        yield reformatted(frame, workable_format(frame.format.name))


def _like(writer: Any, codec: str, stream: VideoStream, first: av.VideoFrame) -> VideoStream:
    """A stream of the same size, format and times."""
    out = writer.add_stream(codec, rate=stream.average_rate or stream.guessed_rate or 25)
    out.width, out.height, out.pix_fmt = first.width, first.height, first.format.name
    out.time_base = out.codec_context.time_base = first.time_base or Fraction(1, 25)
    out.codec_context.color_range = first.color_range
    return cast(VideoStream, out)


def _opened(first: av.VideoFrame, stream: VideoStream, color: ColorFacts | None, how: dict[str, Any]) -> FrameFilter:
    told: ColorFacts = color or ColorFacts()
    if told.range == "unspecified" and int(first.color_range) == 2:
        told = ColorFacts(told.matrix, told.primaries, told.transfer, "full", told.chroma_site)
    return open_filter(StreamInfo(first.width, first.height, first.format.name, stream.average_rate, told), **how)


def _filtered(frame_filter: FrameFilter, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    in_flight: deque[av.VideoFrame] = deque()

    def planes() -> Iterator[tuple[list[Any], float]]:
        for frame in frames:
            in_flight.append(frame)
            yield frame_planes(frame), float(frame.time or 0)

    for made in frame_filter.run(planes()):
        yield frame_from_planes(made, in_flight.popleft())


# It must not read the terminal. Without copyts each input is made to start at 0, and sound is not where it was.
_FFMPEG = ["ffmpeg", "-nostdin", "-v", "error", "-copyts"]


def commands(source: Path, sink: Path, *, chain_text: str = "exdnet", quality: str = "exact") -> str:
    """A shell line that brightens a file with FFmpeg's command on both sides.

    Nut keeps each frame's time; sound, subtitles, chapters and metadata are copied from the source, or converted where
    the sink needs it; colour tags are given again, since no raw form carries them; FFmpeg turns pictures upright.

    Raises:
        MediaError: the source is interlaced or no video; the sink is it, is there already, or has an unknown suffix.
    """
    check_sink(sink, source, CONTAINERS, overwrite=False)
    with VideoSource(source) as opened:
        encoding = choose_encoding(sink.suffix.lower(), opened.facts, EncodingOptions())
        video = opened.stream.index
        left_out, conversions = _others(opened, sink.suffix)
        if opened.facts.interlaced:
            raise MediaError(f"{source} is interlaced; {_FIELDS}")
    names = {"matrix": "colorspace", "primaries": "color_primaries", "transfer": "color_trc", "range": "color_range"}
    codes = {"limited": "tv", "full": "pc"}
    steady = ["-fps_mode", "passthrough", "-enc_time_base", "-1"]  # each frame's time, not the nearest of a grid
    read = [*_FFMPEG, "-i", str(source), "-map", f"0:{video}", *steady]
    read += ["-pix_fmt", opened.facts.pixel_format, "-c:v", "rawvideo", "-f", "nut", "-"]
    filtered = ["exdnet", "pipe", "--format", "nut", "--chain", chain_text, "--quality", quality]
    filtered += [part for name, value in _told(opened.facts).items() for part in (f"--{name}", value)]
    write = [*_FFMPEG, "-n", "-f", "nut", "-i", "-", "-i", str(source), "-map", "0:v", "-map", "1"]
    write += [part for index in left_out for part in ("-map", f"-1:{index}")]
    write += ["-map", f"-1:{video}", "-map_metadata", "1", "-map_chapters", "1", "-c", "copy", *conversions]
    write += ["-c:v:0", encoding.codec, "-strict", "-2"]  # FLAC in MP4 is an experiment to some FFmpegs
    paced = ["-fps_mode", "cfr", "-r", str(encoding.cfr)] if encoding.cfr else steady
    write += ["-pix_fmt", encoding.pixel_format, *_filters(encoding, opened.facts), *paced]
    write += [
        part for key in ("crf", "b") if key in encoding.options for part in (f"-{key}:v:0", encoding.options[key])
    ]
    write += [
        part for name, value in _told(encoding.facts).items() for part in (f"-{names[name]}", codes.get(value, value))
    ]
    write += ["-f", form] if (form := muxer(sink.suffix)) else []
    return " | ".join(shlex.join(part) for part in (read, filtered, [*write, str(sink)]))


def _others(source: VideoSource, suffix: str) -> tuple[list[int], list[str]]:
    """Which other streams a container does not take in any form, and how FFmpeg converts some; all are told in the log.

    What comes out first is the video; the others, with numbers of their own, follow in the source's order.
    """
    left_out, conversions, number = list[int](), list[str](), 1
    with (
        TemporaryDirectory() as folder,
        av.open(f"{folder}/sink{suffix}", "w", format=muxer(suffix)) as container,
    ):
        for stream in source.others:
            if is_made_anew(stream, bool(source.container.chapters())):
                left_out.append(stream.index)
                continue
            if not takes(container, stream):
                made = add_converted(container, stream)
                if made is None:
                    log.warning("%s stream %d is left out: %s does not take it", stream.type, stream.index, suffix)
                    left_out.append(stream.index)
                    continue
                if what := change(stream, made, suffix):
                    log.warning("%s stream %d %s", stream.type, stream.index, what)
                conversions += _conversion(made, number)
            number += 1
    return left_out, conversions


def _conversion(made: Stream, number: int) -> list[str]:
    """FFmpeg's options for a stream of its sink, after one that was made here."""
    context = made.codec_context
    options = [f"-c:{number}", context.name]
    if isinstance(context, AudioCodecContext):
        options += [f"-b:{number}", str(context.bit_rate), f"-channel_layout:{number}", context.layout.name]
    return options


def _told(facts: VideoFacts) -> dict[str, str]:
    """The colour tags that are not left open, by name."""
    named = facts.tags.names()
    tags = {"matrix": named.matrix, "primaries": named.primaries, "transfer": named.transfer, "range": named.range}
    return {name: value for name, value in tags.items() if value != "unspecified"}


def _filters(encoding: Encoding, facts: VideoFacts) -> list[str]:
    """FFmpeg makes RGB of YUV, or YUV of RGB, as `Encoding.converted` does, and is told the shape of pixels again."""
    filters = []
    if encoding.colors:
        matrix = MATRICES[encoding.colors[0]].removesuffix("nc")
        filters.append(f"scale=in_color_matrix={matrix}:out_color_matrix={matrix}:out_range={encoding.colors[1]}")
    if aspect := facts.sample_aspect_ratio:
        lies = facts.display_matrix and not facts.display_matrix[0]  # the FFmpeg that reads turns it by a quarter
        filters.append(f"setsar={1 / aspect if lies else aspect}")
    return ["-filter:v:0", ",".join(filters)] if filters else []
