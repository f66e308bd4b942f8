"""Sound and text subtitles that a container does not take are converted: heard and shown when they were, and named."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import decode
from facts_sources import subtitles, with_extra

from exdnet_plugin import enhance_video
from exdnet_plugin.media.copying import copied_packets
from exdnet_plugin.media.cues import Cue, Cues

SECONDS, KNOCK = 2.0, 1.2  # of sound, and when something is heard in it
MILLISECOND = Fraction(1, 1000)


def knocking(
    path: Path, codec: str, *, rate: int, layout: str = "stereo", start: float = 0.0, packet: int = 1000
) -> Path:
    """A video of 75 frames, and silence but for a burst of noise."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=rate, layout=layout, options={"strict": "-2"})
        channels = sound.codec_context.layout.nb_channels
        samples = np.zeros((int(SECONDS * rate), channels), np.int16)
        at = int((KNOCK - start) * rate)
        samples[at : at + rate // 10] = np.random.default_rng(0).integers(-9000, 9000, (rate // 10, 1))
        for number in range(75):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 60, np.uint8), format="yuv420p")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for first in range(0, len(samples), packet):
            part = np.ascontiguousarray(samples[first : first + packet].reshape(1, -1))
            heard = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
            heard.sample_rate, heard.time_base = rate, Fraction(1, rate)
            heard.pts = first + int(start * rate)
            container.mux(sound.encode(heard))
        container.mux(sound.encode(None))
    return path


def knock(path: Path) -> float:
    """When something is heard after the first frame is shown, in seconds."""
    return heard(path) - float(decode(path)[0].time or 0)


def heard(path: Path) -> float:
    """When something is heard, in seconds."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.abs(frame.to_ndarray().astype(np.float64).reshape(-1))
            loud = loud / (32768 if "s16" in frame.format.name else 128 if "u8" in frame.format.name else 1)
            if (loud > 0.15).any():
                channels = 1 if frame.format.is_planar else frame.layout.nb_channels
                return frame.time + float(np.argmax(loud > 0.15) // channels) / frame.sample_rate
    raise AssertionError("nothing is heard")


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout", "start", "sink", "becomes"),
    [
        ("in.mp4", "aac", 44100, "stereo", 0.0, "out.webm", ("opus", 48000, 2)),
        ("in.mkv", "aac", 48000, "5.1", 0.5, "out.webm", ("opus", 48000, 6)),
        ("in.mkv", "libopus", 48000, "mono", 0.5, "out.mov", ("aac", 48000, 1)),
        ("in.avi", "adpcm_ima_wav", 22050, "mono", 0.0, "out.mp4", ("aac", 22050, 1)),
        ("in.avi", "adpcm_ima_wav", 22050, "stereo", 0.0, "out.mkv", ("aac", 22050, 2)),
        ("in.mkv", "pcm_s16le", 48000, "stereo", 0.5, "out.ts", ("aac", 48000, 2)),
        ("in.mkv", "aac", 44100, "5.1", 0.0, "out.mxf", ("pcm_s16le", 48000, 6)),
    ],
)
def test_sound_is_heard_when_it_was(
    tmp_path: Path,
    name: str,
    codec: str,
    rate: int,
    layout: str,
    start: float,
    sink: str,
    becomes: tuple[str, int, int],
) -> None:
    source = knocking(tmp_path / name, codec, rate=rate, layout=layout, start=start)
    report = enhance_video(source, tmp_path / sink, chain="null")
    assert knock(tmp_path / sink) == pytest.approx(knock(source), abs=0.003)
    with av.open(str(tmp_path / sink)) as container:
        context = container.streams.audio[0].codec_context
        assert (context.name, context.sample_rate, context.layout.nb_channels) == becomes
        length = sum(frame.samples for frame in container.decode(audio=0)) / context.sample_rate
    assert length == pytest.approx(SECONDS, abs=0.1)
    assert any(f"audio stream 1 is converted from {codec.removeprefix('lib')} to" in note for note in report.notes)


def test_the_last_packet_is_heard_where_no_length_was_told(tmp_path: Path) -> None:
    """Matroska tells none of ALAC, and MP4's sound ends with the last packet's length."""
    source = knocking(tmp_path / "in.mkv", "alac", rate=8000)
    enhance_video(source, tmp_path / "out.mp4", chain="null")
    for path in (source, tmp_path / "out.mp4"):
        with av.open(str(path)) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) == SECONDS * 8000


def test_avi_has_mp3_in_stereo(tmp_path: Path) -> None:
    """It does not tell what an encoder puts in front, so that sound is late by that, and B-frames are read as later."""
    source = knocking(tmp_path / "in.mkv", "libopus", rate=48000, layout="5.1")
    report = enhance_video(source, tmp_path / "out.avi", chain="null")
    with av.open(str(tmp_path / "out.avi")) as container:
        context = container.streams.audio[0].codec_context
        assert (context.codec.canonical_name, context.layout.nb_channels) == ("mp3", 2)
    assert any("from opus to mp3, 5.1 to stereo:" in note for note in report.notes)
    assert heard(tmp_path / "out.avi") == pytest.approx(KNOCK, abs=0.03)


def test_packets_shorter_than_a_tick_are_not_stretched(tmp_path: Path) -> None:
    """As TrueHD's are in Matroska, which rounds to a millisecond."""
    source = knocking(tmp_path / "in.mkv", "pcm_s16le", rate=48000, packet=40)
    enhance_video(source, tmp_path / "out.webm", chain="null")
    assert knock(tmp_path / "out.webm") == pytest.approx(knock(source), abs=0.003)
    with av.open(str(source)) as given, av.open(str(tmp_path / "out.mov"), "w") as container:
        copy = container.add_stream_from_template(given.streams.audio[0])
        container.start_encoding()
        copy.time_base = Fraction(1, 48000)
        packets = list(copied_packets(given, {1: copy}, (), [], ()))
    times = [packet.dts for packet in packets]
    assert times == sorted(set(times))
    assert float(times[-1] * packets[-1].time_base) == pytest.approx(SECONDS, abs=0.002)


@pytest.mark.parametrize(("codec", "start"), [("eac3", 0.0), ("flac", 0.0), ("libmp3lame", 0.7), ("libopus", 0.7)])
def test_avi_has_sound_that_plays_and_silence_in_front(tmp_path: Path, codec: str, start: float) -> None:
    source = knocking(tmp_path / "in.mkv", codec, rate=48000, start=start)
    enhance_video(source, tmp_path / "out.avi", chain="null")
    with av.open(str(tmp_path / "out.avi")) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == "mp3"
    assert heard(tmp_path / "out.avi") == pytest.approx(KNOCK, abs=0.035)


@pytest.mark.parametrize("codec", ["libopus", "pcm_s16le"])
def test_mxf_has_silence_in_front(tmp_path: Path, codec: str) -> None:
    source = knocking(tmp_path / "in.mkv", codec, rate=48000, start=0.7)
    enhance_video(source, tmp_path / "out.mxf", chain="null")
    assert knock(tmp_path / "out.mxf") == pytest.approx(knock(source), abs=0.003)


def remade(source: Path, sink: Path, change: Callable[[av.Packet, int], av.Packet]) -> Path:
    """A copy whose packets are changed, each with its number."""
    with av.open(str(source)) as read, av.open(str(sink), "w") as container:
        copies = {stream.index: container.add_stream_from_template(stream) for stream in read.streams}
        for number, packet in enumerate(packet for packet in read.demux() if packet.size):
            stream = copies[packet.stream.index]
            made = change(packet, number)
            made.pts, made.dts, made.time_base, made.duration = (
                packet.pts,
                packet.dts,
                packet.time_base,
                packet.duration,
            )
            made.stream = stream
            container.mux(made)
    return sink


def test_in_avi_sound_that_begins_before_the_video_stays_in_step(tmp_path: Path) -> None:
    def later(packet: av.Packet, _: int) -> av.Packet:
        if packet.stream.type == "video":
            packet.pts += 1000
            packet.dts = None if packet.dts is None else packet.dts + 1000
        return packet

    source = remade(knocking(tmp_path / "whole.mkv", "libopus", rate=48000), tmp_path / "in.mkv", later)
    enhance_video(source, tmp_path / "out.avi", chain="null")
    assert heard(tmp_path / "out.avi") == pytest.approx(KNOCK, abs=0.035)


@pytest.mark.parametrize("sink", ["out.mov", "out.avi"])
def test_sound_of_a_recording_by_the_clock_is_all_kept(tmp_path: Path, sink: str) -> None:
    rng, times = np.random.default_rng(0), [-1]

    def jittered(packet: av.Packet, _: int) -> av.Packet:
        if packet.stream.type == "audio":
            times.append(max(times[-1] + 1, packet.pts + int(rng.integers(-25, 26))))
            packet.pts = packet.dts = times[-1]
        return packet

    source = remade(knocking(tmp_path / "whole.mkv", "libopus", rate=48000), tmp_path / "in.mkv", jittered)
    enhance_video(source, tmp_path / sink, chain="null")
    with av.open(str(tmp_path / sink)) as container:
        rate = container.streams.audio[0].codec_context.sample_rate
        length = sum(frame.samples for frame in container.decode(audio=0)) / rate
    assert length == pytest.approx(SECONDS, abs=0.08)
    assert heard(tmp_path / sink) == pytest.approx(KNOCK, abs=0.06)


def test_a_part_of_sound_is_converted(tmp_path: Path) -> None:
    source = knocking(tmp_path / "in.mp4", "aac", rate=48000)
    enhance_video(source, tmp_path / "out.webm", chain="null", start=Fraction(1), end=Fraction(3, 2))
    assert knock(tmp_path / "out.webm") == pytest.approx(KNOCK - 1, abs=0.003)


@pytest.mark.parametrize("codec", ["aac", "ac3", "libmp3lame"])
@pytest.mark.parametrize("kinds", [("stereo", "5.1"), ("mono", "stereo"), ("stereo", "mono"), ("stereo", "stereo")])
def test_sound_may_change_its_channels_on_the_way(tmp_path: Path, codec: str, kinds: tuple[str, str]) -> None:
    """As broadcasts do between programmes."""
    if codec == "libmp3lame" and "5.1" in kinds:
        kinds = "stereo", "mono"
    parts = [knocking(tmp_path / f"{number}.ts", codec, rate=48000, layout=kind) for number, kind in enumerate(kinds)]
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    report = enhance_video(source, tmp_path / "out.webm", chain="null")
    assert any(f"from {codec.removeprefix('lib').removesuffix('lame')} to opus" in note for note in report.notes)
    with av.open(str(tmp_path / "out.webm")) as container:
        times = [(float(f.time), np.abs(f.to_ndarray()).max()) for f in container.decode(audio=0)]
    loud = [time for time, level in times if level > 0.15]
    assert loud[0] - times[0][0] == pytest.approx(KNOCK, abs=0.1)
    assert loud[-1] - times[0][0] == pytest.approx(3 + KNOCK + 0.1, abs=0.1)


def test_damaged_sound_is_named_and_the_rest_is_heard(tmp_path: Path) -> None:
    def damaged(packet: av.Packet, number: int) -> av.Packet:
        return av.Packet(b"\xff" * packet.size) if packet.stream.type == "audio" and number % 40 == 0 else packet

    source = remade(knocking(tmp_path / "whole.mp4", "aac", rate=48000), tmp_path / "in.mkv", damaged)
    report = enhance_video(source, tmp_path / "out.webm", chain="null")
    assert any("packets of audio stream 1 are left out: they are damaged" in note for note in report.notes)
    assert knock(tmp_path / "out.webm") == pytest.approx(KNOCK, abs=0.03)


def shown(path: Path) -> list[tuple[int, int, str]]:
    """Subtitles that are not empty: from, to, in milliseconds, and their text."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        found = []
        for packet in container.demux(stream):
            text = stream.codec_context.decode2(packet) if packet.size else None
            if text is not None:
                begin, length = (round(float(t * packet.time_base) * 1000) for t in (packet.pts, packet.duration))
                found.append((begin, begin + length, text.rects[0].dialogue.decode()))
        return found


def cues(codec: str, lines: list[tuple[int, int, bytes]]) -> Callable[[Any, Any], None]:
    def add(container: Any, _: Any) -> None:
        stream = container.add_mux_stream(codec)
        stream.time_base = MILLISECOND
        container.start_encoding()
        for begin, end, line in lines:
            packet = av.Packet(line)
            packet.stream, packet.time_base = stream, MILLISECOND
            packet.pts = packet.dts = begin
            packet.duration = end - begin
            container.mux(packet)

    return add


def test_subtitles_become_those_of_mp4_and_return(tmp_path: Path) -> None:
    lines = [(40, 80, b"Dark <i>night</i>"), (90, 130, "Ä\ntwo".encode())]
    source = with_extra(".mkv", cues("subrip", lines))(tmp_path)
    report = enhance_video(source, tmp_path / "out.mp4", chain="null")
    assert any("converted from subrip to mov_text" in note for note in report.notes)
    told = [(40, 80, r"Dark {\i1}night"), (90, 130, "Ä\ntwo")]
    assert shown(tmp_path / "out.mp4") == told
    enhance_video(tmp_path / "out.mp4", tmp_path / "back.mkv", chain="null")
    assert shown(tmp_path / "back.mkv") == [(40, 80, r"Dark {\i1}night{\i0}"), (90, 130, "Ä\ntwo")]


def test_of_subtitles_that_overlap_mp4_shows_all(tmp_path: Path) -> None:
    lines = [(0, 100, b"long"), (20, 60, b"two"), (20, 80, b"three"), (110, 120, b"last")]
    source = with_extra(".mkv", cues("subrip", lines))(tmp_path)
    enhance_video(source, tmp_path / "out.mp4", chain="null")
    assert shown(tmp_path / "out.mp4") == [
        (0, 20, "long"),
        (20, 60, "long\ntwo\nthree"),
        (60, 80, "long\nthree"),
        (80, 100, "long"),
        (110, 120, "last"),
    ]


def test_a_subtitle_that_is_too_long_is_left_out_and_named(tmp_path: Path) -> None:
    lines = [(0, 40, b"x" * 70_000), (50, 90, b"short"), (100, 100, b"no end")]
    report = enhance_video(with_extra(".mkv", cues("subrip", lines))(tmp_path), tmp_path / "out.mp4", chain="null")
    assert any("1 packets of subtitle stream 1 are left out" in note for note in report.notes)
    assert shown(tmp_path / "out.mp4") == [(50, 90, "short"), (100, 3100, "no end")]


def test_what_is_over_need_not_wait_for_the_next_cue() -> None:
    waiting = Cues()
    assert list(waiting.add(Cue(0, 100, "a"))) == []
    assert list(waiting.add(Cue(50, 300, "b"))) == [Cue(0, 50, "a")]
    assert list(waiting.over(99)) == []
    assert [cue.end for cue in waiting.over(250)] == [100]
    assert [(cue.start, cue.end) for cue in waiting.until()] == [(100, 300)]
    assert list(waiting.add(Cue(200, 200, "of no length"))) == list(waiting.until()) == []


STYLES = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Bold, Italic, Underline, Alignment
Style: Default,Arial,16,&H00ffffff,0,0,0,2
Style: Thought,Arial,16,&H00ffffff,0,-1,0,2

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def test_styles_are_kept_and_shapes_are_no_text(tmp_path: Path) -> None:
    events = [
        (0, 40, b"0,0,Thought,,0,0,0,,Why\\hme"),
        (50, 90, rb"1,0,Default,,0,0,0,,{\i1}open"),
        (50, 90, b"2,0,Default,,0,0,0,,plain"),
        (100, 110, rb"3,0,Default,,0,0,0,,{\p1}m 0 0 l 100 0 100 100"),
        (120, 130, rb"4,0,Default,,0,0,0,,{\p1}m 0 0 l 9 9{\p0}beside it"),
    ]

    def add(container: Any, _: Any) -> None:
        stream = container.add_stream("ass")
        stream.codec_context.subtitle_header = STYLES
        container.start_encoding()
        for begin, end, line in events:
            packet = av.Packet(line)
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, MILLISECOND, begin, begin
            packet.duration = end - begin
            container.mux(packet)

    report = enhance_video(with_extra(".mkv", add)(tmp_path), tmp_path / "out.mp4", chain="null")
    assert any("2 shapes drawn of subtitle stream 1 are left out" in note for note in report.notes)
    thought, both, beside = shown(tmp_path / "out.mp4")
    assert beside == (120, 130, "beside it")
    assert thought == (0, 40, r"{\i1}Why me")
    assert both == (50, 90, "{\\i1}open\n{\\r}plain")


def test_subtitles_that_are_pictures_are_left_out_of_mp4_and_named(tmp_path: Path) -> None:
    source = with_extra(".mkv", subtitles("hdmv_pgs_subtitle", b"\x80\0\0"))(tmp_path)
    report = enhance_video(source, tmp_path / "out.mp4", chain="null")
    assert any("(hdmv_pgs_subtitle) is left out" in note for note in report.notes)


def test_at_every_moment_all_cues_of_it_are_shown() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        starts = np.sort(rng.integers(0, 30, 8))
        told = [Cue(int(start), int(start + rng.integers(0, 15)), f"{i}") for i, start in enumerate(starts)]
        together = Cues()
        made = [one for cue in told for one in together.add(cue)] + list(together.until())
        assert [cue.start for cue in made] == sorted({cue.start for cue in made}), "one after the other"
        for time in range(50):
            now = [cue.text for cue in told if cue.start <= time < cue.end]
            assert [
                cue.text.replace(r"{\b0\i0\u0\rDefault}", "").split(r"\N")
                for cue in made
                if cue.start <= time < cue.end
            ] == ([now] if now else [])
