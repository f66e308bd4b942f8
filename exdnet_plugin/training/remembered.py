"""Whole pictures as the local part last left them, so that the global branch can learn from many a step.

The global branch learns slowest, and sees one matrix a picture where the local part sees thousands of pixels. Running
a whole picture through the local part is what costs; plain pictures are the same every time, so what comes before
calibration is kept of each, at half size as the global branch takes it, and made anew at every checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from exdnet_plugin.exdnet.exposures import ExposureConstants
from exdnet_plugin.exdnet.network import ExdNet
from exdnet_plugin.training.forward import inference_of
from exdnet_plugin.training.losses import log_error
from exdnet_plugin.training.plain import PlainSource
from exdnet_plugin.training.samples import Whole, flip_dims

PIXELS = 4000  # of a picture, by which its error is told
PART_SHARE, PART_MIN = 0.5, 0.55  # how often the branch sees a part of a picture, and how much of each side at least


class Remembered:
    """The pictures of a source, of one period at a time.

    Args:
        source: the pictures.
        constants: the exposure constants of the weights that are trained.
        device: where they are kept; half a megabyte a picture of 600×400.
    """

    def __init__(self, source: PlainSource, constants: ExposureConstants, device: str) -> None:
        self._source, self._constants, self._device = source, constants, device
        self._kept: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    @torch.no_grad()
    def refresh(self, network: ExdNet, step: int) -> None:
        """Forget all, and run the pictures of a step's period through the local part of a network."""
        inference = inference_of(network, self._constants, self._device)
        self._kept.clear()
        for number in self._source.drawn(step):
            whole = self._source.whole(number, step)
            before = inference.before_calibration(whole.dark[None].to(self._device), whole.range[None].to(self._device))
            self._kept[number] = self._seen(before[0], whole)

    def _seen(self, before: Tensor, whole: Whole) -> tuple[Tensor, Tensor, Tensor]:
        """What is kept of a picture: what the global branch takes, and before and after calibration of some pixels."""
        flat, bright = before.flatten(1), whole.bright.to(before.device).flatten(1)
        some = torch.randint(flat.shape[1], (PIXELS,), generator=torch.Generator().manual_seed(PIXELS)).to(flat.device)
        return F.avg_pool2d(before, 2).half(), flat[:, some].clone(), bright[:, some].clone()

    def matrices(self, network: ExdNet, numbers: Sequence[int], step: int) -> tuple[Tensor, Tensor]:
        """The calibration matrices of pictures, (P, 3, 3), and the mean logarithm of their squared errors.

        Gradients flow to the global branch alone. It sees pictures mirrored, and parts of some, and is to tell the
        whole picture's matrix all the same.
        """
        rng = np.random.default_rng([self._source.seed, step, 2])
        pooled = _parts([self._kept[number][0].float().flip(flip_dims(rng)) for number in numbers], rng)
        alike = len({one.shape for one in pooled}) == 1
        batches = torch.stack(pooled)[None] if alike else [one[None] for one in pooled]
        matrices = torch.cat([network.global_net(batch) for batch in batches])
        before, bright = (torch.stack([self._kept[number][index] for number in numbers]) for index in (1, 2))
        squared = (matrices @ before - bright).square().mean(dim=(1, 2))
        return matrices, log_error(squared)


def _parts(pooled: list[Tensor], rng: Generator) -> list[Tensor]:
    """The pictures, or the same part of each, so that those of one size stay so."""
    if rng.random() >= PART_SHARE:
        return pooled
    extent = rng.uniform(PART_MIN, 1, 2)
    begin = rng.uniform(0, 1 - extent)

    def span(length: int, dim: int) -> slice:
        return slice(int(length * begin[dim]), int(length * (begin[dim] + extent[dim])))

    return [one[:, span(one.shape[1], 0), span(one.shape[2], 1)] for one in pooled]
