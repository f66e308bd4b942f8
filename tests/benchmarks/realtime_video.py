"""Luma PSNR of quality `realtime` to `exact` on the first frames of video files, as the card of `small` tells it.

python tests/benchmarks/realtime_video.py guoqi_dark.mp4:24 tmo324_night.mp4:60
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from exdnet_plugin.allocator import keep_memory
from exdnet_plugin.api import open_filter
from exdnet_plugin.devices import resolve_device
from exdnet_plugin.media.frames import frame_planes
from exdnet_plugin.media.source import VideoSource


def luma_psnr(path: Path, count: int) -> float:
    """Decibels, the mean of the frames'."""
    found = []
    with VideoSource(path) as source:
        stream = replace(source.info, device=resolve_device("auto"))
        with open_filter(stream, quality="exact") as exact, open_filter(stream, quality="realtime") as realtime:
            for frame in islice(source.frames(), count):
                planes, time = frame_planes(frame), float(frame.time or 0)
                slow, fast = (np.float64(one(planes, time)[0]) for one in (exact, realtime))
                found.append(10 * np.log10(255**2 / max(np.square(slow - fast).mean(), 1e-3)))
    return float(np.mean(found))


if __name__ == "__main__":
    keep_memory()
    for asked in sys.argv[1:]:
        name, _, count = asked.rpartition(":")
        print(f"{name}: {luma_psnr(Path(name), int(count)):.1f} dB over {count} frames")
