"""What a user sees of the default weights, on real pictures that they were not trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from exdnet_plugin import enhance_image
from exdnet_plugin.data_sets import open_data_set
from exdnet_plugin.evaluation.metrics import lab_chroma, psnr, ssim
from exdnet_plugin.pairs import Pair, split_by_group


@pytest.fixture(scope="module")
def held_out(shared: Path) -> list[Pair]:
    """Every sixth of the pictures that training holds out."""
    data = open_data_set(shared / "data" / "lol")
    return split_by_group(data.pairs, data.groups)[1][::6]


def unit(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def test_unseen_pictures_come_near_their_ground_truth_with_their_colours(held_out: list[Pair]) -> None:
    """The full figures are `exdnet evaluate`'s, on all held-out pictures; a sixth of them scatters around those."""
    pictures = [pair.load() for pair in held_out]
    results = [unit(enhance_image(low)) for low, _ in pictures]
    truths = [unit(high) for _, high in pictures]
    assert np.mean([psnr(*pair) for pair in zip(results, truths, strict=True)]) > 18
    assert np.mean([ssim(*pair) for pair in zip(results, truths, strict=True)]) > 0.72
    assert sum(map(lab_chroma, results)) / sum(map(lab_chroma, truths)) > 0.6


@pytest.mark.parametrize("radius", [3, 8, 20, 45])
def test_lamps_stay_lamps(held_out: list[Pair], radius: int) -> None:
    for pair in held_out:
        dark = pair.load()[0].copy()
        cv2.circle(dark, (300, 200), radius, (250, 250, 250), -1)
        inside = np.zeros(dark.shape[:2], np.uint8)
        cv2.circle(inside, (300, 200), radius, 1, -1)
        luma = enhance_image(dark)[inside == 1] @ np.array([0.2126, 0.7152, 0.0722])
        assert luma.min() >= 235, pair.name


def test_a_well_lit_picture_stays_what_it_is(held_out: list[Pair]) -> None:
    values = [psnr(unit(enhance_image(high)), unit(high)) for high in (pair.load()[1] for pair in held_out)]
    assert np.mean(values) >= 23


def test_realtime_loses_little(held_out: list[Pair]) -> None:
    """To exact 30 dB or more; against ground truth at most 0.3 dB and an SSIM of 0.04 less than exact."""
    pictures = [pair.load() for pair in held_out]
    exact, realtime = ([unit(enhance_image(low, quality=q)) for low, _ in pictures] for q in ("exact", "realtime"))
    truths = [unit(high) for _, high in pictures]

    def mean(metric: Callable[..., float], some: list[torch.Tensor], others: list[torch.Tensor]) -> float:
        return float(np.mean([metric(*pair) for pair in zip(some, others, strict=True)]))

    assert mean(psnr, realtime, exact) >= 30
    assert mean(psnr, realtime, truths) >= mean(psnr, exact, truths) - 0.3
    assert mean(ssim, realtime, truths) >= mean(ssim, exact, truths) - 0.04


def test_dark_photos_become_brighter(shared: Path) -> None:
    for path in sorted((shared / "data" / "photos").glob("*.bmp"))[:4]:
        dark = cv2.imread(str(path))[:, :, ::-1]
        assert enhance_image(np.ascontiguousarray(dark)).mean() > dark.mean() + 15, path.name
