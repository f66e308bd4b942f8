"""Raw video through `exdnet pipe`, as it stands between two FFmpeg commands."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import MakeClip, dark_frames, decode, luma, packets

from exdnet_plugin import ColorFacts, MediaError, StreamInfo, open_filter
from exdnet_plugin.media.ffmpeg_filter import through
from exdnet_plugin.media.frames import frame_planes
from exdnet_plugin.media.source import VideoSource
from exdnet_plugin.pipeline.ffmpeg_commands import commands
from exdnet_plugin.pipeline.pipe import FORMS, run_pipe

CURVE = "kornia=op=enhance.adjust_gamma:gamma=0.5"
TIMES = [0, 1, 2, 5, 6, 9]


def raw(form: str, pix_fmt: str, times: list[int]) -> bytes:
    written = io.BytesIO()
    container_format, codec = FORMS[form]
    with av.open(written, "w", format=container_format, container_options={"strict": "-1"}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        for picture, moment in zip(dark_frames(len(times), (48, 64)), times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = moment, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return written.getvalue()


def read(form: str, content: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(content), format=FORMS[form][0]) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p"])
@pytest.mark.parametrize("form", ["y4m", "nut"])
def test_frames_come_out_as_from_the_filter_with_their_times(form: str, pix_fmt: str) -> None:
    times = TIMES if form == "nut" else list(range(6))
    given, written = raw(form, pix_fmt, times), io.BytesIO()
    color = ColorFacts(matrix="bt709", range="limited")
    report = run_pipe(io.BytesIO(given), written, form=form, color=color, chain=CURVE)
    before, after = read(form, given), read(form, written.getvalue())
    assert report.frames == len(after) == 6
    assert [frame.time for frame in after] == [frame.time for frame in before]
    stream = StreamInfo(64, 48, pix_fmt, color=color)
    with open_filter(stream, chain=CURVE) as opened:
        for old, new in zip(before, after, strict=True):
            for expected, found in zip(opened(frame_planes(old), old.time), frame_planes(new), strict=True):
                assert np.array_equal(expected, found)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "nothing comes in"), (b"YUV4MPEG2 W0 H0\n", "is not y4m"), (b"garbage" * 100, "is not y4m")],
)
def test_what_is_no_raw_video_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(MediaError, match=f"{said}.*let FFmpeg write -f yuv4mpegpipe"):
        run_pipe(io.BytesIO(content), io.BytesIO())


def test_y4m_tells_the_shape_of_pixels_on(caplog: pytest.LogCaptureFixture) -> None:
    given, written = b"YUV4MPEG2 W64 H48 F25:1 Ip A16:11 C420jpeg\n", io.BytesIO()
    run_pipe(io.BytesIO(given + (b"FRAME\n" + bytes(64 * 48 * 3 // 2)) * 3), written, chain=CURVE)
    assert b" A16:11 " in written.getvalue().split(b"\n")[0]
    assert len(read("y4m", written.getvalue())) == 3


def test_interlaced_y4m_is_refused() -> None:
    given = b"YUV4MPEG2 W64 H48 F25:1 It A1:1 C420jpeg\nFRAME\n" + bytes(64 * 48 * 3 // 2)
    with pytest.raises(MediaError, match="is interlaced; let FFmpeg deinterlace before"):
        run_pipe(io.BytesIO(given), io.BytesIO(), chain=CURVE)


def test_the_command_filters_standard_input() -> None:
    command = [sys.executable, "-m", "exdnet_plugin", "pipe", "--quality", "realtime"]
    done = subprocess.run(command, input=raw("y4m", "yuv420p", list(range(4))), capture_output=True, check=True)
    assert len(read("y4m", done.stdout)) == 4
    assert b"4 frames" in done.stderr


@pytest.mark.parametrize("site", ["C420mpeg2", "C420jpeg", "C420paldv"])
def test_y4m_tells_where_chroma_lies_as_it_came(site: str) -> None:
    content = raw("y4m", "yuv420p", [0, 1]).replace(b" C420jpeg", f" {site}".encode(), 1)
    content = content.replace(b" XYSCSS=420JPEG", b"", 1)
    sink = io.BytesIO()
    run_pipe(io.BytesIO(content), sink, chain="null")
    assert f" {site} ".encode() in sink.getvalue().partition(b"\n")[0] + b" "


def test_the_line_has_the_device_and_names_that_ffmpeg_takes_for_files(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("12:30.mp4")
    with contextlib.chdir(tmp_path):
        line = commands(Path("12:30.mp4"), Path("out:1.mp4"), device="cpu")
    assert "--device cpu" in line
    assert line.count(f"-i {tmp_path / '12:30.mp4'}") == 2
    assert line.endswith(str(tmp_path / "out:1.mp4"))


def run_line(source: Path, sink: Path, **how: str) -> None:
    line = commands(source, sink, **how)
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg's command is not installed; the line was not run")
    line = line.replace("exdnet pipe", f"{sys.executable} -m exdnet_plugin pipe")
    subprocess.run(["bash", "-ec", "set -o pipefail; " + line], check=True)


def sounds(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(audio=0) if p.size]


def colours(path: Path) -> list[tuple[str | int, ...]]:
    return [(f.format.name, f.colorspace, f.color_primaries, f.color_trc, f.color_range) for f in decode(path)]


def turned(path: Path, *, degrees: int = 0, delay: Fraction = Fraction(0)) -> Path:
    """A copy whose picture is to be shown turned, or begins later than its sound."""
    copy = path.with_name(f"turned{path.suffix}")
    with av.open(str(path)) as given, av.open(str(copy), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in given.streams}
        streams[0].set_display_rotation(degrees)
        for packet in given.demux():
            if packet.size:
                if packet.stream.type == "video":
                    packet.pts += int(delay / packet.time_base)
                    packet.dts += int(delay / packet.time_base)
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    return copy


def test_a_reader_that_goes_ends_the_command_without_a_word() -> None:
    command = [sys.executable, "-m", "exdnet_plugin", "pipe", "--chain", CURVE]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    process.stdout.close()
    _, said = process.communicate(raw("y4m", "yuv420p", list(range(200))))
    assert process.returncode != 0
    assert not said, "no traceback"


@pytest.mark.parametrize(
    ("name", "message"), [("in.mp4", "is the source itself"), ("there.mp4", "is there already"), ("x.xyz", "'.xyz'")]
)
def test_no_line_is_written_for_a_sink_that_cannot_be(
    make_clip: MakeClip, tmp_path: Path, name: str, message: str
) -> None:
    source = make_clip("in.mp4")
    (source.parent / "there.mp4").write_bytes(b"x")
    with pytest.raises(MediaError, match=message):
        commands(source, source.parent / name)


@pytest.mark.parametrize(
    ("suffix", "told", "codecs"),
    [
        (".mp4", ["subtitle stream 2 is converted from ass to mov_text"], ["h264", "aac", "mov_text"]),
        (".m4v", ["subtitle stream 2 is converted from ass to mov_text"], ["h264", "aac", "mov_text"]),
        (".mpg", ["from aac to mp2", "subtitle stream 2 is left out"], ["mpeg2video", "mp2"]),
        (".webm", ["from aac to opus", "from ass to webvtt"], ["vp9", "opus", "webvtt"]),
        (".flv", ["subtitle stream 2 is left out: .flv does not take it"], ["h264", "aac"]),
    ],
)
def test_the_line_converts_or_leaves_out_what_the_container_does_not_take(
    make_clip: MakeClip,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    suffix: str,
    told: list[str],
    codecs: list[str],
) -> None:
    plain, source = make_clip("plain.mkv", audio=True), tmp_path / "in.mkv"
    with av.open(str(plain)) as given, av.open(str(source), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in given.streams}
        text = container.add_stream("ass")
        text.codec_context.subtitle_header = b"[Script Info]\nScriptType: v4.00+\n"
        for packet in given.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
        cue = av.Packet(b"0,0,Default,,0,0,0,,cue")
        cue.pts, cue.dts, cue.duration, cue.time_base, cue.stream = 0, 0, 100, Fraction(1, 1000), text
        container.mux(cue)
    run_line(source, tmp_path / f"out{suffix}", chain_text="null")
    assert all(one in caplog.text for one in told)
    with av.open(str(tmp_path / f"out{suffix}")) as made:
        assert [stream.codec_context.codec.canonical_name for stream in made.streams] == codecs


def test_the_line_for_a_file_gives_colours_and_sound_again(make_clip: MakeClip, tmp_path: Path) -> None:
    source, sink = make_clip("in.mp4", audio=True), tmp_path / "a sink.mp4"
    line = commands(source, sink)
    assert "'" + str(sink) + "'" in line
    assert "--matrix bt709" in line
    assert "-colorspace bt709" in line
    run_line(source, sink)
    assert [frame.time for frame in decode(sink)] == pytest.approx([frame.time for frame in decode(source)], abs=1e-4)
    assert np.mean(luma(sink)) > np.mean(luma(source)) + 20
    assert [data for _, _, data in packets(sink, "audio")] == [data for _, _, data in packets(source, "audio")]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    "case",
    [
        {"pts": TIMES},
        {"pts": TIMES, "delay": Fraction(1, 2), "options": {"bf": "0"}},
        {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": "log-level=error"}},
    ],
    ids=["a variable rate", "a picture that begins after its sound", "ten bits"],
)
def test_the_line_for_a_file_keeps(make_clip: MakeClip, tmp_path: Path, suffix: str, case: dict[str, Any]) -> None:
    options = dict(case)
    delay = options.pop("delay", None)
    source = make_clip(f"in{suffix}", frames=6, rate=25, audio=True, **options)
    source, sink = turned(source, delay=delay) if delay else source, tmp_path / f"out{suffix}"
    run_line(source, sink, quality="realtime")
    assert colours(sink) == colours(source)
    found, given = sounds(sink), sounds(source)
    assert [data for _, data in found] == [data for _, data in given]
    # Matroska's writer moves everything so that nothing is before 0: what counts is the distance to the sound.
    before, after = (
        [frame.time - told[0][0] for frame in decode(path)] for path, told in ((source, given), (sink, found))
    )
    assert after == pytest.approx(before, abs=1e-3)


def flat(path: Path, *, aspect: Fraction = Fraction(1), setting: str = "") -> Path:
    """Grey video whose pixels have a shape, or through FFmpeg's setparams."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": "tff=1"} if setting else {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        frames = [av.VideoFrame.from_ndarray(np.full((72, 64), 90, np.uint8), format="yuv420p") for _ in range(3)]
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index, Fraction(1, 25)
        for frame in through(iter(frames), "setparams", setting) if setting else frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("degrees", [0, 90])
def test_the_line_for_a_file_keeps_the_shape_of_pixels(tmp_path: Path, degrees: int) -> None:
    source, sink = flat(tmp_path / "in.mp4", aspect=Fraction(16, 11)), tmp_path / "out.mp4"
    run_line(turned(source, degrees=degrees) if degrees else source, sink, chain_text="null")
    with VideoSource(sink) as made:
        assert made.facts.sample_aspect_ratio == (Fraction(11, 16) if degrees else Fraction(16, 11))


def test_no_line_is_written_for_interlaced_video(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"interlaced.*exdnet enhance"):
        commands(flat(tmp_path / "in.mp4", setting="field_mode=tff"), tmp_path / "out.mp4")


def test_the_line_for_a_file_sets_a_turned_picture_upright(make_clip: MakeClip, tmp_path: Path) -> None:
    pictures = dark_frames(4, (48, 64), peak=20)
    for picture in pictures:
        picture[:8, :8] = 200  # the corner that shows how it lies
    source, sink = turned(make_clip("in.mp4", frames=pictures), degrees=90), tmp_path / "out.mp4"
    assert decode(source)[0].rotation == 90
    run_line(source, sink, chain_text="null")
    upright = decode(sink)[0]
    assert (upright.width, upright.height, upright.rotation) == (48, 64, 0)
    expected = np.rot90(decode(source)[0].to_ndarray(format="gray"))
    assert np.abs(upright.to_ndarray(format="gray").astype(int) - expected).mean() < 3


def test_the_line_for_a_file_makes_yuv_of_rgb_by_the_matrix_that_it_tells(tmp_path: Path) -> None:
    source, sink = tmp_path / "in.mov", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 720, "rgb24"
        picture = np.full((720, 64, 3), (200, 30, 40), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    run_line(source, sink, chain_text="null")
    frame = decode(sink)[0]
    assert (int(frame.colorspace), int(frame.color_range)) == (1, 1)
    assert [float(plane.mean()) for plane in frame_planes(frame)] == pytest.approx([73.5, 115.2, 201.5], abs=1.5)


def test_each_frame_goes_on_before_the_next_one_comes() -> None:
    content = raw("y4m", "yuv420p", list(range(6)))
    header = content.index(b"FRAME")
    length = (len(content) - header) // 6
    command = [sys.executable, "-m", "exdnet_plugin", "pipe", "--chain", CURVE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin
        assert process.stdout
        out, came = process.stdout.fileno(), bytearray()

        def collect() -> None:
            while part := os.read(out, 1 << 16):
                came.extend(part)

        reader = threading.Thread(target=collect)
        reader.start()
        for number in range(1, 7):
            process.stdin.write(content[:header] if number == 1 else b"")
            process.stdin.write(content[header + (number - 1) * length : header + number * length])
            process.stdin.flush()
            within = time.monotonic() + 30
            while number > 2 and len(came) < (number - 1) * length and time.monotonic() < within:
                time.sleep(0.01)
            assert number <= 2 or len(came) >= (number - 1) * length
        process.stdin.close()
        reader.join()
