"""Where one can join a live stream: its first picture, and every two seconds."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import decode
from peers import Running

from exdnet_plugin import StreamInfo
from exdnet_plugin.live.encoder import Encoder, LiveEncoding
from exdnet_plugin.live.feed import Start
from exdnet_plugin.live.publish import with_decoding_times
from exdnet_plugin.live.sinks import read_sink
from exdnet_plugin.live.sources import read_source


@pytest.mark.parametrize("options", [{}, {"bf": "2", "tune": "film"}], ids=["in their order", "reordered"])
def test_every_sink_begins_with_the_first_picture(tmp_path: Path, options: dict[str, str]) -> None:
    """Pictures large enough that FFmpeg reads several before it knows what they are."""
    source = read_source("lavfi:testsrc2=size=1280x720:rate=25:duration=1")
    names = ["a.mkv", "b.mp4", "c.ts", "d.m3u8"]
    encoding = LiveEncoding(options=options)
    sinks = [read_sink(str(tmp_path / name)) for name in names]
    with Running(source, sinks, chain="null", drop="never", encoding=encoding) as running:
        running.wait(60)
    assert running.error is None
    assert not running.live.figures.reopened
    for name in names:
        with av.open(str(tmp_path / name)) as sink:
            assert next(sink.demux(video=0)).is_keyframe, name
        assert len(decode(tmp_path / name)) == 25, name


def test_decoding_times_rise_up_to_what_follows_and_are_never_late() -> None:
    shown = [0, 3, 1, 2, 6, 4, 5]
    packets = [packet(90 * time, None if index < 4 else 90 * (index - 2)) for index, time in enumerate(shown)]
    made = list(with_decoding_times(packets))
    times = [one.dts for one in made]
    assert [one.pts for one in made] == [90 * time for time in shown]
    assert times == sorted(set(times))
    assert all(one.dts <= one.pts for one in made)


def packet(pts: int, dts: int | None) -> Any:
    made = av.Packet(b"picture")
    made.pts, made.dts, made.time_base = pts, dts, Fraction(1, 90)
    made.stream = STREAM
    return made


STREAM = av.open("/dev/null", "w", format="null").add_stream("mpeg4", rate=25)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_keyframes_come_by_the_clock(codec: str) -> None:
    """Where pictures are left out, as by a filter that is too slow, players still need one every two seconds."""
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    assert keys_of(LiveEncoding(codec, options=quiet)) == [0.0, 2.0, 4.0, 6.0]


def test_an_interval_of_ones_own_counts() -> None:
    assert keys_of(LiveEncoding(options={"g": "15", "sc_threshold": "0"})) == [0.0, 3.0, 6.0]
    assert keys_of(LiveEncoding(options={"x264-params": "keyint=20:scenecut=0"})) == [0.0, 4.0]


def keys_of(encoding: LiveEncoding) -> list[float]:
    """Times of keyframes among pictures that come at five a second, where thirty were told."""
    made: list[Any] = []
    start = Start(StreamInfo(64, 48, "yuv420p", Fraction(30)), None, has_sound=False)
    encoder = Encoder(start, "encoded", encoding, sound=False, take=made.append)
    grey = np.full((72, 64), 90, np.uint8)
    for number in range(35):
        encoder.picture(av.VideoFrame.from_ndarray(grey, format="yuv420p"), number / 5)
    encoder.finish()
    encoder.close()
    return [float(one.pts * one.time_base) for one in made if one.is_keyframe]
