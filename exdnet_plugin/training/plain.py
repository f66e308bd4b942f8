"""Pairs as they are, in many exposures: what a benchmark on such pairs is trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.pairs import Picture
from exdnet_plugin.training.batches import Batch
from exdnet_plugin.training.light import in_codes
from exdnet_plugin.training.samples import Whole, as_tensor, crop, flipped

MOST = 512  # pictures that are remembered at a time
EXPOSED, DARKER, BRIGHTER = 0.6, 0.65, 1.5


@dataclass(frozen=True)
class PlainSource:
    """Crops of plain pairs. For `period` steps, a picture keeps one exposure, so that it can be remembered.

    Args:
        pairs: dark and bright pictures.
        size: side of a crop.
        batch: crops a step, each of a picture of its own as far as there are `wholes`.
        wholes: pictures a step, those of the crops among them.
        period: steps.
        seed: what is drawn.
    """

    pairs: Sequence[tuple[Picture, Picture]]
    size: int
    batch: int
    wholes: int
    period: int
    seed: int

    def drawn(self, step: int) -> list[int]:
        """The pictures of a step's period by their numbers."""
        count = min(len(self.pairs), MOST)
        return sorted(self._rng(step, 0).choice(len(self.pairs), count, replace=False).tolist())

    def whole(self, number: int, step: int) -> Whole:
        """A picture, brighter or darker than it is in some periods: the same bright one belongs to it all the same."""
        low, high = self.pairs[number]
        rng = self._rng(step, 1, number)
        gain = np.exp(rng.uniform(np.log(DARKER), np.log(BRIGHTER))) if rng.random() < EXPOSED else 1.0
        dark = as_tensor(in_codes(low.astype(np.float32) * np.float32(gain / 255)))
        return Whole(dark, as_tensor(high.astype(np.float32) / np.float32(255)), exposure_range(dark[None])[0])

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        drawn = self.drawn(step)
        numbers = rng.choice(drawn, min(self.wholes, len(drawn)), replace=False).tolist()
        cropped = [number % len(numbers) for number in range(self.batch)]
        samples = [flipped(crop(self.whole(numbers[position], step), rng, self.size), rng) for position in cropped]
        return Batch.of(samples, owner=cropped, remembered=numbers)

    def _rng(self, step: int, *what: int) -> Generator:
        return np.random.default_rng([self.seed, step // self.period, *what])
