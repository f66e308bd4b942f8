"""Frames a second and added error of the exact path on a GPU, against the goals for an H200.

python gpu_speed.py results.json [--device cuda] [--size 1080p --size 4K] [--seconds 3]

`plain` is the training form in float32 (no TF32), `network` the inference form with exposures and colour on frames
that are on the device, `filter` is from yuv420p planes on the host to planes on the host, with temporal smoothing.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import exdnet_plugin
from exdnet_plugin.benchmarks.machine import facts
from exdnet_plugin.benchmarks.network import SIZES, frame
from exdnet_plugin.devices import resolve_device
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.exposures import exposure_range, network_input
from exdnet_plugin.exdnet.inference import exact_inference
from exdnet_plugin.frame_filter import CUDA_BATCH, CUDA_BATCH_PIXELS

GOALS = {"1080p": 1000, "4K": 250}  # frames a second, float16
TIMES_PLAIN, DECIBELS = 30, 50
SIZES["tiny"] = (72, 96)  # to try this script without a GPU


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def rate(function: Callable[[], Any], frames: int, device: str, seconds: float) -> float:
    """Frames a second of a call that does so many, after four calls to compile, choose tiles and record."""
    for _ in range(4):
        function()
    wait(device)
    start, calls = time.perf_counter(), 0
    while calls < 3 or time.perf_counter() - start < seconds:
        for _ in range(3):  # not one, since waiting for each would count the host's way back
            function()
        wait(device)
        calls += 3
    return round(calls * frames / (time.perf_counter() - start), 1)


def planes_to_planes(size: str, device: str, seconds: float) -> float:
    height, width = SIZES[size]
    rng = np.random.default_rng(0)
    planes = [rng.integers(16, 60, (height // part, width // part), np.uint8) for part in (1, 2, 2)]

    def endless() -> Iterator[tuple[list[np.ndarray], float]]:
        index = 0
        while True:
            yield planes, index / 50
            index += 1

    with exdnet_plugin.open_filter(exdnet_plugin.StreamInfo(width, height, "yuv420p"), device=device) as opened:
        results = opened.run(endless())
        return rate(lambda: next(results), 1, device, seconds)


@torch.inference_mode()
def measure(size: str, device: str, seconds: float) -> dict[str, Any]:
    weights, one = load_weights(), frame(size, device)
    height, width = SIZES[size]
    batch = one.expand(max(1, min(CUDA_BATCH, CUDA_BATCH_PIXELS // (height * width))), -1, -1, -1).contiguous()
    network = weights.network().eval().to(device)
    found: dict[str, Any] = {"size": size, "batch": len(batch)}
    torch.backends.cudnn.allow_tf32 = False  # plain is to be float32, and errors are against float32
    found["plain"] = rate(lambda: network(network_input(one, exposure_range(one))), 1, device, seconds)
    exact = exact_inference(weights, device, "torch", torch.float32)(one)
    torch.backends.cudnn.allow_tf32 = True  # as PyTorch comes, and so as it is used
    for engine in ("torch", "auto"):
        half = exact_inference(weights, device, engine, torch.float16)
        error = float(-10 * (half(one) - exact).square().mean().log10())
        fps = {str(len(some)): rate(lambda: half(some), len(some), device, seconds) for some in (one, batch)}  # noqa: B023
        found[f"network, {half.engine}"] = {"frames a second by batch": fps, "added error dB": round(error, 1)}
        best = max(fps.values())
    found["filter"] = planes_to_planes(size, device, seconds)
    goals = {"frames a second": (best, GOALS.get(size, 0)), "added error dB": (error, DECIBELS)}
    goals["times plain"] = (best / found["plain"], TIMES_PLAIN if size == "1080p" else 0)
    found["goals"] = {
        name: f"{got:.1f} of {goal}: {'met' if got >= goal else 'MISSED'}"
        for name, (got, goal) in goals.items()
        if goal
    }
    return found


parser = argparse.ArgumentParser()
parser.add_argument("report", type=Path)
parser.add_argument("--device", default="cuda:0")
parser.add_argument("--size", dest="sizes", action="append", choices=SIZES)
parser.add_argument("--seconds", type=float, default=3)
options = parser.parse_args()
device = resolve_device(options.device)
results = [measure(size, device, options.seconds) for size in options.sizes or GOALS]
options.report.write_text(json.dumps({"machine": facts(), "speed": results}, indent=2) + "\n")
json.dump(results, sys.stdout, indent=2)
print()
