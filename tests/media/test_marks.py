"""What hangs on frames beside their pixels: marks of how they are shown, and metadata of how bright they were."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from conftest import Identity, dark_frames, decode
from facts_sources import plain

from exdnet_plugin import enhance_video
from exdnet_plugin.media.source import VideoSource

HEVC = {"x265-params": "log-level=error:repeat-headers=1:annexb=1:bframes=0"}
START = b"\0\0\0\1"


def hdr10_plus() -> bytes:
    """A prefix SEI NAL unit of SMPTE ST 2094-40, version 1, one window, all its figures 1."""
    fields = [(1, 8), (1, 2), (1, 27), (0, 1), *[(1, 17)] * 4, (0, 4), (1, 10), (0, 1), (0, 1), (0, 1)]
    value, bits = 0, 0
    for number, width in fields:
        value, bits = value << width | number, bits + width
    coded = (value << -bits % 8).to_bytes((bits + 7) // 8, "big")
    payload = bytes.fromhex("b5003c000104") + coded
    return START + b"\x4e\x01" + protected(bytes([4, len(payload)]) + payload + b"\x80")


def protected(data: bytes) -> bytes:
    """With a 3 between two zeros and what would look like a start code (H.265, 7.4.2)."""
    out = bytearray()
    for byte in data:
        if byte <= 3 and out[-2:] == b"\0\0":
            out.append(3)
        out.append(byte)
    return bytes(out)


def with_unit(folder: Path, unit: bytes) -> Path:
    """HEVC with a unit of our own before the slices of each frame."""
    plain(".ts", codec="libx265", pix_fmt="yuv420p10le", tags=(9, 9, 16, 1), **HEVC)(folder)
    path = folder / "with.ts"
    with av.open(str(folder / "in.ts")) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for index, read in enumerate(packet for packet in source.demux(video=0) if packet.size):
            content = bytes(read)
            delimiter = content.find(START, 4) if content[4] >> 1 == 35 else 0
            packet = Packet(content[:delimiter] + unit + content[delimiter:])
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 25), index, index
            container.mux(packet)
    return path


def test_metadata_of_the_pictures_as_they_were_is_left_out_and_named(tmp_path: Path) -> None:
    source, sink = with_unit(tmp_path, hdr10_plus()), tmp_path / "out.mkv"
    report = enhance_video(source, sink, chain=[Identity()])
    assert "HDR10+ metadata is left out: it describes the pictures as they were" in report.notes
    with VideoSource(sink) as written:
        assert written.facts.dropped == ()
        assert written.facts.tags.names().transfer == "smpte2084"


def test_a_stereo_layout_that_the_encoder_does_not_write_is_named(tmp_path: Path) -> None:
    source = plain(**{"x264-params": "frame-packing=3"})(tmp_path)
    with VideoSource(source) as opened:
        assert opened.facts.marks == ("the stereo layout",)
    report = enhance_video(source, tmp_path / "out.mkv", chain="null")
    with VideoSource(tmp_path / "out.mkv") as written:
        told = any("the stereo layout is left out" in note for note in report.notes)
        assert told != (written.facts.marks == ("the stereo layout",))


def test_frames_stored_bottom_up_are_not_turned(tmp_path: Path) -> None:
    source = tmp_path / "in.avi"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "bgr24"
        for index, picture in enumerate(dark_frames(3, (64, 96))):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = bytearray(source.read_bytes())
    height = content.find(b"strf") + 16  # BITMAPINFOHEADER's: negative is top-down, as FFmpeg writes
    content[height : height + 4] = struct.pack("<i", 64)
    source.write_bytes(content)
    with av.open(str(source)) as container:
        assert next(container.decode(video=0)).planes[0].line_size < 0
    enhance_video(source, tmp_path / "out.mkv", chain=[Identity()], codec="ffv1")
    for made, picture in zip(decode(tmp_path / "out.mkv"), dark_frames(3, (64, 96)), strict=True):
        picture = picture[::-1]
        assert np.abs(made.to_ndarray(format="rgb24").astype(int) - picture).max() <= 3
