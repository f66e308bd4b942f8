"""CIEDE2000, the colour difference that CIE recommends: about 1 is what an eye just sees, side by side.

Source: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and
mathematical observations", Color Research & Application 30 (2005), 21-30, with all parametric factors 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def ciede2000(lab: Tensor, other: Tensor) -> Tensor:
    """ΔE00 of each pixel, symmetric in its arguments.

    Args:
        lab, other: (N, 3, ...) CIE Lab: L in [0, 100], a and b about -128 to 127.

    Returns:
        (N, ...), 0 where both are equal; black to white is 100.
    """
    lightness, chroma, hue = _prime(lab, other)
    lightness_step = (lightness[1] - lightness[0]) / _lightness_weight((lightness[0] + lightness[1]) / 2)
    mean_chroma = (chroma[0] + chroma[1]) / 2
    mean_hue, hue_difference = _hues(hue, chroma[0] * chroma[1] == 0)
    chroma_step = (chroma[1] - chroma[0]) / (1 + 0.045 * mean_chroma)
    chord = 2 * (chroma[0] * chroma[1]).sqrt() * _sin(hue_difference / 2)
    hue_step = chord / (1 + 0.015 * mean_chroma * _hue_weight(mean_hue))
    turn = 30 * torch.exp(-(((mean_hue - 275) / 25) ** 2))
    rotation = -_sin(2 * turn) * 2 * _saturation(mean_chroma).sqrt()
    squares = lightness_step**2 + chroma_step**2 + hue_step**2 + rotation * chroma_step * hue_step
    return squares.clamp(min=0).sqrt()


def _prime(lab: Tensor, other: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Lightness, chroma C' and hue h' in degrees of both, with a stretched where colours are weak."""
    mean = (torch.hypot(lab[:, 1], lab[:, 2]) + torch.hypot(other[:, 1], other[:, 2])) / 2
    stretch = 1.5 - 0.5 * _saturation(mean).sqrt()
    both = [(one[:, 0], one[:, 1] * stretch, one[:, 2]) for one in (lab, other)]
    chroma = tuple(torch.hypot(a, b) for _, a, b in both)
    hue = tuple(torch.rad2deg(torch.atan2(b, a)) % 360 for _, a, b in both)
    return tuple(lightness for lightness, _, _ in both), chroma, hue


def _hues(hue: tuple[Tensor, ...], gray: Tensor) -> tuple[Tensor, Tensor]:
    """Mean hue and hue difference in degrees, the short way round; a grey has no hue, and the other's counts."""
    difference, total = hue[1] - hue[0], hue[0] + hue[1]
    far = difference.abs() > 180
    mean = torch.where(far, torch.where(total < 360, total + 360, total - 360), total) / 2
    short = torch.where(far, difference - 360 * difference.sign(), difference)
    return torch.where(gray, total, mean), torch.where(gray, torch.zeros_like(short), short)


def _saturation(chroma: Tensor) -> Tensor:
    """C⁷ / (C⁷ + 25⁷)."""
    seventh = chroma**7
    return seventh / (seventh + 25.0**7)


def _lightness_weight(mean: Tensor) -> Tensor:
    square = (mean - 50) ** 2
    return 1 + 0.015 * square / (20 + square).sqrt()


def _hue_weight(mean: Tensor) -> Tensor:
    terms = -0.17 * _cos(mean - 30) + 0.24 * _cos(2 * mean) + 0.32 * _cos(3 * mean + 6)
    return 1 + terms - 0.20 * _cos(4 * mean - 63)


def _cos(degrees: Tensor) -> Tensor:
    return torch.cos(torch.deg2rad(degrees))


def _sin(degrees: Tensor) -> Tensor:
    return torch.sin(torch.deg2rad(degrees))
