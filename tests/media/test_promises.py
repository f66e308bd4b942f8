"""What people complain of in other enhancers, and what they ask for: a test for each."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from conftest import Identity, dark_frames, decode, luma
from facts_sources import INTERLACED, plain, sound, with_extra

from exdnet_plugin import MediaError, enhance_video
from exdnet_plugin.media.decoder import Decoder
from exdnet_plugin.media.ffmpeg_filter import _tone_map, through
from exdnet_plugin.media.frames import frame_planes
from exdnet_plugin.media.source import Excerpt, VideoSource

Run = Callable[..., tuple[int, str, str]]


class Brighter(Identity):
    def process(self, frames: Any, times: Any) -> Any:
        return frames**0.7


def tags(path: Path) -> list[int]:
    frame = decode(path)[0]
    return [int(getattr(frame, tag)) for tag in ("colorspace", "color_primaries", "color_trc", "color_range")]


BARS = [
    (235, 128, 128),
    (210, 16, 146),
    (170, 166, 16),
    (145, 54, 34),
    (106, 202, 222),
    (81, 90, 240),
    (41, 240, 110),
    (16, 128, 128),
]


@pytest.mark.parametrize("range_", [1, 2])
@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 9])
def test_colours_do_not_shift(tmp_path: Path, matrix: int, range_: int) -> None:
    """corrscope#365, HandBrake#2365, torchcodec#1262: colour bars come back as they were, tagged as they were."""
    source, sink = tmp_path / "in.mkv", tmp_path / "out.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = matrix, matrix, 1, range_
        if matrix == 4:
            context.color_primaries = 4
        frame = av.VideoFrame(128, 64, "yuv420p")
        for plane, codes in zip(frame_planes(frame), zip(*BARS, strict=True), strict=True):
            plane[...] = np.repeat(np.array(codes, np.uint8), plane.shape[1] // 8)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        frame.colorspace, frame.color_range = matrix, range_
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    report = enhance_video(source, sink, chain=[Identity()], codec="ffv1")
    assert tags(sink) == tags(source)
    assert not report.notes
    for before, after, most in zip(
        frame_planes(decode(source)[0]), frame_planes(decode(sink)[0]), (1, 2, 2), strict=True
    ):
        assert np.abs(before.astype(int) - after).max() <= most


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_and_ten_bits_are_not_lost(tmp_path: Path, transfer: int) -> None:
    """nunif#372: a PQ or HLG clip gets brighter and stays HDR in 10 bits, and its highlights stay."""
    source, sink = tmp_path / "in.mkv", tmp_path / "out.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 9, 9, transfer, 1
        frame = av.VideoFrame(96, 64, "yuv420p10le")
        planes = frame_planes(frame)
        planes[0][...] = np.linspace(64 + 60, 64 + 300, 96).astype(np.uint16)
        planes[0][20:40, 40:60] = 64 + 800  # a lamp of about 3,300 cd/m² in PQ
        planes[1][...] = planes[2][...] = 512
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    enhance_video(source, sink, chain=[Brighter()])
    before, after = decode(source)[0], decode(sink)[0]
    assert (after.format.name, tags(sink)) == ("yuv420p10le", [9, 9, transfer, 1])
    assert frame_planes(after)[0].mean() > frame_planes(before)[0].mean() + 20
    assert abs(int(frame_planes(after)[0][30, 50]) - (64 + 800)) <= 4
    with pytest.raises(MediaError, match=r"HDR needs 10 bits.*--hdr sdr"):
        enhance_video(source, tmp_path / "no.mp4", codec="libx264", pixel_format="yuv420p")


def test_hdr_is_tone_mapped_when_asked(tmp_path: Path, exdnet: Run) -> None:
    source = plain(tags=(9, 9, 16, 1), codec="libx265", pix_fmt="yuv420p10le", **{"x265-params": "log-level=error"})(
        tmp_path
    )
    code, _, said = exdnet("enhance", source, tmp_path / "out.mkv", "--hdr", "sdr", "--chain", "null")
    assert code == 0
    assert "HDR (smpte2084) is tone-mapped to SDR, BT.709" in said
    assert tags(tmp_path / "out.mkv") == [1, 1, 1, 1]
    assert luma(tmp_path / "out.mkv")[0] < luma(source)[0], "PQ codes shadows higher than gamma does"


def test_hdr_that_cannot_be_sought_in_is_tone_mapped_from_a_time_on(tmp_path: Path) -> None:
    """Raw HEVC tells no times: a part of it is found by reading from the beginning."""
    source = plain(tags=(9, 9, 16, 1), codec="libx265", pix_fmt="yuv420p10le", **{"x265-params": "log-level=error"})(
        tmp_path
    )
    raw, start = tmp_path / "in.hevc", Fraction(2, 25)
    with av.open(str(source)) as container, av.open(str(raw), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    whole, part = tmp_path / "whole.mkv", tmp_path / "part.mkv"
    enhance_video(raw, whole, chain="null", hdr="sdr", codec="ffv1")
    enhance_video(raw, part, chain="null", hdr="sdr", codec="ffv1", start=start)
    expected = [frame.to_ndarray().tobytes() for frame in decode(whole)]
    assert [frame.to_ndarray().tobytes() for frame in decode(part)] == expected[2:]


def test_a_seek_makes_no_table_for_tone_mapping_anew(tmp_path: Path) -> None:
    """swscale's takes seconds, and the preview seeks at every loop."""
    source = plain(tags=(9, 9, 16, 1), codec="ffv1", pix_fmt="yuv420p10le")(tmp_path)
    _tone_map.cache_clear()
    for start in (Fraction(0), Fraction(1, 25), Fraction(2, 25)):
        with VideoSource(source, excerpt=Excerpt(start), to_sdr=True) as opened:
            assert {frame.color_trc for frame in opened.frames()} == {1}
    assert _tone_map.cache_info().misses == 1


def test_sound_does_not_drift_and_a_variable_rate_does_not_break(tmp_path: Path) -> None:
    """video2x#1360, VideoJaNai#34: every frame at its time and every sample at its place, in mp4 to the sample."""
    pts = [0, 33, 66, 133, 134, 300, 333, 720, 1001, 1034]
    source, sink = with_extra(".mp4", sound("aac"), pts)(tmp_path), tmp_path / "out.mp4"
    enhance_video(source, sink, chain=[Identity()])
    assert [f.pts * f.time_base for f in decode(sink)] == [f.pts * f.time_base for f in decode(source)]

    def samples(path: Path) -> list[tuple[int | None, bytes]]:
        with av.open(str(path)) as container:
            return [(f.pts, f.to_ndarray().tobytes()) for f in container.decode(audio=0)]

    assert samples(sink) == samples(source) != []


class FieldMeans(Identity):
    """Each picture becomes flat: fields that were mixed would show."""

    def process(self, frames: Any, times: Any) -> Any:
        assert frames.shape[2:] == (32, 96)
        return frames.mean(dim=(2, 3), keepdim=True).expand_as(frames)


def interlaced(folder: Path, level: int = 50) -> Path:
    """Interlaced video of something that moves."""
    path = folder / "in.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.flags |= INTERLACED
        stream.codec_context.field_order = 2
        for frame in through(iter(fields(level)), "setparams", "field_mode=tff"):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def fields(level: int) -> list[av.VideoFrame]:
    """A bright bar that moves 8 pixels a field; lower fields have a ground of their own level."""
    frames = []
    for index in range(5):
        frame = av.VideoFrame(96, 64, "yuv420p")
        planes = frame_planes(frame)
        planes[1][...] = planes[2][...] = 128
        for parity, ground in ((0, 50), (1, level)):
            planes[0][parity::2] = ground
            start = 16 * index + 8 * parity
            planes[0][parity::2, start : start + 12] = 200
        frame.pts, frame.time_base = index, Fraction(1, 25)
        frames.append(frame)
    return frames


def test_interlaced_video_is_handled_by_field(tmp_path: Path) -> None:
    source, sink = interlaced(tmp_path), tmp_path / "out.mkv"
    enhance_video(source, sink, chain=[FieldMeans()], codec="ffv1")
    frame = decode(sink)[2]
    assert frame.interlaced_frame
    upper, lower = (frame_planes(frame)[0][start::2].astype(int) for start in (0, 1))
    assert np.ptp(upper) == np.ptp(lower) == 0, "each field became flat by itself"
    assert upper[0, 0] > 60


def test_fields_come_in_the_order_in_which_they_are_shown(tmp_path: Path) -> None:
    from exdnet_plugin.media.facts import VideoFacts

    seen = []

    class Watching(Identity):
        def process(self, frames: Any, times: Any) -> Any:
            seen.append((round(float(times[0]), 3), float(frames.mean())))
            return frames

    source = interlaced(tmp_path, level=90)
    for bottom_first in (False, True):
        seen.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(VideoFacts, "bottom_first", bottom_first)
            enhance_video(source, tmp_path / "out.mkv", chain=[Watching()], codec="ffv1", overwrite=True)
        assert [moment for moment, _ in seen[:4]] == [0, 0.02, 0.04, 0.06]
        assert (seen[0][1] > seen[1][1]) == bottom_first
        assert [f.to_ndarray().tobytes() for f in decode(tmp_path / "out.mkv")] == [
            f.to_ndarray().tobytes() for f in decode(source)
        ]


def test_interlaced_video_is_deinterlaced_on_request(tmp_path: Path, exdnet: Run) -> None:
    source, sink = interlaced(tmp_path), tmp_path / "out.mkv"
    code, _, said = exdnet("enhance", source, sink, "--deinterlace", "--chain", "null", "--codec", "ffv1")
    assert code == 0, said
    result = decode(sink)
    assert [f.pts * f.time_base for f in result] == [f.pts * f.time_base for f in decode(source)]
    assert not result[1].interlaced_frame
    combed, whole = (
        np.abs(np.diff(frame_planes(f)[0].astype(int), axis=0)).sum() for f in (decode(source)[2], result[2])
    )
    assert whole < combed / 4


def test_captions_in_the_picture_stream_survive(tmp_path: Path, shared: Path) -> None:
    """What decoders hang on frames (closed captions, light levels) goes to the encoder with the enhanced frame."""
    from exdnet_plugin.media.frames import frame_from_planes

    source = plain(
        tags=(9, 9, 16, 1),
        codec="libx265",
        pix_fmt="yuv420p10le",
        **{"x265-params": "log-level=error:hdr10=1:max-cll=900,300"},
    )(tmp_path)
    frame = decode(source)[0]
    changed = frame_from_planes([plane // 2 for plane in frame_planes(frame)], frame)
    assert Type.CONTENT_LIGHT_LEVEL in [item.type for item in changed.side_data]  # type: ignore[attr-defined]
    assert changed.pts == 0


def test_alpha_survives_where_the_encoder_has_it(tmp_path: Path) -> None:
    source, sink = tmp_path / "in.mkv", tmp_path / "out.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuva420p"
        frame = av.VideoFrame(96, 64, "yuva420p")
        for index, plane in enumerate(frame_planes(frame)):
            plane[...] = (60, 128, 128, np.arange(96, dtype=np.uint8))[index]
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    enhance_video(source, sink, chain=[Brighter()], codec="ffv1")
    assert np.array_equal(frame_planes(decode(sink)[0])[3], frame_planes(decode(source)[0])[3])
    report = enhance_video(source, tmp_path / "out.mp4", chain="null")
    assert any("yuva420p is encoded as yuv420p" in note for note in report.notes)


def test_frames_that_share_a_time_are_kept_and_told(tmp_path: Path) -> None:
    """Frames of one time cannot be written: each goes a tick behind the one before."""
    decoder = Decoder(plain(pts=[0, 40, 80])(tmp_path))
    frames = [decoder.alike(frame) for frame in dark_av_frames([80, 80, 70])]
    assert [frame.pts for frame in frames] == [80, 81, 82]
    assert any("share a time" in note for note in decoder.notes)


def dark_av_frames(pts: list[int]) -> list[av.VideoFrame]:
    frames = []
    for picture, moment in zip(dark_frames(len(pts), (64, 96)), pts, strict=True):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = moment, Fraction(1, 1000)
        frames.append(frame)
    return frames
