"""How steady a video is from frame to frame: flicker on what stands still, warping error on what moves, too.

Two versions of one video are measured on the same pixels, by the motion of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from exdnet_plugin.evaluation.exposure import LUMA
from exdnet_plugin.evaluation.motion import Floats, Mask, Motion, MotionFinder, warped
from exdnet_plugin.temporal import CutDetector

SMALLEST_SHARE = 0.05  # of a frame's pixels: over fewer, a mean says nothing about it


class FrameSteadiness(NamedTuple):
    """One frame of one version, against the frame before it. None where there is nothing to compare.

    Attributes:
        luma: mean luma of the frame in [0, 1].
        flicker: change of mean luma on static regions, in percent.
        warping_error: mean square difference of RGB in [0, 1] to the frame before, warped, where both are seen.
        warping_relative: its root in percent of the same pixels' mean luma, so that being brighter does not count.
    """

    luma: float
    flicker: float | None = None
    warping_error: float | None = None
    warping_relative: float | None = None


class FramePair(NamedTuple):
    """A frame of both versions; what was compared, as shares of its pixels in percent."""

    before: FrameSteadiness
    after: FrameSteadiness
    cut: bool
    static: float | None = None
    compared: float | None = None


class Consistency:
    """Measures the frames of two versions of one video, in order."""

    def __init__(self) -> None:
        self._motion, self._cuts = MotionFinder(), CutDetector()
        self._last: dict[str, Floats] = {}

    def update(self, frames: Mapping[str, Floats]) -> FramePair:
        """Measure the next frame.

        Args:
            frames: `before` and `after`, (H, W, 3) float32 RGB in [0, 1] each, at least 16 by 16 pixels.
        """
        before = frames["before"]
        cut = bool(self._cuts.update(torch.from_numpy(before).permute(2, 0, 1)[None])[0])
        motion = self._motion.update(_luma(before), cut=cut)
        last, self._last = self._last, dict(frames)
        if motion is None:
            single = {name: FrameSteadiness(float(_luma(frame).mean())) for name, frame in frames.items()}
            return FramePair(single["before"], single["after"], cut)
        found = {name: _steadiness(frame, last[name], motion) for name, frame in frames.items()}
        shares = [100 * float(mask.mean()) for mask in (motion.static, motion.visible)]
        return FramePair(found["before"], found["after"], cut, *shares)


def _steadiness(frame: Floats, before: Floats, motion: Motion) -> FrameSteadiness:
    luma, luma_before = _luma(frame), _luma(before)
    flicker = error = relative = None
    if _counts(motion.static):
        last = float(luma_before[motion.static].mean(dtype=np.float64))
        flicker = 100 * (float(luma[motion.static].mean(dtype=np.float64)) / last - 1) if last > 0 else None
    if _counts(motion.visible):
        seen = motion.visible
        error = float(np.square(frame - warped(before, motion.flow))[seen].mean(dtype=np.float64))
        mean = float(luma[seen].mean(dtype=np.float64))
        relative = 100 * error**0.5 / mean if mean > 0 else None
    return FrameSteadiness(float(luma.mean(dtype=np.float64)), flicker, error, relative)


def _counts(mask: Mask) -> bool:
    return float(mask.mean()) >= SMALLEST_SHARE


def _luma(frame: Floats) -> Floats:
    return np.asarray(frame @ np.array(LUMA, np.float32), np.float32)
