"""Training for small frames: on a shrunk picture, the network is taught to give its full-size result, shrunk.

What `--quality realtime` runs is a small frame. It is cleaner than what it was shrunk from, and other structure has
the size of a convolution, so that weights for full size brighten it otherwise: 26 dB from the result shrunk fourfold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from exdnet_plugin.evaluation.metrics import compare
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.exdnet.inference import Inference
from exdnet_plugin.exdnet.network import ExdNet
from exdnet_plugin.pairs import Picture
from exdnet_plugin.training.batches import Batch
from exdnet_plugin.training.loop import unclamped
from exdnet_plugin.training.losses import LossWeights
from exdnet_plugin.training.samples import Image, SampleMix, make_pair

FACTORS = (3, 4, 6)
SMALL_LOSSES = LossWeights(l1=1.0, ssim=0.1, chroma=0.5, colourfulness=0.0, highlights=0.5)


@dataclass(frozen=True)
class SmallPicture:
    """A shrunk frame, its own exposure range, and the teacher's result shrunk: (3, h, w), (2,), (3, h, w)."""

    frame: Tensor
    range: Tensor
    target: Tensor


def make_small(dark: Image, teacher: Inference) -> dict[int, SmallPicture]:
    """One picture, shrunk by each factor."""
    result = teacher(_tensor(dark))[0].permute(1, 2, 0).numpy()
    made = {}
    for factor in FACTORS:
        frame = _shrunk(dark, factor)
        made[factor] = SmallPicture(frame[0], exposure_range(frame)[0], _shrunk(result, factor)[0])
    return made


def _tensor(image: Image) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def _shrunk(image: Image, factor: int) -> Tensor:
    size = image.shape[1] // factor, image.shape[0] // factor
    return _tensor(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32))


@dataclass
class SmallSource:
    """Batches of whole small pictures of one factor. Made-up pictures are made once, when they are first drawn.

    Pairs must be of one size.
    """

    pairs: Sequence[tuple[Picture, Picture]]
    teacher: Inference
    mix: SampleMix
    batch: int
    seed: int
    variants: int = 4  # made-up pictures of each pair

    def __post_init__(self) -> None:
        self._made: dict[int, dict[int, SmallPicture]] = {}

    def _picture(self, index: int) -> dict[int, SmallPicture]:
        if index not in self._made:
            rng = np.random.default_rng([self.seed, index])
            low, high = self.pairs[index % len(self.pairs)]
            self._made[index] = make_small(make_pair(low, high, rng, self.mix)[0], self.teacher)
        return self._made[index]

    def at(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step, 1])
        factor = FACTORS[int(rng.integers(len(FACTORS)))]
        drawn = rng.integers(len(self.pairs) * self.variants, size=self.batch)
        pictures = [_flipped(self._picture(int(index))[factor], rng) for index in drawn]
        return Batch(
            torch.stack([picture.frame for picture in pictures]),
            torch.stack([picture.range for picture in pictures]),
            torch.stack([picture.target for picture in pictures]),
        )

    def steps(self, first: int, last: int) -> Iterator[Batch]:
        """The batches of steps `first` to `last - 1`."""
        return (self.at(step) for step in range(first, last))


def _flipped(picture: SmallPicture, rng: np.random.Generator) -> SmallPicture:
    dims = [dim for dim in (1, 2) if rng.random() < 0.5]
    return SmallPicture(picture.frame.flip(dims), picture.range, picture.target.flip(dims))


@torch.no_grad()
def evaluate_small(network: ExdNet, pictures: Sequence[dict[int, SmallPicture]], device: str) -> dict[str, float]:
    """Mean metrics against the teacher, over pictures and factors."""
    rows = []
    for picture in (made[factor] for made in pictures for factor in FACTORS):
        frame, range_, target = (part[None].to(device) for part in (picture.frame, picture.range, picture.target))
        rows.append(compare(unclamped(network, frame, range_).clamp(0, 1), target))
    return {name: sum(getattr(row, name) for row in rows) / len(rows) for name in rows[0]._fields}
