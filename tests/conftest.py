"""Generated media and shared data.

Media is made here, not downloaded; real data lies in ../shared and is skipped where absent.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from exdnet_plugin.allocator import keep_memory

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as the command does, before torch is imported

keep_memory()
SHARED = Path(os.environ.get("EXDNET_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; in continuous integration its absence is a failure."""
    if not SHARED.is_dir():
        reason = f"{SHARED} is not here; real data is needed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return SHARED


@pytest.fixture
def compiled() -> None:
    """The compiled engine. A build passes over what does not compile: with a compiler, its absence is a failure."""
    from exdnet_plugin.exdnet.compiled import native

    if native is None:
        headers = Path(sysconfig.get_paths()["include"], "Python.h").exists()
        there = headers and any(map(shutil.which, ("c++", "g++", "clang++")))
        reason = "the package was built without its compiled engine"
        pytest.fail(reason) if there else pytest.skip(f"{reason}: there is no C++ compiler")


@pytest.fixture
def instruction_sets(compiled: None) -> Iterator[list[str]]:
    """Those of the compiled engine that are here, best first. A test may choose among them by their names."""
    from exdnet_plugin.exdnet import native

    best, found = native.instructions(), []
    for name in ("avx512", "avx2", "any"):
        with suppress(ValueError):
            found.append(native.instructions(name))
    native.instructions(best)
    yield found
    native.instructions(best)


def scene(seed: int, size: tuple[int, int]) -> np.ndarray:
    """A picture with structure at every scale, (H, W, 3) in [0, 1]."""
    rng = np.random.default_rng(seed)
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width] / max(size)
    picture = np.zeros((height, width, 3))
    for _ in range(24):
        frequency, angle, phase = rng.uniform(1, 14), rng.uniform(0, np.pi), rng.uniform(0, 6.3)
        wave = np.sin(2 * np.pi * frequency * (np.cos(angle) * columns + np.sin(angle) * rows) + phase)
        picture += wave[:, :, None] * rng.uniform(-1, 1, 3) / np.sqrt(frequency)
    picture -= picture.min()
    return picture / picture.max()


def dark_frames(
    count: int, size: tuple[int, int], *, seed: int = 0, peak: float = 50, noise: float = 2.0
) -> list[np.ndarray]:
    """Frames of one static dark scene with independent noise, (H, W, 3) uint8 RGB."""
    rng = np.random.default_rng(seed + 1000)
    clean = scene(seed, size) * peak
    return [np.clip(clean + rng.normal(0, noise, clean.shape), 0, 255).round().astype(np.uint8) for _ in range(count)]


class Identity:
    """Hands its frames back: they are converted to RGB and back, no short cut."""

    def open(self, stream):
        self.stream = stream

    def process(self, frames, times):
        assert 0 <= frames.min() <= frames.max() <= 1
        return frames

    def reset(self):
        pass

    def close(self):
        pass


# Operators that read a tensor's values; in inference mode, `item` comes whole, elsewhere as what it is made of.
WAITS = {f"aten::{name}" for name in ("item", "is_nonzero", "_local_scalar_dense", "nonzero", "equal", "index.Tensor")}
MakeClip = Callable[..., Path]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Makes a video file: `make_clip("a.mp4", frames=24, size=(96, 64), codec=…, pix_fmt=…, pts=…, audio=True)`."""

    def make(
        name: str,
        *,
        frames: int | list[np.ndarray] = 12,
        size: tuple[int, int] = (96, 64),
        rate: Fraction | int = 24,
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        pts: list[int] | None = None,
        time_base: Fraction | None = None,
        audio: bool = False,
        options: dict[str, str] | None = None,
        faststart: bool = False,
    ) -> Path:
        path = tmp_path / name
        pictures = frames if isinstance(frames, list) else dark_frames(frames, (size[1], size[0]))
        base = time_base or 1 / Fraction(rate)
        container_options = {"movflags": "faststart"} if faststart else {}
        with av.open(str(path), "w", options=container_options) as container:
            video = container.add_stream(codec, rate=rate, options=options or {})
            video.width, video.height = pictures[0].shape[1], pictures[0].shape[0]
            video.pix_fmt, video.time_base = pix_fmt, base
            video.codec_context.time_base = base
            context = video.codec_context
            context.colorspace = context.color_primaries = context.color_trc = 1
            context.color_range = 1
            sound = container.add_stream("aac", rate=48000, layout="mono") if audio else None
            for index, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                    format=pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG"
                )
                frame.pts, frame.time_base = (pts[index] if pts else index), base
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            if sound:
                write_tone(container, sound, len(pictures) / float(rate))
        return path

    return make


def write_tone(container: av.container.OutputContainer, sound: av.AudioStream, seconds: float) -> None:
    samples = np.sin(np.arange(int(48000 * seconds)) * 2 * np.pi * 440 / 48000).astype(np.float32) * 0.3
    for start in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(sound.encode(frame))
    container.mux(sound.encode(None))


def decode(path: Path, stream: int = 0) -> list[av.VideoFrame]:
    """All frames of a video stream."""
    with av.open(str(path)) as container:
        return list(container.decode(container.streams.video[stream]))


def luma(path: Path) -> list[float]:
    """Mean luma code of each frame."""
    return [float(frame.to_ndarray(format="gray").mean()) for frame in decode(path)]


def packets(path: Path, kind: str) -> list[tuple[int | None, int | None, bytes]]:
    """Time and content of every packet of the streams of a kind, in their order."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        return [(p.pts, p.duration, bytes(p)) for p in container.demux(streams) if p.size]


def journaled(sink: Path) -> int:
    """How many frames a stopped job has in its journal, behind its last whole segment: none, unless frames are slow."""
    from exdnet_plugin.pipeline.work import work_folder

    return len(list(work_folder(sink).glob("frame-*")))


@pytest.fixture
def exdnet(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process: exit code, stdout, stderr."""
    from exdnet_plugin.cli.main import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["exdnet", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A data set of eight made-up pairs in LOL's layout."""
    for index in range(8):
        bright = (scene(index, (64, 96)) * 255).astype(np.uint8)
        for name, picture in {"high": bright, "low": dark_frames(1, (64, 96), seed=index)[0][:, :, ::-1]}.items():
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "data" / name / f"{index}.png"), picture)
    return tmp_path / "data"
