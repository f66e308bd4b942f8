"""Packets on their way into another process, through a muxer whose other end is the process's standard input."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, cast

import av
from av.packet import Packet
from av.stream import Stream

# Without limits of its own, FFmpeg's nut keeps where each part began: of a stream without end, all memory.
NUT = {"flush_packets": "1", "write_index": "0", "syncpoints": "none", "strict": "experimental"}


class PacketPipe:
    """Writes packets of several streams into a pipe, each at once. Raises FFmpegError or OSError when it breaks.

    Args:
        pipe: the process's standard input; it stays open.
        streams: what packets are of.
        for_us: whether our own process reads it, as nut; another one gets MPEG-TS.
    """

    def __init__(self, pipe: IO[bytes], streams: Sequence[Stream], *, for_us: bool) -> None:
        form, options = ("nut", NUT) if for_us else ("mpegts", {"flush_packets": "1"})
        self._pipe = pipe
        self._writer = av.open(_Unseekable(pipe), "w", format=form, options=options)
        self._copies = {stream.index: self._like(stream) for stream in streams}

    def _like(self, stream: Any) -> Stream:
        """A stream for the packets of another. That of raw frames is told its format anew: a template loses it."""
        context = stream.codec_context
        if context.name != "rawvideo":
            return cast(Stream, self._writer.add_stream_from_template(stream))
        raw = self._writer.add_stream("rawvideo", rate=stream.average_rate)
        raw.width, raw.height, raw.pix_fmt = stream.width, stream.height, stream.pix_fmt
        raw.codec_context.time_base, raw.codec_context.color_range = stream.time_base, context.color_range
        return raw

    def write(self, packet: Packet[Any]) -> None:
        """Write a copy: the packet may be for other sinks, too."""
        copy: Packet[Any] = Packet(bytes(packet))
        copy.pts, copy.dts, copy.time_base, copy.duration = packet.pts, packet.dts, packet.time_base, packet.duration
        copy.is_keyframe, copy.stream = packet.is_keyframe, self._copies[packet.stream.index]
        self._writer.mux(copy)
        self._pipe.flush()

    def __enter__(self) -> PacketPipe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._writer.close()


class _Unseekable:
    """A pipe as PyAV writes it: one that offers `seek` would be sought in."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.write = stream.write
