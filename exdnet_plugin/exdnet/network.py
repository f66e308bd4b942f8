"""ExdNet in its training form, with the parameter names of the published checkpoints.

Source: Jiang, Mei, Wang, Liu, "Exposure difference network for low-light image enhancement", Pattern Recognition 156,
110796 (2024). The local branches and the global branch grew from the Illumination-Adaptive Transformer (Cui et al.,
BMVC 2022). For inference, `exdnet_plugin.exdnet.inference` folds this form into a faster one that gives the same.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = 16
HIDDEN = 64
HALO = 13  # pixels around a pixel that the local part sees
DROP_PATH = (0.01, 0.05, 0.1)
QUERIES = 10
HEADS = 4
WIDTH = 64
OUTPUT_MIN = 1e-8


class Stages(NamedTuple):
    """Every stage of a forward pass, for tests and for study. Shapes (N, 3, H, W), the matrix (N, 3, 3)."""

    raw_branch: Tensor
    before_calibration: Tensor
    matrix: Tensor
    output: Tensor


def drop_path(x: Tensor, rate: float, training: bool) -> Tensor:
    """Stochastic depth (Huang et al., ECCV 2016): whole samples of a residual are dropped, the rest scaled up."""
    if not training or rate == 0:
        return x
    keep = torch.rand(x.shape[0], *[1] * (x.dim() - 1), device=x.device, dtype=x.dtype) >= rate
    return x * keep / (1 - rate)


class ColorNorm(nn.Module):
    """The published `Aff_channel`: per pixel a colour matrix over the channels, then scale `alpha` and shift `beta`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, channels))
        self.color = nn.Parameter(torch.eye(channels))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.alpha.reshape(-1, 1) * self.color
        return F.conv2d(x, weight[:, :, None, None], self.beta.flatten())


class PixelMlp(nn.Module):
    """1×1 convolution, GELU, 1×1 convolution."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class Block(nn.Module):
    """A local block: depthwise 3×3 position, a 5×5 depthwise mixer, a pixel-wise MLP, each with a residual."""

    def __init__(self, channels: int, drop: float) -> None:
        super().__init__()
        self.drop = drop
        self.pos_embed = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm1 = ColorNorm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 1)
        self.attn = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.conv2 = nn.Conv2d(channels, channels, 1)
        self.norm2 = ColorNorm(channels)
        self.mlp = PixelMlp(channels, HIDDEN)
        self.gamma_1 = nn.Parameter(torch.full((1, channels, 1, 1), 1e-4))
        self.gamma_2 = nn.Parameter(torch.full((1, channels, 1, 1), 1e-4))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        mixed = self.conv2(self.attn(self.conv1(self.norm1(x))))
        x = x + drop_path(self.gamma_1 * mixed, self.drop, self.training)
        return x + drop_path(self.gamma_2 * self.mlp(self.norm2(x)), self.drop, self.training)


class LocalNet(nn.Module):
    """One local branch: (N, 3, H, W) to (N, 3, H, W) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.add_blocks = nn.Sequential(*[Block(CHANNELS, rate) for rate in DROP_PATH])
        self.add_end = nn.Sequential(nn.Conv2d(CHANNELS, 3, 3, padding=1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        first = F.leaky_relu(self.conv1(x), 0.2)
        y: Tensor = self.add_end(self.add_blocks(first) + first)
        return y


class QueryAttention(nn.Module):
    """Attention of learned queries over all positions: (N, L, C) to (N, queries, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Parameter(torch.rand(1, QUERIES, WIDTH))
        self.k = nn.Linear(WIDTH, WIDTH, bias=False)
        self.v = nn.Linear(WIDTH, WIDTH, bias=False)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self._heads(t) for t in (self.q.expand(x.shape[0], -1, -1), self.k(x), self.v(x)))
        mixed = F.scaled_dot_product_attention(q, k, v)
        y: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return y

    @staticmethod
    def _heads(x: Tensor) -> Tensor:
        y: Tensor = x.unflatten(2, (HEADS, WIDTH // HEADS)).transpose(1, 2)
        return y


class TokenMlp(nn.Module):
    """Linear, GELU, linear on (N, L, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, WIDTH * 4)
        self.fc2 = nn.Linear(WIDTH * 4, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class QueryBlock(nn.Module):
    """Position, attention without a residual around it, MLP with one: (N, C, H, W) to (N, queries, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embed = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attn = QueryAttention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = TokenMlp()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        tokens = self.attn(self.norm1(x.flatten(2).transpose(1, 2)))
        y: Tensor = tokens + self.mlp(self.norm2(tokens))
        return y


class Stem(nn.Module):
    """Convolutions that shrink the pooled image fourfold: (N, 3, H, W) to (N, 64, H/4, W/4)."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Conv2d(3, WIDTH // 2, 3, stride=2, padding=1),
            nn.BatchNorm2d(WIDTH // 2),
            nn.GELU(),
            nn.AvgPool2d(2),
            nn.Conv2d(WIDTH // 2, WIDTH, 1),
            nn.BatchNorm2d(WIDTH),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.proj(x)
        return y


class GlobalNet(nn.Module):
    """The global branch: the calibration matrix of an image, (N, 3, H, W) to (N, 3, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_large = Stem()
        self.generator = QueryBlock()
        # The first query, gamma_base and gamma_linear are IAT's gamma: in published checkpoints, unused by ExdNet.
        self.gamma_base = nn.Parameter(torch.ones(1))
        self.gamma_linear = nn.Linear(WIDTH, 1)
        self.color_base = nn.Parameter(torch.eye(3))
        self.color_linear = nn.Linear(WIDTH, 1)

    def forward(self, pooled: Tensor) -> Tensor:
        tokens = self.generator(self.conv_large(pooled))
        y: Tensor = self.color_linear(tokens[:, 1:]).reshape(-1, 3, 3) + self.color_base
        return y


def apply_matrix(matrix: Tensor, image: Tensor) -> Tensor:
    """Per pixel `M · rgb`: (N, 3, 3) on (N, 3, H, W)."""
    return torch.einsum("nij,njhw->nihw", matrix, image)


class ExdNet(nn.Module):
    """ExdNet, training form: (N, 12, H, W), frame and exposures as `2x - 1`, to (N, 3, H, W) RGB in [1e-8, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
        self.conv = nn.Conv2d(9, 3, 3, padding=1)
        self.local_net = LocalNet()
        self.local_net_1 = LocalNet()
        self.nlt_weight = nn.Parameter(torch.ones(1, 3, 1, 1))
        self.nlt_bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.global_net = GlobalNet()

    def differences(self, x: Tensor) -> Tensor:
        """Multi-exposure difference features of the (N, 12, H, W) input: (N, 3, H, W)."""
        features = [self.conv1(image) for image in x.split(3, dim=1)]
        steps = [brighter - darker for darker, brighter in pairwise(features)]
        y: Tensor = self.conv(torch.cat(steps, dim=1))
        return y

    def before_calibration(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The branch of the frame alone, and the sum of both branches: (N, 3, H, W) each."""
        raw: Tensor = self.local_net(x[:, :3])
        return raw, raw + self.local_net_1(self.differences(x)) * self.nlt_weight + self.nlt_bias

    def stages(self, x: Tensor) -> Stages:
        """Every stage of the forward pass."""
        raw, before = self.before_calibration(x)
        matrix = self.global_net(F.avg_pool2d(before, 2))
        return Stages(raw, before, matrix, apply_matrix(matrix, before).clamp(OUTPUT_MIN, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.stages(x).output
