"""Colours that calibration makes more vivid than can be shown lose chroma, where clipping takes a channel from them.

Calibration is one matrix a frame, whose off-diagonal terms take from each channel what the others have. In a blue sky
at dusk that leaves less than no red: clipped, every such sky is the same cobalt.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 0.5  # of a channel's part of the light, as it was, that is left to it
TINY = 1e-4  # against 0 by 0; of float16 as well


def within(values: Tensor, frames: Tensor) -> Tensor:
    """Results whose channels keep at least a share of the part of the light that they had, towards grey where needed.

    Args:
        values: (N, 3, H, W), calibrated, not clipped.
        frames: the same shape, what comes in.

    Returns:
        The same shape. A pixel's mean is what clipping below 0 would leave of it. Gradients flow to both.
    """
    light, before = mean(values.clamp(min=0.0)), mean(frames).clamp(min=TINY)
    lifted = values + (light - mean(values))
    least = torch.minimum(frames, before) * (SHARE * light / before)
    kept = ((light - least + TINY) / (light - torch.minimum(lifted, least) + TINY)).amin(1, keepdim=True)
    made: Tensor = light + (lifted - light) * kept
    return made


def mean(rgb: Tensor) -> Tensor:
    """Of the three channels, (N, 3, H, W) to (N, 1, H, W); as a sum of three, which is faster."""
    red, green, blue = rgb.split(1, dim=1)
    third: Tensor = (red + green + blue) * (1 / 3)
    return third
