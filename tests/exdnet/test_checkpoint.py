"""Weights load from both file forms without running code, and a wrong file is named as such."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from exdnet_plugin.errors import CheckpointError
from exdnet_plugin.exdnet.checkpoint import load_weights, weights_bytes
from exdnet_plugin.exdnet.exposures import RELLISUR_CONSTANTS
from exdnet_plugin.exdnet.network import ExdNet


def test_both_file_forms_give_the_same_weights(shared: Path) -> None:
    first = load_weights(str(shared / "golden" / "exdnet_random.safetensors")).state
    second = load_weights(str(shared / "golden" / "exdnet_random.pth")).state
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_default_weights_load() -> None:
    weights = load_weights()
    assert len(weights.sha256) == 64
    assert weights.network().state_dict().keys() == weights.state.keys()


@pytest.mark.parametrize("wrap", ["state_dict", "model", "params", None])
def test_what_training_programs_wrap_a_state_dict_in_is_taken_off(tmp_path: Path, wrap: str | None) -> None:
    state = {f"module.{key}": value for key, value in ExdNet().state_dict().items()}
    torch.save({wrap: state} if wrap else state, tmp_path / "w.pth")
    assert load_weights(str(tmp_path / "w.pth")).state.keys() == ExdNet().state_dict().keys()


def test_constants_travel_with_the_weights(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(weights_bytes(ExdNet().state_dict(), RELLISUR_CONSTANTS))
    assert load_weights(str(tmp_path / "w.safetensors")).constants == RELLISUR_CONSTANTS


class _Evil:
    def __reduce__(self) -> object:
        return Path.touch, (Path("owned"),)


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "evil", "other network", "shape", "nan", "truncated"])
def test_a_wrong_file_is_refused_with_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ("w.pth" if kind in ("evil", "text") else "w.safetensors")
    state = ExdNet().state_dict()
    said = str(path)
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no weights at all")
    elif kind == "evil":
        path.write_bytes(pickle.dumps(_Evil()))
    elif kind == "other network":
        save_file({"fc.weight": torch.zeros(3, 3)}, path)
        said = "fc.weight"
    elif kind == "shape":
        save_file({**state, "conv.bias": torch.zeros(7)}, path)
        said = "(7,) instead of (3,)"
    elif kind == "nan":
        save_file({**state, "conv.bias": torch.full((3,), torch.nan)}, path)
        said = "not finite in conv.bias"
    elif kind == "truncated":
        path.write_bytes(weights_bytes(state)[:-1000])
    with pytest.raises(CheckpointError) as raised:
        load_weights(str(path))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not Path("owned").exists()
