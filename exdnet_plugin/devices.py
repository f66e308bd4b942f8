"""Which device frames are processed on."""

from __future__ import annotations

import os

import torch


def resolve_device(name: str) -> str:
    """`auto`, `cpu`, `cuda` or `cuda:N` as torch names it; ValueError says what there is."""
    if name == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return name
    available = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in available:
        there = ", ".join(["cpu", *available])
        raise ValueError(f"device {name!r} is not here; there is {there}. Device auto takes the best that there is")
    return wanted


def leave_cores() -> None:
    """Let this process filter on half of the cores: of live video, the others decode and encode at the same time."""
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
