"""Temporal stability: smoothing in seconds, codes that hold, and cuts.

Everything stays on the device and nothing waits for it. State advances frame by frame within a batch, so batches of 1
and of 8 give the same; time constants are in seconds, so a variable frame rate changes nothing either.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.color import thumbnails

THUMBNAIL = (18, 32)
CORRELATION_OF_A_CUT = 0.5  # below it, a picture does not continue the one before
STRUCTURE_MIN = 0.02  # standard deviation of a thumbnail's logarithm: below, a picture shows nothing to compare
BLACK_LEVEL = 0.02
HOLD_MARGIN = 0.25  # codes


class Smoother:
    """Second-order low-pass (two equal poles) over per-frame values, in seconds of mean delay.

    Two poles let through a third of one pole's noise at the same delay. The update is the exact solution for an input
    that is constant since the last frame, so splitting an interval in two changes nothing.
    """

    def __init__(self, seconds: float) -> None:
        if not seconds >= 0:
            raise ValueError(f"smoothing {seconds}: it is a time constant in seconds, 0 (off) or more")
        self._pole = seconds / 2
        self.reset()

    def reset(self) -> None:
        self._first: Tensor | None = None
        self._second: Tensor | None = None

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
        if self._first is None or self._second is None or self._pole == 0:
            self._first = self._second = value
            return value
        keep = float(torch.exp(torch.tensor(-step / self._pole, dtype=torch.float64)))
        first, second = self._first - value, self._second - value
        self._first = torch.where(cut, value, value + first * keep)
        self._second = torch.where(cut, value, value + (second + first * (step / self._pole)) * keep)
        return self._second


class HeldCodes:
    """Whole codes of continuous measurements, each held until the measurement leaves its code by a quarter.

    Truncated percentiles jump by a code when noise carries them over the edge; a frame twenty codes bright then changes
    by 5 %. A first frame's code is the truncated one, as published.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._held: Tensor | None = None

    def update(self, measured: Tensor, cuts: Tensor) -> Tensor:
        """(N, K) continuous codes to (N, K) held whole codes; `cuts` as in :class:`Smoother`."""
        return torch.stack([self._next(*row) for row in zip(measured, cuts, strict=True)])

    def _next(self, measured: Tensor, cut: Tensor) -> Tensor:
        if self._held is None:
            self._held = measured.floor()
            return self._held
        left = (measured < self._held - HOLD_MARGIN) | (measured >= self._held + 1 + HOLD_MARGIN)
        self._held = torch.where(left | cut, measured.floor(), self._held)
        return self._held


class CutDetector:
    """Tells frames that do not continue the ones before, by the correlation of small logarithmic luma pictures.

    A flash or a fade scales light, which shifts a logarithm and leaves its correlation; a frame without structure
    (white, black) says nothing and is passed over, so that the frame behind it is compared with the one before it.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._reference: Tensor | None = None

    def update(self, frames: Tensor) -> Tensor:
        """(N, 3, H, W) RGB frames to (N,) bool: whether each begins a new scene. A stream's first frame does not."""
        logarithms = (thumbnails(frames.float(), THUMBNAIL) + BLACK_LEVEL).log().flatten(1)
        return torch.stack([self._next(picture - picture.mean()) for picture in logarithms])

    def _next(self, picture: Tensor) -> Tensor:
        strong = picture.std(unbiased=False) > STRUCTURE_MIN
        if self._reference is None:
            self._reference = torch.where(strong, picture, torch.zeros_like(picture))
            return torch.zeros((), dtype=torch.bool, device=picture.device)
        correlation = F.cosine_similarity(picture, self._reference, dim=0)
        seen = self._reference.abs().amax() > 0
        self._reference = torch.where(strong, picture, self._reference)
        return strong & seen & (correlation < CORRELATION_OF_A_CUT)


class Clock:
    """Seconds since the frame before, from frame times: 0 for a first frame and where time runs backwards."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._last: float | None = None

    def update(self, times: Tensor) -> Tensor:
        """(N,) times in seconds to (N,) steps in seconds, float64 on the CPU."""
        times = times.double().cpu()
        before = torch.cat([times.new_tensor([times[0] if self._last is None else self._last]), times[:-1]])
        self._last = float(times[-1])
        return (times - before).clamp(min=0)
