"""Smoothing is in seconds, does not depend on batches or frame rates, and starts anew at cuts, not at flashes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import dark_frames, scene
from hypothesis import given, settings
from hypothesis import strategies as st

from exdnet_plugin.processors.exdnet import ExdNetProcessor
from exdnet_plugin.stream_info import StreamInfo
from exdnet_plugin.temporal import CutDetector, HeldCodes, Smoother

NO_CUT = torch.zeros(1, dtype=torch.bool)


def tensor(frames: list[np.ndarray]) -> torch.Tensor:
    return torch.stack([torch.from_numpy(frame).permute(2, 0, 1) for frame in frames]).float() / 255


def opened(**options: float) -> ExdNetProcessor:
    processor = ExdNetProcessor(**options)
    processor.open(StreamInfo(96, 64))
    return processor


@given(st.lists(st.floats(0.001, 2), min_size=1, max_size=12), st.floats(0.05, 3))
@settings(deadline=None, max_examples=50)
def test_smoothing_depends_on_time_alone(steps: list[float], seconds: float) -> None:
    """A step of the input, looked at often or once, is followed as far."""
    often, once = Smoother(seconds), Smoother(seconds)
    for smoother in (often, once):
        smoother.update(torch.zeros(1, 1), torch.zeros(1), NO_CUT)
    for step in steps:
        last = often.update(torch.ones(1, 1), torch.tensor([step]), NO_CUT)
    single = once.update(torch.ones(1, 1), torch.tensor([sum(steps)]), NO_CUT)
    assert torch.allclose(last, single, atol=1e-4)


def test_smoothing_has_the_mean_delay_that_it_is_given() -> None:
    smoother = Smoother(0.5)
    smoother.update(torch.zeros(1, 1), torch.zeros(1), NO_CUT)
    ramp = [smoother.update(torch.full((1, 1), t / 100), torch.tensor([0.01]), NO_CUT) for t in range(1, 600)]
    assert abs(5.99 - float(ramp[-1]) - 0.5) < 0.02


@pytest.mark.parametrize(("seconds", "step"), [(0.5, 1e300), (1e-310, 0.04), (0.5, 200.0)])
def test_behind_a_long_time_nothing_is_left_of_what_was(seconds: float, step: float) -> None:
    smoother = Smoother(seconds)
    smoother.update(torch.zeros(1, 1), torch.zeros(1), NO_CUT)
    assert smoother.update(torch.ones(1, 1), torch.tensor([step], dtype=torch.float64), NO_CUT).item() == 1


def test_no_smoothing_follows_at_once() -> None:
    smoother = Smoother(0)
    values = torch.rand(5, 3)
    assert torch.equal(smoother.update(values, torch.ones(5), torch.zeros(5, dtype=torch.bool)), values)


def test_a_negative_time_constant_is_refused() -> None:
    with pytest.raises(ValueError, match=r"smoothing -1.*0 \(off\) or more"):
        Smoother(-1)


def test_codes_hold_until_noise_is_no_reason_any_more() -> None:
    held = HeldCodes()
    measured = torch.tensor([[20.9], [21.1], [20.8], [21.2], [21.3], [20.95], [20.5]])
    assert held.update(measured, torch.zeros(7, dtype=torch.bool)).flatten().tolist() == [20, 20, 20, 20, 21, 21, 20]


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_batches_give_the_same_frames(batch: int) -> None:
    frames = tensor(dark_frames(5, (64, 96)) + dark_frames(4, (64, 96), seed=5, peak=90))
    times = torch.arange(9) / 25
    one, many = opened(), opened()
    single = torch.cat([one.process(f[None], t[None]) for f, t in zip(frames, times, strict=True)])
    batched = torch.cat([many.process(f, t) for f, t in zip(frames.split(batch), times.split(batch), strict=True)])
    assert (single - batched).abs().max() < 1e-5
    assert one.cuts == many.cuts == 1


def test_the_first_frame_behind_a_cut_equals_a_fresh_start() -> None:
    before, after = tensor(dark_frames(6, (64, 96))), tensor(dark_frames(2, (64, 96), seed=9, peak=120))
    running, fresh = opened(), opened()
    running.process(before, torch.arange(6) / 25)
    through = running.process(after, torch.arange(6, 8) / 25)
    assert torch.equal(through, fresh.process(after, torch.arange(2) / 25))
    assert running.cuts == 1


def test_reset_forgets() -> None:
    frames = tensor(dark_frames(3, (64, 96)) + dark_frames(1, (64, 96), peak=80))
    processor, fresh = opened(), opened()
    processor.process(frames[:3], torch.arange(3) / 25)
    processor.reset()
    assert torch.equal(
        processor.process(frames[3:], torch.tensor([9.0])), fresh.process(frames[3:], torch.tensor([0.0]))
    )


def flags(frames: list[np.ndarray]) -> list[bool]:
    return CutDetector().update(tensor(frames)).tolist()


@pytest.mark.parametrize("seed", range(8))
def test_scenes_that_follow_each_other_are_cuts(seed: int) -> None:
    frames = dark_frames(3, (90, 160), seed=seed) + dark_frames(3, (90, 160), seed=seed + 50)
    assert flags(frames) == [False, False, False, True, False, False]


@pytest.mark.parametrize("flash", ["brighter", "white", "black"])
def test_a_flash_is_not_a_cut(flash: str) -> None:
    frames = dark_frames(5, (90, 160))
    frames[2] = {
        "brighter": np.clip(frames[2] * 4.0 + 60, 0, 255).astype(np.uint8),
        "white": np.full_like(frames[2], 255),
        "black": np.zeros_like(frames[2]),
    }[flash]
    assert not any(flags(frames))


def test_a_pan_a_fade_and_a_light_switched_on_are_not_cuts() -> None:
    wide = (scene(4, (90, 400)) * 60).astype(np.uint8)
    pan = [wide[:, 4 * i : 4 * i + 160] for i in range(20)]
    fade = [(scene(4, (90, 160)) * level).astype(np.uint8) for level in range(60, 5, -5)]
    light = [(scene(4, (90, 160)) * level).astype(np.uint8) for level in (20, 20, 200, 200)]
    assert not any(flags(pan))
    assert not any(flags(fade))
    assert not any(flags(light))


def luma_variation(frames: torch.Tensor) -> float:
    """Root mean square of the relative change of mean luma from frame to frame."""
    means = frames.mean(dim=(1, 2, 3)).double()
    return float((means.diff() / means[1:]).square().mean().sqrt())


def test_a_static_noisy_clip_varies_by_what_its_noise_explains() -> None:
    """Against range and matrix held at their first values, the best that can be; frame by frame, several times more."""
    frames = tensor(dark_frames(24, (180, 320), noise=3, peak=60))
    times = torch.arange(24) / 24
    smoothed = luma_variation(opened().process(frames, times))
    held = luma_variation(opened(smoothing=1e6).process(frames, times))
    alone = luma_variation(torch.cat([opened().process(frame[None], times[:1]) for frame in frames]))
    assert smoothed <= 1.2 * held
    assert alone > 5 * held
