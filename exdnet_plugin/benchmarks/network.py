"""The network with its exposures: the plain training form against the inference form, on one dark frame."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from exdnet_plugin.allocator import keep_memory
from exdnet_plugin.api import open_filter
from exdnet_plugin.benchmarks.machine import SETTINGS, alone, timed
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.engines import Engine
from exdnet_plugin.exdnet.exposures import exposure_range, network_input
from exdnet_plugin.exdnet.inference import Inference, exact_inference
from exdnet_plugin.exdnet.network import HALO
from exdnet_plugin.frame_filter import Quality
from exdnet_plugin.stream_info import StreamInfo

_SET = ", memory and threads set as exdnet's"
_LEVELS = ((16, 60), (120, 136), (120, 136))  # luma and chroma of a dark noisy frame
SIZES = {"480p": (480, 854), "720p": (720, 1280), "1080p": (1080, 1920), "4K": (2160, 3840), "8K": (4320, 7680)}
_WITHOUT_PLAIN = {"8K"}  # two activations of 64 channels alone take 17 GB there


def frame(size: str, device: str = "cpu") -> Tensor:
    """A dark noisy frame, (1, 3, H, W) in [0, 1]."""
    height, width = SIZES[size]
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(1, 3, height, width, generator=generator) * 0.2).to(device)


def speed(size: str, device: str, runs: int, engines: Sequence[Engine]) -> dict[str, Any]:
    """Seconds a frame of the plain form and of each engine's, and how far apart their results are off the edges.

    So much for the network; `planes to planes` is all that a frame of a quality takes, colours and statistics, too.

    On a CPU the plain form runs in processes of its own: once as any program runs PyTorch, which `times faster` is
    against, and once with memory and threads set as the command line sets them for itself, which helps it as well.
    At 8K, where the plain form does not fit, there is nothing to compare with, and only the first engine is measured.
    """
    frames, plain_fits = frame(size, device), size not in _WITHOUT_PLAIN
    found: dict[str, Any] = {"size": size, **(_plain_seconds(size, device, runs) if plain_fits else {})}
    expected = _plain_before_calibration(frames) if plain_fits else None
    for engine in engines if plain_fits else engines[:1]:
        exact = exact_inference(load_weights(), device, engine)
        after = timed(lambda exact=exact: exact(frames), runs, device)  # type: ignore[misc]
        found[exact.engine] = {
            "exact seconds": after,
            **_faster(found, after),
            "ns a pixel": round(after["median"] / (frames.shape[2] * frames.shape[3]) * 1e9, 1),
            **({} if expected is None else {"largest difference": _largest_difference(exact, frames, expected)}),
        }
    for quality in get_args(Quality):
        after = filtered(size, device, runs, quality=quality)
        found[quality] = {"planes to planes": after, **_faster(found, after)}
    found["denoise"] = {"planes to planes": filtered(size, device, runs, chain="denoise")}
    return found


def _plain_seconds(size: str, device: str, runs: int) -> dict[str, Any]:
    if device != "cpu":
        return {"plain seconds": _plain(size, device, runs, False)}
    with _environment_as_it_came():
        found = {"plain seconds": alone(_plain, size, device, runs, False)}
    return {**found, f"plain seconds{_SET}": alone(_plain, size, device, runs, True)}


def _largest_difference(exact: Inference, frames: Tensor, expected: Tensor) -> float:
    difference = (exact.before_calibration(frames, exposure_range(frames)) - expected).abs()
    return float(difference[:, :, HALO:-HALO, HALO:-HALO].max())


def _faster(found: dict[str, Any], after: dict[str, float]) -> dict[str, float]:
    """How many times as fast as each plain run."""
    return {
        name.replace("plain seconds", "times faster"): round(before["median"] / after["median"], 2)
        for name, before in found.items()
        if name.startswith("plain seconds")
    }


@torch.no_grad()
def _plain_before_calibration(frames: Tensor) -> Tensor:
    network = load_weights().network().eval().to(frames.device)
    return network.before_calibration(network_input(frames, exposure_range(frames)))[1]


@contextmanager
def _environment_as_it_came() -> Iterator[None]:
    """Without what this program, or a shell that was set up for it, tells the C library and OpenMP."""
    kept = {name: os.environ.pop(name) for name in SETTINGS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


@torch.no_grad()
def _plain(size: str, device: str, runs: int, keep: bool) -> dict[str, float]:
    """As published: np.percentile, exposures, eager, whole frame."""
    if keep:
        keep_memory()
    frames, network = frame(size, device), load_weights().network().eval().to(device)

    def plain() -> Tensor:
        codes = (frames[0] * 255).round().clamp(0, 255).byte().cpu().numpy()
        low, high = (int(code) / 255 for code in np.percentile(codes, [1, 99]))
        result: Tensor = network(network_input(frames, torch.tensor([[low, high]], device=device)))
        return result

    return timed(plain, runs, device)


def filtered(
    size: str, device: str, runs: int, *, chain: str = "exdnet", quality: Quality = "exact"
) -> dict[str, float]:
    """Seconds a frame of a chain, yuv420p planes to planes."""
    height, width = SIZES[size]
    generator = np.random.default_rng(0)
    shapes = [(height, width), *[(-(-height // 2), -(-width // 2))] * 2]
    planes = [generator.integers(*levels, shape, np.uint8) for shape, levels in zip(shapes, _LEVELS, strict=True)]
    moment = iter(range(1 << 30))
    with open_filter(StreamInfo(width, height, "yuv420p"), chain=chain, device=device, quality=quality) as opened:
        return timed(lambda: opened(planes, next(moment) / 30), runs, device)


def peak_memory(size: str) -> dict[str, Any]:
    """Peak resident memory of a process that enhances one frame on the CPU, and of one that only holds the frame."""
    peak, base = alone(_peak, size, True), alone(_peak, size, False)
    return {"size": size, "peak MiB": round(peak), "with the frame alone MiB": round(base)}


def _peak(size: str, enhance: bool) -> float:
    keep_memory()
    frames = frame(size)
    if enhance:
        exact_inference(load_weights(), "cpu")(frames)
    status = Path("/proc/self/status").read_text()  # getrusage's peak is inherited from the parent
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
