"""What samples are made of pairs, and how batches are put together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import dark_frames, scene

from exdnet_plugin.evaluation.metrics import psnr
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.media.compressed import through_h264
from exdnet_plugin.training.batches import BatchSource
from exdnet_plugin.training.samples import PLAIN, SampleMix, make_whole

SIZE = (96, 120)
NOTHING = dict.fromkeys(vars(SampleMix()), 0.0)


def pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return dark_frames(1, SIZE, seed=seed)[0], (scene(seed, SIZE) * 255).astype(np.uint8)


def whole(seed: int = 0, **mix: float):
    return make_whole(*pair(), np.random.default_rng(seed), 48, SampleMix(**{**NOTHING, **mix}))


def test_plain_pairs_are_turned_and_nothing_else() -> None:
    low, high = pair()
    made = make_whole(low, high, np.random.default_rng(0), 48, PLAIN)
    assert sorted((made.dark * 255).round().flatten().tolist()) == sorted(low.flatten().tolist())
    torch.testing.assert_close(made.range, exposure_range(made.dark[None])[0], atol=2.01 / 255, rtol=0)


@pytest.mark.parametrize("seed", range(6))
def test_each_change_does_what_it_says(seed: int) -> None:
    lit = whole(seed, well_lit=1)
    assert torch.allclose(lit.dark, lit.bright, atol=0.5 / 255 + 1e-6)
    darkened = whole(seed, darkened=1)
    assert darkened.dark.mean() < darkened.bright.mean() * 0.9
    lamps = whole(seed, lamps=1)
    assert ((lamps.dark >= 0.85).all(dim=0) & (lamps.bright >= 0.85).all(dim=0)).any()
    bars = whole(seed, black=1)
    assert ((bars.dark == 0).all(dim=0) & (bars.bright == 0).all(dim=0)).any()
    shrunk = whole(seed, rescaling=1)
    assert 48 <= min(shrunk.dark.shape[1:]) <= 96
    tinted = whole(seed, white_balance=1)
    before = torch.from_numpy(pair()[0]).float().mean(dim=(0, 1)) / 255
    assert (tinted.dark.mean(dim=(1, 2)) / before).std() > 0.005


def test_video_compression_is_the_coarser_the_higher_the_factor() -> None:
    picture = (scene(1, (97, 121)) * 255).astype(np.uint8)
    values = []
    for crf in (10, 23, 36):
        result = through_h264(picture, crf)
        assert result.shape == picture.shape
        values.append(psnr(*(torch.from_numpy(p).float() / 255 for p in (result, picture))))
    assert values == sorted(values, reverse=True)
    assert values[0] > 30


def source(**options) -> BatchSource:
    pairs = [pair(seed) for seed in (0, 0, 1)]
    return BatchSource(pairs, [], SampleMix(), 32, 6, seed=3, bursts={0: [1], 1: [0]}, **options)


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    first, again, other = source().at(5), source().at(5), source().at(6)
    assert torch.equal(first.frames, again.frames)
    assert not torch.equal(first.frames, other.frames)
    assert first.frames.shape == first.targets.shape == (6, 3, 32, 32)


def test_crops_are_windows_of_the_wholes_that_own_them() -> None:
    batch = source().at(1)
    for frame, range_, owner in zip(batch.frames, batch.ranges, batch.owner, strict=True):
        dark = batch.wholes[owner].dark
        windows = dark.unfold(1, 32, 1).unfold(2, 32, 1)
        assert (windows == frame[:, None, None]).all(dim=(0, 3, 4)).any()
        assert torch.equal(range_, batch.wholes[owner].range)


def test_a_batch_has_a_whole_that_is_smaller_than_a_crop() -> None:
    for step in range(8):
        batch = source().at(step)
        *large, small = batch.wholes
        assert batch.owner.max() < len(large)
        assert 16 <= min(small.dark.shape[1:]) <= 32
        assert small.dark.shape == small.bright.shape
        assert torch.equal(small.range, exposure_range(small.dark[None])[0])


def test_twins_are_changed_and_cropped_alike() -> None:
    batches = [source(twin_share=1.0).at(step) for step in range(12)]
    twins = [(batch, first, second) for batch in batches for first, second in batch.twins.tolist()]
    assert twins
    for batch, first, second in twins:
        assert batch.owner[first] != batch.owner[second]
        assert torch.equal(batch.targets[first], batch.targets[second])


def test_twins_that_are_made_dark_have_noise_of_their_own() -> None:
    dark = SampleMix(**{**NOTHING, "darkened": 1.0})
    pairs = [pair(0), pair(0)]
    made = BatchSource(pairs, [], dark, 32, 6, seed=3, bursts={0: [1], 1: [0]}, twin_share=1.0).at(0)
    assert len(made.twins) > 0
    for first, second in made.twins.tolist():
        assert torch.equal(made.targets[first], made.targets[second])
        assert not torch.equal(made.frames[first], made.frames[second])
