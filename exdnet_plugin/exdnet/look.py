"""How bright a frame looks: mean level and upper end, told from it shrunk, so that noise does not change them."""

from __future__ import annotations

import torch
from torch import Tensor

SIDE = 128  # pixels: what a frame is shrunk to, so that its size does not change how bright it looks, either
AT_ONCE = 8  # rows of those, on a CPU
UPPER = 0.003  # of the values are at or above the upper end


def look(frames: Tensor) -> Tensor:
    """Mean level and upper end, the 99.7th percentile, of each frame, shrunk.

    Args:
        frames: (N, 3, H, W), float, RGB in [0, 1].

    Returns:
        (N, 2), float32.
    """
    small = shrunk(frames).float()
    return torch.stack([small.mean(dim=(1, 2, 3)), upper_end(small)], dim=1)


def shrunk(frames: Tensor) -> Tensor:
    """(N, 3, H, W) float to (N, 3, 128, 128): means of cells."""
    return _rows_shrunk(frames) @ _shrinking(frames.shape[3], frames).T


def _rows_shrunk(frames: Tensor) -> Tensor:
    """Rows of (N, 3, H, W) to `SIDE`; on a CPU a few at once from those they cover, since the others count nothing."""
    high = frames.shape[2]
    rows = _shrinking(high, frames)
    if frames.device.type != "cpu" or torch.compiler.is_compiling():
        return rows @ frames
    parts = []
    for first in range(0, SIDE, AT_ONCE):
        covered = slice(first * high // SIDE, -(-(first + AT_ONCE) * high // SIDE))
        parts.append(rows[first : first + AT_ONCE, covered] @ frames[:, :, covered])
    return torch.cat(parts, dim=2)


def upper_end(small: Tensor, part: float = UPPER) -> Tensor:
    """What so large a part of (N, 3, 128, 128) values is at or above: (N,)."""
    return small.flatten(1).topk(int(part * SIDE * SIDE * 3), dim=1).values[:, -1]


def _shrinking(side: int, like: Tensor) -> Tensor:
    """What averages so many pixels to `SIDE`, each by its area: (SIDE, side). A product, which all formats export."""
    ends = torch.arange(SIDE + 1, device=like.device) * side / SIDE
    pixels = torch.arange(side, device=like.device)
    covered = torch.minimum(ends[1:, None], pixels + 1) - torch.maximum(ends[:-1, None], pixels)
    return (covered.clamp(min=0.0) * SIDE / side).to(like.dtype)
