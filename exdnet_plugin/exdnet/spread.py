"""One stream on several GPUs: the frames of a batch are shared out, what is remembered between frames stays on one.

A video cut into segments, one a GPU, would need each segment's temporal state before the one in front has run. So what
follows the video (exposure range, calibration matrix, cuts) is computed on the first GPU, where frames come and go, and
the network, which knows nothing of other frames, runs on all. Results do not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from exdnet_plugin.devices import devices_of
from exdnet_plugin.exdnet.checkpoint import Weights
from exdnet_plugin.exdnet.engines import Engine
from exdnet_plugin.exdnet.inference import Inference, exact_inference


class Spread:
    """Inference forms of one network on several devices, used as one. Frames, matrices and results are on the first.

    Args:
        each: the same network's, one a device, the first device's first.
    """

    def __init__(self, each: Sequence[Inference]) -> None:
        self._first, self._each = each[0], each
        self.engine, self.dtype = self._first.engine, self._first.dtype

    @torch.inference_mode()
    def measure(self, frames: Tensor, range_: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Inference.measure`. Every device is given its part before the first result is asked for."""
        parts = [
            inference.measure(
                part.to(inference.device, non_blocking=True), ranges.to(inference.device, non_blocking=True)
            )
            for inference, part, ranges in zip(self._each, self._parts(frames), self._parts(range_), strict=False)
        ]
        before, matrices = zip(*parts, strict=True)
        return self._gathered(before, frames), self._gathered(matrices, frames)

    @torch.inference_mode()
    def before_calibration(self, frames: Tensor, range_: Tensor) -> Tensor:
        """See :meth:`Inference.before_calibration`."""
        return self.measure(frames, range_)[0]

    def calibrate(self, before: Tensor, matrix: Tensor) -> Tensor:
        """See :meth:`Inference.calibrate`: a pass over the pixels, which costs less than sending them anywhere."""
        return self._first.calibrate(before, matrix)

    def release(self) -> None:
        """See :meth:`Inference.release`."""
        for inference in self._each:
            inference.release()

    def _parts(self, batch: Tensor) -> Sequence[Tensor]:
        return batch.chunk(len(self._each))

    @staticmethod
    def _gathered(parts: Sequence[Tensor], like: Tensor) -> Tensor:
        return torch.cat([part.to(like.device, non_blocking=True) for part in parts])


def spread_inference(
    weights: Weights, device: str, engine: Engine = "auto", dtype: torch.dtype | None = None
) -> Inference | Spread:
    """:func:`exact_inference` on a device, or on every one that its name stands for."""
    each = [exact_inference(weights, one, engine, dtype) for one in devices_of(device)]
    return each[0] if len(each) == 1 else Spread(each)
