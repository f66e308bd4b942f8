"""Training samples: pairs as they are, and what such pairs do not teach.

Trained on pairs alone, the network turns lamps black, well-lit pictures dark and letterbox bars grey, since it never
saw any. So some samples are made from a pair: lit in part, lit already, darkened in linear light, with lamps or bars,
under another white balance, compressed, shrunk.
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
from exdnet_plugin.media.compressed import through_h264
from exdnet_plugin.pairs import Picture
from exdnet_plugin.training.lamps import add_black, add_lamps
from exdnet_plugin.training.light import Image, cast, darken, in_codes, lit_mask, restyle

STATISTICS_STRIDE = 3  # percentiles from every third pixel of the whole picture: within a code, a ninth of the time
TINY_SIDE = 16


@dataclass(frozen=True)
class SampleMix:
    """How often each kind of picture is made (the rest are plain pairs), and how often each change is made to it."""

    lit_in_part: float = 0.18
    well_lit: float = 0.08  # fewer than others: most fade into what they are, and teach nothing
    darkened: float = 0.2
    lamps: float = 0.35
    black: float = 0.2
    gain: float = 0.3
    white_balance: float = 0.1
    compression: float = 0.3
    rescaling: float = 0.2


PLAIN = SampleMix(0, 0, 0, 0, 0, 0, 0, 0, 0)  # pairs as they are


@dataclass(frozen=True)
class Whole:
    """A whole made-up picture: dark and bright (3, H, W) in [0, 1], and the dark one's exposure range (2,)."""

    dark: Tensor
    bright: Tensor
    range: Tensor


@dataclass(frozen=True)
class Sample:
    """A crop with its exposure range from the whole picture: frame and target (3, h, w) in [0, 1], range (2,)."""

    frame: Tensor
    range: Tensor
    target: Tensor


def make_whole(
    low: Picture,
    high: Picture,
    rng: Generator,
    size: int,
    mix: SampleMix,
    *,
    bright_only: bool = False,
    noise: Generator | None = None,
) -> Whole:
    """One made-up picture, `size` pixels high and wide or more.

    Args:
        low, high: the pair.
        rng: what is changed, and how much.
        size: no side becomes smaller.
        mix: how often each change is made.
        bright_only: the picture is well lit and has no dark partner.
        noise: where noise is drawn from, by default from `rng`.
    """
    dark, bright = make_pair(low, high, rng, mix, bright_only=bright_only, noise=noise)
    if rng.random() < mix.rescaling:
        dark, bright = _shrink(dark, bright, rng, size)
    if rng.random() < mix.compression:
        dark = _compress(dark, rng)
    dark, bright = _turn(dark, bright, rng)
    statistics = torch.from_numpy(np.ascontiguousarray(dark[::STATISTICS_STRIDE, ::STATISTICS_STRIDE]))
    range_ = exposure_range(statistics.permute(2, 0, 1)[None])[0]
    return Whole(as_tensor(dark), as_tensor(bright), range_)


def make_pair(
    low: Picture,
    high: Picture,
    rng: Generator,
    mix: SampleMix,
    *,
    bright_only: bool = False,
    noise: Generator | None = None,
) -> tuple[Image, Image]:
    """A made-up dark picture, in whole codes, and its bright one. See :func:`make_whole`."""
    dark, bright = _change_light(_unit(low), _unit(high), rng, mix, bright_only, noise or rng)
    if rng.random() < mix.white_balance:
        dark = cast(dark, rng)
    if rng.random() < mix.lamps:
        add_lamps(dark, bright, rng)
    if rng.random() < mix.black:
        add_black(dark, bright, rng)
    return in_codes(dark), bright


def crop(whole: Whole, rng: Generator, size: int) -> Sample:
    """A square window of a picture that is large enough."""
    height, width = whole.dark.shape[1:]
    top, left = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    window = (slice(None), slice(top, top + size), slice(left, left + size))
    return Sample(whole.dark[window], whole.range, whole.bright[window])


def tiny(whole: Whole, rng: Generator, size: int) -> Whole:
    """The picture smaller than a crop, its shorter side 16 to `size` pixels: thumbnails have another matrix, too."""
    height, width = whole.dark.shape[1:]
    factor = min(height, width) / np.exp(rng.uniform(np.log(TINY_SIDE), np.log(size)))
    to = max(round(width / factor), TINY_SIDE), max(round(height / factor), TINY_SIDE)
    dark, bright = (
        as_tensor(np.asarray(cv2.resize(side.permute(1, 2, 0).numpy(), to, interpolation=cv2.INTER_AREA), np.float32))
        for side in (whole.dark, whole.bright)
    )
    return Whole(dark, bright, exposure_range(dark[None])[0])


def flipped(sample: Sample, rng: Generator) -> Sample:
    """The same, or its mirror image, in either direction."""
    dims = flip_dims(rng)
    return Sample(sample.frame.flip(dims), sample.range, sample.target.flip(dims))


def flip_dims(rng: Generator) -> list[int]:
    """The dimensions in which a (3, H, W) picture is mirrored: each, half of the time."""
    return [dim for dim in (1, 2) if rng.random() < 0.5]


def _unit(picture: Picture) -> Image:
    return picture.astype(np.float32) * np.float32(1 / 255)


def _change_light(
    dark: Image, bright: Image, rng: Generator, mix: SampleMix, bright_only: bool, noise: Generator
) -> tuple[Image, Image]:
    kind = rng.random()
    if bright_only:
        kind = rng.uniform(mix.lit_in_part, mix.lit_in_part + mix.well_lit + mix.darkened)
    if kind < mix.lit_in_part:
        mask = lit_mask(rng, (dark.shape[0], dark.shape[1]))[:, :, None]
        lit = cast(bright, rng) if rng.random() < 2 * mix.white_balance else bright  # lamps of another colour
        return dark + (lit - dark) * mask, bright.copy()
    if kind < mix.lit_in_part + mix.well_lit:
        bright = restyle(bright, rng)
        return bright.copy(), bright
    if kind < mix.lit_in_part + mix.well_lit + mix.darkened:
        bright = restyle(bright, rng) if not bright_only and rng.random() < 0.5 else bright  # photos have looks enough
        return darken(bright, rng, noise), bright.copy()
    if rng.random() < mix.gain:
        dark = np.clip(dark * np.float32(rng.uniform(0.6, 1.8)), 0, 1)
    return dark.copy(), bright.copy()


def _shrink(dark: Image, bright: Image, rng: Generator, size: int) -> tuple[Image, Image]:
    """Both pictures by the same factor, to a quarter at most, but not below `size` pixels a side."""
    height, width = dark.shape[:2]
    largest = max(min(4.0, min(height, width) / size), 1.0)
    factor = float(np.exp(rng.uniform(0, np.log(largest))))
    to = max(round(width / factor), size), max(round(height / factor), size)
    small = [np.asarray(cv2.resize(image, to, interpolation=cv2.INTER_AREA), np.float32) for image in (dark, bright)]
    return small[0], small[1]


def _compress(image: Image, rng: Generator) -> Image:
    """JPEG or H.264 with 4:2:0 chroma: the blocks and colour bleeding that phones and streams add."""
    codes = np.round(image * 255).astype(np.uint8)
    if rng.random() < 0.5:
        codes = _through_jpeg(codes, int(rng.integers(25, 97)))
    else:
        codes = through_h264(codes, float(rng.uniform(15, 34)))
    return codes.astype(np.float32) / np.float32(255)


def _through_jpeg(picture: Picture, quality: int) -> Picture:
    _, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded[:, :, ::-1], np.uint8)


def _turn(dark: Image, bright: Image, rng: Generator) -> tuple[Image, Image]:
    flips, quarter_turns = rng.integers(2), int(rng.integers(4))
    images = [np.rot90(image[:, ::-1] if flips else image, quarter_turns) for image in (dark, bright)]
    return images[0], images[1]


def as_tensor(image: NDArray[np.float32]) -> Tensor:
    """(H, W, 3) to (3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
