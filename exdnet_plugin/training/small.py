"""Training for small frames: on a shrunk picture, the network is taught to give its full-size result, shrunk.

What `--quality realtime` runs is a small frame. It is cleaner than what it was shrunk from, and other structure has
the size of a convolution, so that weights for full size brighten it otherwise: 26 dB from the result shrunk fourfold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from exdnet_plugin.evaluation.metrics import compare, mean_metrics
from exdnet_plugin.exdnet.exposures import ExposureConstants, exposure_range
from exdnet_plugin.exdnet.inference import Inference, calibration_matrix
from exdnet_plugin.exdnet.network import ExdNet, apply_matrix
from exdnet_plugin.pairs import Picture
from exdnet_plugin.training.batches import Batch
from exdnet_plugin.training.forward import local_part
from exdnet_plugin.training.light import Image
from exdnet_plugin.training.losses import LossWeights
from exdnet_plugin.training.samples import Sample, SampleMix, as_tensor, flipped, make_pair

FACTORS = (3, 4, 6)
SMALL_LOSSES = LossWeights(
    l1=1.0, ssim=0.1, chroma=0.5, colourfulness=0, highlights=0.5, black=0, whole=0, consistency=0
)


Shrunk = dict[int, Sample]  # by how many times


def make_small(dark: Image, teacher: Inference) -> Shrunk:
    """One picture shrunk by each factor, with its own exposure range; the target is the teacher's result, shrunk."""
    result = teacher(as_tensor(dark)[None])[0].permute(1, 2, 0).numpy()
    made = {}
    for factor in FACTORS:
        frame = _shrunk(dark, factor)
        made[factor] = Sample(frame, exposure_range(frame[None])[0], _shrunk(result, factor))
    return made


def _shrunk(image: Image, factor: int) -> Tensor:
    size = image.shape[1] // factor, image.shape[0] // factor
    return as_tensor(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32))


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
        self._made: dict[int, Shrunk] = {}

    def _picture(self, index: int) -> Shrunk:
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
        pictures = [flipped(self._picture(int(index))[factor], rng) for index in drawn]
        return Batch.of(pictures)


@torch.no_grad()
def evaluate_small(
    network: ExdNet, pictures: Sequence[Shrunk], constants: ExposureConstants, device: str
) -> dict[str, float]:
    """Mean metrics against the teacher, over pictures and factors."""
    rows = []
    for picture in (made[factor] for made in pictures for factor in FACTORS):
        frame, range_, target = (part[None].to(device) for part in (picture.frame, picture.range, picture.target))
        before = local_part(network, frame, range_, constants)
        rows.append(compare(apply_matrix(calibration_matrix(network.global_net, before), before).clamp(0, 1), target))
    return mean_metrics(rows)
