"""Picture metrics over RGB tensors in [0, 1], gamma-coded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import kornia
import torch
from torch import Tensor

from exdnet_plugin.evaluation.color_difference import ciede2000
from exdnet_plugin.pairs import Picture

SSIM_WINDOW = 11
PSNR_MAX = 60.0
GREY = 1.0  # Lab chroma: less is no colour that another could be a multiple of


class PictureMetrics(NamedTuple):
    """How near a picture is to its ground truth.

    PSNR in dB, 60 at most, mean SSIM, the ratio of the mean Lab chromas, and the mean CIEDE2000 colour difference.
    """

    psnr: float
    ssim: float
    chroma_ratio: float
    delta_e: float


def unit(picture: Picture) -> Tensor:
    """An 8-bit picture, (H, W, 3), as metrics take it: (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


def squared_error(image: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error over all channels of (N, 3, H, W) in [0, 1], float64."""
    return (image.double() - truth.double()).square().mean()


def psnr(image: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB over all channels of (N, 3, H, W) in [0, 1]; infinite for equal pictures."""
    return float(-10 * torch.log10(squared_error(image, truth)))


def limited(decibels: float) -> float:
    """60 dB at most, so that equal pictures count in means, too; libvmaf has the same limit for 8 bits."""
    return min(decibels, PSNR_MAX)


def ssim(image: Tensor, truth: Tensor) -> float:
    """Mean structural similarity, kornia's, Gaussian window 11, on RGB in [0, 1] (Wang et al., IEEE TIP 2004)."""
    return float(kornia.metrics.ssim(image, truth, SSIM_WINDOW).mean())


def lab_chroma(image: Tensor) -> float:
    """Mean CIE Lab chroma, sqrt(a² + b²), of (N, 3, H, W) RGB in [0, 1]: 0 for grey; photographs have 10 to 25."""
    return _chroma(_lab(image))


def _lab(image: Tensor) -> Tensor:
    lab: Tensor = kornia.color.rgb_to_lab(image.clamp(0, 1))
    return lab


def _chroma(lab: Tensor) -> float:
    return float(torch.hypot(lab[:, 1], lab[:, 2]).mean())


def mean_metrics(rows: Sequence[PictureMetrics]) -> dict[str, float]:
    """The mean of every metric, by name."""
    return {name: sum(getattr(row, name) for row in rows) / len(rows) for name in PictureMetrics._fields}


def compare(image: Tensor, truth: Tensor) -> PictureMetrics:
    """All picture metrics of a result against its ground truth, (1, 3, H, W) both."""
    lab, true_lab = _lab(image), _lab(truth)
    ratio = _chroma(lab) / max(_chroma(true_lab), GREY)
    difference = float(ciede2000(lab, true_lab).mean())
    return PictureMetrics(limited(psnr(image, truth)), ssim(image, truth), ratio, difference)
