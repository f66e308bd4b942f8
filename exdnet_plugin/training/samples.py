"""Training samples: LOL-like pairs, and what such pairs do not teach.

Trained on pairs alone, the network turns lamps black, well-lit pictures dark and letterbox bars grey, since it never
saw any. So some samples are made from a pair: lit in part, lit already, darkened in linear light, with lamps or bars.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.pairs import Picture

Image = NDArray[np.float32]  # (H, W, 3) RGB in [0, 1]
DISPLAY_GAMMA = 2.2
STATISTICS_STRIDE = 3  # percentiles from every third pixel of the whole picture: within a code, a ninth of the time


@dataclass(frozen=True)
class SampleMix:
    """How often each kind of sample is drawn (the rest are plain pairs), and how often each change is made to it."""

    lit_in_part: float = 0.18
    well_lit: float = 0.17
    darkened: float = 0.14
    lamps: float = 0.35
    black: float = 0.2
    gain: float = 0.3
    compression: float = 0.3
    rescaling: float = 0.2


@dataclass(frozen=True)
class Sample:
    """A crop with its exposure range from the whole picture: frame and target (3, h, w) in [0, 1], range (2,)."""

    frame: Tensor
    range: Tensor
    target: Tensor


def make_samples(
    low: Picture, high: Picture, rng: Generator, size: int, mix: SampleMix, *, crops: int = 1, bright_only: bool = False
) -> list[Sample]:
    """Crops of `size` pixels a side from one made-up picture; `bright_only`: a well-lit one without a dark partner."""
    dark, bright = make_pair(low, high, rng, mix, bright_only=bright_only)
    statistics = torch.from_numpy(np.ascontiguousarray(dark[::STATISTICS_STRIDE, ::STATISTICS_STRIDE]))
    range_ = exposure_range(statistics.permute(2, 0, 1)[None])[0]
    return [_sample(dark, bright, range_, rng, size, mix) for _ in range(crops)]


def make_pair(
    low: Picture, high: Picture, rng: Generator, mix: SampleMix, *, bright_only: bool = False
) -> tuple[Image, Image]:
    """A made-up dark picture, in whole codes, and its bright one."""
    dark, bright = _change_light(_unit(low), _unit(high), rng, mix, bright_only)
    if rng.random() < mix.lamps:
        _add_lamps(dark, bright, rng)
    if rng.random() < mix.black:
        _add_black(dark, bright, rng)
    return np.asarray(np.round(np.clip(dark, 0, 1) * np.float32(255)) / np.float32(255), np.float32), bright


def _sample(dark: Image, bright: Image, range_: Tensor, rng: Generator, size: int, mix: SampleMix) -> Sample:
    dark, bright = _crop(dark, bright, rng, size, _scale(rng, dark.shape, size, mix))
    if rng.random() < mix.compression:
        dark = _compress(dark, rng)
    dark, bright = _turn(dark, bright, rng)
    return Sample(as_tensor(dark), range_, as_tensor(bright))


def _unit(picture: Picture) -> Image:
    return picture.astype(np.float32) * np.float32(1 / 255)


def _scale(rng: Generator, shape: tuple[int, ...], size: int, mix: SampleMix) -> float:
    if rng.random() >= mix.rescaling:
        return 1.0
    largest = min(4.0, min(shape[:2]) / size)
    return float(np.exp(rng.uniform(0, np.log(max(largest, 1.0)))))


def _change_light(dark: Image, bright: Image, rng: Generator, mix: SampleMix, bright_only: bool) -> tuple[Image, Image]:
    kind = rng.random()
    if bright_only:
        kind = rng.uniform(mix.lit_in_part, mix.lit_in_part + mix.well_lit + mix.darkened)
    if kind < mix.lit_in_part:
        mask = _mask(rng, (dark.shape[0], dark.shape[1]))[:, :, None]
        return dark + (bright - dark) * mask, bright
    if kind < mix.lit_in_part + mix.well_lit:
        bright = _restyle(bright, rng)
        return bright.copy(), bright
    if kind < mix.lit_in_part + mix.well_lit + mix.darkened:
        bright = _restyle(bright, rng) if rng.random() < 0.5 else bright
        return _darken(bright, rng), bright
    if rng.random() < mix.gain:
        dark = np.clip(dark * np.float32(rng.uniform(0.6, 1.8)), 0, 1)
    return dark.copy(), bright.copy()


def _restyle(image: Image, rng: Generator) -> Image:
    """Another well-lit look: contrast, gamma, saturation. LOL's own bright pictures are of one camera and house."""
    lo, hi = np.percentile(image[::8, ::8], [0.5, 99.5])
    stretch = np.float32(rng.uniform(0, 1))
    image = image + stretch * ((image - lo) / max(hi - lo, 0.05) - image)
    image = _power(np.clip(image, 0, 1), rng.uniform(0.7, 1.5))
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * np.float32(rng.uniform(0.7, 2.2))
    return np.clip(image, 0, 1).astype(np.float32)


def _darken(image: Image, rng: Generator) -> Image:
    """Less light: a factor in linear light, shot noise by the square root of the signal, read noise, a black point."""
    factor = np.float32(np.exp(rng.uniform(np.log(1 / 32), np.log(1 / 2))))
    linear = _power(image, DISPLAY_GAMMA) * factor
    noise = rng.standard_normal(image.shape, np.float32)
    full_well = np.float32(np.exp(rng.uniform(np.log(2e3), np.log(4e4))))
    read = np.float32(np.exp(rng.uniform(np.log(1e-4), np.log(1.5e-3))))
    linear = linear + noise * np.sqrt(linear / full_well + read**2)
    return _power(np.clip(linear, 0, 1), 1 / DISPLAY_GAMMA)


def _power(image: Image, exponent: float) -> Image:
    return np.asarray(cv2.pow(image, exponent), np.float32)


def _mask(rng: Generator, shape: tuple[int, int]) -> Image:
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


def _add_lamps(dark: Image, bright: Image, rng: Generator) -> None:
    """Discs of light with a glow, in both pictures: what was a lamp stays one."""
    height, width = dark.shape[:2]
    for _ in range(int(rng.integers(1, 9))):
        radius = float(np.exp(rng.uniform(np.log(1.5), np.log(50))))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        left, top, right, bottom = (
            int(v)
            for v in (
                max(x - 3 * radius, 0),
                max(y - 3 * radius, 0),
                min(x + 3 * radius + 1, width),
                min(y + 3 * radius + 1, height),
            )
        )
        rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
        distance = np.sqrt((columns - x) ** 2 + (rows - y) ** 2)
        disc = (distance <= radius).astype(np.float32) if rng.random() < 0.5 else np.clip(radius - distance, 0, 1)
        glow = (
            np.exp(-np.square(np.maximum(distance - radius, 0) / radius)) * rng.uniform(0, 0.4) * (rng.random() < 0.6)
        )
        tint = np.float32(1) - rng.uniform(0, 0.35, 3).astype(np.float32) * (rng.random() < 0.4) * np.array(
            [0, 0.5, 1], np.float32
        )
        light = (np.maximum(disc, glow)[:, :, None] * tint * np.float32(rng.uniform(0.9, 1.0))).astype(np.float32)
        for image in (dark, bright):
            np.maximum(image[top:bottom, left:right], light, out=image[top:bottom, left:right])


def _add_black(dark: Image, bright: Image, rng: Generator) -> None:
    """Letterbox or pillarbox bars, or a black shape anywhere, in both pictures: what has no light stays black."""
    height, width = dark.shape[:2]
    if rng.random() < 0.4:
        corner = (int(rng.uniform(0, 0.8) * width), int(rng.uniform(0, 0.8) * height))
        side = (int(rng.uniform(0.1, 0.5) * width), int(rng.uniform(0.1, 0.5) * height))
        for image in (dark, bright):
            cv2.rectangle(image, corner, (corner[0] + side[0], corner[1] + side[1]), (0, 0, 0), -1)
        return
    axis = int(rng.integers(2))
    thickness = int(rng.uniform(0.04, 0.2) * dark.shape[axis])
    for image in (dark, bright):
        view = np.swapaxes(image, 0, axis)
        view[:thickness] = 0
        view[-thickness:] = 0


def _crop(dark: Image, bright: Image, rng: Generator, size: int, scale: float) -> tuple[Image, Image]:
    window = round(size * scale)
    top = int(rng.integers(dark.shape[0] - window + 1))
    left = int(rng.integers(dark.shape[1] - window + 1))
    crops = [image[top : top + window, left : left + window] for image in (dark, bright)]
    if window != size:
        crops = [np.asarray(cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA), np.float32) for crop in crops]
    return crops[0], crops[1]


def _compress(image: Image, rng: Generator) -> Image:
    """JPEG with 4:2:0 chroma: the blocks and colour bleeding that phones and streams add."""
    codes = np.round(image[:, :, ::-1] * 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", codes, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 97))])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded[:, :, ::-1], np.float32) / np.float32(255)


def _turn(dark: Image, bright: Image, rng: Generator) -> tuple[Image, Image]:
    flips, quarter_turns = rng.integers(2), int(rng.integers(4))
    images = [np.rot90(image[:, ::-1] if flips else image, quarter_turns) for image in (dark, bright)]
    return images[0], images[1]


def as_tensor(image: Image) -> Tensor:
    """(H, W, 3) to (3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
