"""Exposure, colour and noise of one picture, where there is no ground truth to compare it with."""

from __future__ import annotations

from math import pi, sqrt
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.evaluation.metrics import lab_chroma

UNDER_EXPOSED = 16 / 255  # luma below it shows nothing on most screens
CLIPPED = 250 / 255
SMALLEST = 3  # pixels a side, for the noise's kernel
LUMA = (0.2126, 0.7152, 0.0722)  # BT.709's weights, on gamma-coded values


class PictureStatistics(NamedTuple):
    """What a picture looks like by numbers.

    Attributes:
        luma: mean luma in [0, 1].
        under_exposed, clipped: shares of pixels in percent whose luma is below 16 and at least 250 of 255.
        chroma: mean CIE Lab chroma.
        contrast: standard deviation of luma, in [0, 0.5].
        noise: standard deviation of the luma's noise, estimated, in 8-bit codes.
    """

    luma: float
    under_exposed: float
    clipped: float
    chroma: float
    contrast: float
    noise: float


def describe(image: Tensor) -> PictureStatistics:
    """The statistics of (1, 3, H, W) RGB in [0, 1], gamma-coded, at least 3 by 3 pixels."""
    luma = luma_of(image)
    return PictureStatistics(
        luma=float(luma.mean()),
        under_exposed=100 * float((luma < UNDER_EXPOSED - 1e-6).float().mean()),
        clipped=100 * float((luma >= CLIPPED - 1e-6).float().mean()),
        chroma=lab_chroma(image),
        contrast=float(luma.std(unbiased=False)),
        noise=noise(luma),
    )


def luma_of(image: Tensor) -> Tensor:
    """BT.709 luma, (N, 1, H, W), of gamma-coded RGB (N, 3, H, W)."""
    weights = torch.tensor(LUMA, dtype=image.dtype, device=image.device).reshape(1, 3, 1, 1)
    return (image * weights).sum(dim=1, keepdim=True)


def noise(luma: Tensor) -> float:
    """Standard deviation of noise in 8-bit codes, of (1, 1, H, W) luma in [0, 1].

    What two Laplacians that differ leave over, so that flat areas and slopes cancel; fine texture counts as noise.
    Source: Immerkær, "Fast noise variance estimation", Computer Vision and Image Understanding 64 (1996), 300-302.
    """
    kernel = luma.new_tensor([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])[None, None]
    return 255 * sqrt(pi / 2) / 6 * float(F.conv2d(luma, kernel).abs().mean())
