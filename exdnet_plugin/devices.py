"""Which device frames are processed on."""

from __future__ import annotations

import os

import torch


def resolve_device(name: str) -> str:
    """`auto`, `cpu`, `cuda` or `cuda:N` as torch names it; ValueError says what there is.

    `auto` is the first GPU, or the CPU. `cuda` is all GPUs: `cuda:0` where there is one, else `cuda`, whose tensors are
    on the first.
    """
    available = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if name == "auto":
        name = available[0] if available else "cpu"
    if name in ("cpu", *available):
        return name
    if name != "cuda" or not available:
        there = ", ".join(["cpu", *available])
        raise ValueError(f"device {name!r} is not here; there is {there}. Device auto takes the best that there is")
    return name if len(available) > 1 else available[0]


def devices_of(device: str) -> list[str]:
    """Each device that a name from :func:`resolve_device` stands for."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] if device == "cuda" else [device]


def leave_cores() -> None:
    """Let this process filter on half of the cores: of live video, the others decode and encode at the same time."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
