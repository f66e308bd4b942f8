"""One stream on several GPUs: the frames of a batch are shared out, what is remembered between frames stays on one.

A video cut into segments, one a GPU, would need each segment's temporal state before the one in front has run. So what
follows the video (exposure range, calibration matrix, cuts) is computed on the first GPU, where frames come and go, and
the network, which knows nothing of other frames, runs on all. Results do not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from exdnet_plugin.devices import devices_of
from exdnet_plugin.exdnet.checkpoint import Weights
from exdnet_plugin.exdnet.engines import Engine
from exdnet_plugin.exdnet.highlights import Shoulder
from exdnet_plugin.exdnet.inference import Inference, exact_inference


class Spread:
    """Inference forms of one network on several devices, used as one. Frames, matrices and results are on the first.

    Args:
        each: makes the same network's, one a device, the first device's first. Those behind it are made when a batch
            has more than one frame: a photo needs one device alone.
    """

    def __init__(self, each: Sequence[Callable[[], Inference]]) -> None:
        self._first, self._others = each[0](), each[1:]
        self._each = [self._first]
        self.engine, self.dtype = self._first.engine, self._first.dtype

    @torch.inference_mode()
    def measure(self, frames: Tensor, range_: Tensor) -> tuple[Tensor, Tensor]:
        """See :meth:`Inference.measure`."""
        measured = [inference.measure(part, ranges) for inference, part, ranges in self._sent(frames, range_)]
        before, matrices = zip(*measured, strict=True)
        return self._gathered(before, frames), self._gathered(matrices, frames)

    @torch.inference_mode()
    def before_calibration(self, frames: Tensor, range_: Tensor) -> Tensor:
        """See :meth:`Inference.before_calibration`."""
        sent = self._sent(frames, range_)
        return self._gathered([inference.before_calibration(part, ranges) for inference, part, ranges in sent], frames)

    def _sent(self, frames: Tensor, range_: Tensor) -> list[tuple[Inference, Tensor, Tensor]]:
        """Each device's network and its part of a batch.

        All parts are sent first: a GPU sends behind what it was given to compute, so a part that was sent later would
        wait for the first GPU's own.
        """
        if len(frames) > 1 and self._others:
            self._each += [make() for make in self._others]
            self._others = ()
        return [
            (inference, part.to(inference.device, non_blocking=True), ranges.to(inference.device, non_blocking=True))
            for inference, part, ranges in zip(self._each, self._parts(frames), self._parts(range_), strict=False)
        ]

    def calibrate(self, before: Tensor, matrix: Tensor, shoulder: Shoulder | None = None) -> Tensor:
        """See :meth:`Inference.calibrate`: a pass over the pixels, which costs less than sending them anywhere."""
        return self._first.calibrate(before, matrix, shoulder)

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
    each = [partial(exact_inference, weights, one, engine, dtype) for one in devices_of(device)]
    return each[0]() if len(each) == 1 else Spread(each)
