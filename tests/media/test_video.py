"""A video file through the whole pipeline: brighter, times kept, every other stream copied, nothing half-written."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from conftest import Identity, MakeClip, dark_frames, decode, luma, packets

import exdnet_plugin
from exdnet_plugin import enhance_video
from exdnet_plugin.media.frames import frame_planes
from exdnet_plugin.media.source import VideoSource
from exdnet_plugin.plugins import Plugins


class Failing(Identity):
    def process(self, frames, times):
        if times[0] > 0.2:
            raise ZeroDivisionError("no light left")
        return frames


def test_the_result_is_brighter_and_has_the_same_times_and_sound(make_clip: MakeClip, tmp_path: Path) -> None:
    source, sink = make_clip("in.mp4", frames=12, audio=True), tmp_path / "out.mp4"
    report = enhance_video(source, sink)
    assert np.mean(luma(sink)) > np.mean(luma(source)) + 30
    assert [(f.pts, f.time_base) for f in decode(sink)] == [(f.pts, f.time_base) for f in decode(source)]
    assert packets(sink, "audio") == packets(source, "audio")
    assert (report.frames, report.lost, report.sink) == (12, 0, sink)
    assert set(report.seconds) == {"decode", "filter", "encode", "write"}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("exdnet-")]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts", ".avi"])
def test_every_container_plays(make_clip: MakeClip, tmp_path: Path, suffix: str) -> None:
    source, sink = make_clip("in.mp4", frames=6, audio=True), tmp_path / f"out{suffix}"
    enhance_video(source, sink, chain="null")
    assert len(decode(sink)) == 6


def test_a_usual_range_that_the_encoder_does_not_write_is_no_loss(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.color_range = 1
        frame = av.VideoFrame.from_ndarray(np.full((72, 64), 60, np.uint8), format="yuv420p")
        container.mux([*video.encode(frame), *video.encode(None)])
    with VideoSource(source) as opened:
        assert opened.facts.tags.names().range == "limited"
    report = enhance_video(source, tmp_path / "out.mp4", chain="null")
    assert not [note for note in report.notes if "range" in note]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi", ".mpg"])
def test_a_tape_has_its_own_rate(tmp_path: Path, suffix: str) -> None:
    """FFmpeg tells raw DV's clock, 60000 ticks a second, as its rate."""
    source = tmp_path / "in.dv"
    with av.open(str(source), "w", format="dv") as container:
        video = container.add_stream("dvvideo", rate=25)
        video.width, video.height, video.pix_fmt = 720, 576, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=48000, layout="stereo")
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((864, 720), 90, np.uint8), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1920 * 2), np.int16), format="s16", layout="stereo")
            silence.sample_rate, silence.pts, silence.time_base = 48000, number * 1920, Fraction(1, 48000)
            container.mux(sound.encode(silence))
        container.mux(video.encode(None))
    enhance_video(source, tmp_path / f"out{suffix}", chain="null")
    assert len(decode(tmp_path / f"out{suffix}")) == len(decode(source)) == 5


def test_transparency_beside_the_pictures_is_named(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.webm", frames=3, codec="libvpx-vp9", pix_fmt="yuva420p")
    report = enhance_video(source, tmp_path / "out.mkv", chain="null")
    assert any("transparency is left out" in note for note in report.notes)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert "alpha_mode" not in {name.lower() for name in container.streams.video[0].metadata}


def test_variable_frame_rate_and_offset_start_are_kept(make_clip: MakeClip, tmp_path: Path) -> None:
    pts = [1000, 1017, 1090, 1091, 1400, 1433, 2000]
    source = make_clip("in.mkv", frames=len(pts), pts=pts, time_base=Fraction(1, 1000))
    enhance_video(source, tmp_path / "out.mkv", chain="null")
    assert [f.pts for f in decode(tmp_path / "out.mkv")] == [f.pts for f in decode(source)] == pts


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), 25])
def test_times_are_exact_at_every_rate(make_clip: MakeClip, tmp_path: Path, rate: Fraction) -> None:
    source = make_clip("in.mp4", frames=20, rate=rate)
    enhance_video(source, tmp_path / "out.mp4", chain="null")
    times = [f.pts * f.time_base for f in decode(tmp_path / "out.mp4")]
    assert times == [f.pts * f.time_base for f in decode(source)]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p10le"])
def test_null_differs_by_the_codec_alone_and_a_lossless_one_not_at_all(
    make_clip: MakeClip, tmp_path: Path, pix_fmt: str
) -> None:
    source = make_clip("in.mkv", frames=3, codec="ffv1", pix_fmt=pix_fmt)
    enhance_video(source, tmp_path / "out.mkv", chain="null", codec="ffv1")
    for before, after in zip(decode(source), decode(tmp_path / "out.mkv"), strict=True):
        assert after.format.name == pix_fmt
        assert all(np.array_equal(a, b) for a, b in zip(frame_planes(before), frame_planes(after), strict=True))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv420p10le"])
def test_a_chain_that_converts_and_changes_nothing_changes_a_code_at_most(
    make_clip: MakeClip, tmp_path: Path, pix_fmt: str
) -> None:
    pictures = [np.clip(frame + 60, 0, 255).astype(np.uint8) for frame in dark_frames(3, (64, 96), noise=0.5)]
    source = make_clip("in.mkv", frames=pictures, codec="ffv1", pix_fmt=pix_fmt)
    enhance_video(source, tmp_path / "out.mkv", chain=[Identity()], codec="ffv1")
    for before, after in zip(decode(source), decode(tmp_path / "out.mkv"), strict=True):
        assert np.abs(before.to_ndarray().astype(int) - after.to_ndarray()).max() <= 1


def test_colour_tags_are_written_to_the_stream_and_the_frames(make_clip: MakeClip, tmp_path: Path) -> None:
    enhance_video(make_clip("in.mp4", frames=3), tmp_path / "out.mp4", chain="null")
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)


def test_ten_bits_stay_ten_bits(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", frames=3, codec="ffv1", pix_fmt="yuv420p10le")
    enhance_video(source, tmp_path / "out.mp4", chain="null")
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("hevc", "yuv420p10le")


def test_rotation_metadata_and_chapters_are_kept(make_clip: MakeClip, tmp_path: Path) -> None:
    plain, source = make_clip("plain.mp4", frames=4), tmp_path / "in.mp4"
    with av.open(str(plain)) as given, av.open(str(source), "w") as rotated:
        stream = rotated.add_stream_from_template(given.streams.video[0])
        stream.set_display_rotation(90)
        rotated.metadata["title"] = "Night"
        rotated.set_chapters(
            [{"id": 1, "start": 0, "end": 100, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}}]
        )
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = stream
                rotated.mux(packet)
    enhance_video(source, tmp_path / "out.mp4", chain="null")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["title"] == "Night"
        assert container.chapters()[0]["metadata"]["title"] == "One"
        assert next(container.decode(video=0)).rotation == decode(source)[0].rotation != 0


@pytest.mark.parametrize("size", [(101, 77), (1, 1), (2, 2), (16, 1)])
def test_odd_sizes_work(make_clip: MakeClip, tmp_path: Path, size: tuple[int, int]) -> None:
    pictures = dark_frames(3, (size[1], size[0]))
    source = make_clip("in.mkv", frames=pictures, codec="ffv1", pix_fmt="yuv420p")
    enhance_video(source, tmp_path / "out.mkv", codec="ffv1")
    enhance_video(source, tmp_path / "out.mp4")
    for sink in ("out.mkv", "out.mp4"):
        frame = decode(tmp_path / sink)[0]
        assert (frame.width, frame.height) == size


def test_a_truncated_matroska_says_how_much_is_missing(make_clip: MakeClip, tmp_path: Path) -> None:
    whole = make_clip("in.mkv", frames=72, options={"g": "4", "bf": "0"})
    assert not enhance_video(whole, tmp_path / "whole.mkv", chain="null").notes
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    notes = enhance_video(tmp_path / "cut.mkv", tmp_path / "out.mkv", chain="null").notes
    assert any("cut.mkv is cut off: it tells 3.0 s of video, and ends at 1." in note for note in notes)


def test_sound_that_an_edit_list_hides_stays_hidden(make_clip: MakeClip, tmp_path: Path) -> None:
    plain, source = make_clip("plain.mp4", frames=48, audio=True), tmp_path / "in.mp4"
    with av.open(str(plain)) as given, av.open(str(source), "w") as hiding:
        copies = [hiding.add_stream_from_template(stream) for stream in given.streams]
        for packet in given.demux():
            if packet.size:
                packet.stream, early = copies[packet.stream.index], packet.stream.type == "audio"
                packet.pts -= round(1 / packet.time_base) if early else 0
                packet.dts -= round(1 / packet.time_base) if early else 0
                hiding.mux(packet)
    for suffix in (".mp4", ".mkv", ".ts"):
        enhance_video(source, tmp_path / f"out{suffix}", chain="null")
        with av.open(str(tmp_path / f"out{suffix}")) as container:
            first, heard = (next(container.decode(**{kind: 0})) for kind in ("video", "audio"))
        assert float(first.time) < 0.2, suffix
        assert abs(float(heard.time) - float(first.time)) < 0.2, suffix


def test_a_truncated_file_yields_what_can_be_decoded_and_says_what_is_lost(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=48, faststart=True, options={"g": "4", "bf": "0"})
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10])
    report = enhance_video(source, tmp_path / "out.mp4", chain="null")
    assert 5 < report.frames < 48
    assert report.lost == 48 - report.frames
    assert len(decode(tmp_path / "out.mp4")) == report.frames


def nothing_is_left(folder: Path, *names: str) -> None:
    left = {path.name for path in folder.iterdir()} - set(names)
    assert not left, left


def test_an_error_in_a_processor_reaches_the_caller_and_leaves_nothing(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=24)
    with pytest.raises(ZeroDivisionError, match="no light left"):
        enhance_video(source, tmp_path / "out.mp4", chain=[Failing()])
    nothing_is_left(tmp_path, "in.mp4")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("exdnet-")]


def test_a_processor_that_changes_the_shape_is_named(make_clip: MakeClip, tmp_path: Path) -> None:
    class Halving(Identity):
        def process(self, frames, times):
            return frames[:, :, ::2]

    with pytest.raises(exdnet_plugin.PluginError, match=r"Halving.process gave .* must keep the shape"):
        enhance_video(make_clip("in.mp4"), tmp_path / "out.mp4", chain=[Halving()])


def test_stopping_from_outside_leaves_nothing(make_clip: MakeClip, tmp_path: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        assert total == 24
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enhance_video(make_clip("in.mp4", frames=24), tmp_path / "out.mp4", chain="null", progress=stop)
    nothing_is_left(tmp_path, "in.mp4")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("exdnet-")]


def test_plugins_hear_of_the_stream_with_its_report(make_clip: MakeClip, tmp_path: Path) -> None:
    heard = []

    class Listener:
        @exdnet_plugin.hookimpl
        def stream_opened(self, stream):
            heard.append((stream.width, stream.height, stream.pixel_format))

        @exdnet_plugin.hookimpl
        def stream_closed(self, stream, report):
            heard.append((report.frames, set(report.seconds)))

    plugins = Plugins(discover=False)
    plugins.add(Listener(), "listener")
    enhance_video(make_clip("in.mp4", frames=5), tmp_path / "out.mp4", chain="null", plugins=plugins)
    assert heard == [(96, 64, "yuv420p"), (5, {"decode", "filter", "encode", "write"})]


def test_real_footage_with_several_streams_keeps_them_all(shared: Path, tmp_path: Path) -> None:
    source, sink = shared / "data" / "clips" / "nasa_13013.mp4", tmp_path / "out.mp4"
    report = enhance_video(source, sink, chain="null")
    assert not report.notes
    for kind in ("audio", "subtitle"):
        assert [content for _, _, content in packets(sink, kind)] == [
            content for _, _, content in packets(source, kind)
        ]
    with av.open(str(source)) as before, av.open(str(sink)) as after:
        assert len(before.streams) == len(after.streams)
    assert [f.pts * f.time_base for f in decode(sink, 0)] == [f.pts * f.time_base for f in decode(source, 1)]


def test_memory_follows_the_queue_not_the_video(make_clip: MakeClip, tmp_path: Path) -> None:
    """Resident memory late in a long file is that of early in it."""
    source, seen = make_clip("in.mp4", frames=600, size=(320, 180)), {}

    def look(done: int, total: int | None) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        seen[done] = pages * os.sysconf("SC_PAGE_SIZE")

    enhance_video(source, tmp_path / "out.mp4", chain=[Identity()], progress=look)
    assert seen[600] <= seen[200] * 1.05


def test_the_filter_takes_tensors_and_arrays_and_gives_back_the_same_form() -> None:
    stream = exdnet_plugin.StreamInfo(32, 24, "yuv420p")
    arrays = [np.full(shape, 60, np.uint8) for shape in ((24, 32), (12, 16), (12, 16))]
    with exdnet_plugin.open_filter(stream) as opened:
        first = opened(arrays, 0.0)
        opened.reset()
        second = opened([torch.from_numpy(plane) for plane in arrays], 0.0)
    assert all(isinstance(plane, np.ndarray) for plane in first)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(first, second, strict=True))
    assert all((plane == 60).all() for plane in arrays)


def test_planes_that_do_not_fit_are_refused() -> None:
    with exdnet_plugin.open_filter(exdnet_plugin.StreamInfo(32, 24, "yuv420p"), chain=[Identity()]) as opened:
        with pytest.raises(ValueError, match=r"planes .* do not fit 32x24 yuv420p"):
            opened([np.zeros((24, 32), np.uint8)], 0.0)
        with pytest.raises(ValueError, match=r"must be torch.uint8"):
            opened([np.zeros(shape, np.uint16) for shape in ((24, 32), (12, 16), (12, 16))], 0.0)
