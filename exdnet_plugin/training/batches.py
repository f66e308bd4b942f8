"""Batches of samples, a function of seed and step alone: a resumed run sees what an uninterrupted one would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from exdnet_plugin.pairs import Picture
from exdnet_plugin.training.samples import Sample, SampleMix, Whole, crop, make_whole, tiny


@dataclass(frozen=True)
class Batch:
    """Crops, and the whole pictures that they are of, which alone tell the calibration matrix.

    Frames and targets (N, 3, h, w) in [0, 1], ranges (N, 2), `owner` (N,): which of `wholes`, or of the `remembered`
    pictures' numbers, a crop is of. Without either, the frames are whole pictures themselves. `twins` (K, 2): crops of
    one still view with independent noise.
    """

    frames: Tensor
    ranges: Tensor
    targets: Tensor
    owner: Tensor
    twins: Tensor
    wholes: tuple[Whole, ...] = ()
    remembered: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        samples: Sequence[Sample],
        *,
        wholes: Sequence[Whole] = (),
        owner: Sequence[int] = (),
        twins: Sequence[tuple[int, int]] = (),
        remembered: Sequence[int] = (),
    ) -> Batch:
        """Samples of one size, stacked."""
        return cls(
            torch.stack([sample.frame for sample in samples]),
            torch.stack([sample.range for sample in samples]),
            torch.stack([sample.target for sample in samples]),
            torch.tensor(owner, dtype=torch.int64),
            torch.tensor(twins, dtype=torch.int64).reshape(-1, 2),
            tuple(wholes),
            tuple(remembered),
        )

    def to(self, device: str) -> Batch:
        """The same on a device."""

        def there(part: Tensor) -> Tensor:
            return part.to(device, non_blocking=True)

        wholes = tuple(Whole(there(w.dark), there(w.bright), there(w.range)) for w in self.wholes)
        crops = there(self.frames), there(self.ranges), there(self.targets)
        return Batch(*crops, there(self.owner), there(self.twins), wholes, self.remembered)


@dataclass(frozen=True)
class BatchSource:
    """How batches are made from pictures. `bright` pictures have no dark partner; each is as frequent as a pair.

    Where pictures are rescaled, one of a batch's wholes is smaller than a crop, and no crop is of it.

    `bursts` tells, by the index of a pair, the pairs that show the same still view: now and then, a picture comes with
    one of these, changed and cropped alike.
    """

    pairs: Sequence[tuple[Picture, Picture]]
    bright: Sequence[Picture]
    mix: SampleMix
    size: int
    batch: int
    seed: int
    crops: int = 2  # of one picture: making the picture is what costs
    bursts: Mapping[int, Sequence[int]] | None = None
    twin_share: float = 0.3  # of the pictures that have a twin

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        samples: list[Sample] = []
        wholes: list[Whole] = []
        owner: list[int] = []
        twins: list[tuple[int, int]] = []
        while len(samples) < self.batch:
            room = self.batch - len(samples)
            made = self._pictures(rng, twins_fit=room > 1)
            crops = min(self.crops, room // len(made))
            windows = int(rng.integers(1 << 31))
            first = len(samples)
            for whole in made:
                again = np.random.default_rng(windows)  # twins are cropped alike
                samples += [crop(whole, again, self.size) for _ in range(crops)]
                owner += [len(wholes)] * crops
                wholes.append(whole)
            if len(made) == 2:
                twins += [(first + index, first + crops + index) for index in range(crops)]
        if self.mix.rescaling:
            wholes.append(tiny(wholes[0], rng, self.size))
        return Batch.of(samples, wholes=wholes, owner=owner, twins=twins)

    def _pictures(self, rng: np.random.Generator, *, twins_fit: bool) -> list[Whole]:
        """A made-up picture, or two of one view."""
        index = int(rng.integers(len(self.pairs) + len(self.bright)))
        if index >= len(self.pairs):
            picture = self.bright[index - len(self.pairs)]
            return [make_whole(picture, picture, rng, self.size, self.mix, bright_only=True)]
        indices = [index]
        partners = (self.bursts or {}).get(index, ())
        if partners and twins_fit and rng.random() < self.twin_share:
            indices.append(partners[int(rng.integers(len(partners)))])
        changes = int(rng.integers(1 << 31))
        return [self._twin(one, changes, position) for position, one in enumerate(indices)]

    def _twin(self, index: int, changes: int, position: int) -> Whole:
        """Twins change alike, but for their noise."""
        rng, noise = np.random.default_rng(changes), np.random.default_rng([changes, position])
        return make_whole(*self.pairs[index], rng, self.size, self.mix, noise=noise)
