"""Noise reduction: noise goes, what moves leaves no trail, what is clean stays."""

from __future__ import annotations

import logging

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin import StreamInfo
from exdnet_plugin.processors.denoise import DenoiseProcessor, noise_variance
from exdnet_plugin.testing import check_processor

SIZE = 96, 128
SIGMA = 3 / 255
TIMES = torch.zeros(1, dtype=torch.float64)


def scene(seed: int = 0) -> Tensor:
    """A dim picture without noise, of soft and of sharp edges: (1, 3, 96, 128)."""
    generator = torch.Generator().manual_seed(seed)
    soft, sharp = (
        F.interpolate(torch.rand(1, 3, *cells, generator=generator), SIZE, mode=mode)
        for cells, mode in (((3, 4), "bicubic"), ((6, 8), "nearest"))
    )
    return (0.05 + 0.1 * soft + 0.1 * sharp).clamp(0, 1)


def noisy(clean: Tensor, seed: int) -> Tensor:
    """With noise, in 8-bit codes."""
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed)) * SIGMA
    return ((clean + noise).clamp(0, 1) * 255).round() / 255


def opened(**options: float) -> DenoiseProcessor:
    processor = DenoiseProcessor(**options)  # type: ignore[arg-type] # frames is whole
    processor.open(StreamInfo(SIZE[1], SIZE[0]))
    return processor


def error(result: Tensor, clean: Tensor) -> float:
    return float((result - clean).square().mean().sqrt())


def test_it_keeps_the_contract_and_can_be_resumed() -> None:
    found = check_processor(DenoiseProcessor)
    assert found.resumable
    assert found.temporal


def test_a_still_view_loses_most_of_its_noise() -> None:
    clean, processor = scene(), opened()
    for seed in range(12):
        result = processor.process(noisy(clean, seed), TIMES)
    assert error(result, clean) < 0.45 * SIGMA


def test_one_frame_by_itself_loses_a_part() -> None:
    clean = scene()
    assert error(opened(frames=1).process(noisy(clean, 0), TIMES), clean) < 0.8 * SIGMA


def test_what_moves_leaves_no_trail() -> None:
    processor = opened()
    for step in range(12):
        clean = scene()
        clean[:, :, 30:60, 6 * step : 6 * step + 24] += 0.08
        result = processor.process(noisy(clean, step), TIMES)
    passed = (slice(None), slice(None), slice(34, 56), slice(0, 60))  # what its edge still touches is smoothed
    assert error(result[passed], clean[passed]) < SIGMA
    columns = (result - clean)[passed].mean(dim=(1, 2))
    assert float(columns.abs().max()) < 1 / 255  # an eighth of what moved would be 2.5


@pytest.mark.parametrize("contrast", [1, 2, 4, 8])
def test_what_is_as_faint_as_the_noise_leaves_no_trail(contrast: int) -> None:
    """A box that moves four pixels a frame: what is left of it behind it, of four runs."""
    left = []
    for run in range(4):
        processor = opened()
        for step in range(20):
            clean = torch.full((1, 3, *SIZE), 20 / 255)
            clean[:, :, 30:62, 4 * step : 4 * step + 24] += contrast / 255
            result = processor.process(noisy(clean, 100 * run + step), TIMES)
        left.append(float((result - clean)[:, :, 32:60, 52:72].mean()))
    assert sum(left) / 4 < 0.35 / 255


def test_light_that_comes_slowly_is_followed() -> None:
    processor = opened()
    for step in range(40):
        clean = torch.full((1, 3, *SIZE), (10 + 0.3 * step) / 255)
        result = processor.process(noisy(clean, step), TIMES)
    assert float((result - clean).mean()) > -1 / 255


def test_no_more_frames_are_averaged_than_asked_for() -> None:
    processor = opened(frames=4)
    for seed in range(8):
        processor.process(noisy(scene(), seed), TIMES)
    assert float(processor.state()["0.count"].max()) == 4


def test_a_channel_near_black_does_not_count_as_motion() -> None:
    clean = torch.tensor([20, 20, 1]).reshape(1, 3, 1, 1).expand(1, 3, *SIZE) / 255
    processor = opened()
    for seed in range(8):
        processor.process(noisy(clean, seed), TIMES)
    assert float(processor.state()["0.count"].mean()) > 6


def test_fields_are_averaged_each_with_its_own() -> None:
    """One field is a little brighter than the other: mixed, neither would be averaged."""
    processor = DenoiseProcessor()
    processor.open(StreamInfo(SIZE[1], SIZE[0], fields=2))
    fields = [torch.full((1, 3, *SIZE), level / 255) for level in (20, 24)]
    for step in range(24):
        result = processor.process(noisy(fields[step % 2], step), TIMES)
    assert error(result, fields[1]) < 0.45 * SIGMA
    assert float((result - fields[1]).mean()) == pytest.approx(0, abs=0.2 / 255)


def test_it_goes_on_with_fields_and_at_full_size_alone() -> None:
    streams = [StreamInfo(SIZE[1], SIZE[0], fields=2) for _ in range(2)]
    first, second = DenoiseProcessor(), DenoiseProcessor()
    for processor, stream in zip((first, second), streams, strict=True):
        processor.open(stream)
    for step in range(5):
        first.process(noisy(scene(step % 2), step), TIMES)
    second.restore(first.state())
    given = noisy(scene(1), 6)
    assert torch.equal(first.process(given, TIMES), second.process(given, TIMES))
    small = DenoiseProcessor()
    small.open(StreamInfo(32, 24, shrunk=4.0))
    small.restore(first.state())
    assert small.state() == {}
    second.open(StreamInfo(32, 24))
    with pytest.raises(ValueError, match="another size"):
        second.restore(first.state())


def test_behind_a_cut_nothing_of_the_scene_before_is_seen() -> None:
    processor = opened()
    for seed in range(8):
        processor.process(noisy(scene(0), seed), TIMES)
    other = scene(1) + 0.1
    assert error(processor.process(noisy(other, 9), TIMES), other) < SIGMA


def test_light_that_comes_on_counts_at_once() -> None:
    processor = opened()
    for seed in range(8):
        processor.process(noisy(scene(), seed), TIMES)
    result = processor.process(noisy(scene() * 1.3, 9), TIMES)
    assert float(result.mean() / (scene() * 1.3).mean()) == pytest.approx(1, abs=0.01)


def test_a_clean_picture_stays() -> None:
    clean = (scene() * 255).round() / 255
    assert float((opened().process(clean, TIMES) - clean).abs().max()) < 1.5 / 255
    assert error(opened().process(clean, TIMES), clean) < 0.3 / 255


def test_a_lamp_has_no_halo() -> None:
    given = torch.full((1, 3, *SIZE), 10 / 255)
    given[:, :, 40:72, 50:90] = 250 / 255
    assert float((opened().process(given, TIMES) - given).abs().max()) < 0.5 / 255


def test_noise_is_told_beside_texture_and_black_bars() -> None:
    clean = scene()
    clean[:, :, :, :40] += 0.1 * torch.rand((1, 3, 96, 40), generator=torch.Generator().manual_seed(1))
    given = noisy(clean, 0)
    given[:, :, :16] = 0
    assert float(noise_variance(given).sqrt().mean()) == pytest.approx(SIGMA, rel=0.3)
    assert float(noise_variance(torch.zeros(1, 3, 96, 128)).max()) == 0
    assert float(noise_variance(noisy(torch.full((1, 3, 96, 128), 1 / 255), 0)).min()) > 0


def test_strength_blends() -> None:
    given = noisy(scene(), 0)
    none, half, full = (opened(strength=strength).process(given, TIMES) for strength in (0, 0.5, 1))
    torch.testing.assert_close(none, given, rtol=0, atol=1e-7)
    torch.testing.assert_close(half, (given + full) / 2)
    assert error(full, given) > 1 / 255


def test_frames_of_quality_realtime_pass_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    processor = DenoiseProcessor()
    with caplog.at_level(logging.WARNING):
        processor.open(StreamInfo(128, 96, shrunk=4.0))
    given = noisy(scene(), 0)
    assert torch.equal(processor.process(given, TIMES), given)
    assert "realtime" in caplog.text


@pytest.mark.parametrize(("option", "value"), [("strength", 1.5), ("frames", 0), ("frames", 1.5)])
def test_options_out_of_range_are_refused(option: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{option} {value}"):
        DenoiseProcessor(**{option: value})
