"""Plain pairs, and whole pictures as they are remembered: the global branch must see what users' frames show it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exdnet_plugin.exdnet.checkpoint import LOL_CONSTANTS, load_weights
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.training import remembered
from exdnet_plugin.training.forward import inference_of
from exdnet_plugin.training.plain import PlainSource
from exdnet_plugin.training.remembered import Remembered

PERIOD = 4


def source(*widths: int) -> PlainSource:
    rng = np.random.default_rng(0)
    shapes = [(48, width, 3) for width in widths or [72] * 5]
    pairs = [(rng.integers(0, 40, shape, np.uint8), rng.integers(0, 256, shape, np.uint8)) for shape in shapes]
    return PlainSource(pairs, size=32, batch=3, wholes=4, period=PERIOD, seed=1)


def test_a_batch_is_a_function_of_the_step_and_names_the_pictures_of_its_crops() -> None:
    first, again, later = source().at(5), source().at(5), source().at(6)
    assert torch.equal(first.frames, again.frames)
    assert not torch.equal(first.frames, later.frames)
    assert len(set(first.remembered)) == 4
    assert first.owner.tolist() == [0, 1, 2]
    for owner, range_ in zip(first.owner, first.ranges, strict=True):
        assert torch.equal(source().whole(first.remembered[owner], 5).range, range_)


def test_a_picture_keeps_its_exposure_for_a_period_and_its_bright_one_for_ever() -> None:
    darks = [[source().whole(number, step).dark for number in range(5)] for step in (0, PERIOD - 1, PERIOD)]
    assert all(torch.equal(first, last) for first, last in zip(darks[0], darks[1], strict=True))
    assert not all(torch.equal(first, last) for first, last in zip(darks[0], darks[2], strict=True))
    whole, later = source().whole(0, 0), source().whole(0, PERIOD)
    assert torch.equal(whole.bright, later.bright)
    codes = whole.dark * 255
    assert torch.allclose(codes, codes.round(), atol=1e-4)


@pytest.mark.parametrize("last", [72, 80])
def test_the_matrix_of_a_remembered_picture_is_the_one_that_users_get(
    monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    monkeypatch.setattr(remembered, "PART_SHARE", 0)
    monkeypatch.setattr(remembered, "flip_dims", lambda rng: [])
    network, of = load_weights().network().eval(), source(72, 72, 72, last)
    pictures = Remembered(of, LOL_CONSTANTS, "cpu")
    pictures.refresh(network, 0)
    matrices, _ = pictures.matrices(network, [0, 3], 0)
    inference = inference_of(network, LOL_CONSTANTS, "cpu")
    for number, matrix in zip((0, 3), matrices, strict=True):
        dark = of.whole(number, 0).dark[None]
        expected = inference.measure(dark, exposure_range(dark))[1][0]
        assert float((matrix - expected).detach().abs().max()) < 5e-3  # kept in float16


def test_only_the_global_branch_learns_from_remembered_pictures_and_from_parts_of_them() -> None:
    network, pictures = load_weights().network(), Remembered(source(), LOL_CONSTANTS, "cpu")
    pictures.refresh(network, 0)
    seen = torch.stack([pictures.matrices(network, [0], step)[0] for step in range(6)])
    assert len(seen.flatten(1).unique(dim=0)) > 1
    pictures.matrices(network, [0, 1, 2], 0)[1].backward()
    learn = {name.partition(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert learn == {"global_net"}
