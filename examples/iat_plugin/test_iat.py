"""What is promised of `iat`: the contract, published checkpoints by their own names, and one line for a wrong file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from exdnet_iat.network import IatNetwork
from exdnet_iat.processor import Iat
from torch import Tensor

from exdnet_plugin import CheckpointError, Plugins, StreamInfo, enhance_image
from exdnet_plugin.allocator import keep_memory
from exdnet_plugin.testing import check_processor

keep_memory()  # as the command does: without it, much of the time on a CPU is page faults


def conv(name: str, out: int, per_group: int, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, per_group, size, size), f"{name}.bias": (out,)}


def linear(name: str, out: int, into: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def batch_norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    told = {f"{name}.running_mean": (width,), f"{name}.running_var": (width,), f"{name}.num_batches_tracked": ()}
    return norm(name, width) | told


def block(name: str) -> dict[str, tuple[int, ...]]:
    parts = conv("pos_embed", 16, 1, 3) | conv("conv1", 16, 16, 1) | conv("conv2", 16, 16, 1) | conv("attn", 16, 1, 5)
    for part in ("norm1", "norm2"):
        parts |= {f"{part}.alpha": (1, 1, 16), f"{part}.beta": (1, 1, 16), f"{part}.color": (16, 16)}
    parts |= {"gamma_1": (1, 16, 1, 1), "gamma_2": (1, 16, 1, 1)}
    parts |= conv("mlp.fc1", 64, 16, 1) | conv("mlp.fc2", 16, 64, 1)
    return {f"{name}.{part}": shape for part, shape in parts.items()}


# Every tensor of the published network, IAT(in_dim=3, with_global=True, type="lol"), read from its definition.
PUBLISHED: dict[str, tuple[int, ...]] = conv("local_net.conv1", 16, 3, 3)
for kind in ("mul", "add"):
    for index in range(3):
        PUBLISHED |= block(f"local_net.{kind}_blocks.{index}")
    PUBLISHED |= conv(f"local_net.{kind}_end.0", 3, 16, 3)
PUBLISHED |= {"global_net.gamma_base": (1,), "global_net.color_base": (3, 3)}
PUBLISHED |= conv("global_net.conv_large.proj.0", 32, 3, 3) | batch_norm("global_net.conv_large.proj.1", 32)
PUBLISHED |= conv("global_net.conv_large.proj.3", 64, 32, 3) | batch_norm("global_net.conv_large.proj.4", 64)
PUBLISHED |= conv("global_net.generator.pos_embed", 64, 1, 3)
PUBLISHED |= norm("global_net.generator.norm1", 64) | norm("global_net.generator.norm2", 64)
PUBLISHED |= {"global_net.generator.attn.q": (1, 10, 64)}
PUBLISHED |= {f"global_net.generator.attn.{name}.weight": (64, 64) for name in ("k", "v")}
PUBLISHED |= linear("global_net.generator.attn.proj", 64, 64)
PUBLISHED |= linear("global_net.generator.mlp.fc1", 256, 64) | linear("global_net.generator.mlp.fc2", 64, 256)
PUBLISHED |= linear("global_net.gamma_linear", 1, 64) | linear("global_net.color_linear", 1, 64)


def published_state(spread: float) -> dict[str, Tensor]:
    """A state dict as published ones are laid out, with random values about those that leave a picture as it is."""
    generator = torch.Generator().manual_seed(1)
    state = {key: torch.randn(shape, generator=generator) * spread for key, shape in PUBLISHED.items()}
    for key, value in state.items():
        if key.endswith("running_var"):
            state[key] = value.abs() + 1
        elif key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
    state["local_net.mul_end.0.bias"] += 1
    state["global_net.gamma_base"] += 1
    state["global_net.color_base"] += torch.eye(3)
    return state


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save(published_state(0.05), tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def test_iat_keeps_the_contract_at_odd_sizes_too(weights: Path) -> None:
    assert not check_processor(lambda: Iat(weights)).temporal


def test_a_published_state_dict_loads_to_the_last_name_and_shape() -> None:
    found = {key: tuple(value.shape) for key, value in IatNetwork().state_dict().items()}
    assert found == PUBLISHED
    counted = [math.prod(shape) for key, shape in PUBLISHED.items() if "running" not in key and "tracked" not in key]
    assert sum(counted) == 91_154, "the paper counts over 90,000"


def test_pixels_are_multiplied_added_to_calibrated_and_raised_to_gamma() -> None:
    state = {key: value * 0 for key, value in published_state(0).items()}
    matrix = torch.tensor([[0.5, 0.2, 0.0], [0.0, 0.6, 0.1], [0.1, 0.0, 0.7]])
    state["local_net.mul_end.0.bias"] = torch.tensor([1.5, 1.0, -1.0])
    state["local_net.add_end.0.bias"] = torch.tensor([0.1, 0.0, 0.2])
    state["global_net.color_base"], state["global_net.gamma_base"] = matrix, torch.tensor([0.5])
    network = IatNetwork().eval()
    network.load_state_dict(state)
    red, green, blue = 0.3, 0.4, 0.5
    before = torch.tensor([1.5 * red + math.tanh(0.1), green, math.tanh(0.2)])  # a factor is not negative
    result = network(torch.tensor([red, green, blue]).reshape(1, 3, 1, 1)).flatten()
    assert torch.allclose(result, (matrix @ before).sqrt(), atol=1e-6)


def test_the_file_trained_on_signed_pixels_is_known_by_its_published_name(weights: Path) -> None:
    signed = weights.rename(weights.with_name("best_Epoch_lol.pth"))
    assert Iat(signed).signed
    assert not Iat(signed, signed=False).signed
    frames, times = torch.rand((1, 3, 9, 7)), torch.zeros(1)
    plain, by_name = Iat(signed, signed=False), Iat(signed)
    for processor in (plain, by_name):
        processor.open(StreamInfo(7, 9))
    assert torch.equal(by_name.process(frames, times), plain.process(2 * frames - 1, times))


def test_a_chain_names_its_weights(weights: Path) -> None:
    import exdnet_iat

    plugins = Plugins(discover=False)
    plugins.add(exdnet_iat, "iat")
    picture = (torch.rand((5, 4, 3)) * 255).to(torch.uint8).numpy()
    assert enhance_image(picture, chain=f"iat=weights={weights}", plugins=plugins).shape == picture.shape
    with pytest.raises(ValueError, match="iat needs option 'weights'"):
        enhance_image(picture, chain="iat", plugins=plugins)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no file"),
        (b"no weights at all", "cannot be read as weights"),
        ([1, 2], "holds list, no state dict"),
        ({"conv.weight": torch.zeros(1)}, "parameters are missing, as global_net.color_base; 1 are of another network"),
        (published_state(1) | {"global_net.color_base": torch.eye(4)}, r"color_base is \(4, 4\) instead of \(3, 3\)"),
    ],
)
def test_a_wrong_file_is_named_as_such_in_one_line(tmp_path: Path, content: object, said: str) -> None:
    path = tmp_path / "wrong.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=said) as told:
        Iat(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)
