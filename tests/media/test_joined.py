"""Files whose times jump or begin before 0, and parts of files: what is copied beside the video stays in step."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import decode, write_tone

from exdnet_plugin import enhance_video
from exdnet_plugin.media.discontinuity import Rising
from exdnet_plugin.media.ffmpeg_filter import through

Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Makes a recording: pictures at 25 a second, sound of another length, times from a moment on."""

    def make(name: str, *, frames: int, sound: float, start: float = 0.0) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", container_options={"output_ts_offset": str(start)}) as container:
            video = container.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            video.codec_context.options = {"bf": "0"}
            tone = container.add_stream("aac", rate=48000)
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(np.full((72, 64), 60 + number, np.uint8), format="yuv420p")
                frame.pts = number
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            write_tone(container, tone, sound)
        return path

    return make


def span(path: Path, kind: str) -> tuple[float, float]:
    """When a stream begins and ends, in seconds."""
    with av.open(str(path)) as container:
        times = [(p.pts * p.time_base, p.duration * p.time_base) for p in container.demux(**{kind: 0}) if p.size]
    return float(times[0][0]), float(sum(times[-1]))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_what_is_before_0_is_shown(record: Record, tmp_path: Path, suffix: str) -> None:
    """A broadcast's clock of 33 bits starts over every 26.5 hours; FFmpeg counts backwards from there."""
    source, sink = record("in.ts", frames=100, sound=4.0, start=2**33 / 90000 - 2), tmp_path / f"out{suffix}"
    with av.open(str(source)) as container:
        assert container.start_time is not None
        assert container.start_time < 0
    report = enhance_video(source, sink, chain="null")
    assert len(decode(sink)) == 100
    with av.open(str(sink)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 3.9 * 48000
    assert any("before 0" in note for note in report.notes)


@pytest.mark.parametrize("sound", [1.0, 3.4], ids=["shorter", "longer"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_joined_recordings_stay_in_step(record: Record, tmp_path: Path, sound: float, suffix: str) -> None:
    """The sound of the second one begins with its pictures, whether that of the first one was shorter or longer."""
    parts = record("a.ts", frames=50, sound=sound), record("b.ts", frames=100, sound=4.0)
    source, sink = tmp_path / "both.ts", tmp_path / f"out{suffix}"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    enhance_video(source, sink, chain="null")
    assert len(decode(sink)) == 150
    pictures, heard = span(sink, "video"), span(sink, "audio")
    assert pictures[1] - pictures[0] == pytest.approx(6.0, abs=0.01)
    assert heard[1] == pytest.approx(pictures[1], abs=0.05)


def test_a_recording_without_sound_between_two_others_puts_none_out_of_step(record: Record, tmp_path: Path) -> None:
    parts = record("a.ts", frames=50, sound=2), record("b.ts", frames=50, sound=0), record("c.ts", frames=100, sound=4)
    source, sink = tmp_path / "all.ts", tmp_path / "out.mp4"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    enhance_video(source, sink, chain="null")
    pictures, heard = span(sink, "video"), span(sink, "audio")
    assert pictures[1] - pictures[0] == pytest.approx(8.0, abs=0.01)
    assert heard[1] == pytest.approx(pictures[1], abs=0.05)


def test_a_copied_video_goes_on_with_a_keyframe_behind_what_overlaps(tmp_path: Path) -> None:
    for name, counts in (("a.ts", (50, 75)), ("b.ts", (50, 50))):
        with av.open(str(tmp_path / name), "w") as container:
            videos = [container.add_stream("libx264", rate=25) for _ in counts]
            for video in videos:
                video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
                video.codec_context.options = {"bf": "0", "g": "10", "sc_threshold": "0"}
            for number in range(max(counts)):
                for video, count in zip(videos, counts, strict=True):
                    frame = av.VideoFrame.from_ndarray(np.full((72, 64), 60 + number, np.uint8), format="yuv420p")
                    frame.pts = number
                    container.mux(video.encode(frame) if number < count else [])
            for video in videos:
                container.mux(video.encode(None))
    source, sink = tmp_path / "both.ts", tmp_path / "out.mkv"
    source.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    report = enhance_video(source, sink, chain="null")
    assert len(decode(sink, 0)) == 100
    assert len(decode(sink, 1)) == 75 + 20
    assert any("30 packets of stream 1 are left out: they overlap" in note for note in report.notes)


@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_sound_in_packets_shorter_than_a_tick_keeps_its_pace(tmp_path: Path, suffix: str) -> None:
    """As TrueHD's are, of 0.83 ms, where Matroska has ticks of 1 ms."""
    source, sink = tmp_path / "in.nut", tmp_path / f"out{suffix}"
    with av.open(str(source), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("pcm_s16le", rate=48000)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound.layout = "stereo"
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((72, 64), 60 + number, np.uint8), format="yuv420p")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for number in range(2400):
            piece = av.AudioFrame.from_ndarray(np.zeros((1, 80), np.int16), format="s16", layout="stereo")
            piece.pts, piece.rate = number * 40, 48000
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))
    enhance_video(source, sink, chain="null", overwrite=True)
    begin, end = span(sink, "audio")
    assert end - begin == pytest.approx(2.0, abs=0.02)


def test_times_behind_a_join_that_overlap_are_left_out() -> None:
    clock = Rising(Fraction(1, 10))
    given = [clock.next(time, 1) for time in range(60)]
    assert given == list(range(60))
    assert clock.jumps_at(0)
    clock.join(0, 40, told=True)
    assert [clock.overlaps(time) for time in range(40)] == [True] * 20 + [False] * 20
    assert (clock.next(20, 1), clock.jumps) == (60, 1)


def with_extras(path: Path, cues: list[tuple[int, int]]) -> Path:
    """Two videos, keyframes every second of the latter, and subtitles from and to so many milliseconds."""
    with av.open(str(path), "w") as container:
        videos = [container.add_stream("libx264", rate=25) for _ in range(2)]
        text = container.add_stream("ass")
        text.codec_context.subtitle_header = (
            b"[Script Info]\nScriptType: v4.00+\n[Events]\nFormat: Layer, Start, End, Text"
        )
        for video in videos:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            video.codec_context.options = {"bf": "0", "g": "25", "sc_threshold": "0"}
        for number in range(100):
            for video in videos:
                frame = av.VideoFrame.from_ndarray(np.full((72, 64), 60 + number, np.uint8), format="yuv420p")
                frame.pts = number
                container.mux(video.encode(frame))
        for video in videos:
            container.mux(video.encode(None))
        for number, (start, end) in enumerate(cues):
            packet = av.Packet(f"{number},0,Default,,0,0,0,,cue".encode())
            packet.pts = packet.dts = start
            packet.duration, packet.time_base, packet.stream = end - start, Fraction(1, 1000), text
            container.mux(packet)
    return path


def cues_of(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        found = [(p.pts, p.pts + p.duration) for p in container.demux(subtitles=0) if p.size]
    return sorted(found)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_video_without_a_keyframe_in_the_part_is_left_out_and_named(tmp_path: Path, suffix: str) -> None:
    source = with_extras(tmp_path / "in.mkv", [(100, 900)])
    report = enhance_video(
        source, tmp_path / f"out{suffix}", chain="null", start=Fraction(6, 5), end=Fraction(8, 5), overwrite=True
    )
    named = [note for note in report.notes if "left out" in note]
    assert "video stream 1 is left out: none of it can be shown in this part" in named
    assert [note for note in named if note.startswith("subtitle")] == [
        "subtitle stream 2 is left out: none of it can be shown in this part"
    ]
    assert report.untouched == []


def test_subtitles_may_share_a_time(tmp_path: Path) -> None:
    """Typeset signs and karaoke are many events at once."""
    cues = [(500, 3000), *[(1000, 2000)] * 50]
    source = with_extras(tmp_path / "in.mkv", cues)
    enhance_video(source, tmp_path / "out.mkv", chain="null")
    assert cues_of(tmp_path / "out.mkv") == cues


def test_a_part_has_subtitles_that_are_cut_to_it_and_video_that_decodes(tmp_path: Path) -> None:
    source = with_extras(tmp_path / "in.mkv", [(100, 900), (500, 1500), (1000, 3600), (2200, 2400), (2500, 2600)])
    report = enhance_video(
        source, tmp_path / "out.mkv", chain="null", start=Fraction(6, 5), end=Fraction(12, 5), on_stop="keep"
    )
    assert cues_of(tmp_path / "out.mkv") == [(0, 300), (0, 1200), (1000, 1200)]
    assert len(decode(tmp_path / "out.mkv")) == 30
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert len([packet for packet in container.demux(video=1) if packet.size]) == 10
    assert len(decode(tmp_path / "out.mkv", 1)) == 10
    assert "video stream 1 is copied, and begins 0.80 s late, with its first keyframe" in report.notes


def test_what_becomes_interlaced_is_noted(tmp_path: Path) -> None:
    for name, flags, fields in (
        ("a.ts", {}, ("null", "")),
        ("b.ts", {"flags": "+ilme+ildct"}, ("setfield", "mode=tff")),
    ):
        with av.open(str(tmp_path / name), "w") as container:
            video = container.add_stream("mpeg2video", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            video.codec_context.options = flags
            pictures = (
                av.VideoFrame.from_ndarray(np.full((72, 64), 60 + n, np.uint8), format="yuv420p") for n in range(25)
            )
            for number, frame in enumerate(through(pictures, *fields)):
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
    source = tmp_path / "both.ts"
    source.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    said = "some frames are interlaced and some are not"
    assert any(said in note for note in enhance_video(source, tmp_path / "a.mkv", chain="null").notes)
    whole = enhance_video(source, tmp_path / "b.mkv", chain="null", deinterlace=True)
    assert not any(said in note for note in whole.notes)


def test_frames_with_side_data_without_a_name_are_read(tmp_path: Path) -> None:
    """Motion JPEG whose pictures carry EXIF: PyAV has no name for that, and gives none of a frame's side data."""
    import cv2

    exif = np.frombuffer(b"II*\0\x08\0\0\0\x01\0\x0e\x01\x02\0\x03\0\0\0hi\0\0\0\0\0\0", np.uint8)
    picture = np.full((48, 64, 3), 60, np.uint8)
    data = cv2.imencodeWithMetadata(".jpg", picture, [cv2.IMAGE_METADATA_EXIF], [exif])[1].tobytes()
    source = tmp_path / "in.avi"
    with av.open(str(source), "w") as container:
        video = container.add_stream("mjpeg", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p"
        container.start_encoding()
        for number in range(5):
            packet = av.Packet(data)
            packet.pts = packet.dts = number
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), video, True
            container.mux(packet)
    report = enhance_video(source, tmp_path / "out.mkv", chain="null")
    assert len(decode(tmp_path / "out.mkv")) == 5
    assert any(note.startswith("side data of frames") for note in report.notes)
