"""A file through the pipeline: its wall time against each stage alone, and its memory early and late."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import torch
from torch import Tensor

from exdnet_plugin.allocator import keep_memory
from exdnet_plugin.api import enhance_video, open_filter
from exdnet_plugin.demo.clip import make_dark_clip
from exdnet_plugin.media.choosing import choose_encoding
from exdnet_plugin.media.encoding import EncodingOptions
from exdnet_plugin.media.frames import frame_from_planes, frame_planes
from exdnet_plugin.media.sink import VideoSink
from exdnet_plugin.media.source import VideoSource
from exdnet_plugin.media.timing import at_own_times
from exdnet_plugin.pipeline.segments import Finished, Segments
from exdnet_plugin.pipeline.work import Work
from exdnet_plugin.processor import FrameProcessor
from exdnet_plugin.stream_info import StreamInfo

WAIT = 0.08  # seconds a frame


class Copying:
    """A processor that costs nothing of note, so that memory can be watched over thousands of frames."""

    def open(self, stream: StreamInfo) -> None:
        """Nothing to prepare."""

    def process(self, frames: Tensor, times: Tensor) -> Tensor:
        return frames.clone()

    def reset(self) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to release."""


class Waiting(Copying):
    """Leaves the processor alone for a while each frame, as a GPU does."""

    def process(self, frames: Tensor, times: Tensor) -> Tensor:
        time.sleep(WAIT)
        return frames.clone()


def overlap(
    size: tuple[int, int], seconds: float, device: str, chain: str | Sequence[FrameProcessor], name: str
) -> dict[str, Any]:
    """Wall time of a file against its slowest stage, each stage run alone over the same frames.

    The start-up (imports, weights, opening) is outside both.
    """
    with tempfile.TemporaryDirectory() as folder:
        clip, out = Path(folder, "in.mp4"), Path(folder, "out.mp4")
        make_dark_clip(clip, seconds=seconds, size=size)
        alone = _stages_alone(clip, Path(folder, "alone.mp4"), device, chain)
        report = enhance_video(clip, out, chain=chain, device=device)
    slowest = max(alone, key=lambda name: alone[name])
    return {
        "clip": f"{size[0]}x{size[1]}, {report.frames} frames, H.264, with sound",
        "chain": name,
        "stage seconds alone": {name: round(value, 3) for name, value in alone.items()},
        "sum of stages": round(sum(alone.values()), 3),
        "wall": round(report.wall, 3),
        "slowest": slowest,
        "wall / slowest alone": round(report.wall / alone[slowest], 3),
    }


def _stages_alone(clip: Path, out: Path, device: str, chain: str | Sequence[FrameProcessor]) -> dict[str, float]:
    with VideoSource(clip) as source:
        start = time.perf_counter()
        frames = list(source.frames())
        decode = time.perf_counter() - start
        with open_filter(source.info, chain=chain, device=device) as opened:
            start = time.perf_counter()
            made = opened.run((frame_planes(frame), float(frame.time or 0)) for frame in frames)
            results = [frame_from_planes(planes, frame) for planes, frame in zip(made, frames, strict=True)]
            filtered = time.perf_counter() - start
        encode, write = _encode_alone(source, out, results)
        return {"decode": decode, "filter": filtered, "encode": encode, "write": write}


def _encode_alone(source: VideoSource, out: Path, frames: list[av.VideoFrame]) -> tuple[float, float]:
    work = Work(out, {})
    sink = VideoSink(out, work.hidden, source, choose_encoding(out.suffix, source.facts, EncodingOptions()))
    start = time.perf_counter()
    finished = (Finished(shown.frame, shown.pts, shown.stamps, None) for shown in at_own_times(iter(frames)))
    for _ in Segments(sink, work, flush=False).run(finished):
        pass
    middle = time.perf_counter()
    sink.finish(work.log)
    work.remove()
    return middle - start, time.perf_counter() - middle


def memory(frames: int) -> dict[str, Any]:
    """Resident memory after 200 frames and at the end of a long file of small frames."""
    keep_memory()
    seen: dict[int, float] = {}

    def look(done: int, _: int | None) -> None:
        if done in (200, frames):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            seen[done] = pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "in.mp4")
        _long_clip(clip, frames)
        enhance_video(clip, Path(folder, "out.mp4"), chain=[Copying()], progress=look)
    return {
        "frames": frames,
        "MiB after 200": round(seen[200], 1),
        "MiB at the end": round(seen[frames], 1),
        "ratio": round(seen[frames] / seen[200], 4),
    }


def _long_clip(path: Path, frames: int) -> None:
    noise = torch.randint(
        0, 60, (8, 180, 320, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    ).numpy()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(noise[index % 8], format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
