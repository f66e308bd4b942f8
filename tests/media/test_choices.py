"""What people choose for a video: parts, rates, encoders, a stream of several, what becomes of sizes that change."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec import CodecContext
from conftest import Identity, MakeClip, dark_frames, decode, journaled, luma, packets
from facts_sources import plain, second_video, sound, with_extra

from exdnet_plugin import MediaError, enhance_video
from exdnet_plugin.media.choosing import choose_encoding
from exdnet_plugin.media.encoding import EncodingOptions
from exdnet_plugin.media.facts import ColorTags, VideoFacts
from exdnet_plugin.media.frames import frame_planes
from exdnet_plugin.pipeline.segments import SEGMENT

Run = Callable[..., tuple[int, str, str]]


class Brighter(Identity):
    def process(self, frames, times):
        return frames**0.7


def test_a_part_is_cut_out_with_its_sound(make_clip: MakeClip, tmp_path: Path, exdnet: Run) -> None:
    source, sink = make_clip("in.mp4", frames=75, rate=25, audio=True), tmp_path / "out.mp4"
    code, _, said = exdnet("enhance", source, sink, "--chain", "null", "--from", "1", "--to", "0:02.2")
    assert code == 0, said
    assert [float(f.pts * f.time_base) for f in decode(sink)] == pytest.approx([i / 25 for i in range(30)])
    wanted = [(pts, data) for pts, _, data in packets(source, "audio") if 48000 <= (pts or 0) < 2.2 * 48000]
    assert [(pts + 48000, data) for pts, _, data in packets(sink, "audio") if pts is not None] == wanted
    pictures = [frame.to_ndarray(format="gray").mean() for frame in decode(source)[25:55]]
    assert luma(sink) == pytest.approx(pictures, abs=0.5)


def test_a_part_that_is_none_is_refused(make_clip: MakeClip, tmp_path: Path, exdnet: Run) -> None:
    source = make_clip("in.mp4")
    for options, said in (
        (["--from", "3", "--to", "2"], "start must be 0 or more and before the end"),
        (["--from", "soon"], "write seconds, as 12.5"),
        (["--from", "1:00"], "has no frame at 60 s or behind"),
        (["--cfr", "0"], "write frames a second"),
        (["--bitrate", "fast"], "write bits a second"),
        (["--crf", "20", "--bitrate", "1M"], "give one of them"),
        (["--pixel-format", "yuv999p"], "unknown to FFmpeg; libx264 takes yuv420p"),
        (["--pixel-format", "rgb24"], "libx264 does not take pixel format 'rgb24'"),
        (["--preset", "hasty"], "preset 'hasty': libx264 has ultrafast, superfast"),
        (["--codec", "aac"], "codec 'aac' is for audio"),
        (["--codec", "hevc_nvenc", "--option", "gpu=63"], "it needs an NVIDIA GPU that encodes"),
        (["--codec", "hevc_nvenc", "--preset", "hasty"], "(Invalid argument); check crf, preset and options"),
        (["--codec", "h264_nvenc", "--crf", "0"], "give 1 to 51"),
        (["--codec", "libvpx-vp9", "--preset", "slow"], "has no option 'preset'"),
        (["--video-stream", "4"], "has no video stream 4; its only one is 0"),
    ):
        code, _, error = exdnet("enhance", source, tmp_path / "out.mp4", "--chain", "null", *options)
        assert (code, said in error) == (2, True), error
        assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_a_constant_rate_repeats_and_leaves_out_frames(tmp_path: Path, exdnet: Run) -> None:
    source = plain(pts=[0, 40, 80, 320, 330, 340, 400])(tmp_path)
    code, _, said = exdnet("enhance", source, tmp_path / "out.mkv", "--cfr", "25", "--chain", "null", "--codec", "ffv1")
    assert code == 0, said
    result = decode(tmp_path / "out.mkv")
    assert [float(f.pts * f.time_base) for f in result] == pytest.approx([i / 25 for i in range(11)], abs=1e-3)
    shown = [frame.to_ndarray().tobytes() for frame in result]
    before = [frame.to_ndarray().tobytes() for frame in decode(source)]
    assert [before.index(picture) for picture in shown] == [0, 1, 2, 2, 2, 2, 2, 2, 4, 5, 6]


def test_half_of_the_rate_leaves_out_every_second_frame(make_clip: MakeClip, tmp_path: Path) -> None:
    """Every second frame lies in the middle between two ticks, and goes to the later one, as with FFmpeg's fps."""
    source = make_clip("in.mkv", frames=[np.full((48, 64, 3), 8 * i, np.uint8) for i in range(20)], rate=50)
    enhance_video(source, tmp_path / "out.mkv", chain="null", codec="ffv1", cfr=25)
    shown = luma(tmp_path / "out.mkv")
    assert np.diff(shown) == pytest.approx(np.diff(luma(source)[::2])[0], abs=1.5)


@pytest.mark.parametrize(
    ("frames", "options", "left"),
    [
        (90, [], 30),
        (SEGMENT + 1, [], 40),  # of the last segment's only frame, nothing is shown
        (90, ["--to", "0.3"], 3),
        (90, ["--from", "1", "--to", "1.02"], 1),
        (1, [], 1),
    ],
)
def test_a_constant_rate_does_not_make_a_video_longer(
    make_clip: MakeClip, tmp_path: Path, exdnet: Run, frames: int, options: list[str], left: int
) -> None:
    source, sink = make_clip("in.mp4", frames=frames, rate=30), tmp_path / "out.mp4"
    code, out, said = exdnet("enhance", source, sink, "--cfr", "10", "--chain", "null", *options)
    assert code == 0, said
    assert len(decode(sink)) == left
    assert f"{left} frame" in out


@pytest.mark.parametrize(("size", "weights"), [((64, 48), (0.299, 0.114)), ((64, 720), (0.2126, 0.0722))])
@pytest.mark.parametrize(("codec", "pix_fmt", "suffix"), [("qtrle", "rgb24", ".mov"), ("libx264rgb", "bgr0", ".mkv")])
def test_colours_of_an_rgb_source_are_encoded_by_the_matrix_that_is_told(
    tmp_path: Path, codec: str, pix_fmt: str, suffix: str, size: tuple[int, int], weights: tuple[float, float]
) -> None:
    source, sink, color = tmp_path / f"in{suffix}", tmp_path / "out.mp4", (200, 30, 40)
    with av.open(str(source), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        picture = np.full((size[1], size[0], 3), color, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    enhance_video(source, sink, chain="null")
    frame = decode(sink)[0]
    matrix = {0.299: 6, 0.2126: 1}[weights[0]]
    assert (int(frame.colorspace) in (matrix, 5 if matrix == 6 else 1), int(frame.color_range)) == (True, 1)
    y = np.dot(color, (weights[0], 1 - sum(weights), weights[1]))
    expected = 16 + y * 219 / 255, *(128 + 112 / 255 * (color[c] - y) / (1 - weights[k]) for c, k in ((2, 1), (0, 0)))
    found = [float(plane.mean()) for plane in frame_planes(frame)]
    assert found == pytest.approx(expected, abs=1.5)


def test_encoders_are_given_what_is_asked(make_clip: MakeClip, tmp_path: Path, exdnet: Run) -> None:
    source, sink = make_clip("in.mp4"), tmp_path / "out.mkv"
    options = ["--codec", "libx265", "--pixel-format", "yuv422p10le", "--preset", "ultrafast", "--bitrate", "500k"]
    assert exdnet("enhance", source, sink, "--chain", "null", *options)[0] == 0
    with av.open(str(sink)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("hevc", "yuv422p10le")


@pytest.mark.skipif(sys.platform != "linux", reason="scheduling policies are Linux's")
def test_av1_does_not_make_the_program_a_realtime_one(make_clip: MakeClip, tmp_path: Path) -> None:
    """As root, libsvtav1 asks for the highest priority there is, for our threads, too."""
    code = (
        "import contextlib, os, sys\n"
        "from exdnet_plugin import enhance_video\n"
        "seen = set()\n"
        "def look(done, total):\n"
        "    for thread in os.listdir('/proc/self/task'):\n"
        "        with contextlib.suppress(ProcessLookupError):  # it may end meanwhile\n"
        "            seen.add(os.sched_getscheduler(int(thread)))\n"
        "enhance_video(sys.argv[1], sys.argv[2], chain='null', codec='libsvtav1', preset='12', progress=look)\n"
        "assert seen == {os.SCHED_OTHER} == {os.sched_getscheduler(0)}, seen\n"
    )
    source = make_clip("in.mp4", size=(64, 64))
    subprocess.run([sys.executable, "-c", code, str(source), str(tmp_path / "out.mkv")], check=True)


@pytest.mark.parametrize(
    ("codec", "suffix"), [("prores_ks", ".mov"), ("ffv1", ".mkv"), ("libsvtav1", ".mp4"), ("mpeg2video", ".ts")]
)
def test_other_encoders_work(make_clip: MakeClip, tmp_path: Path, codec: str, suffix: str) -> None:
    sink = tmp_path / f"out{suffix}"
    enhance_video(make_clip("in.mp4"), sink, chain="null", codec=codec)
    assert len(decode(sink)) == 12


def test_one_video_stream_of_several_is_chosen(tmp_path: Path) -> None:
    source, sink = with_extra(".mkv", second_video(cover=False))(tmp_path), tmp_path / "out.mkv"
    enhance_video(source, sink, chain=[Brighter()], video_stream=1)
    with av.open(str(sink)) as container:
        assert [(s.width, s.height) for s in container.streams.video] == [(32, 32), (96, 64)]
        bright = next(container.decode(container.streams.video[0]))
    assert bright.to_ndarray(format="gray").mean() > 92


SIZES = [(96, 64), (128, 96), (64, 48)]


def of_several_sizes(tmp_path: Path) -> Path:
    """Six frames of each size."""
    source = tmp_path / "in.ts"
    parts = []
    for index, size in enumerate(SIZES):
        part = tmp_path / f"{index}.ts"
        with av.open(str(part), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for number, picture in enumerate(dark_frames(6, size[::-1])):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = number + 6 * index, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        parts.append(part.read_bytes())
    source.write_bytes(b"".join(parts))
    return source


def test_a_change_of_size_on_the_way_is_scaled_and_told(tmp_path: Path) -> None:
    source = of_several_sizes(tmp_path)
    report = enhance_video(source, tmp_path / "out.mp4", chain="null")
    assert any("frames change size to 128x96; they are scaled to 96x64" in note for note in report.notes)
    assert {(f.width, f.height) for f in decode(tmp_path / "out.mp4")} == {(96, 64)}


def test_a_part_that_ends_where_the_size_changes_is_one_file(tmp_path: Path) -> None:
    source = of_several_sizes(tmp_path)
    with av.open(str(source)) as container:
        change = next(frame.time for frame in container.decode(video=0) if frame.width == SIZES[1][0])
    enhance_video(
        source, tmp_path / "out.mkv", chain="null", on_change="split", end=Fraction(change).limit_denominator(1000)
    )
    assert [(frame.width, frame.height) for frame in decode(tmp_path / "out.mkv")] == [SIZES[0]] * 6
    assert not (tmp_path / "out-2.mkv").exists()


@pytest.mark.parametrize("first", [1, 8, 14])
def test_changes_of_size_before_a_part_are_none_of_its(tmp_path: Path, first: int) -> None:
    source = of_several_sizes(tmp_path)
    report = enhance_video(
        source, tmp_path / "out.mkv", chain="null", codec="ffv1", on_change="split", start=Fraction(first, 25)
    )
    left = [size for size in SIZES for _ in range(6)][first:]
    made = [frame for path in (report.sink, *report.further) for frame in decode(path)]
    assert [(frame.width, frame.height) for frame in made] == left
    assert 1 + len(report.further) == len(dict.fromkeys(left))
    assert not any("they are scaled" in note for note in report.notes)


def test_each_part_has_a_trace_of_its_own(tmp_path: Path) -> None:
    source = of_several_sizes(tmp_path)
    enhance_video(source, tmp_path / "out.mkv", chain="null", on_change="split", profile=tmp_path / "trace.json")
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["trace-2.json", "trace-3.json", "trace.json"]


def test_a_trace_is_of_one_video(exdnet: Run, make_clip: MakeClip, tmp_path: Path) -> None:
    clips = [make_clip(name) for name in ("a.mp4", "b.mp4")]
    code, _, error = exdnet("enhance", *clips, tmp_path / "out", "--profile", tmp_path / "t.json")
    assert (code, "give one video" in error) == (2, True)


@pytest.mark.parametrize("start", [0.4, np.float32(0.4), "0.4", Fraction(2, 5)])
def test_numbers_are_taken_as_they_are_written(make_clip: MakeClip, tmp_path: Path, start: Any) -> None:
    """0.4 is no binary number: as what is beside it, it would be behind the frame that it names."""
    source = make_clip("in.mp4", frames=20, rate=25)
    enhance_video(source, tmp_path / "out.mkv", chain="null", codec="ffv1", start=start, end=0.6, cfr=29.97)
    first = decode(source)[10]
    made = decode(tmp_path / "out.mkv")
    assert made[0].to_ndarray().tobytes() == first.to_ndarray().tobytes()
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert abs(container.streams.video[0].average_rate - Fraction(2997, 100)) < Fraction(1, 1000)


def test_a_part_between_two_frames_says_so(exdnet: Run, make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", frames=4, pts=[0, 100, 4900, 6000], time_base=Fraction(1, 1000))
    code, _, error = exdnet("enhance", source, tmp_path / "out.mkv", "--from", "5", "--to", "5.01")
    assert (code, "has no frame that begins from 5 s to 5.01 s" in error) == (2, True)


def test_an_encoder_that_fails_is_no_full_disk(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: Any, item: Any, frame: Any, durations: Any) -> None:
        raise av.error.ExternalError(1, "an encoder's own reason")

    monkeypatch.setattr("exdnet_plugin.pipeline.segments.Segments._encode", failing)
    with pytest.raises(MediaError, match=r"libx264 fails \(an encoder's own reason\); take another codec") as raised:
        enhance_video(make_clip("in.mp4"), tmp_path / "out.mp4", chain="null")
    assert "free some space" not in str(raised.value)


def test_a_change_of_size_on_the_way_makes_a_further_file_when_asked(tmp_path: Path, exdnet: Run) -> None:
    source, sink = of_several_sizes(tmp_path), tmp_path / "out.mkv"
    asked = ["enhance", source, sink, "--on-change", "split", "--chain", "null", "--codec", "ffv1"]
    code, out, said = exdnet(*asked)
    assert code == 0, said
    sinks = [sink, tmp_path / "out-2.mkv", tmp_path / "out-3.mkv"]
    assert out.split()[-3:] == [str(path) for path in sinks]
    assert "they are scaled" not in said
    with av.open(str(source)) as container:
        everything = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
    made = [frame for path in sinks for frame in decode(path)]
    assert [(f.width, f.height) for f in made] == [size for size in SIZES for _ in range(6)]
    assert [frame.to_ndarray().tobytes() for frame in made] == everything
    sinks[2].unlink()
    code, out, said = exdnet(*asked, "--resume")
    assert (code, "out-2.mkv is there already and taken for done" in said, sinks[2].exists()) == (0, True, True)


@pytest.mark.parametrize(
    ("rate", "first", "expected"),
    [(25, "01:02:03:04", "01:02:04:05"), (Fraction(30000, 1001), "00:00:59;28", "00:01:01;00")],
)
def test_a_part_has_the_timecode_of_its_first_frame(tmp_path: Path, rate: Fraction, first: str, expected: str) -> None:
    def clock(_: object, stream: av.VideoStream) -> None:
        stream.metadata["timecode"] = first

    pts = [round(index * 1000 / rate) for index in range(40)]
    source = with_extra(".mov", clock, pts, rate=rate)(tmp_path)
    enhance_video(source, tmp_path / "out.mov", chain="null", start=Fraction(26 if rate == 25 else 30) / rate)
    with av.open(str(tmp_path / "out.mov")) as container:
        assert container.streams.video[0].metadata["timecode"] == expected


@pytest.mark.parametrize("suffix", [".ts", ".avi", ".mpg", ".flv", ".mkv", ".mp4"])
def test_parts_and_resumption_are_exact_where_seeking_is_not(make_clip: MakeClip, tmp_path: Path, suffix: str) -> None:
    """Containers seek by decoding times, or roughly; H.264 with open GOPs and B-frames."""
    codec = "mpeg2video" if suffix == ".mpg" else "libx264"
    options = {"g": "50", "bf": "3"} | ({"x264-params": "open-gop=1"} if codec == "libx264" else {})
    source = make_clip(f"in{suffix}", frames=170, size=(64, 48), rate=25, codec=codec, options=options)
    everything = [frame.to_ndarray().tobytes() for frame in decode(source)]
    enhance_video(source, tmp_path / "part.mkv", chain="null", codec="ffv1", start=Fraction(2, 5))
    part = [frame.to_ndarray().tobytes() for frame in decode(tmp_path / "part.mkv")]
    assert part == everything[len(everything) - len(part) :]
    slack = (
        2 if suffix == ".avi" else 1
    )  # AVI tells no presentation times: FFmpeg guesses them where there are B-frames
    assert abs(len(part) - (len(everything) - 10)) <= slack

    def stop(done: int, _: int | None) -> None:
        if done == 150:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enhance_video(source, tmp_path / "all.mkv", chain="null", codec="ffv1", progress=stop, on_stop="keep")
    resumed = SEGMENT + journaled(tmp_path / "all.mkv")
    report = enhance_video(source, tmp_path / "all.mkv", chain="null", codec="ffv1", resume=True)
    assert (report.resumed, report.lost) == (resumed, 0)
    assert [frame.to_ndarray().tobytes() for frame in decode(tmp_path / "all.mkv")] == everything


def test_files_put_together_are_joined_on(tmp_path: Path) -> None:
    """A clock that starts anew, as in `cat a.ts a.ts`, goes on where it was, with its sound."""
    once = with_extra(".ts", sound("mp2"), [40 * index for index in range(60)])(tmp_path)
    twice, sink = tmp_path / "twice.ts", tmp_path / "out.mkv"
    twice.write_bytes(once.read_bytes() * 2)
    report = enhance_video(twice, sink, chain="null")
    assert any("what follows is joined on" in note for note in report.notes)
    times = [float(f.pts * f.time_base) for f in decode(sink)]
    assert len(times) == 120
    assert times[-1] - times[0] == pytest.approx(119 * 0.04, abs=0.1)


def test_avi_leaves_out_a_further_video_that_it_refuses_only_by_its_packets(shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "clips" / "nasa_13013.mp4"
    report = enhance_video(source, tmp_path / "out.avi", chain="null", end=0.5)
    assert any("video stream 0 (h264) is left out" in note for note in report.notes)
    assert report.untouched == [0]
    with av.open(str(tmp_path / "out.avi")) as container:
        assert len(container.streams.video) == 1


@pytest.mark.parametrize(("codec", "crf", "most"), [("libx264", 99, 51), ("libx265", -5, 51), ("libsvtav1", 64, 63)])
def test_a_quality_beyond_the_encoders_is_refused(
    make_clip: MakeClip, tmp_path: Path, codec: str, crf: float, most: int
) -> None:
    with pytest.raises(ValueError, match=f"crf {crf}: {codec} takes 0 to {most}"):
        enhance_video(make_clip("in.mp4"), tmp_path / "out.mkv", chain="null", codec=codec, crf=crf)


def test_avi_has_the_rate_of_its_source(make_clip: MakeClip, tmp_path: Path) -> None:
    enhance_video(make_clip("in.mp4", rate=25), tmp_path / "out.avi", chain="null")
    with av.open(str(tmp_path / "out.avi")) as container:
        assert container.streams.video[0].average_rate == 25


def test_nvidias_encoders_are_asked_for_quality_and_depth_in_their_own_words() -> None:
    deep = VideoFacts(96, 64, "yuv420p10le", Fraction(1, 25), Fraction(25), None, ColorTags(1, 1, 1, 1))
    by_default, asked = (choose_encoding(".mkv", deep, EncodingOptions("hevc_nvenc", crf=crf)) for crf in (None, 24))
    assert by_default.pixel_format == "p010le"
    assert by_default.options | {"cq": "24"} == asked.options
    assert "crf" not in by_default.options
    twelve = choose_encoding(".mkv", replace(deep, pixel_format="yuv422p12le"), EncodingOptions("hevc_nvenc"))
    assert (twelve.pixel_format, len(twelve.notes)) == ("p010le", 1)
    assert choose_encoding(".mkv", deep, EncodingOptions("h264_nvenc")).pixel_format == "yuv420p"
    known = {option.name for option in CodecContext.create("hevc_nvenc", "w").supported_options.private}
    assert set(asked.options) <= known
    frame = av.VideoFrame.from_ndarray(np.arange(0, 96 * 96, dtype=np.uint16).reshape(96, 96) % 1024, "yuv420p10le")
    there = frame.reformat(format="p010le")
    assert np.array_equal(there.reformat(format="yuv420p10le").to_ndarray(), frame.to_ndarray())
