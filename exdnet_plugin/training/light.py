"""Less light, other light, light in part: what a pair becomes so that more is learnt than the pair itself teaches."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.float32]  # (H, W, 3) RGB in [0, 1]
DISPLAY_GAMMA = 2.2


def in_codes(image: Image) -> Image:
    """Rounded to whole 8-bit codes, as files have them."""
    codes = np.round(np.clip(image, 0, 1) * np.float32(255))
    return np.asarray(codes / np.float32(255), np.float32)


def restyle(image: Image, rng: Generator) -> Image:
    """Another well-lit look: contrast, gamma, saturation. LOL's own bright pictures are of one camera and house."""
    lo, hi = np.percentile(image[::8, ::8], [0.5, 99.5])
    stretch = np.float32(rng.uniform(0, 1))
    image = image + stretch * ((image - lo) / max(hi - lo, 0.05) - image)
    image = _power(np.clip(image, 0, 1), rng.uniform(0.75, 1.3))
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * np.float32(rng.uniform(0.7, 1.8))
    return np.clip(image, 0, 1).astype(np.float32)


def darken(image: Image, rng: Generator, noise: Generator) -> Image:
    """Less light: a factor in linear light, shot noise by the square root of the signal, read noise, a black point.

    How much of each is drawn from `rng`, the noise itself from `noise`.
    """
    factor = np.float32(np.exp(rng.uniform(np.log(1 / 32), np.log(1 / 2))))
    linear = _power(image, DISPLAY_GAMMA) * factor
    grain = noise.standard_normal(image.shape, np.float32)
    full_well = np.float32(np.exp(rng.uniform(np.log(2e3), np.log(4e4))))
    read = np.float32(np.exp(rng.uniform(np.log(1e-4), np.log(1.5e-3))))
    linear = linear + grain * np.sqrt(linear / full_well + read**2)
    return _power(np.clip(linear, 0, 1), 1 / DISPLAY_GAMMA)


def cast(image: Image, rng: Generator, most: float = 0.25) -> Image:
    """A camera's white balance gone wrong, or lamps of another colour: a gain a channel, at most so far from 1."""
    gains = np.float32(1) + rng.uniform(-most, most, 3).astype(np.float32)
    return np.asarray(np.clip(image * gains / gains.mean(), 0, 1), np.float32)


def _power(image: Image, exponent: float) -> Image:
    return np.asarray(cv2.pow(image, exponent), np.float32)


def lit_mask(rng: Generator, shape: tuple[int, int]) -> Image:
    """How far each pixel is lit, (H, W) in [0, 1]: smooth clouds, or a hard-edged or soft-edged shape."""
    height, width = shape
    if rng.random() < 0.4:
        cells = int(rng.integers(2, 7))
        coarse = rng.random((cells, cells), np.float32)
        cloud = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
        lit = np.clip((cloud - rng.uniform(0.2, 0.7)) * rng.uniform(1.5, 6) + 0.5, 0, 1)
        return np.asarray(lit, np.float32)
    mask: Image = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.uniform(0.05, 0.5) * width), int(rng.uniform(0.05, 0.5) * height))
        if rng.random() < 0.5:
            cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        else:
            corner = (centre[0] + axes[0], centre[1] + axes[1])
            cv2.rectangle(mask, centre, corner, 1.0, -1)
    if rng.random() < 0.5:
        mask = np.asarray(cv2.blur(mask, (int(rng.integers(3, width // 3)),) * 2), np.float32)
    return mask
