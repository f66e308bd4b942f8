"""Batches of samples, a function of seed and step alone: a resumed run sees what an uninterrupted one would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from exdnet_plugin.pairs import Picture
from exdnet_plugin.training.samples import Sample, SampleMix, make_samples


@dataclass(frozen=True)
class Batch:
    """Frames and targets (N, 3, h, w) in [0, 1], exposure ranges (N, 2)."""

    frames: Tensor
    ranges: Tensor
    targets: Tensor

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Batch:
        """Samples of one size, stacked."""
        return cls(
            torch.stack([sample.frame for sample in samples]),
            torch.stack([sample.range for sample in samples]),
            torch.stack([sample.target for sample in samples]),
        )


@dataclass(frozen=True)
class BatchSource:
    """Pictures in memory, and how samples are made from them. `bright` pictures have no dark partner."""

    pairs: Sequence[tuple[Picture, Picture]]
    bright: Sequence[Picture]
    mix: SampleMix
    size: int
    batch: int
    seed: int
    bright_share: float = 0.1
    crops: int = 2  # of one picture: making the picture is what costs

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        samples: list[Sample] = []
        while len(samples) < self.batch:
            crops = min(self.crops, self.batch - len(samples))
            bright_only = bool(self.bright) and rng.random() < self.bright_share
            low, high = self._pictures(rng, bright_only)
            samples += make_samples(low, high, rng, self.size, self.mix, crops=crops, bright_only=bright_only)
        return Batch.of(samples)

    def _pictures(self, rng: np.random.Generator, bright_only: bool) -> tuple[Picture, Picture]:
        if bright_only:
            picture = self.bright[int(rng.integers(len(self.bright)))]
            return picture, picture
        return self.pairs[int(rng.integers(len(self.pairs)))]
