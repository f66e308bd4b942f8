"""The frame processor `iat`, and reading its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from exdnet_iat.network import IatNetwork
from exdnet_plugin import CheckpointError, StreamInfo
from exdnet_plugin.exdnet.checkpoint import faults_of

SIGNED = "best_Epoch_lol.pth"  # of the published files the one whose training turned pixels into 2x - 1


class Iat:
    """Brightens each frame with IAT.

    Args:
        weights: a state dict of the published IAT, as `best_Epoch_lol_v1.pth`.
        signed: whether the weights want pixels as `2x - 1`; None goes by the published files' names.

    Raises:
        CheckpointError: the file is missing, broken, or of another network.
    """

    def __init__(self, weights: Path, signed: bool | None = None) -> None:
        self.signed = weights.name == SIGNED if signed is None else signed
        self._network = IatNetwork()
        self._network.load_state_dict(load_state(weights))
        self._network.eval().requires_grad_(False)

    def open(self, stream: StreamInfo) -> None:
        self._network.to(stream.device)

    @torch.inference_mode()
    def process(self, frames: Tensor, times: Tensor) -> Tensor:
        given = 2 * frames - 1 if self.signed else frames
        return torch.cat([self._network(frame) for frame in given.split(1)])  # one by one: memory for one

    def reset(self) -> None:
        """Nothing is remembered between frames."""

    def close(self) -> None:
        """The network goes with the object."""


def load_state(path: Path) -> dict[str, Tensor]:
    """A file's state dict, read without running its code, with exactly the names and shapes of IAT."""
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}; give a published checkpoint of IAT, as best_Epoch_lol_v1.pth")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} cannot be read as weights: {reason}. Give a .pth state dict of IAT") from error
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path} holds {type(loaded).__name__}, no state dict; give a .pth state dict of IAT")
    state = {str(key).removeprefix("module."): value for key, value in loaded.items()}
    faults = faults_of(state, IatNetwork())
    if faults:
        raise CheckpointError(f"{path} holds no IAT weights: {'; '.join(faults)}. Give a .pth state dict of IAT")
    return state
