"""Files in which a single time is broken: the video is as long as it was, and its sound in step."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from conftest import MakeClip, decode, packets

from exdnet_plugin import enhance_video
from exdnet_plugin.media.discontinuity import mended

VIDEO, SOUND = 9, 8  # kinds of FLV's tags
HOURS = 3 * 3600


def tags(data: bytes, kind: int) -> Iterator[int]:
    """Where FLV's tags of a kind begin: kind, size in 3 bytes, milliseconds in 3, their highest in 1, and 3 more."""
    at = 13
    while at < len(data):
        if data[at] == kind:
            yield at
        at += 11 + int.from_bytes(data[at + 1 : at + 4]) + 4


@pytest.fixture
def clip(make_clip: MakeClip) -> Path:
    """A video of 2 s with sound."""
    return make_clip("in.flv", frames=50, audio=True)


def damage(path: Path, time: bytes) -> None:
    """Give one packet of pictures and one of sound, both at 1.7 s, another time."""
    data = bytearray(path.read_bytes())
    for kind, number in {VIDEO: 41, SOUND: 81}.items():
        tag = list(tags(data, kind))[number]
        data[tag + 4 : tag + 8] = time
    path.write_bytes(data)


@pytest.mark.parametrize("rate", [None, Fraction(24), Fraction(48)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("time", [b"\0\0\0\1", b"\0\0\0\0"], ids=["4.7 hours ahead", "back at 0"])
def test_one_broken_time_makes_no_file_hours_long(
    clip: Path, tmp_path: Path, suffix: str, rate: Fraction | None, time: bytes
) -> None:
    damage(clip, time)
    sink = tmp_path / f"out{suffix}"
    report = enhance_video(clip, sink, chain="null", cfr=rate)
    assert report.frames == (100 if rate == 48 else 50)
    assert any("far from those around" in note for note in report.notes)
    assert not any("joined on" in note for note in report.notes)
    for kind in ("video", "audio"):
        times = sorted(pts for pts, _, _ in packets(sink, kind) if pts is not None)
        steps = [b - a for a, b in pairwise(times)]
        assert max(steps) <= 2 * sorted(steps)[len(steps) // 2], kind


def with_broken_pts(source: Path, sink: Path, number: int) -> Path:
    """A copy in which the video's packet of a number is shown 3 hours later, as a writer takes it."""
    with av.open(str(source)) as opened, av.open(str(sink), "w") as container:
        copies = {stream.index: container.add_stream_from_template(stream) for stream in opened.streams}
        for index, packet in enumerate(packet for packet in opened.demux(video=0) if packet.size):
            packet.pts += round((index == number) * HOURS / packet.time_base)
            packet.stream = copies[packet.stream.index]
            container.mux(packet)
    return sink


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "3", "g": "25"}], ids=["in order", "reordered"])
def test_one_broken_time_moves_no_other_frame(
    make_clip: MakeClip, tmp_path: Path, suffix: str, options: dict[str, str]
) -> None:
    whole = make_clip(f"whole{suffix}", frames=60, rate=25, options=options)
    source = with_broken_pts(whole, tmp_path / f"in{suffix}", 30)
    report = enhance_video(source, tmp_path / "out.mkv", chain="null")
    expected, found = ([frame.time for frame in decode(path)] for path in (whole, tmp_path / "out.mkv"))
    assert [time - found[0] for time in found] == pytest.approx([time - expected[0] for time in expected], abs=0.0021)
    assert ["a frame's time of 108" in note for note in report.notes if "time" in note] == [True]
    assert not any("is cut off" in note for note in report.notes)


def test_sound_that_ends_early_is_not_written_late(make_clip: MakeClip, tmp_path: Path) -> None:
    """Each packet waits for the next one of its stream, but not behind other streams' packets of its time."""
    source, sink = tmp_path / "in.mkv", tmp_path / "out.mkv"
    with av.open(str(make_clip("plain.mkv", frames=600, audio=True))) as plain, av.open(str(source), "w") as container:
        video, sound = (container.add_stream_from_template(stream) for stream in plain.streams)
        short = container.add_stream_from_template(plain.streams.audio[0])
        for packet in plain.demux():
            if packet.size:
                packet.stream, copy = (sound, bytes(packet)) if packet.stream.type == "audio" else (video, b"")
                times = packet.pts, packet.dts, packet.time_base
                container.mux(packet)
                if copy and times[0] * times[2] < 1:
                    again = av.Packet(copy)
                    (again.pts, again.dts, again.time_base), again.stream = times, short
                    container.mux(again)
    enhance_video(source, sink, chain="null")
    with av.open(str(sink)) as made:
        order = [packet.stream.index for packet in made.demux() if packet.size]
    last = len(order) - order[::-1].index(2)
    assert last < len(order) / 4


def test_a_gap_and_a_jump_back_are_no_broken_times() -> None:
    base = Fraction(1, 1000)
    assert mended(40, 16_000_000, 120, base) == 80
    assert mended(40, 16_000_000, 16_000_040, base) is None, "times go on behind a gap"
    assert mended(4000, 0, 4080, base) == 4040
    assert mended(40, 80, 0, base) is None, "another recording begins"
    assert mended(4000, 0, 40, base) is None, "and goes on"
    assert mended(40, 120, 80, base) is None, "less than a second is disorder"
    assert mended(None, 16_000_000, 80, base) is None
