"""A global discriminator: does a whole crop look like a well-lit picture or like the network's?

Source: the paper names a global adversarial loss; the form is the least-squares one of Mao et al., ICCV 2017.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

_WIDTHS = (3, 32, 64, 128, 128)
LEARNING_RATE = 1e-4


class Discriminator:
    """One score a picture, learning beside the network."""

    def __init__(self, device: str) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise(_WIDTHS):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(_WIDTHS[-1], 1)]
        self.network = nn.Sequential(*layers).to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.99))

    def term(self, output: Tensor, target: Tensor) -> Tensor:
        """What the network is to lessen, (N, 3, H, W) both; the discriminator itself learns a step before."""
        self._learn(output.detach(), target)
        self.network.requires_grad_(False)
        score: Tensor = (self.network(output) - 1).square().mean()
        self.network.requires_grad_(True)
        return score

    def _learn(self, output: Tensor, target: Tensor) -> None:
        loss = (self.network(target) - 1).square().mean() + self.network(output).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def state(self) -> dict[str, Any]:
        """What a run needs to go on."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` told."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
