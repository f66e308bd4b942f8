"""Traces upload, compute and download of a filter on CUDA, and says how much of the copying ran beside computing.

python overlap_trace.py trace.json     (open the trace in https://ui.perfetto.dev)
"""

import json
import sys

import numpy as np
import torch

import exdnet_plugin

FRAMES, WIDTH, HEIGHT = 64, 1920, 1080
rng = np.random.default_rng(0)
planes = [rng.integers(16, 60, shape, np.uint8) for shape in ((1080, 1920), (540, 960), (540, 960))]
stream = exdnet_plugin.StreamInfo(WIDTH, HEIGHT, "yuv420p")

with exdnet_plugin.open_filter(stream, device="cuda:0") as bright:
    list(bright.run((planes, index / 25) for index in range(8)))  # warm up
    bright.reset()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        done = sum(1 for _ in bright.run((planes, index / 25) for index in range(FRAMES)))
profile.export_chrome_trace(sys.argv[1])

with open(sys.argv[1]) as file:
    events = [event for event in json.load(file)["traceEvents"] if event.get("ph") == "X"]
kernels = sorted((e["ts"], e["ts"] + e["dur"]) for e in events if e.get("cat") == "kernel")
copies = [(e["ts"], e["ts"] + e["dur"]) for e in events if e.get("cat") == "gpu_memcpy"]


def beside(start: float, end: float) -> float:
    """How long of a copy some kernel ran."""
    return sum(max(0.0, min(end, last) - max(start, first)) for first, last in kernels)


copied = sum(end - start for start, end in copies)
overlapped = sum(min(beside(*copy), copy[1] - copy[0]) for copy in copies)
share = 100 * overlapped / max(copied, 1e-9)
print(f"{done} frames; {copied / 1e3:.2f} ms of copies, of which {share:.0f} % beside kernels")
