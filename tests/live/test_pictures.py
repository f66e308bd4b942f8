"""What becomes of live pictures besides light: their shape, their fields, their pace where no times are told."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from conftest import MakeClip
from peers import Running

from exdnet_plugin.live.capture import prepared
from exdnet_plugin.live.publish import at_rate
from exdnet_plugin.live.sinks import read_sink
from exdnet_plugin.live.sources import read_source
from exdnet_plugin.media.ffmpeg_filter import through


def test_frames_without_times_come_at_their_rate() -> None:
    """y4m tells no times: what was left out on the way is filled in, or it would play too fast."""
    came = [0.1, 0.14, 0.18, 0.5, 0.51, 0.54]
    frames = []
    for moment in came:
        frame = av.VideoFrame(16, 16, "gray")
        frame.pts, frame.time_base = round(moment * 100), Fraction(1, 100)
        frames.append(frame)
    shown = [frame.time for frame in at_rate(frames, Fraction(25))]
    assert shown == [0.1, 0.14, *[0.18] * 8, 0.5, 0.54]


def test_what_becomes_interlaced_is_deinterlaced() -> None:
    combs = np.tile(np.array([[30], [200]], np.uint8), (48, 64))

    def frames(numbers: range) -> Iterator[av.VideoFrame]:
        for number in numbers:
            made = av.VideoFrame.from_ndarray(combs if number % 2 else 230 - combs, format="yuv420p")
            made.pts, made.time_base = number, Fraction(1, 25)
            yield made

    video = chain(frames(range(3)), through(frames(range(3, 8)), "setfield", "mode=tff"))
    steps = [np.abs(np.diff(made.to_ndarray()[:64].astype(int), axis=0)).mean() for made in prepared(video)]
    assert len(steps) == 8
    assert min(steps[:3]) == 170
    assert max(steps[3:]) < 60


def test_shape_and_turn_of_pictures_are_kept(make_clip: MakeClip, tmp_path: Path) -> None:
    """Recordings and receivers have no display matrix of the source's, so pictures are turned."""
    lying, turned, sink = make_clip("in.mp4", frames=12, size=(96, 64)), tmp_path / "turned.mp4", tmp_path / "out.mkv"
    with av.open(str(lying)) as source, av.open(str(turned), "w") as made:
        stream = made.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(90)
        stream.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio = Fraction(16, 11)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    with Running(read_source(str(turned)), [read_sink(str(sink))], drop="never", chain="null") as running:
        running.wait()
    with av.open(str(sink)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.sample_aspect_ratio) == (64, 96, Fraction(11, 16))
