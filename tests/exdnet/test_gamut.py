"""Colours that calibration makes too vivid to be shown: they lose chroma, not a channel, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from exdnet_plugin import enhance_image
from exdnet_plugin.exdnet.gamut import SHARE, mean, within
from exdnet_plugin.exdnet.highlights import Shoulder, rolled_off
from exdnet_plugin.exdnet.module import ExdNetModule

VALUE = st.floats(-0.5, 2, width=32)
CODE = st.floats(0, 1, width=32)


def pixel(*rgb: float) -> torch.Tensor:
    return torch.tensor(rgb).view(1, 3, 1, 1)


@given(VALUE, VALUE, VALUE, CODE, CODE, CODE)
def test_the_mean_stays_and_channels_keep_their_share(
    red: float, green: float, blue: float, r: float, g: float, b: float
) -> None:
    values, frame = pixel(red, green, blue), pixel(r, g, b)
    result, light = within(values, frame), mean(values.clamp(min=0))
    assert torch.isfinite(result).all()
    assert result.min() >= -1e-3
    assert mean(result) == pytest.approx(light, abs=1e-5)
    before = mean(frame).clamp(min=1e-4)
    assert (result - torch.minimum(frame, before) * SHARE * light / before).min() >= -1e-3
    assert result.max() - result.min() <= values.max() - values.min() + 1e-5, "chroma grew"


def test_what_fits_stays_what_it_is() -> None:
    values, frame = pixel(0.3, 0.5, 0.6), pixel(0.03, 0.04, 0.05)
    assert torch.allclose(within(values, frame), values, atol=1e-6)


def test_a_red_that_is_gone_comes_back_and_grey_pays_nothing() -> None:
    sky = within(pixel(-0.1, 0.33, 0.85), pixel(0.11, 0.31, 0.55))
    assert float(sky[0, 0]) > 0.05
    assert float(sky[0, 2]) < 0.85
    grey = pixel(0.4, 0.4, 0.4)
    assert torch.allclose(within(grey, pixel(0.1, 0.1, 0.1)), grey)


@pytest.fixture(scope="module")
def dusk(shared: Path) -> np.ndarray:
    """A house on a rock under a blue sky: (420, 560, 3) uint8."""
    picture = cv2.imread(str(shared / "data" / "photos" / "2.bmp"))
    assert picture is not None
    return np.ascontiguousarray(picture[:, :, ::-1])


@pytest.mark.parametrize("quality", ["exact", "realtime"])
def test_the_sky_at_dusk_is_no_cobalt(dusk: np.ndarray, quality: str) -> None:
    kept, clipped = (
        enhance_image(dusk, chain=chain, quality=quality)  # type: ignore[arg-type]
        for chain in ("exdnet", "exdnet=gamut=clip")
    )
    sky = np.s_[:150, :250]
    assert (clipped[sky][..., 0] == 0).mean() > 0.5, "or this picture asks nothing"
    assert (kept[sky][..., 0] == 0).mean() < 0.02
    assert kept[sky].mean() == pytest.approx(clipped[sky].mean(), abs=1)


def test_the_module_does_the_same(dusk: np.ndarray) -> None:
    part = np.ascontiguousarray(dusk)
    frames = torch.from_numpy(part).permute(2, 0, 1)[None].float() / 255
    kept, clipped = (ExdNetModule(gamut=way)(frames) for way in ("keep", "clip"))  # type: ignore[arg-type]
    assert (kept - clipped).abs().max() > 0.05
    assert (kept[:, 0] < 0.01).float().mean() < (clipped[:, 0] < 0.01).float().mean() / 4


@pytest.mark.parametrize("limits", [None, False, True], ids=["clipped", "a shoulder", "a shoulder and the gamut"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 33), (300, 441)])
def test_the_compiled_engine_does_the_same(
    instruction_sets: list[str], size: tuple[int, int], limits: bool | None
) -> None:
    from exdnet_plugin.exdnet import native
    from exdnet_plugin.exdnet.calibrating import calibrate

    generator = torch.Generator().manual_seed(0)
    before, matrix = torch.randn(2, 3, *size, generator=generator), torch.randn(2, 3, 3, generator=generator)
    frames, curvature = torch.rand(2, 3, *size, generator=generator), torch.tensor([0.0, 1.3])
    frames[:, :, 0, 0] = 0
    made = torch.einsum("nij,njhw->nihw", matrix, before)
    shoulder = None if limits is None else Shoulder(frames, curvature, limits)
    expected = (rolled_off(made, shoulder) if shoulder else made).clamp(1e-8, 1)
    for name in instruction_sets:
        native.instructions(name)
        assert (calibrate(before.clone(), matrix, shoulder) - expected).abs().max() < 1e-5, name


def test_the_published_network_clips_and_another_word_is_refused(dusk: np.ndarray) -> None:
    small = np.ascontiguousarray(dusk[:64, :64])
    results = [enhance_image(small, chain=f"exdnet=weights=lol{more}") for more in ("", ":gamut=clip")]
    assert np.array_equal(*results)
    with pytest.raises(ValueError, match="gamut 'soft' is not there; there are keep, clip"):
        ExdNetModule(gamut="soft")  # type: ignore[arg-type]
