"""ExdNet as a module gives what the inference form gives, and behaves as modules do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import exdnet_plugin
from exdnet_plugin import ExdNetModule
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.exdnet.inference import Inference
from exdnet_plugin.exdnet.module import traceable_exposure_range

PUBLISHED: dict[str, Any] = {"well_lit": "enhance", "highlights": "clip", "gamut": "clip", "blocks": "keep"}


@pytest.fixture(scope="module")
def module() -> ExdNetModule:
    return ExdNetModule(**PUBLISHED)


def dark(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) ** 3 * 0.4


def published(frames: Tensor, weights: str = "default") -> Tensor:
    loaded = load_weights(weights)
    return Inference(loaded.network(), loaded.constants)(frames)


@pytest.mark.parametrize("shape", [(1, 3, 64, 96), (2, 3, 77, 41), (1, 3, 7, 33), (1, 3, 1, 1), (1, 3, 300, 270)])
def test_it_gives_what_the_network_gives_with_and_without_gradients(
    module: ExdNetModule, shape: tuple[int, ...]
) -> None:
    frames = dark(*shape)
    assert (module(frames) - published(frames)).abs().max() < 1e-4
    assert (module(frames.clone().requires_grad_()) - published(frames)).abs().max() < 1e-4


def test_each_frame_is_by_itself_in_training_mode_too() -> None:
    frames = dark(3, 3, 40, 48)
    module = ExdNetModule().train()
    assert torch.allclose(module(frames)[1:2], module(frames[1:2]), atol=1e-5)
    assert torch.equal(module(frames), ExdNetModule().eval()(frames))


def test_it_takes_its_place_in_the_training_of_what_stands_before_and_behind(module: ExdNetModule) -> None:
    before, behind = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 1, 3)
    nn.Sequential(before, nn.Sigmoid(), module, behind)(dark(1, 3, 24, 24)).sum().backward()
    assert before.weight.grad is not None
    assert before.weight.grad.abs().max() > 0
    behind(module(dark(1, 3, 24, 24))).sum().backward()
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_its_state_is_that_of_its_weights() -> None:
    module = ExdNetModule("default", **PUBLISHED)
    module.load_state_dict(ExdNetModule("small").state_dict())
    frames = dark(1, 3, 40, 48)
    assert (module(frames) - published(frames, "small")).abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_it_computes_in_its_own_dtype_and_gives_that_of_the_frames(dtype: torch.dtype) -> None:
    module, frames = ExdNetModule(**PUBLISHED).to(dtype), dark(1, 3, 32, 40)
    assert module(frames).dtype == torch.float32
    assert module(frames.to(dtype)).dtype == dtype
    assert (module(frames) - published(frames)).abs().max() < 1 / 255


def test_strength_blends() -> None:
    frames = dark(1, 3, 32, 40)
    assert torch.equal(ExdNetModule(strength=0)(frames), frames)
    half = ExdNetModule(strength=0.5, **PUBLISHED)(frames)
    assert torch.allclose(half, (frames + published(frames)) / 2, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ExdNetModule(strength=2), "strength 2: it must be between 0 and 1"),
        (lambda: ExdNetModule("gone"), "no weights 'gone'; give default"),
        (lambda: ExdNetModule()(torch.rand(3, 8, 8)), r"frames \(3, 8, 8\) of torch.float32: \(N, 3, H, W\)"),
        (lambda: ExdNetModule()(torch.rand(1, 4, 8, 8)), "3, H, W"),
        (lambda: ExdNetModule()(torch.zeros(1, 3, 8, 8, dtype=torch.uint8)), "divide 8-bit values by 255"),
    ],
)
def test_wrong_arguments_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises((ValueError, exdnet_plugin.CheckpointError), match=said):
        make()


@pytest.mark.parametrize("kind", ["noise", "codes", "flat", "sparse", "two codes"])
def test_the_traceable_exposure_range_is_the_exposure_range(kind: str) -> None:
    random = torch.Generator().manual_seed(7)
    for power in range(60):
        height, width = torch.randint(1, 40, (2,), generator=random).tolist()
        frames = torch.rand(2, 3, height, width, generator=random) ** (1 + power % 5)
        if kind == "codes":
            frames = (frames * 255).round() / 255
        elif kind == "flat":
            frames = frames[:, :1, :1, :1].expand_as(frames)
        elif kind == "sparse":
            frames = (frames < 0.01).float()
        elif kind == "two codes":
            frames = (frames < 0.5) * 100 / 255 + 0.1
        assert torch.equal(traceable_exposure_range(frames), exposure_range(frames)), (height, width)
