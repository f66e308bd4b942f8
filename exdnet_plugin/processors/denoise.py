"""Noise reduction in front of ExdNet, which brightens noise as it does all else.

What does not move is averaged over time; then what varies no more than noise does is smoothed. Noise is told from each
frame, and nothing is looked up ahead, so that a live stream waits for nothing.
"""

from __future__ import annotations

import logging
from collections import deque

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.guided import cells, smoothed, spread
from exdnet_plugin.stream_info import StreamInfo
from exdnet_plugin.temporal import Temporal

FRAMES, MOST_FRAMES = 8, 1 << 24  # a count of frames is a float32, which is exact up to there
ROUNDING = (1 / 255) ** 2 / 12  # the variance of rounding to 8 bits: what is flat may still flip by a code
# Times the variance that noise explains, of a cell's values and of its mean: up to where nothing moves, from where all.
STILL, MOVES = 1.4, 3.0
STEADY, SHIFTS = 12.0, 24.0
MOVING = 8  # pixels a side of what moves together
SMALL, NOISE = 2, 2.0  # pixels a side of what has one mean and variance, and times the noise that is smoothed there
FLAT, QUIET = 8, 0.2  # pairs of pixels a side of a block; which part of the blocks, those that vary least, is flat
UNCLIPPED = 2 / 255, 250 / 255  # mean levels of blocks whose noise is whole
log = logging.getLogger(__name__)


class DenoiseProcessor:
    """Reduces noise: what does not move is averaged over time, and smoothed where it varies no more than noise does.

    Args:
        strength: 0 leaves the frame, 1 is the result, between is a blend.
        frames: over how many frames at most is averaged, 1-16777216; 1 is each frame by itself.

    Raises:
        ValueError: strength or frames is out of range.

    The fields of interlaced frames are averaged each with those of its parity. Frames of quality `realtime` pass as
    they are: they were shrunk, which averages noise, and their change of colour is all that the video takes of them.
    """

    remembers_pictures = True

    def __init__(self, strength: float = 1.0, frames: int = FRAMES) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength {strength}: it must be between 0 and 1")
        if not (isinstance(frames, int) and 1 <= frames <= MOST_FRAMES):
            raise ValueError(f"frames {frames}: 1, which is each frame by itself, to {MOST_FRAMES} is needed")
        self._strength, self._frames = strength, frames
        self._parities = deque([Temporal()])

    def open(self, stream: StreamInfo) -> None:
        self._stream, self._small = stream, stream.shrunk > 1
        self._parities = deque(Temporal() for _ in range(stream.fields))
        if self._small:
            log.warning("denoise does nothing in quality realtime, which takes no more than colours from small frames")

    @torch.inference_mode()
    def process(self, frames: Tensor, times: Tensor) -> Tensor:
        if self._small:
            return frames
        return torch.cat([self._next(frame) for frame in frames.float().split(1)])

    def _next(self, frame: Tensor) -> Tensor:
        variance = noise_variance(frame) + ROUNDING
        mean, count = self._averaged(frame, variance)
        noise = F.interpolate(NOISE * variance.mean(dim=1, keepdim=True) / count, scale_factor=MOVING // SMALL)
        result = smoothed(mean, noise, SMALL)
        return result if self._strength == 1 else torch.lerp(frame, result, self._strength)

    def _averaged(self, frame: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """The mean over the frames since something moved, and of how many each cell of it is."""
        before = self._parities[0].state
        if before:
            moved = _motion(frame - before["mean"], variance, before["count"])
            count = (before["count"] * (1 - moved) + 1).clamp(max=self._frames)
            mean = torch.lerp(before["mean"], frame, spread(1 / count, frame, MOVING))
        else:
            mean, count = frame.clone(), torch.ones_like(cells(frame[:, :1], MOVING))
        self._parities[0].state = {"mean": mean, "count": count}
        self._parities.rotate(-1)
        return mean, count

    def reset(self) -> None:
        for temporal in self._parities:
            temporal.reset()

    def state(self) -> dict[str, Tensor]:
        """The mean so far and of how many frames it is, on the CPU; of fields, the next one's first."""
        return {
            f"{turn}.{name}": value.cpu().clone()
            for turn, temporal in enumerate(self._parities)
            for name, value in temporal.state.items()
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what :meth:`state` told, after `open`. Frames of quality `realtime` have no use for it."""
        self.reset()
        for key, value in () if self._small else state.items():
            turn, _, name = key.partition(".")
            if name == "mean" and value.shape[2:] != (self._stream.height, self._stream.width):
                raise ValueError(f"a mean of {tuple(value.shape)} is of another size")
            self._parities[int(turn)].state[name] = value.to(self._stream.device)

    def close(self) -> None:
        """What is remembered goes with the object."""


def noise_variance(frame: Tensor) -> Tensor:
    """The variance of a frame's noise, told from what is flat in it.

    Of diagonal differences within squares of two by two pixels, the finest band of a Haar wavelet, as in Donoho and
    Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81 (1994), 425-455; but instead of a median
    over all, the mean over a block that varies little, since texture is in that band, too.

    Args:
        frame: (1, 3, H, W), float32, in [0, 1].

    Returns:
        (1, 3, 1, 1), of [0, 1] squared.
    """
    height, width = frame.shape[2:]
    whole = F.pad(frame, (0, width % 2, 0, height % 2), mode="replicate") if height % 2 or width % 2 else frame
    upper, lower = whole[:, :, ::2], whole[:, :, 1::2]
    diagonal = (upper[..., ::2] - upper[..., 1::2] - lower[..., ::2] + lower[..., 1::2]) / 2
    varied, level = cells(diagonal.square_(), FLAT), cells(upper[..., ::2], FLAT)
    whole_noise = (level > UNCLIPPED[0]) & (level < UNCLIPPED[1])
    none_whole = ~whole_noise.any(dim=3, keepdim=True).any(dim=2, keepdim=True)  # then what black leaves of it counts
    varied = torch.where(whole_noise | none_whole, varied, torch.nan).flatten(2)
    return varied.nanquantile(QUIET, dim=2)[..., None, None]


def _motion(change: Tensor, variance: Tensor, count: Tensor) -> Tensor:
    """How far cells moved, in [0, 1], beside what noise explains; with a cell around, or edges left trails."""
    explained = variance * (1 + 1 / count) + ROUNDING
    # A mean over a cell varies by so much less where noise is independent from pixel to pixel, or a few times that as
    # cameras have it. It tells what is fainter than the noise, and light that comes slowly.
    shift = (cells(change, MOVING).square_() * MOVING**2 / explained).mean(dim=1, keepdim=True)
    excess = (cells(change.square_(), MOVING) / explained).mean(dim=1, keepdim=True)
    moved = torch.maximum((excess - STILL) / (MOVES - STILL), (shift - STEADY) / (SHIFTS - STEADY))
    return F.max_pool2d(moved.clamp_(0.0, 1.0), 3, stride=1, padding=1)
