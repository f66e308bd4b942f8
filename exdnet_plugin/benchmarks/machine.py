"""The facts of a measurement: when, on what, of which commit."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch

from exdnet_plugin import __version__
from exdnet_plugin.errors import ExdnetError

T = TypeVar("T")
WARM_UP, MEASURED = 2.0, 3.0  # seconds: frames of 480p are some 10 % slower until memory and clock have settled

# What changes how glibc gives memory and how OpenMP waits, by the environment.
SETTINGS = (
    "GLIBC_TUNABLES",
    "GOMP_SPINCOUNT",
    "MALLOC_ARENA_MAX",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_TRIM_THRESHOLD_",
)


def facts() -> dict[str, Any]:
    """Date, version, commit, processor, threads, GPU, and the versions that matter."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "exdnet-plugin": __version__,
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "gpus": gpus,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "environment": {name: os.environ[name] for name in SETTINGS if name in os.environ},
    }


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # an installed package is in no repository
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """What a function gives in a process of its own. ExdnetError when the system ends it."""
    what = " ".join(str(one) for one in (function.__name__.strip("_"), *arguments))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        try:
            return fresh.submit(function, *arguments).result()
        except BrokenProcessPool:
            raise ExdnetError(
                f"the process that measured {what} was ended by the system, most likely for its memory; "
                "measure a smaller --size"
            ) from None


def timed(function: Callable[[], Any], runs: int, device: str = "cpu") -> dict[str, float]:
    """Seconds of a call: median and 95th percentile of `runs`, or of as many as three seconds take.

    Before them go one to warm up, or as many as two seconds take.
    """

    def once() -> float:
        start = time.perf_counter()
        function()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    warm, seconds = 0.0, list[float]()
    while warm < WARM_UP:
        warm += once()
    while len(seconds) < runs or sum(seconds) < MEASURED:
        seconds.append(once())
    ordered = sorted(seconds)
    return {
        "median": round(statistics.median(ordered), 5),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 5),
        "runs": len(ordered),
    }
