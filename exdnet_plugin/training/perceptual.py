"""Perceptual and style losses over a VGG that the user gives: there is none in this package and none is downloaded.

Source: Johnson, Alahi, Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", ECCV 2016.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from exdnet_plugin.errors import CheckpointError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, which the published VGGs were trained with
# Torchvision's numbering: where each stage of convolutions ends, and is pooled before the next one.
_STAGES = {
    16: ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21)),
    19: ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25)),
}


class Vgg(nn.Module):
    """The first four stages of VGG-16 or VGG-19 (Simonyan, Zisserman 2015), with the weights of torchvision's files.

    Args:
        path: a state dict with `features.N.weight` and `.bias`, as torchvision's `vgg16-*.pth` and `vgg19-*.pth`.

    Raises:
        CheckpointError: it is not such a file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        state = _read(path)
        stages = _STAGES[19 if "features.34.weight" in state else 16]
        self._stages = [[_convolution(path, state, index) for index in stage] for stage in stages]
        self.convolutions = nn.ModuleList(one for stage in self._stages for one in stage)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).reshape(1, 3, 1, 1))
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The features of (N, 3, H, W) RGB in [0, 1] at the end of each stage."""
        x = (images - self.get_buffer("mean")) / self.get_buffer("std")
        found: list[Tensor] = []
        for stage in self._stages:
            x = F.max_pool2d(x, 2) if found else x
            for convolution in stage:
                x = F.relu(convolution(x))
            found.append(x)
        return found


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be read as a VGG: {type(error).__name__}. Give torchvision's vgg16 or vgg19 .pth file"
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds {type(state).__name__}, no state dict. Give torchvision's vgg16 or vgg19")
    return {str(name): value for name, value in state.items() if re.fullmatch(r"features\.\d+\.(weight|bias)", name)}


def _convolution(path: Path, state: dict[str, Tensor], index: int) -> nn.Conv2d:
    try:
        weight, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
    except KeyError as missing:
        raise CheckpointError(
            f"{path} is no VGG-16 or VGG-19: {missing} is missing. Give torchvision's vgg16 or vgg19 .pth file"
        ) from None
    if weight.dim() != 4 or weight.shape[2:] != (3, 3) or bias.shape != weight.shape[:1]:
        raise CheckpointError(
            f"{path}: features.{index} is {tuple(weight.shape)}, no 3x3 convolution. Give torchvision's vgg16 or vgg19"
        )
    convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
    convolution.load_state_dict({"weight": weight, "bias": bias})
    return convolution


def perceptual_and_style(vgg: Vgg, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """L1 between features, and between their Gram matrices, both on average over the stages."""
    pairs = list(zip(vgg(output.clamp(0, 1)), vgg(target), strict=True))
    perceptual = torch.stack([F.l1_loss(*pair) for pair in pairs]).mean()
    style = torch.stack([F.l1_loss(_gram(made), _gram(true)) for made, true in pairs]).mean()
    return perceptual, style


def _gram(features: Tensor) -> Tensor:
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])
