"""Temporal stability: smoothing in seconds, codes that hold, and cuts.

Everything stays on the device and nothing waits for it. State advances frame by frame within a batch, so batches of 1
and of 8 give the same; time constants are in seconds, so a variable frame rate changes nothing either.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.color import LUMA_WEIGHTS

THUMBNAIL = (18, 32)
CORRELATION_OF_A_CUT = 0.5  # below it, a picture does not continue the one before
STRUCTURE_MIN = 0.02  # standard deviation of a thumbnail's logarithm: below, a picture shows nothing to compare
BLACK_LEVEL = 0.02
HOLD_MARGIN = 0.25  # codes
_FORGOTTEN = 100.0  # poles behind which nothing is left of what was; of more, float32 would make infinity times 0


class Temporal:
    """What is remembered between frames: `state`, tensors by name, empty before the first frame."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what came before."""
        self.state: dict[str, Tensor] = {}


class Smoother(Temporal):
    """Second-order low-pass (two equal poles) over per-frame values, in seconds of mean delay.

    Two poles let through a third of one pole's noise at the same delay. The update is the exact solution for an input
    that is constant since the last frame, so splitting an interval in two changes nothing.
    """

    def __init__(self, seconds: float) -> None:
        if not seconds >= 0:
            raise ValueError(f"smoothing {seconds}: it is a time constant in seconds, 0 (off) or more")
        super().__init__()
        self._pole = seconds / 2

    def update(self, measured: Tensor, steps: Tensor, cuts: Tensor) -> Tensor:
        """Smooth a batch.

        Args:
            measured: (N, K) values.
            steps: (N,) seconds since the frame before, on the CPU.
            cuts: (N,) bool, on the device: where smoothing starts anew with the measured value.

        Returns:
            (N, K) smoothed values.
        """
        return torch.stack([self._next(*row) for row in zip(measured, steps.tolist(), cuts, strict=True)])

    def _next(self, value: Tensor, step: float, cut: Tensor) -> Tensor:
        if not self.state or self._pole == 0:
            self.state = {"first": value, "second": value}
            return value
        poles = min(step / self._pole, _FORGOTTEN)
        keep = math.exp(-poles)
        first, second = self.state["first"] - value, self.state["second"] - value
        self.state = {
            "first": torch.where(cut, value, value + first * keep),
            "second": torch.where(cut, value, value + (second + first * poles) * keep),
        }
        return self.state["second"]


class HeldCodes(Temporal):
    """Whole codes of continuous measurements, each held until the measurement leaves its code by a quarter.

    Truncated percentiles jump by a code when noise carries them over the edge; a frame twenty codes bright then changes
    by 5 %. A first frame's code is the truncated one, as published.
    """

    def update(self, measured: Tensor, cuts: Tensor) -> Tensor:
        """(N, K) continuous codes to (N, K) held whole codes; `cuts` as in :class:`Smoother`."""
        return torch.stack([self._next(*row) for row in zip(measured, cuts, strict=True)])

    def _next(self, measured: Tensor, cut: Tensor) -> Tensor:
        held = self.state.get("held")
        if held is None:
            held = measured.floor()
        left = (measured < held - HOLD_MARGIN) | (measured >= held + 1 + HOLD_MARGIN)
        self.state["held"] = torch.where(left | cut, measured.floor(), held)
        return self.state["held"]


class CutDetector(Temporal):
    """Tells frames that do not continue the ones before, by the correlation of small logarithmic luma pictures.

    A flash or a fade scales light, which shifts a logarithm and leaves its correlation; a frame without structure
    (white, black) says nothing and is passed over, so that the frame behind it is compared with the one before it.
    """

    def update(self, frames: Tensor) -> Tensor:
        """(N, 3, H, W) RGB frames to (N,) bool: whether each begins a new scene. A stream's first frame does not."""
        logarithms = (_thumbnails(frames.float(), THUMBNAIL) + BLACK_LEVEL).log().flatten(1)
        return torch.stack([self._next(picture - picture.mean()) for picture in logarithms])

    def _next(self, picture: Tensor) -> Tensor:
        strong = picture.std(unbiased=False) > STRUCTURE_MIN
        reference = self.state.get("reference", torch.zeros_like(picture))
        correlation = F.cosine_similarity(picture, reference, dim=0)
        seen = reference.abs().amax() > 0
        self.state["reference"] = torch.where(strong, picture, reference)
        return strong & seen & (correlation < CORRELATION_OF_A_CUT)


class Clock(Temporal):
    """Seconds since the frame before, from frame times: 0 for a first frame and where time runs backwards."""

    def update(self, times: Tensor) -> Tensor:
        """(N,) times in seconds to (N,) steps in seconds, float64 on the CPU."""
        times = times.double().cpu()
        before = torch.cat([self.state.get("last", times[:1]), times[:-1]])
        self.state["last"] = times[-1:]
        return (times - before).clamp(min=0)


def _thumbnails(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Small luma pictures of (N, 3, H, W) RGB by area: (N, h, w), of `size` or the frame's own if smaller."""
    height, width = min(size[0], frames.shape[2]), min(size[1], frames.shape[3])
    kr, kb = LUMA_WEIGHTS["bt709"]
    r, g, b = F.adaptive_avg_pool2d(frames, (height, width)).unbind(1)
    return kr * r + (1 - kr - kb) * g + kb * b
