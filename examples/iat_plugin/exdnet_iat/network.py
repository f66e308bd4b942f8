"""IAT's network, with the parameter names of the published checkpoints of `IAT(in_dim=3, with_global=True)`.

Blocks and queries are those that ExdNet inherited; what differs is how the pixels are put together, and the stem.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from exdnet_plugin.exdnet.network import (
    CHANNELS,
    DROP_PATH,
    OUTPUT_MIN,
    WIDTH,
    Block,
    GlobalNet,
    Stem,
    apply_matrix,
)


class LocalNet(nn.Module):
    """What each pixel is multiplied by, (N, 3, H, W) and not negative, and what is added to it, in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.mul_blocks = nn.Sequential(*[Block(CHANNELS, rate) for rate in DROP_PATH])
        self.add_blocks = nn.Sequential(*[Block(CHANNELS, rate) for rate in DROP_PATH])
        self.mul_end = nn.Sequential(nn.Conv2d(CHANNELS, 3, 3, padding=1), nn.ReLU())
        self.add_end = nn.Sequential(nn.Conv2d(CHANNELS, 3, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = F.leaky_relu(self.conv1(x), 0.2)
        return self.mul_end(self.mul_blocks(first) + first), self.add_end(self.add_blocks(first) + first)


class IatStem(Stem):
    """Convolutions that shrink the whole image fourfold: (N, 3, H, W) to (N, 64, H/4, W/4), sizes rounded up."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Conv2d(3, WIDTH // 2, 3, stride=2, padding=1),
            nn.BatchNorm2d(WIDTH // 2),
            nn.GELU(),
            nn.Conv2d(WIDTH // 2, WIDTH, 3, stride=2, padding=1),
            nn.BatchNorm2d(WIDTH),
        )


class GammaAndMatrix(GlobalNet):
    """The global branch: an image's gamma, (N, 1), and colour matrix, (N, 3, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_large = IatStem()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override] # ExdNet has no gamma
        tokens = self.generator(self.conv_large(x))
        gamma = self.gamma_linear(tokens[:, 0]) + self.gamma_base
        matrix = self.color_linear(tokens[:, 1:]).reshape(-1, 3, 3) + self.color_base
        return gamma, matrix


class IatNetwork(nn.Module):
    """IAT: (N, 3, H, W) RGB, in [0, 1] or as `2x - 1`, whichever its weights want, to (N, 3, H, W) RGB in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.local_net = LocalNet()
        self.global_net = GammaAndMatrix()

    def forward(self, x: Tensor) -> Tensor:
        factor, summand = self.local_net(x)
        gamma, matrix = self.global_net(x)
        corrected = apply_matrix(matrix, x * factor + summand).clamp(OUTPUT_MIN, 1)
        y: Tensor = corrected ** gamma[:, :, None, None]
        return y
