"""Losses over unclamped output: the clamp at the end of the network has no gradient where it acts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from kornia.metrics import ssim
from torch import Tensor

HIGHLIGHT = 0.9  # of full scale, in the dark frame
CHROMA_WINDOW = 9  # pixels: noise in the ground truth does not count as colour


@dataclass(frozen=True)
class LossWeights:
    """What each term counts: L1 on RGB, 1 - SSIM, chroma by direction and by strength, and highlights' shortfall."""

    l1: float = 1.0
    ssim: float = 0.2
    chroma: float = 0.5
    colourfulness: float = 0.25
    highlights: float = 1.5


def opponent(image: Tensor) -> Tensor:
    """Two opponent channels of RGB (red-green, yellow-blue; Hasler and Süsstrunk 2003), (N, 2, H, W), 0 for grey."""
    r, g, b = image.unbind(1)
    return torch.stack([r - g, (r + g) / 2 - b], dim=1)


def chroma_terms(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """L1 between smoothed opponent colours, and L1 between their magnitudes.

    L1 on RGB alone greys: where hue is uncertain its optimum is the median, grey. Comparing the magnitude with the
    target's keeps colour there.
    """
    colours = [F.avg_pool2d(opponent(image), CHROMA_WINDOW, stride=4) for image in (output, target)]
    strength = [torch.sqrt(colour.square().sum(dim=1) + 1e-6) for colour in colours]
    return F.l1_loss(colours[0], colours[1]), F.l1_loss(strength[0], strength[1])


def highlight_term(output: Tensor, target: Tensor, frames: Tensor) -> Tensor:
    """How far bright pixels of the input fall short of the target, on average over them: lamps, down to their edges."""
    bright = (frames >= HIGHLIGHT).to(output.dtype)
    return (F.relu(target - output) * bright).sum() / bright.sum().clamp(min=1)


def total_loss(
    output: Tensor, target: Tensor, frames: Tensor, weights: LossWeights
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, and each term by name, of unclamped output against (N, 3, H, W) ground truth in [0, 1]."""
    chroma, colourfulness = chroma_terms(output, target)
    terms = {
        "l1": F.l1_loss(output, target),
        "ssim": 1 - ssim(output, target, 11).mean(),
        "chroma": chroma,
        "colourfulness": colourfulness,
        "highlights": highlight_term(output, target, frames),
    }
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum(), terms
