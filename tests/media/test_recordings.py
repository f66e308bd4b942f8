"""Recordings as they come from the air or a crashed program: what can be kept is kept, and what is not is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import decode, packets

from exdnet_plugin import Report, enhance_video

Record = Callable[..., Path]
TS, SOUND = 188, 0x101  # bytes of a packet of MPEG-TS, and which of them FFmpeg gives sound


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Makes a recording: pictures at 25 a second, with a tone from a moment on."""

    def make(
        name: str, *, frames: int = 100, codec: str = "aac", late: float = 0.0, rate: int = 48000, **how: str
    ) -> Path:
        path = tmp_path / name
        how = {"max_delay": "700000"} | how  # so that MPEG-TS has one time for many packets of sound
        with av.open(str(path), "w", container_options=how) as container:
            video = container.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            video.codec_context.options = {"preset": "ultrafast", "bf": "3"}
            sound = container.add_stream(codec, rate=rate, layout="stereo")
            sound.bit_rate = 96_000
            noise = np.random.default_rng(0)
            for number in range(frames):
                codes = noise.integers(60, 200, (72, 64), np.uint8)
                frame = av.VideoFrame.from_ndarray(codes, format="yuv420p")
                frame.pts = number
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            for frame in tone(int(late * rate), frames * rate // 25, rate):
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        return path

    return make


def tone(first: int, end: int, rate: int) -> Iterator[av.AudioFrame]:
    for start in range(first, end, 1024):
        wave = np.sin(np.arange(start, min(start + 1024, end)) * 2 * np.pi * 440 / rate) * 9000
        both = np.repeat(wave.astype(np.int16), 2)[None]
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        yield frame


def enhanced(source: Path, sink: Path, **how: object) -> Report:
    return enhance_video(source, sink, chain="null", **how)  # type: ignore[arg-type]


def cells(data: bytes) -> Iterator[tuple[int, bool]]:
    """Where packets of MPEG-TS with sound lie, and whether a unit with a time begins there."""
    for at in range(0, len(data), TS):
        if int.from_bytes(data[at + 1 : at + 3]) & 0x1FFF == SOUND:
            yield at, bool(data[at + 1] & 0x40)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".flv", ".ts"])
def test_lost_packets_of_sound_cost_no_more_than_themselves(record: Record, tmp_path: Path, suffix: str) -> None:
    source = record("in.ts")
    data = source.read_bytes()
    lost = [at for at, begins in cells(data) if not begins][5::25]
    source.write_bytes(b"".join(data[at : at + TS] for at in range(0, len(data), TS) if at not in lost))
    report = enhanced(source, tmp_path / f"out{suffix}")
    assert len(decode(tmp_path / f"out{suffix}")) == 100
    assert len(packets(tmp_path / f"out{suffix}", "audio")) > 180 - 4 * len(lost)
    if suffix in {".mp4", ".mkv", ".mov"}:
        assert any("they are damaged" in note for note in report.notes), report.notes


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_sound_that_begins_late_is_all_there(record: Record, tmp_path: Path, suffix: str) -> None:
    """Later than FFmpeg looks for what a file holds."""
    source = record("in.ts", frames=500, late=12.0)
    report = enhanced(source, tmp_path / f"out{suffix}")
    assert len(packets(tmp_path / f"out{suffix}", "audio")) >= len(packets(source, "audio")) - 1
    assert not any("converted" in note for note in report.notes)


@pytest.mark.parametrize("bit", [2, 8])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_broken_time_of_many_packets_is_mended(record: Record, tmp_path: Path, suffix: str, bit: int) -> None:
    """Hours ahead, or ahead by more than a day."""
    source = record("in.ts")
    data = bytearray(source.read_bytes())
    at = [at for at, begins in cells(bytes(data)) if begins][3]
    at += 4 + (data[at + 4] + 1 if data[at + 3] & 0x20 else 0)
    assert data[at : at + 4] == b"\0\0\1\xc0"
    data[at + 9] ^= bit
    source.write_bytes(data)
    report = enhanced(source, tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert container.duration / av.time_base == pytest.approx(4.1, abs=1.5)
    assert any("far from those around" in note for note in report.notes)


def test_a_stream_that_begins_on_the_way_is_named(record: Record, tmp_path: Path) -> None:
    first, second = record("a.ts"), record("b.ts", mpegts_start_pid="512", mpegts_pmt_start_pid="4352")
    source = tmp_path / "in.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    report = enhanced(source, tmp_path / "out.mp4")
    assert len(decode(tmp_path / "out.mp4")) == 100
    assert sum("a stream that begins on the way" in note for note in report.notes) == 1


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [*((suffix, "pcm_s16le") for suffix in (".mp4", ".mov", ".avi", ".mxf", ".mkv")), (".avi", "pcm_u8")],
)
def test_after_a_gap_pcm_is_heard_when_it_was(record: Record, tmp_path: Path, suffix: str, codec: str) -> None:
    source = record("in.mkv", codec=codec)
    gapped = tmp_path / "gapped.mkv"
    with av.open(str(source)) as given, av.open(str(gapped), "w") as sink:
        copies = {stream: sink.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            sounds = packet.stream.type == "audio" and packet.pts is not None
            if packet.size and not (sounds and 1 < packet.pts * packet.time_base < 3):
                packet.stream = copies[packet.stream]
                sink.mux(packet)
    enhanced(gapped, tmp_path / f"out{suffix}")
    loud = loudness(tmp_path / f"out{suffix}")
    assert loud[5] > 0.1
    assert loud[15] < 0.001
    assert loud[25] < 0.001
    assert loud[35] > 0.1


def loudness(path: Path) -> list[float]:
    """The largest sample of each tenth of a second."""
    found = [0.0] * 60
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            values = frame.to_ndarray().astype(float)
            values = (values - 128) / 128 if frame.format.name == "u8" else values
            values /= 32768 if "s16" in frame.format.name else 1
            tenth = int(Fraction(frame.pts or 0) * frame.time_base * 10)
            found[tenth] = max(found[tenth], float(np.abs(values).max()))
    return found


def test_in_avi_sound_of_a_broadcast_is_in_step(record: Record, tmp_path: Path) -> None:
    """Whose clock does not begin at 0, which AVI cannot tell of sound."""
    enhanced(record("in.ts", codec="ac3"), tmp_path / "out.avi")
    assert len(decode(tmp_path / "out.avi")) <= 103


def test_a_rate_that_changes_on_the_way_is_named(record: Record, tmp_path: Path) -> None:
    parts = record("a.ts"), record("b.ts", rate=44100)
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    report = enhanced(source, tmp_path / "out.mp4")
    assert any("its rate or channels change on the way" in note for note in report.notes)
    assert not any("its rate or channels" in note for note in enhanced(source, tmp_path / "out.ts").notes)


def test_what_avi_repeats_is_not_lost(tmp_path: Path) -> None:
    source = tmp_path / "in.avi"
    with av.open(str(source), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in (*range(20), *range(30, 50)):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 60 + number, np.uint8), format="yuv420p")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    with av.open(str(source)) as container:
        assert container.streams.video[0].frames == 50
    assert enhanced(source, tmp_path / "out.mp4").lost == 0


@pytest.mark.parametrize("part", [0.6, 0.7, 0.8])
def test_a_cut_costs_the_frame_that_was_cut(record: Record, tmp_path: Path, part: float) -> None:
    source = record("in.flv")
    data = source.read_bytes()
    cut = tmp_path / "cut.flv"
    cut.write_bytes(data[: int(len(data) * part)])
    whole = sum(not packet.is_corrupt for packet in _video(cut))
    report = enhanced(cut, tmp_path / "out.mp4")
    assert len(decode(tmp_path / "out.mp4")) == whole
    assert report.lost <= 1


def _video(path: Path) -> list[av.Packet]:
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def test_split_files_hold_all_frames_whose_times_overlap(tmp_path: Path) -> None:
    source = tmp_path / "in.ts"
    parts = []
    for size, start in ((64, 0.0), (96, 1.92)):
        path = tmp_path / f"{size}.ts"
        with av.open(str(path), "w", container_options={"output_ts_offset": str(start)}) as container:
            video = container.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = size, 48, "yuv420p"
            for number in range(50):
                frame = av.VideoFrame.from_ndarray(np.full((72, size), 60 + number, np.uint8), format="yuv420p")
                frame.pts = number
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        parts.append(path.read_bytes())
    source.write_bytes(b"".join(parts))
    report = enhanced(source, tmp_path / "out.mp4", on_change="split")
    assert [len(decode(tmp_path / name)) for name in ("out.mp4", "out-2.mp4")] == [50, 50]
    assert not any("are scaled to" in note for note in report.notes)


def test_wma_goes_into_nut_as_aac(record: Record, tmp_path: Path) -> None:
    enhanced(record("in.asf", codec="wmav2"), tmp_path / "out.nut")
    with av.open(str(tmp_path / "out.nut")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert sum(frame.samples for frame in container.decode(audio=0)) > 3.9 * 48000
