"""Small files that each carry one fact, and how the fact is read from a file again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.packet import Packet
from av.stream import Disposition
from conftest import dark_frames, write_tone

from exdnet_plugin.media.ffmpeg_filter import through
from exdnet_plugin.media.source import VideoSource

BASE = Fraction(1, 1000)
Look = Callable[[Path], Any]


@dataclass(frozen=True)
class Fact:
    """A fact: its name, a file that carries it, how it is read, and words of the note where it is not kept."""

    name: str
    make: Callable[[Path], Path]
    look: Look
    noted: str = ""


def _video(container: Any, codec: str = "libx264", pix_fmt: str = "yuv420p", rate: Any = 25, **options: str) -> Any:
    stream = container.add_stream(codec, rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
    stream.time_base = stream.codec_context.time_base = BASE
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
    return stream


def _encode(container: Any, stream: Any, pts: list[int] | None = None, asked: str = "", last: int = 40) -> None:
    pts = pts or [40 * index for index in range(6)]
    frames = []
    for index, picture in enumerate(dark_frames(len(pts), (64, 96))):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=stream.pix_fmt)
        frame.pts, frame.time_base = pts[index], BASE
        frame.duration = pts[index + 1] - pts[index] if index + 1 < len(pts) else last
        context = stream.codec_context
        frame.colorspace, frame.color_range = context.colorspace, context.color_range
        frames.append(frame)
    name, _, options = asked.partition("=")
    for frame in through(iter(frames), name, options) if asked else frames:
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@contextmanager
def _file(path: Path) -> Iterator[Any]:
    with av.open(str(path), "w") as container:
        yield container


def plain(suffix: str = ".mkv", pts: list[int] | None = None, **video: Any) -> Callable[[Path], Path]:
    """A file of video alone."""

    def make(folder: Path) -> Path:
        path = folder / f"in{suffix}"
        asked, tags = video.pop("through", ""), video.pop("tags", None)
        flags = video.pop("flags", 0)
        with _file(path) as container:
            stream = _video(container, **video)
            stream.codec_context.flags |= flags
            if tags:
                context = stream.codec_context
                context.colorspace, context.color_primaries, context.color_trc, context.color_range = tags
            _encode(container, stream, pts, asked)
        return path

    return make


def with_extra(
    suffix: str, add: Callable[[Any, Any], Callable[[], None] | None], pts: list[int] | None = None, rate: Any = 25
) -> Callable[[Path], Path]:
    """A file of video and what `add` gives it; what `add` returns is called behind the video."""

    def make(folder: Path) -> Path:
        path = folder / f"in{suffix}"
        with _file(path) as container:
            stream = _video(container, rate=rate)
            behind = add(container, stream)
            _encode(container, stream, pts)
            if behind:
                behind()
        return path

    return make


def sound(codec: str) -> Callable[[Any, Any], Callable[[], None]]:
    """Two audio tracks, the second of another language and not the default."""

    def add(container: Any, _: Any) -> Callable[[], None]:
        tracks = [container.add_stream(codec, rate=48000, layout="mono") for _ in range(2)]
        tracks[1].metadata["language"] = "deu"
        tracks[1].disposition = Disposition.comment

        def behind() -> None:
            for track in tracks:
                write_tone(container, track, 0.24)

        return behind

    return add


def subtitles(codec: str, line: bytes) -> Callable[[Any, Any], None]:
    def add(container: Any, _: Any) -> None:
        stream = container.add_mux_stream(codec)
        stream.time_base = BASE
        stream.metadata["language"] = "deu"
        container.start_encoding()
        packet = Packet(line)
        packet.stream, packet.time_base, packet.pts, packet.dts, packet.duration = stream, BASE, 40, 40, 80
        container.mux(packet)

    return add


def second_video(cover: bool) -> Callable[[Any, Any], None]:
    def add(container: Any, _: Any) -> None:
        codec, fmt = ("png", "rgb24") if cover else ("libx264", "yuv420p")
        stream = container.add_stream(codec, rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 32, fmt
        if cover:
            stream.disposition = Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8)).reformat(format=fmt)
        frame.pts, frame.time_base = 0, Fraction(1)
        container.start_encoding()
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    return add


def metadata(container: Any, stream: Any) -> None:
    container.metadata["title"] = "Night"
    container.set_chapters([{"id": 1, "start": 0, "end": 120, "time_base": BASE, "metadata": {"title": "One"}}])


def video_stream(path: Path) -> tuple[Any, Any]:
    container = av.open(str(path))
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    return container, max(streams, key=lambda s: s.width)


def frames(read: Callable[[av.VideoFrame], Any]) -> Look:
    def look(path: Path) -> Any:
        container, stream = video_stream(path)
        with container:
            return [read(frame) for frame in container.decode(stream)]

    return look


def of_stream(read: Callable[[Any], Any]) -> Look:
    def look(path: Path) -> Any:
        container, stream = video_stream(path)
        with container:
            next(container.decode(stream))
            return read(stream)

    return look


def of_file(read: Callable[[Any], Any]) -> Look:
    def look(path: Path) -> Any:
        with av.open(str(path)) as container:
            return read(container)

    return look


def of_source(read: Callable[[VideoSource], Any]) -> Look:
    def look(path: Path) -> Any:
        with VideoSource(path) as source:
            return read(source)

    return look


def packets(kind: str, *, times: bool = False) -> Look:
    """Contents of all packets of a kind of stream, or their times from the first video frame on."""

    def read(container: Any) -> Any:
        streams = [stream for stream in container.streams if stream.type == kind]
        found = [p for p in container.demux(streams) if p.size]
        if times:
            return [round(float(p.pts * p.time_base), 3) for p in found]
        return [bytes(p) for p in found if bytes(p) != b"\0\0"]  # mov_text's empty cues

    return of_file(read)


def other_pictures(container: Any) -> list[bytes]:
    """Pictures of the video streams of 32 pixels."""
    streams = [stream for stream in container.streams.video if stream.width == 32]
    return [frame.to_ndarray().tobytes() for stream in streams[:1] for frame in container.decode(stream)]


def sound_against_picture(path: Path) -> Any:
    """When the tone starts and ends, in milliseconds from the first frame: as finely as Matroska counts."""
    with av.open(str(path)) as container:
        shown = [f.pts * f.time_base for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        heard = []
        for frame in container.decode(audio=0):
            first = round(((frame.pts or 0) * frame.time_base - shown[0]) * frame.sample_rate)
            heard += [(first + index, round(float(v), 4)) for index, v in enumerate(frame.to_ndarray()[0])]
    loud = [index for index, value in heard if abs(value) > 0.02]
    return [round(loud[0] / 48), round(loud[-1] / 48)]


INTERLACED = int(Flags.interlaced_dct | Flags.interlaced_me)
