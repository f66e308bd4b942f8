"""Luma PSNR of quality `realtime` to `exact` on the first frames of 8-bit videos, as the card of `small` tells it.

`python tests/benchmarks/realtime_video.py guoqi_dark.mp4:24 tmo324_night.mp4:60`
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from exdnet_plugin.allocator import keep_memory
from exdnet_plugin.api import open_filter
from exdnet_plugin.devices import resolve_device
from exdnet_plugin.evaluation.metrics import psnr
from exdnet_plugin.media.frames import frame_planes
from exdnet_plugin.media.source import VideoSource


def luma_psnr(path: Path, count: int) -> float:
    """Decibels, the mean of the frames'."""
    found = []
    with VideoSource(path, device=resolve_device("auto")) as source:
        info = source.info
        with open_filter(info, quality="exact") as exact, open_filter(info, quality="realtime") as realtime:
            for frame in islice(source.frames(), count):
                planes, time = frame_planes(frame), float(frame.time or 0)
                slow, fast = (torch.from_numpy(one(planes, time)[0]) / 255 for one in (exact, realtime))
                found.append(psnr(fast, slow))
    return float(np.mean(found))


if __name__ == "__main__":
    keep_memory()
    for asked in sys.argv[1:]:
        name, _, count = asked.rpartition(":")
        print(f"{name}: {luma_psnr(Path(name), int(count)):.1f} dB over {count} frames")
