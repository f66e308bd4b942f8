"""A guided filter whose guide is the frame itself: what varies little is smoothed, edges stay.

He, Sun, Tang, "Guided image filtering", TPAMI 35 (2013); with means over cells of pixels, as in He, Sun, "Fast guided
filter" (2015).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def smoothed(frames: Tensor, variance: Tensor | float, side: int) -> Tensor:
    """Frames with half of their contrast where they have this variance, more of it where they vary more.

    Args:
        frames: (N, 3, H, W), float32.
        variance: of all, or (N, 1, h, w), of at least as many cells as there are.
        side: of a cell, in pixels.

    One slope counts for all channels.
    """
    mean, square = (_box(cells(part, side)) for part in (frames, frames.square()))
    varied = (square - mean.square()).clamp_(min=0.0).mean(dim=1, keepdim=True)
    least = variance if isinstance(variance, float) else variance[:, :, : varied.shape[2], : varied.shape[3]]
    kept = varied / (varied + least)
    # Interpolated, but not averaged as published: only cells whose neighbours hold a pixel have a say in it, so that
    # what lies behind an edge has none.
    return spread(mean * (1 - kept), frames, side).addcmul_(spread(kept, frames, side), frames)


def cells(images: Tensor, side: int) -> Tensor:
    """Means of cells of so many pixels a side, fewer at the end: (N, C, H, W) to (N, C, ⌈H / side⌉, ⌈W / side⌉)."""
    return F.avg_pool2d(images, side, ceil_mode=True, count_include_pad=False)


def _box(means: Tensor) -> Tensor:
    """Means of three by three cells, fewer at the edges."""
    return F.avg_pool2d(means, 3, stride=1, padding=1, count_include_pad=False)


def spread(means: Tensor, like: Tensor, side: int) -> Tensor:
    """Cells back to pixels, interpolated."""
    height, width = like.shape[2:]
    return F.interpolate(means, scale_factor=side, mode="bilinear", align_corners=False)[..., :height, :width]
