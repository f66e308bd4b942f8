"""Sound whose channels have an order of their own, or none that is told, is heard from where it came."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from exdnet_plugin import enhance_video
from exdnet_plugin.media.channel_layout import distinct, layout_of

RATE = 48_000
CENTRE = 3  # Core Audio's label of a channel
# Core Audio's tags of layouts whose order is not FFmpeg's, and the names of their channels.
C_L_R, L_R_LS_RS_C_LFE = 0x0072_0003, 0x007A_0006


def tagged(tag: int) -> bytes:
    return struct.pack(">III", tag, 0, 0)


def labelled(*labels: int) -> bytes:
    return struct.pack(">III", 0, 0, len(labels)) + b"".join(struct.pack(">II3f", one, 0, 0, 0, 0) for one in labels)


def mov(path: Path, layout: str, channels: bytes) -> Path:
    """A video with PCM, a tone in each channel (400 Hz, 800 Hz, …), and what is said of them replaced."""
    pcm(path, layout)
    data = path.read_bytes()
    at = data.index(b"chan") - 4
    atom = struct.pack(">I", 12 + len(channels)) + b"chan\0\0\0\0" + channels
    size = int.from_bytes(data[at : at + 4], "big")
    made = bytearray(data[:at] + atom + data[at + size :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"sowt"):
        start = data.rfind(parent, 0, at) - 4
        longer = int.from_bytes(data[start : start + 4], "big") + len(atom) - size
        made[start : start + 4] = longer.to_bytes(4, "big")
    path.write_bytes(made)
    return path


def pcm(path: Path, layout: str, rate: int = RATE) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=rate, layout=layout)
        times = np.arange(rate) / rate
        pitches = 400 * (1 + np.arange(sound.codec_context.layout.nb_channels))
        tones = (9000 * np.sin(2 * np.pi * pitches * times[:, None])).astype(np.int16)
        for _ in range(25):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((72, 64), 60, np.uint8), format="yuv420p")))
        container.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(tones.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def heard(path: Path) -> dict[str, int]:
    """The pitch of each channel in the middle of a file, by the channel's name, or its number where it has none."""
    pieces = []
    with av.open(str(path)) as container:
        for decoded in container.decode(audio=0):
            frame = distinct(decoded)
            names = [channel.name for channel in layout_of(frame).channels]
            values = frame.to_ndarray()
            pieces.append(values if frame.format.is_planar else values.reshape(-1, len(names)).T)
            rate = frame.sample_rate
    middle = np.concatenate(pieces, axis=1)[:, rate // 4 : rate // 4 + rate // 10]
    found = (np.abs(np.fft.rfft(middle)).argmax(axis=1) * 10).tolist()
    return {str(n) if name == "NONE" else name: found[n] for n, name in enumerate(names)}


def enhanced(source: Path, sink: Path) -> str:
    """Enhance; what is noted."""
    return "\n".join(enhance_video(source, sink, chain="null").notes)


@pytest.mark.parametrize("suffix", [".webm", ".mkv", ".mp4", ".mov", ".avi", ".flv", ".ts"])
def test_channels_stay_where_they_are_heard(tmp_path: Path, suffix: str) -> None:
    source, sink = mov(tmp_path / "in.mov", "3.0", tagged(C_L_R)), tmp_path / f"out{suffix}"
    told = enhanced(source, sink)
    names = heard(sink)
    expected = {"FC": 400, "FL": 800, "FR": 1200}
    if suffix == ".mkv":  # which tells no names; FFmpeg's order is assumed
        names = dict(zip(("FL", "FR", "FC"), names.values(), strict=True))
    assert names == expected
    assert "3 channels (FC+FL+FR) to 3.0" in told


@pytest.mark.parametrize("suffix", [".webm", ".mp4", ".mpg"])
def test_two_voices_in_one_place_are_both_heard(tmp_path: Path, suffix: str) -> None:
    source, sink = mov(tmp_path / "in.mov", "stereo", labelled(CENTRE, CENTRE)), tmp_path / f"out{suffix}"
    enhanced(source, sink)
    assert heard(sink) == {"FL": 400, "FR": 800}


@pytest.mark.parametrize("middle", [".mkv", ".avi"])
@pytest.mark.parametrize("layout", ["stereo", "5.1"])
def test_pcm_whose_channels_nothing_tells_goes_into_mp4(tmp_path: Path, middle: str, layout: str) -> None:
    source = pcm(tmp_path / f"in{middle}", layout)
    enhanced(source, tmp_path / "out.mp4")
    assert list(heard(tmp_path / "out.mp4").values()) == [400 * (1 + n) for n in range(2 if layout == "stereo" else 6)]
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "pcm_s16le"


def test_pcm_goes_into_flv_at_any_rate(tmp_path: Path) -> None:
    for rate in (22_050, 44_100, 48_000):
        sink = tmp_path / f"{rate}.flv"
        enhanced(pcm(tmp_path / f"{rate}.mkv", "stereo", rate), sink)
        assert heard(sink) == {"FL": 400, "FR": 800}


def test_many_frames_of_an_order_of_their_own_are_decoded(tmp_path: Path) -> None:
    source = mov(tmp_path / "in.mov", "5.1", tagged(L_R_LS_RS_C_LFE))
    assert heard(source) == {"FL": 400, "FR": 800, "SL": 1200, "SR": 1600, "FC": 2000, "LFE": 2400}
