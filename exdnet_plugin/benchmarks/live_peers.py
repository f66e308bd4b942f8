"""The two ends of a live stream, for measurements and tests: a sender that stamps pictures, a receiver that reads them.

Each is a process: `python -m exdnet_plugin.benchmarks.live_peers send URL ...`. A stamp is the monotonic clock, which
all processes of a machine share, in milliseconds, as black and white blocks along the top: it outlives codecs and
brightening. What is measured so is from the sender's picture, not encoded yet, to the receiver's, decoded.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType
from numpy.typing import NDArray

BITS, PARITY = 24, 8
BLOCKS = BITS + PARITY
BLACK, WHITE = 16, 235
Picture = NDArray[np.uint8]


def stamp(luma: Picture, milliseconds: int) -> None:
    """Write a stamp into a picture's luma, (H, W)."""
    number = milliseconds & ((1 << BITS) - 1)
    bits = [number >> bit & 1 for bit in range(BITS)]
    bits += [sum(bits[one::PARITY]) & 1 for one in range(PARITY)]
    side = luma.shape[1] // BLOCKS
    for index, bit in enumerate(bits):
        luma[:side, index * side : (index + 1) * side] = WHITE if bit else BLACK


def read_stamp(luma: Picture) -> int | None:
    """The stamp in a picture's luma; None where it cannot be read."""
    side = luma.shape[1] // BLOCKS
    edge = side // 4
    means = [luma[edge : side - edge, i * side + edge : (i + 1) * side - edge].mean() for i in range(BLOCKS)]
    bits = [int(mean > (BLACK + WHITE) / 2) for mean in means]
    if any(sum(bits[one:BITS:PARITY]) & 1 != bits[BITS + one] for one in range(PARITY)):
        return None
    return sum(bit << index for index, bit in enumerate(bits[:BITS]))


def latency(stamped: int, milliseconds: int) -> float:
    """Seconds from a stamp to now; the clock of stamps goes round."""
    return ((milliseconds - stamped) & ((1 << BITS) - 1)) / 1000


def now() -> int:
    """The clock of stamps."""
    return int(time.monotonic() * 1000)


def dark_pictures(width: int, height: int, count: int = 32) -> list[Picture]:
    """Dark, noisy YUV 4:2:0 pictures with something that moves, (H * 3 / 2, W)."""
    rng = np.random.default_rng(0)
    steps = np.linspace(0, 25, width)[None] + np.linspace(0, 20, height)[:, None]
    pictures = []
    for index in range(count):
        picture = np.full((height * 3 // 2, width), 128, np.uint8)
        noise = rng.normal(0, 1.5, (height, width))
        picture[:height] = np.clip(22 + steps + noise, 16, 235).astype(np.uint8)
        left = index * (width // 2) // count
        picture[height // 2 : height * 3 // 4, left : left + width // 6] = 90
        pictures.append(picture)
    return pictures


def send(url: str, form: str, seconds: float, size: tuple[int, int], rate: int, *, sound: bool) -> None:
    """Send stamped pictures at their pace."""
    pictures = dark_pictures(*size)
    options = {"flush_packets": "1", "max_interleave_delta": "200000"}
    with av.open(url, "w", format=form, options=options) as container:
        video = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "tune": "zerolatency"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.gop_size = rate
        heard = container.add_stream("aac", rate=48000, layout="stereo") if sound else None
        began, samples = time.monotonic(), 0
        for index in range(round(seconds * rate)):
            time.sleep(max(0.0, began + index / rate - time.monotonic()))
            while (
                heard and samples < (index + 2) / rate * 48000
            ):  # ahead of the pictures: muxers make those wait for it
                container.mux(heard.encode(_tone(samples)))
                samples += 1024
            picture = pictures[index % len(pictures)]
            stamp(picture[: size[1]], now())
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base, frame.pict_type = index, Fraction(1, rate), PictureType.NONE
            container.mux(video.encode(frame))


def _tone(first: int) -> av.AudioFrame:
    """A beep at the start of each second, so that sound tells its time, too."""
    moments = np.arange(first, first + 1024)
    wave = np.where(moments % 48000 < 4800, np.sin(moments * 2 * np.pi * 1000 / 48000) * 0.5, 0).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48000, first, Fraction(1, 48000)
    return frame


def receive(url: str, patience: float) -> Iterator[dict[str, Any]]:
    """A row for each picture: when it came, its stamp's latency, its time and mean luma below the stamp."""
    options = {"fflags": "nobuffer", "flags": "low_delay", "probesize": "32768", "analyzeduration": "0"}
    with av.open(url, options=options, timeout=(patience, patience)) as container:
        container.streams.video[0].thread_type = "SLICE"
        streams = [container.streams.video[0], *container.streams.audio[:1]]
        for packet in container.demux(streams):
            try:
                frames = packet.decode()
            except FFmpegError:  # joined in the middle: nothing decodes before the next keyframe
                continue
            for frame in frames:
                if isinstance(frame, av.VideoFrame):
                    yield _row(frame)
                elif isinstance(frame, av.AudioFrame):
                    yield {"at": time.monotonic(), "sound": frame.time}


def _row(frame: av.VideoFrame) -> dict[str, Any]:
    moment = now()
    luma = np.frombuffer(frame.planes[0], np.uint8).reshape(-1, frame.planes[0].line_size)  # type: ignore[call-overload]
    luma = luma[: frame.height, : frame.width]
    stamped = read_stamp(luma)
    late = None if stamped is None else latency(stamped, moment)
    below = luma[frame.width // BLOCKS + 8 :: 8, ::8].mean()
    size = f"{frame.width}x{frame.height}"
    return {"at": time.monotonic(), "latency": late, "time": frame.time, "luma": float(below), "size": size}


def main() -> None:
    """`send URL`, or `receive URL`, which prints rows as JSON lines; both tell first when they open theirs."""
    parser = argparse.ArgumentParser(prog="live_peers")
    parser.add_argument("what", choices=["send", "receive"])
    parser.add_argument("url")
    parser.add_argument("--format", default="mpegts")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--rate", type=int, default=30)
    parser.add_argument("--sound", action="store_true")
    parser.add_argument("--listen", action="store_true")
    asked = parser.parse_args()
    url = asked.url + ("?listen=1" if asked.listen else "")
    print(json.dumps({"opens": time.monotonic()}), flush=True)
    try:
        if asked.what == "send":
            width, height = map(int, asked.size.split("x"))
            send(url, asked.format, asked.seconds, (width, height), asked.rate, sound=asked.sound)
        else:
            for row in receive(url, asked.seconds):
                print(json.dumps(row), flush=True)
    except FFmpegError as error:
        print(f"{type(error).__name__}: {error.strerror}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
