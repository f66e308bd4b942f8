"""What weights do to pictures that dark pairs do not have: lit, darker, with lamps or bars, small; and in realtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exdnet_plugin.api import enhance_image
from exdnet_plugin.data_sets import open_data_set
from exdnet_plugin.devices import resolve_device
from exdnet_plugin.evaluation.exposure import LUMA
from exdnet_plugin.evaluation.metrics import limited, psnr, squared_error, ssim, unit
from exdnet_plugin.exdnet.checkpoint import DEFAULT, SMALL, load_weights
from exdnet_plugin.exdnet.inference import exact_inference
from exdnet_plugin.frame_filter import Quality
from exdnet_plugin.pairs import Picture, split_by_group
from exdnet_plugin.training.light import DISPLAY_GAMMA
from exdnet_plugin.training.loading import load_bright

FULL_WELL, READ = 6000.0, 6e-4  # shot and read noise of a small sensor, of full scale in linear light
FACTORS = 4, 8, 16, 32  # how many times less light
LAMP, RADII = 250, (3, 8, 20, 45)
BAR = 50  # pixels at the top and at the bottom
Pairs = Sequence[tuple[Picture, Picture]]
Enhance = Callable[[Picture], Picture]


def table(
    root: Path, weights: str = DEFAULT, device: str = "auto", every: int = 4, photos: Path | None = None
) -> dict[str, Any]:
    """All checks over every so many of the pairs that `exdnet train` holds out of a data set; realtime over all.

    `photos` is a folder of well-lit ones, which are looked at as they are and darkened, too.

    Raises:
        ValueError: the folder of photos holds none, or one that is unreadable.
    """
    data = open_data_set(root)
    held_out = split_by_group(data.pairs, data.groups)[1]
    pairs = [pair.load() for pair in held_out[::every]]
    chain = f"exdnet=weights={weights}"
    enhance = _enhancing(chain, device)
    return {
        "weights": weights,
        "sha256": load_weights(weights).sha256,
        "pictures": len(pairs),
        **_by_light(pairs, enhance),
        **({"photos": _photos(photos, chain, device)} if photos else {}),
        "lamps of 250, least luma": lamps(pairs, enhance),
        "bars": bars(pairs, enhance),
        "quarter size to full size shrunk dB": quarter(pairs, weights, resolve_device(device)),
        "realtime": realtime((pair.load() for pair in held_out), chain, device),
        "behind denoise": _denoised(pairs, photos, _enhancing(f"denoise,{chain}", device)),
    }


def _denoised(pairs: Pairs, photos: Path | None, enhance: Enhance) -> dict[str, Any]:
    """The same checks where noise is reduced before."""
    lit = [(photo, photo) for photo in load_bright(photos)] if photos else []
    return {
        **_by_light(pairs, enhance),
        **({"photos": _by_light(lit, enhance)} if lit else {}),
        "lamps of 250, least luma": lamps(pairs, enhance),
        "bars": bars(pairs, enhance),
    }


def _photos(folder: Path, chain: str, device: str) -> dict[str, Any]:
    """Well-lit photos, as they are and darkened, with the fade and by the network alone."""
    lit = [(photo, photo) for photo in load_bright(folder)]
    alone = _enhancing(f"{chain}:well_lit=enhance", device)
    return {**_by_light(lit, _enhancing(chain, device)), "by the network alone": _by_light(lit, alone)}


def _by_light(pairs: Pairs, enhance: Enhance) -> dict[str, Any]:
    dark = {f"1/{factor}": darkened(pairs, enhance, factor) for factor in FACTORS}
    return {"well-lit to themselves": well_lit(pairs, enhance), "darkened": dark}


def _enhancing(chain: str, device: str) -> Enhance:
    return lambda picture: enhance_image(picture, chain=chain, device=device)


def well_lit(pairs: Pairs, enhance: Enhance) -> dict[str, float]:
    """Enhanced bright pictures to themselves: PSNR of their mean squared error, since some are the same, and the least.

    `changed` are those of them that do not stay as they are.
    """
    squared = torch.stack([squared_error(unit(enhance(high)), unit(high)) for _, high in pairs])
    together, least = (limited(float(-10 * torch.log10(error))) for error in (squared.mean(), squared.max()))
    changed = int((squared > 0).sum())
    return {"pictures": len(pairs), "changed": changed, "dB": round(together, 2), "least dB": round(least, 2)}


def darkened(pairs: Pairs, enhance: Enhance, factor: int) -> dict[str, float]:
    """PSNR to bright pictures of these with less light and noise: as they are, stretched by percentiles, enhanced."""
    rows = []
    for index, (_, high) in enumerate(pairs):
        dark = darker(high, factor, index)
        rows.append([_psnr(made, high) for made in (dark, stretched(dark), enhance(dark))])
    return dict(zip(("input", "stretched", "enhanced"), (_mean(column) for column in np.transpose(rows)), strict=True))


def darker(picture: Picture, factor: int, seed: int) -> Picture:
    """A picture with 1/factor of its light, in linear light, with shot and read noise, in 8 bits."""
    linear = (picture / 255.0) ** DISPLAY_GAMMA / factor
    noise = np.random.default_rng(seed).standard_normal(linear.shape)
    linear = np.clip(linear + noise * np.sqrt(linear / FULL_WELL + READ**2), 0, 1)
    return np.asarray(np.round(linear ** (1 / DISPLAY_GAMMA) * 255), np.uint8)


def stretched(picture: Picture) -> Picture:
    """The 1st and the 99th percentile stretched to black and white: what a picture gains without a network."""
    low, high = np.percentile(picture, [1, 99])
    return np.asarray(np.clip((picture - low) / max(high - low, 1) * 255, 0, 255).round(), np.uint8)


def lamps(pairs: Pairs, enhance: Enhance) -> dict[str, float]:
    """The least luma within a white disc that is pasted into dark pictures, by its radius in pixels."""
    found = {}
    for radius in RADII:
        least = []
        for low, _ in pairs:
            height, width = low.shape[:2]
            with_lamp, inside = low.copy(), np.zeros((height, width), np.uint8)
            cv2.circle(with_lamp, (width // 2, height // 2), radius, (LAMP,) * 3, -1)
            cv2.circle(inside, (width // 2, height // 2), radius, 1, -1)
            least.append(float((enhance(with_lamp)[inside == 1] @ LUMA).min()))
        found[str(radius)] = round(min(least), 1)
    return found


def bars(pairs: Pairs, enhance: Enhance) -> dict[str, float]:
    """Mean level of black letterbox bars after enhancement, the worst picture's, and PSNR to the truth between them."""
    levels, with_bars, without = [], [], []
    for low, high in pairs:
        boxed = low.copy()
        boxed[:BAR] = boxed[-BAR:] = 0
        result, plain = enhance(boxed), enhance(low)
        levels.append(float(np.concatenate([result[:BAR], result[-BAR:]]).mean()))
        between = slice(BAR, -BAR)
        with_bars.append(_psnr(result[between], high[between]))
        without.append(_psnr(plain[between], high[between]))
    return {
        "mean level": _mean(levels),
        "worst level": round(max(levels), 2),
        "between them dB": _mean(with_bars),
        "the same without bars dB": _mean(without),
    }


def quarter(pairs: Pairs, weights: str, device: str) -> dict[str, float]:
    """PSNR of quarter-size pictures' results to full-size ones shrunk: by these weights and by `small`."""
    full = exact_inference(load_weights(weights), device)
    found = {}
    for name in (weights, SMALL) if weights == DEFAULT else (weights,):
        small = exact_inference(load_weights(name), device)
        frames = [unit(low).to(device) for low, _ in pairs]
        found[name] = _mean([psnr(small(_shrunk(frame)), _shrunk(full(frame))) for frame in frames])
    return found


def realtime(pairs: Iterable[tuple[Picture, Picture]], chain: str = "exdnet", device: str = "auto") -> dict[str, float]:
    """PSNR and SSIM of quality `realtime` to `exact`, and of both to the ground truth."""
    qualities: tuple[Quality, ...] = ("exact", "realtime")
    rows = []
    for low, high in pairs:
        exact, fast = (unit(enhance_image(low, chain=chain, device=device, quality=quality)) for quality in qualities)
        truth = unit(high)
        rows.append([metric(*two) for two in ((fast, exact), (fast, truth), (exact, truth)) for metric in (psnr, ssim)])
    names = (f"{what} {of}" for what in ("to exact", "to the truth", "exact to the truth") for of in ("dB", "SSIM"))
    means = [round(float(mean), 3) for mean in np.mean(rows, axis=0)]
    return {"pictures": len(rows), **dict(zip(names, means, strict=True))}


def _shrunk(image: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(image, 4)


def _psnr(made: Picture, truth: Picture) -> float:
    return psnr(unit(made), unit(truth))


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    return round(float(np.mean(values)), 2)
