"""The network gives what the published one gives, in both forms, on every size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import dark_frames

from exdnet_plugin.exdnet import exposures as exposures_module
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.exposures import exposure_codes, exposure_range, exposures, network_input
from exdnet_plugin.exdnet.folded import before_calibration, fold
from exdnet_plugin.exdnet.inference import Inference
from exdnet_plugin.exdnet.network import ExdNet


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, np.ndarray]:
    return dict(np.load(shared / "golden" / "exdnet_golden.npz"))


@pytest.fixture(scope="module")
def network(shared: Path) -> ExdNet:
    return load_weights(str(shared / "golden" / "exdnet_random.safetensors")).network().eval()


def as_frames(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("crop", ["even", "odd"])
@torch.no_grad()
def test_every_stage_equals_the_published_one(golden: dict[str, np.ndarray], network: ExdNet, crop: str) -> None:
    stages = network.stages(torch.from_numpy(golden[f"{crop}_input"]))
    for name in ("raw_branch", "before_calibration", "matrix", "output"):
        expected = torch.from_numpy(golden[f"{crop}_{name}"]).reshape_as(getattr(stages, name))
        assert (getattr(stages, name) - expected).abs().max() < 1e-4, name


@pytest.mark.parametrize("crop", ["even", "odd"])
def test_exposures_equal_the_published_ones_to_a_code(golden: dict[str, np.ndarray], crop: str) -> None:
    frames = as_frames(golden[f"{crop}_frame"])
    made = exposures(frames, exposure_range(frames))[0].unflatten(0, (3, 3)).permute(0, 2, 3, 1) * 255
    assert np.abs(made.numpy() - golden[f"{crop}_exposures"]).max() <= 1


@pytest.mark.parametrize("crop", ["even", "odd"])
@torch.no_grad()
def test_the_network_input_is_the_published_one_to_a_code(golden: dict[str, np.ndarray], crop: str) -> None:
    frames = as_frames(golden[f"{crop}_frame"])
    made = network_input(frames, exposure_range(frames))
    assert (made - torch.from_numpy(golden[f"{crop}_input"])).abs().max() <= 2 / 255


def test_the_network_has_the_published_size() -> None:
    assert sum(parameter.numel() for parameter in ExdNet().parameters()) == 75_554


SIZES = [(96, 128), (77, 101), (8, 8), (33, 200), (40, 9)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("content", ["dark", "flat", "black", "white"])
@torch.no_grad()
def test_the_inference_form_gives_what_the_training_form_gives(
    network: ExdNet, size: tuple[int, int], content: str
) -> None:
    picture = {"flat": 77, "black": 0, "white": 255}.get(content)
    image = dark_frames(1, size)[0] if picture is None else np.full((*size, 3), picture, np.uint8)
    frames = as_frames(image)
    range_ = exposure_range(frames)
    expected = network.stages(network_input(frames, range_))
    assert (before_calibration(fold(network), frames, range_) - expected.before_calibration).abs().max() < 1e-4
    assert (Inference(network)(frames) - expected.output).abs().max() < 1e-4


@pytest.mark.parametrize("tile", [16, 37, 64])
@pytest.mark.parametrize("size", [(77, 101), (64, 150)])
def test_tiles_give_what_the_whole_frame_gives(network: ExdNet, tile: int, size: tuple[int, int]) -> None:
    frames = torch.cat([as_frames(image) for image in dark_frames(2, size)])
    range_ = exposure_range(frames)
    whole, tiled = Inference(network), Inference(network, tile=tile)
    difference = whole.before_calibration(frames, range_) - tiled.before_calibration(frames, range_)
    assert difference.abs().max() < 1e-5
    assert (whole(frames) - tiled(frames)).abs().max() < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 3), (7, 7)])
def test_frames_smaller_than_the_global_branch_work(network: ExdNet, size: tuple[int, int]) -> None:
    result = Inference(network)(torch.rand(2, 3, *size))
    assert result.shape == (2, 3, *size)
    assert result.isfinite().all()


@pytest.mark.parametrize("counted", ["by the compiled engine", "by PyTorch"])
def test_the_exposure_range_is_numpys_percentile_truncated(counted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if counted == "by PyTorch":
        monkeypatch.setattr(exposures_module, "native", None)
    rng = np.random.default_rng(3)
    for _ in range(200):
        shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)), 3)
        image = rng.integers(0, int(rng.integers(1, 257)), shape).astype(np.uint8)
        expected = np.percentile(image, [1, 99]).astype(int)
        assert exposure_codes(as_frames(image)).floor()[0].tolist() == expected.tolist()


def test_a_flat_frame_has_flat_exposures_at_their_lower_end() -> None:
    frames = torch.full((1, 3, 5, 7), 0.3)
    made = exposures(frames, exposure_range(frames)).unflatten(1, (3, 3))
    for index, lower in enumerate((0.033, 0.04, 0.1)):
        assert torch.allclose(made[0, index], torch.tensor(lower))
