"""What the figures of a single picture say."""

from __future__ import annotations

import pytest
import torch
from conftest import scene

from exdnet_plugin.evaluation.exposure import describe


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0])
def test_noise_is_estimated_on_a_smooth_picture(sigma: float) -> None:
    """Immerkær's own claim: near on natural pictures, texture adds to small noise."""
    ramp = torch.linspace(0.3, 0.6, 200).expand(1, 3, 160, 200)
    generator = torch.Generator().manual_seed(0)
    same_in_all_channels = torch.randn(1, 1, 160, 200, generator=generator) * sigma / 255
    assert describe(ramp + same_in_all_channels).noise == pytest.approx(sigma, rel=0.05)
    assert describe(ramp).noise < 0.01


def test_dark_and_bright_pixels_are_counted() -> None:
    picture = torch.full((1, 3, 10, 10), 0.5)
    picture[:, :, 0] = 15 / 255
    picture[:, :, 1] = 16 / 255
    picture[:, :, 2, :5] = 250 / 255
    picture[:, :, 2, 5:] = 249 / 255
    found = describe(picture)
    assert found.under_exposed == pytest.approx(10, abs=1e-3)
    assert found.clipped == pytest.approx(5, abs=1e-3)


def test_contrast_and_chroma_are_those_of_the_picture() -> None:
    halves = torch.zeros(1, 3, 8, 8)
    halves[..., 4:] = 1
    found = describe(halves)
    assert found.contrast == pytest.approx(0.5, abs=1e-5)
    assert found.luma == pytest.approx(0.5, abs=1e-5)
    assert found.chroma < 0.1
    colourful = torch.from_numpy(scene(0, (32, 32))).permute(2, 0, 1)[None].float()
    assert describe(colourful).chroma > describe(colourful * 0.3).chroma > 1
