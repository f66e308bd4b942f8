"""Noise reduction in front of ExdNet, which brightens noise and the steps of compression as it does all else.

What does not move is averaged over time; then what varies no more than noise does is smoothed. Noise is told from each
frame, and nothing is looked up ahead, so that a live stream waits for nothing.
"""

from __future__ import annotations

import logging
from collections import deque

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.stream_info import StreamInfo
from exdnet_plugin.temporal import Temporal

FRAMES = 8
ROUNDING = (1 / 255) ** 2 / 12  # the variance of rounding to 8 bits: what is flat may still flip by a code
# Times the variance that noise explains, of a cell's values and of its mean: up to where nothing moves, from where all.
STILL, MOVES = 1.4, 3.0
STEADY, SHIFTS = 12.0, 24.0
MOVING = 8  # pixels a side of what moves together
# Pixels a side of what has one mean and variance, and how much of the variance there is smoothed: noise and rounding
# in small cells, in large ones the steps of a code or two that strong compression leaves between blocks.
SMALL, NOISE = 2, 2.0
LARGE, STEPS = 16, 6 * ROUNDING
FLAT, QUIET = 8, 0.2  # pairs of pixels a side of a block; which part of the blocks, those that vary least, is flat
UNCLIPPED = 2 / 255, 250 / 255  # mean levels of blocks whose noise is whole
log = logging.getLogger(__name__)


class DenoiseProcessor:
    """Reduces noise: what does not move is averaged over time, and smoothed where it varies no more than noise does.

    Args:
        strength: 0 leaves the frame, 1 is the result, between is a blend.
        frames: over how many frames at most is averaged; 1 is each frame by itself.

    Raises:
        ValueError: strength or frames is out of range.

    The fields of interlaced frames are averaged each with those of its parity. Frames of quality `realtime` pass as
    they are: they were shrunk, which averages noise, and their change of colour is all that the video takes of them.
    """

    remembers_pictures = True

    def __init__(self, strength: float = 1.0, frames: int = FRAMES) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength {strength}: it must be between 0 and 1")
        if not (isinstance(frames, int) and frames >= 1):
            raise ValueError(f"frames {frames}: at least 1 is needed, which is each frame by itself")
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
        result = smoothed(smoothed(mean, noise, SMALL), torch.full_like(count, STEPS), LARGE)
        return result if self._strength == 1 else torch.lerp(frame, result, self._strength)

    def _averaged(self, frame: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """The mean over the frames since something moved, and of how many each cell of it is."""
        before = self._parities[0].state
        if before:
            moved = _motion(frame - before["mean"], variance, before["count"])
            count = (before["count"] * (1 - moved) + 1).clamp(max=self._frames)
            mean = torch.lerp(before["mean"], frame, _spread(1 / count, frame, MOVING))
        else:
            mean, count = frame.clone(), torch.ones_like(_cells(frame[:, :1], MOVING))
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
    varied, level = _cells(diagonal.square_(), FLAT), _cells(upper[..., ::2], FLAT)
    whole_noise = (level > UNCLIPPED[0]) & (level < UNCLIPPED[1])
    none_whole = ~whole_noise.any(dim=3, keepdim=True).any(dim=2, keepdim=True)  # then what black leaves of it counts
    varied = torch.where(whole_noise | none_whole, varied, torch.nan).flatten(2)
    return varied.nanquantile(QUIET, dim=2)[..., None, None]


def smoothed(frame: Tensor, variance: Tensor, side: int) -> Tensor:
    """A frame with half of its contrast where it has this variance, more of it where it varies more.

    He, Sun, Tang, "Guided image filtering", TPAMI 35 (2013), with the frame as its own guide, one slope for all
    channels, and means over cells of pixels (He, Sun, "Fast guided filter", 2015).

    Args:
        frame: (1, 3, H, W), float32.
        variance: (1, 1, h, w), of at least as many cells as the frame has.
        side: of a cell, in pixels.
    """
    mean, square = (_box(_cells(part, side)) for part in (frame, frame.square()))
    varied = (square - mean.square()).clamp_(min=0.0).mean(dim=1, keepdim=True)
    kept = varied / (varied + variance[:, :, : varied.shape[2], : varied.shape[3]])
    # Interpolated, but not averaged as published: only cells whose neighbours hold a pixel have a say in it, so that
    # what lies behind an edge has none.
    return _spread(mean * (1 - kept), frame, side).addcmul_(_spread(kept, frame, side), frame)


def _motion(change: Tensor, variance: Tensor, count: Tensor) -> Tensor:
    """How far cells moved, in [0, 1], beside what noise explains; with a cell around, or edges left trails."""
    explained = variance * (1 + 1 / count) + ROUNDING
    # A mean over a cell varies by so much less where noise is independent from pixel to pixel, or a few times that as
    # cameras have it. It tells what is fainter than the noise, and light that comes slowly.
    shift = (_cells(change, MOVING).square_() * MOVING**2 / explained).mean(dim=1, keepdim=True)
    excess = (_cells(change.square_(), MOVING) / explained).mean(dim=1, keepdim=True)
    moved = torch.maximum((excess - STILL) / (MOVES - STILL), (shift - STEADY) / (SHIFTS - STEADY))
    return F.max_pool2d(moved.clamp_(0.0, 1.0), 3, stride=1, padding=1)


def _cells(image: Tensor, side: int) -> Tensor:
    """Means of cells of so many pixels a side, fewer at the end: (N, C, H, W) to (N, C, ⌈H / side⌉, ⌈W / side⌉)."""
    return F.avg_pool2d(image, side, ceil_mode=True, count_include_pad=False)


def _box(cells: Tensor) -> Tensor:
    """Means of three by three cells, fewer at the edges."""
    return F.avg_pool2d(cells, 3, stride=1, padding=1, count_include_pad=False)


def _spread(cells: Tensor, like: Tensor, side: int) -> Tensor:
    """Cells back to pixels, interpolated."""
    height, width = like.shape[2:]
    return F.interpolate(cells, scale_factor=side, mode="bilinear", align_corners=False)[..., :height, :width]
