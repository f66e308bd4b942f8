"""Live streams over real sockets, files and pipes: what goes in comes out brighter, in step, and ends well."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import MakeClip, decode, luma, packets
from peers import COMMAND, CURVE, Peer, Running, free_port, until

from exdnet_plugin import MediaError, PluginError, Plugins, StreamInfo, hookimpl
from exdnet_plugin.live.capture import Capture
from exdnet_plugin.live.encoder import LiveEncoding
from exdnet_plugin.live.sinks import RECORDINGS, read_sink
from exdnet_plugin.live.sources import read_source
from exdnet_plugin.live.stream import LiveOptions, LiveStream
from exdnet_plugin.media.facts import ColorTags, VideoFacts

SMALL = ("--size", "320x180", "--rate", "25")


class Failing:
    """A processor that fails on every other picture."""

    count = 0

    def open(self, stream: object) -> None:
        pass

    def process(self, frames, times):
        Failing.count += 1
        if Failing.count % 2:
            raise RuntimeError("out of luck")
        return frames

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_a_stream_comes_out_brighter_with_its_sound(scheme: str) -> None:
    come, go = free_port(), free_port()
    listens = ("--listen",) if scheme == "tcp" else ()
    with (
        Peer("receive", f"{scheme}://127.0.0.1:{go}", *listens) as receiver,
        Peer("send", f"{scheme}://127.0.0.1:{come}", "--seconds", "30", "--sound", *SMALL, *listens),
        Running(read_source(f"{scheme}://127.0.0.1:{come}"), [read_sink(f"{scheme}://127.0.0.1:{go}")]),
    ):
        until(lambda: len(receiver.pictures) > 60, "no pictures come out")
    assert np.mean([row["luma"] for row in receiver.pictures[20:]]) > 60, "of about 45"
    times = [row["time"] for row in receiver.pictures]
    assert np.diff(times).min() > 0
    assert any("sound" in row for row in receiver.rows)
    late = [row["latency"] for row in receiver.pictures[20:]]
    assert None not in late, "stamps outlive the way"


def test_sound_and_pictures_stay_in_step(tmp_path: Path) -> None:
    """The sender beeps at the start of each second, and a picture's stamp says when it was made."""
    come, sink = free_port(), tmp_path / "out.mkv"
    with (
        Peer("send", f"tcp://127.0.0.1:{come}", "--seconds", "30", "--sound", "--listen", *SMALL),
        Running(read_source(f"tcp://127.0.0.1:{come}"), [read_sink(str(sink))]) as running,
    ):
        until(lambda: running.live.figures.frames_out > 100, "no pictures")
    with av.open(str(sink)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        first = float(container.streams.audio[0].start_time * container.streams.audio[0].time_base)
    loud = np.flatnonzero(np.abs(sound) > 0.2) / 48000 + first
    beeps = loud[np.flatnonzero(np.diff(loud, prepend=-1) > 0.5)]
    frames = decode(sink)
    first = bar_number(frames[0])
    assert len(beeps) >= 3
    for beep in beeps[1:]:
        at = min(frames, key=lambda frame: abs(frame.time - beep))
        second = round(beep + first / 25)  # beep b sounds with picture 25 b
        apart = (25 * second - bar_number(at) + 16) % 32 - 16
        assert abs(apart) <= 2, f"sound and picture are {apart / 25:g} s apart at {beep:.2f} s"


def bar_number(frame: av.VideoFrame) -> int:
    """Which of the sender's 32 pictures it is, by the bar that moves."""
    row = frame.to_ndarray(format="gray")[frame.height * 5 // 8].astype(float)
    left = int(np.argmax(np.convolve(row, np.ones(frame.width // 6), "valid")))
    return round(left * 32 / (frame.width // 2))


def test_one_source_goes_to_several_sinks(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=75, rate=25, audio=True)
    sinks = [read_sink(str(tmp_path / name)) for name in ("a.mkv", "b.mp4", "live.m3u8")]
    with Running(read_source(str(source)), sinks, drop="never") as running:
        running.wait()
    assert running.error is None
    assert running.report is not None
    assert running.report.frames == 75
    for name in ("a.mkv", "b.mp4", "live.m3u8"):
        assert len(decode(tmp_path / name)) == 75, name
        assert np.mean(luma(tmp_path / name)) > np.mean(luma(source)) + 20
        assert packets(tmp_path / name, "audio")
    playlist = (tmp_path / "live.m3u8").read_text()
    assert "#EXT-X-ENDLIST" in playlist


def test_every_kind_of_recording_holds_pictures_and_sound(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=50, rate=25, audio=True)
    names = [f"cam{suffix}" for suffix in sorted(RECORDINGS - {".webm"})]  # which takes VP9 and AV1 alone
    sinks = [read_sink(str(tmp_path / name)) for name in names]
    with Running(read_source(str(source)), sinks, drop="never", chain="null") as running:
        running.wait()
    assert running.error is None
    assert not running.live.figures.reopened
    assert {name: len(decode(tmp_path / name)) for name in names} == dict.fromkeys(names, 50)
    assert all(packets(tmp_path / name, "audio") for name in names)


def test_hls_removes_old_segments(tmp_path: Path) -> None:
    source = read_source("lavfi:testsrc2=size=64x48:rate=200:duration=60")
    object.__setattr__(source, "paced", False)
    playlist = tmp_path / "live.m3u8"
    with Running(source, [read_sink(str(playlist))], drop="never", chain="null") as running:
        running.wait(60)
    assert len(list(tmp_path.glob("*.ts"))) <= 9
    assert playlist.read_text().count("#EXTINF") <= 6


def test_recordings_are_cut_into_files(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=150, rate=25)
    with Running(read_source(str(source)), [read_sink(str(tmp_path / "cam.mkv"), segment=2)], drop="never") as running:
        running.wait()
    files = sorted(tmp_path.glob("cam-2*.mkv"))
    assert len(files) == 3
    assert sum(len(decode(file)) for file in files) == 150


@pytest.mark.parametrize("form", ["y4m", "mpegts", "raw"])
def test_standard_output_is_a_sink(make_clip: MakeClip, form: str) -> None:
    source = make_clip("in.mp4", frames=25, size=(64, 48))
    command = [*COMMAND, str(source), "-", "--pipe-format", form, "--drop", "never", "--chain", CURVE]
    done = subprocess.run(command, capture_output=True, check=True)
    if form == "raw":
        assert len(done.stdout) == 25 * 64 * 48 * 3 // 2
    else:
        with av.open(io.BytesIO(done.stdout)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 25
    assert b"25 frames" in done.stderr


def test_standard_input_is_a_source(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.ts", frames=25)
    command = [*COMMAND, "-", str(tmp_path / "out.mkv"), "--drop", "never", "--chain", CURVE]
    subprocess.run(command, input=source.read_bytes(), check=True, capture_output=True)
    assert len(decode(tmp_path / "out.mkv")) == 25


def test_a_container_that_does_not_take_the_codec_is_told(tmp_path: Path) -> None:
    sinks = [read_sink(str(tmp_path / "out.webm"))]
    with Running(read_source("lavfi:testsrc2=size=64x48"), sinks, chain="null") as running:
        running.wait()
    assert isinstance(running.error, MediaError)
    assert "webm takes no libx264; give another --codec" in str(running.error)


def test_a_stream_that_begins_on_the_way_is_passed_over_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """PyAV fails at each of its packets."""

    class Container:
        failures = 3

        def demux(self, streams: list[object]) -> Iterator[object]:
            self.failures -= 1
            if self.failures >= 0:
                raise IndexError("list index out of range")
            yield from ()

        def close(self) -> None:
            pass

    caplog.set_level("INFO", "exdnet.live")
    with Capture(read_source("lavfi:testsrc2=size=64x48:duration=0.1"), 5.0) as capture:
        capture._container.close()
        capture._container = Container()  # type: ignore[assignment]
        assert list(capture.grabbed()) == []
    assert sum("a stream that begins on the way" in message for message in caplog.messages) == 1


def test_a_sink_given_twice_is_refused() -> None:
    done = subprocess.run([*COMMAND, "lavfi:testsrc2", "a.mkv", "a.mkv"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "a.mkv is given twice" in done.stderr


def test_the_source_is_never_written_over(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4")
    (tmp_path / "other.mp4").symlink_to(source)
    before = source.read_bytes()
    for sink in (source, tmp_path / "other.mp4"):
        command = [*COMMAND, str(source), str(sink), "--overwrite", "--chain", "null"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, "is the source itself" in done.stderr) == (2, True)
    assert source.read_bytes() == before


def test_odd_sizes_and_names_with_a_colon_go_through(make_clip: MakeClip, tmp_path: Path, monkeypatch) -> None:
    make_clip("12:30.mkv", size=(101, 77), codec="ffv1")
    monkeypatch.chdir(tmp_path)
    command = [*COMMAND, "12:30.mkv", "12:31.mkv", "--drop", "never", "--chain", "null"]
    subprocess.run(command, check=True, capture_output=True)
    assert [(frame.width, frame.height) for frame in decode(tmp_path / "12:31.mkv")] == [(101, 77)] * 12


def test_av1_goes_into_a_recording(tmp_path: Path) -> None:
    source, sink = read_source("lavfi:testsrc2=size=64x64:duration=1"), tmp_path / "out.mkv"
    encoding = LiveEncoding(codec="libsvtav1", preset="12")
    with Running(source, [read_sink(str(sink))], chain="null", drop="never", encoding=encoding) as running:
        running.wait()
    assert len(packets(sink, "video")) == 25


def test_a_processor_that_fails_lets_pictures_pass(tmp_path: Path, make_clip: MakeClip) -> None:
    source, sink = make_clip("in.mp4", frames=50), tmp_path / "out.mkv"
    Failing.count = 0
    plugins = with_failing()
    options = {"chain": "failing", "quality": "exact", "plugins": plugins, "drop": "never"}
    with Running(read_source(str(source)), [read_sink(str(sink))], **options) as running:
        running.wait()
    assert running.error is None
    assert len(decode(sink)) == 50
    assert running.live.figures.unfiltered == 25


def test_strict_ends_at_a_processor_that_fails(tmp_path: Path, make_clip: MakeClip) -> None:
    source, sink = make_clip("in.mp4", frames=50), tmp_path / "out.mkv"
    Failing.count = 0
    options = {"chain": "failing", "quality": "exact", "plugins": with_failing(), "strict": True, "drop": "never"}
    with Running(read_source(str(source)), [read_sink(str(sink))], **options) as running:
        running.wait()
    until(lambda: all(thread.name != "exdnet-reader" for thread in threading.enumerate()), "the reader has ended")
    assert isinstance(running.error, PluginError)
    assert str(running.error) == "RuntimeError: out of luck, raised by process of processor failing of plugin mine"
    assert isinstance(running.error.__cause__, RuntimeError)


def with_failing() -> Plugins:
    class Module:
        @hookimpl
        def register_frame_processors(self, register) -> None:
            register("failing", Failing)

    plugins = Plugins(discover=False)
    plugins.add(Module(), "mine")
    return plugins


def test_another_size_gets_black_bars_and_times_go_on(tmp_path: Path) -> None:
    come, sink = free_port(), tmp_path / "out.mkv"
    url = f"tcp://127.0.0.1:{come}"
    with Running(read_source(url), [read_sink(str(sink))], patience=4.0) as running:  # 10 a second are looked at long
        with Peer("send", url, "--listen", "--seconds", "30", *SMALL):
            until(lambda: running.live.figures.frames_out > 30, "nothing comes")
        with Peer("send", url, "--listen", "--seconds", "30", "--size", "320x320", "--rate", "10"):
            before = running.live.figures.frames_out
            until(lambda: running.live.figures.frames_out > before + 15, "the source is not taken up again")
        assert running.live.figures.reconnects >= 1
    frames = decode(sink)
    assert {(frame.width, frame.height) for frame in frames} == {(320, 180)}
    assert np.diff([frame.time for frame in frames]).min() > 0
    last = frames[-1].to_ndarray(format="gray")
    assert last[60:, :40].mean() < 20, "bars at the sides"
    assert last[60:, 100:220].mean() > 40


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"tcp://127.0.0.1:{free_port()}", "refuses the connection"),
        ("udp://127.0.0.1:{port}", "is silent: nothing came for 2 s"),
        (f"rtsp://user:s3cret@127.0.0.1:{free_port()}/x", r"rtsp://\*\*\*@127.0.0.1:\d+/x refuses the connection"),
    ],
)
def test_a_source_that_is_not_there_is_one_line(url: str, message: str, tmp_path: Path) -> None:
    source = read_source(url.format(port=free_port()))
    with Running(source, [read_sink(str(tmp_path / "out.mkv"))], reconnect=False) as running:
        running.wait()
    assert isinstance(running.error, MediaError)
    assert re.search(message, str(running.error)), running.error
    assert "s3cret" not in str(running.error)
    assert not list(tmp_path.iterdir())


def test_what_is_no_video_is_told_and_tried_again(tmp_path: Path) -> None:
    port = free_port()
    source = read_source(f"udp://127.0.0.1:{port}")
    with (
        Running(source, [read_sink(str(tmp_path / "out.mkv"))]) as running,
        socket.socket(type=socket.SOCK_DGRAM) as one,
    ):
        stop = time.monotonic() + 3
        while time.monotonic() < stop:
            one.sendto(os.urandom(1316), ("127.0.0.1", port))
            time.sleep(0.002)
        with Peer("send", f"udp://127.0.0.1:{port}?pkt_size=1316", "--seconds", "20", *SMALL):
            until(lambda: running.live.figures.frames_out > 10, "real video is not taken up behind garbage")


def test_a_preset_is_what_was_asked_for() -> None:
    facts = VideoFacts(96, 64, "yuv420p", Fraction(1, 25), Fraction(25), None, ColorTags(1, 1, 1, 1))
    for codec, by_default in (("libx264", "superfast"), ("hevc_nvenc", "p4")):
        assert LiveEncoding(codec).of(facts).options["preset"] == by_default
        assert LiveEncoding(codec, preset="slow").of(facts).options["preset"] == "slow"


def test_a_wrong_encoder_option_is_told(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4")
    command = [*COMMAND, str(source), str(tmp_path / "out.mkv"), "--option", "presset=slow"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "has no option 'presset'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        (LiveEncoding("nosuchcodec"), "codec 'nosuchcodec'"),
        (LiveEncoding(options={"presset": "slow"}), "no option 'presset'"),
    ],
)
def test_a_wrong_encoder_ends_a_stream_whose_source_would_be_opened_again(
    tmp_path: Path, encoding: LiveEncoding, said: str
) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    with Peer("send", url, "--size", "320x180", "--rate", "25", "--listen") as sender:
        assert sender.opened
        live = LiveStream(
            read_source(url), [read_sink(str(tmp_path / "out.mkv"))], LiveOptions("null", encoding=encoding)
        )
        late = threading.Timer(20, live.stop)
        late.start()
        with pytest.raises(MediaError, match=said):
            live.run()
        late.cancel()


def test_an_address_comes_from_the_environment(make_clip: MakeClip, tmp_path: Path) -> None:
    source, sink = make_clip("in.mp4"), tmp_path / "out.mkv"
    command = [*COMMAND, "env:CAMERA", str(sink), "--drop", "never", "--chain", "null"]
    subprocess.run(command, env=os.environ | {"CAMERA": str(source)}, check=True, capture_output=True)
    assert decode(sink)
    done = subprocess.run([*COMMAND, "env:NOTHING", "x.mkv"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no variable NOTHING in the environment" in done.stderr


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed, so there is no screen to take")
def test_a_screen_is_a_source(tmp_path: Path) -> None:
    display, sink = ":77", tmp_path / "out.mkv"
    server = subprocess.Popen(["Xvfb", display, "-screen", "0", "320x240x24"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: Path("/tmp/.X11-unix/X77").exists(), "Xvfb does not start")
        source = read_source(f"screen:{display}", options={"video_size": "320x240"})
        with Running(source, [read_sink(str(sink))]) as running:
            until(lambda: running.live.figures.frames_out > 10, "the screen gives no pictures")
    finally:
        server.kill()
        server.wait()
    assert len(decode(sink)) > 5


def test_a_budget_of_latency_brings_quality_down(tmp_path: Path) -> None:
    source = read_source("lavfi:testsrc2=size=1280x720:rate=30")
    sinks = [read_sink(str(tmp_path / "out.mkv"))]
    with Running(source, sinks, chain="exdnet", quality="exact", latency=0.15) as running:
        figures = running.live.figures
        until(lambda: figures.level != "exact", "quality stays though latency is over its budget", 40)
        until(lambda: figures.frames_out > 60, "pictures do not flow")
    assert figures.changes
    assert figures.dropped["filter too slow"] + figures.dropped["late"] > 0
    assert figures.unfiltered == 0


def test_plugins_are_told_of_the_stream_alone_and_not_of_its_trial(make_clip: MakeClip, tmp_path: Path) -> None:
    seen: list[StreamInfo] = []

    class Watching:
        @hookimpl
        def stream_opened(self, stream) -> None:
            seen.append(stream)

    plugins = Plugins(discover=False)
    plugins.add(Watching(), "watching")
    source, sink = read_source(str(make_clip("in.mp4"))), read_sink(str(tmp_path / "out.mkv"))
    with Running(source, [sink], drop="never", plugins=plugins) as running:
        running.wait()
    assert len(seen) == 1
    assert (seen[0].width, seen[0].height) != (64, 64)
