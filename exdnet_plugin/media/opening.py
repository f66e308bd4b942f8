"""A media file opened, one of its video streams chosen, and what the container tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.chroma_site import chroma_site
from exdnet_plugin.media.facts import ColorTags, VideoFacts
from exdnet_plugin.media.frames import workable_format

FASTEST = 1000  # frames a second: more is a clock's ticks
MAX_PIXELS = 1 << 26  # 8192 x 8192, twice 8K: more is a broken header

_LOOK_FURTHER = {"probesize": str(100 << 20), "analyzeduration": str(3600 * 1_000_000)}  # bytes, microseconds


def ffmpeg_name(path: Path) -> str:
    """A file's name as FFmpeg takes it: what stands before a colon, it takes for a protocol, but for a whole path."""
    return str(path.absolute() if ":" in str(path) else path)


def open_media(path: Path) -> InputContainer:
    """Open a media file; MediaError with what is wrong and what to do when it is none."""
    if not path.exists():
        raise MediaError(f"{path} does not exist; check the path")
    if path.is_dir():
        raise MediaError(f"{path} is a folder, not a video file")
    if path.is_file() and path.stat().st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes); give a file with video")
    try:
        container = av.open(ffmpeg_name(path), "r", metadata_errors="replace")
        if all(stream.codec_context is None or stream.sample_rate for stream in container.streams.audio):
            return container
        container.close()  # sound begins later than FFmpeg looks
        return av.open(ffmpeg_name(path), "r", options=_LOOK_FURTHER, metadata_errors="replace")
    except PermissionError:
        raise MediaError(f"{path} may not be read: permission denied") from None
    except FFmpegError as error:
        raise MediaError(
            f"{path} is not a media file that FFmpeg can read, or its index is cut off: {error.strerror}"
        ) from None


def demuxed(
    container: InputContainer, streams: Sequence[Stream], note: Callable[[str], object]
) -> Iterator[Packet[Any]]:
    """Packets of streams. One of a stream that the file did not tell of at its start is passed over, and noted."""
    while True:
        try:
            yield from container.demux(list(streams))
            return
        except IndexError:  # PyAV's, which looks for its stream
            note(
                "a stream that begins on the way, which the file did not tell of at its start, is left out; "
                "of files put together, give each by itself"
            )


def is_cover(stream: Stream) -> bool:
    """Whether a stream is one picture that stands for the file."""
    return bool(stream.disposition & Disposition.attached_pic)


def choose_stream(container: InputContainer, path: Path, wanted: int | None) -> VideoStream:
    """The stream asked for, or the default one, then the one of most pixels; never a cover picture."""
    streams = [stream for stream in container.streams.video if stream.codec_context and not is_cover(stream)]
    if not streams:
        held = {"a cover picture" if is_cover(stream) else stream.type for stream in container.streams}
        kinds = ", ".join(sorted(held)) or "nothing"
        raise MediaError(f"{path} has no video stream that can be decoded (it holds {kinds}); give a file with video")
    if wanted is not None:
        if not 0 <= wanted < len(streams):
            there = f"there are 0 to {len(streams) - 1}" if len(streams) > 1 else "its only one is 0"
            raise MediaError(f"{path} has no video stream {wanted}; {there}")
        return streams[wanted]
    return max(
        streams, key=lambda stream: (bool(stream.disposition & Disposition.default), stream.width * stream.height)
    )


def frame_rate(stream: VideoStream) -> Fraction | None:
    """Frames a second, None where they are not told. Raw DV's are told as its clock's ticks, and guessed right."""
    average, guessed = stream.average_rate, stream.guessed_rate
    return (guessed if average and guessed and guessed < FASTEST < average else average) or guessed or None


def stream_facts(stream: VideoStream, path: Path) -> VideoFacts:
    """What a container tells of a stream; MediaError where it claims frames of no size or of too many pixels."""
    context = stream.codec_context
    if context.pix_fmt is None or not context.width or not context.height:
        raise MediaError(
            f"{path}: its video stream ({context.name}) tells no size or pixel format; the file is cut off or broken"
        )
    if context.width * context.height > MAX_PIXELS:
        raise MediaError(
            f"{path} claims frames of {context.width}x{context.height}; at most {MAX_PIXELS} pixels are taken"
        )
    return VideoFacts(
        width=context.width,
        height=context.height,
        pixel_format=workable_format(context.pix_fmt),
        time_base=stream.time_base or Fraction(1, 90000),
        rate=frame_rate(stream),
        sample_aspect_ratio=stream.sample_aspect_ratio or None,
        tags=ColorTags.of(context),
        chroma_site=chroma_site(stream),
        field_order=int(context.field_order),
    )
