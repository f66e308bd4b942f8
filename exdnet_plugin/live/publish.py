"""The process behind one sink: takes the stream on its standard input, as nut, and writes it where it is told.

Run as `python -m exdnet_plugin.live.publish`, it is a process of its own because opening a network output holds
Python's lock until the peer answers, and because a process that hangs can be ended. It tells `ready` on standard error
when the sink is open; what goes wrong is one line there.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, cast

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

READY, Y4M, RATE = "ready", "yuv4mpegpipe", "rate"
LONGEST_GAP = 10.0  # seconds that are filled in where no times are told: an outage is not
WRONG = 2  # exit code of what is wrong for good, as a codec that a format does not take
LAST = 15.0  # seconds to write the end, once no more can come
# Sound must not hold pictures back: FFmpeg's muxers wait for both, 10 s by default; so, the time of a picture.
_AT_ONCE = {"max_interleave_delta": "1", "flush_packets": "1"}
_IN_BAND = frozenset({"mpegts", "hls", "rtsp"})  # receivers join in the middle: each keyframe tells its parameters


def publish(url: str, name: str, options: dict[str, str]) -> None:
    """Copy all that comes in to a sink, until it ends."""
    look = {"probesize": "32768", "fpsprobesize": "0"}
    rate = Fraction(options.pop(RATE, "30"))
    with (
        av.open("pipe:0", "r", format="nut", options=look) as source,
        av.open(url, "w", format=name, options=_AT_ONCE | options) as sink,
    ):
        if name == Y4M:
            _write_frames(source, sink, rate)
            return
        copies = {stream.index: _like(sink, stream) for stream in source.streams}
        sink.start_encoding()
        print(READY, file=sys.stderr, flush=True)
        repeat = _repeater(name, source.streams.video[0], copies)
        for packet in with_decoding_times(source.demux()):
            copy = copies[packet.stream.index]
            for made in repeat(packet) if packet.stream.type == "video" else [packet]:
                made.stream = copy
                sink.mux(made)


def with_decoding_times(packets: Iterable[Packet[Any]]) -> Iterator[Packet[Any]]:
    """Packets in order, within each stream, each with a decoding time.

    Nut holds presentation times alone. FFmpeg makes decoding times of them, but not for what it reads to find out what
    the streams are: of large pictures, the first keyframe and some more.
    """
    untimed = defaultdict[int, list["Packet[Any]"]](list)
    for packet in packets:
        waiting = untimed[packet.stream.index]
        if packet.dts is None and packet.pts is not None:
            waiting.append(packet)
            continue
        _time_before(waiting, packet.dts)
        yield from waiting
        waiting.clear()
        if packet.dts is not None:  # the last of a stream is empty
            yield packet


def _time_before(packets: list[Packet[Any]], following: int | None) -> None:
    """Decoding times that rise to that of the packet that follows, none behind the time at which a picture is shown."""
    latest = following
    for packet in reversed(packets):
        assert packet.pts is not None
        packet.dts = packet.pts if latest is None else min(packet.pts, latest - 1)
        latest = packet.dts


def _like(sink: OutputContainer, stream: Any) -> Stream:
    """A stream for the packets of another. AV1's decoder is no encoder, so its template is taken as it is."""
    opaque = stream.codec_context.name == "libdav1d" or None
    return cast(Stream, sink.add_stream_from_template(stream, opaque=opaque))


def _write_frames(source: InputContainer, sink: OutputContainer, rate: Fraction) -> None:
    """y4m, whose writer takes frames instead of packets and tells no times: at a constant rate."""
    video = source.streams.video[0]
    out = sink.add_stream("wrapped_avframe", rate=rate)
    out.codec_context.time_base = 1 / rate
    out.width, out.height, out.pix_fmt = video.width, video.height, video.pix_fmt
    out.codec_context.color_range = video.codec_context.color_range
    print(READY, file=sys.stderr, flush=True)
    for number, frame in enumerate(at_rate(source.decode(video), rate)):
        frame.pts, frame.time_base = number, 1 / rate
        sink.mux(out.encode(frame))
    sink.mux(out.encode(None))


def at_rate(frames: Iterable[av.VideoFrame], rate: Fraction) -> Iterator[av.VideoFrame]:
    """Frames at a constant rate: each again until the next is due; of several due at one moment, the first.

    What is away for long comes back at once.
    """
    number, begun = 0, 0.0
    shown: av.VideoFrame | None = None
    for frame in frames:
        moment = frame.time or 0.0
        if shown is None or moment - (shown.time or 0.0) > LONGEST_GAP:
            begun = moment - float(number / rate)
        due = round((moment - begun) * rate)
        while shown and number < due:
            number += 1
            yield shown
        if number == due:
            number += 1
            yield frame
        shown = frame


def _repeater(name: str, video: Any, copies: dict[int, Stream]) -> Any:
    if name not in _IN_BAND or video.codec_context.name not in ("h264", "hevc"):
        return _unchanged
    return BitStreamFilterContext("dump_extra", video, copies[video.index]).filter


def _unchanged(packet: Packet[Any]) -> Iterator[Packet[Any]]:
    yield packet


def main() -> None:
    """Read what to open from the arguments: a format, and options as JSON. The address comes in the environment."""
    for number in (signal.SIGTERM, signal.SIGINT):  # service managers signal all; our end comes with the input's
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_input, daemon=True).start()
    url = os.environ.pop("EXDNET_SINK")  # it may hold a password, which arguments would show to everyone
    try:
        publish(url, sys.argv[1], json.loads(sys.argv[2]))
    except FFmpegError as error:
        print(f"{type(error).__name__}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(WRONG)


def _end_with_input() -> None:
    """A sink that hangs does not outlive a stream that was killed, and so could not end it."""
    closed = select.poll()
    closed.register(0, 0)  # no event asked for: that the other end is closed is told all the same
    closed.poll()
    time.sleep(LAST)
    os._exit(1)


if __name__ == "__main__":
    main()
