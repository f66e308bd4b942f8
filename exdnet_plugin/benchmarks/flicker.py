"""How much the mean luma of static, noisy footage changes from frame to frame, smoothed and frame by frame."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from exdnet_plugin.demo.clip import frames as demo_frames
from exdnet_plugin.pairs import read_picture
from exdnet_plugin.processors.exdnet import SMOOTHING, ExdNetProcessor
from exdnet_plugin.stream_info import StreamInfo

HELD = 1e9  # seconds: range and matrix stay those of the first frame
RATE = 25


def table(clips: Iterable[Tensor], smoothing: float = SMOOTHING) -> dict[str, Any]:
    """Root mean square, in percent, of the relative change of mean luma over all clips.

    Args:
        clips: static scenes, (N, 3, H, W) RGB in [0, 1] each.

    Returns:
        Of the input; frame by frame; smoothed; and held, that is, range and matrix of the first frame: what the input's
        noise alone explains. `smoothed / explained` is to be at most 1.2.
    """
    changes: dict[str, list[Tensor]] = {"input": [], "frame by frame": [], "smoothed": [], "held": []}
    for clip in clips:
        changes["input"].append(_change(clip))
        changes["frame by frame"].append(_change(torch.cat([_run(frame[None], 0) for frame in clip])))
        changes["smoothed"].append(_change(_run(clip, smoothing)))
        changes["held"].append(_change(_run(clip, HELD)))
    percent = {name: 100 * float(torch.cat(rows).square().mean().sqrt()) for name, rows in changes.items()}
    return {
        "clips": len(changes["input"]),
        "luma change %": {name: round(value, 4) for name, value in percent.items()},
        "smoothed / explained": round(percent["smoothed"] / percent["held"], 3),
        "frame by frame / explained": round(percent["frame by frame"] / percent["held"], 3),
    }


def _run(clip: Tensor, smoothing: float) -> Tensor:
    processor = ExdNetProcessor(smoothing=smoothing)
    processor.open(StreamInfo(clip.shape[3], clip.shape[2]))
    times = torch.arange(len(clip), dtype=torch.float64) / RATE
    return torch.cat([processor.process(frame[None], time[None]) for frame, time in zip(clip, times, strict=True)])


def _change(clip: Tensor) -> Tensor:
    luma = (clip * torch.tensor([0.2126, 0.7152, 0.0722]).reshape(3, 1, 1)).sum(dim=1).mean(dim=(1, 2)).double()
    return luma.diff() / luma[:-1]


def generated(frames: int = 24, size: tuple[int, int] = (640, 360)) -> Tensor:
    """The demo's street standing still, with independent noise."""
    still = next(iter(demo_frames(1 / RATE, size)))  # linear light, darkened
    clean = torch.from_numpy(still.copy()).permute(2, 0, 1).float()
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(frames, *clean.shape, generator=generator)
    linear = clean + noise * (clean / 8000 + 8e-4**2).sqrt()
    return (linear.clamp(0, 1) ** (1 / 2.2) * 255).round() / 255


def bursts(root: Path) -> Iterable[Tensor]:
    """LOL's static bursts: `static_bursts.json` beside the folder `low`."""
    groups: Sequence[Sequence[str]] = json.loads((root / "static_bursts.json").read_text())
    for names in groups:
        pictures = [read_picture(next((root / "low").glob(f"{name}.*"))) for name in names]
        yield torch.stack([torch.from_numpy(picture).permute(2, 0, 1).float() / 255 for picture in pictures])
