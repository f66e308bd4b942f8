"""Synthesised exposures: the exposure range of a frame, and the three exposures made from it.

Source: ExdNet's published exposure code. The range is all the statistics there are, two scalars a frame, so it is what
`exdnet_plugin.temporal` smooths in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.exdnet.compiled import native

LOW_PERCENTILE = 0.01
HIGH_PERCENTILE = 0.99
_CODES = 256
_VALUES_AT_ONCE = 1 << 22  # histc counts in float32, which is exact below 2^24


@dataclass(frozen=True)
class ExposureConstants:
    """The intervals [a, b] that the clipped frame is mapped onto, darkest first. They belong to the weights."""

    intervals: tuple[tuple[float, float], ...] = ((0.033, 0.9), (0.04, 0.9), (0.1, 1.0))

    def __post_init__(self) -> None:
        if len(self.intervals) != 3 or any(not 0 <= a < b <= 1 for a, b in self.intervals):
            raise ValueError(
                f"exposure intervals {self.intervals}: three pairs 0 <= a < b <= 1 are needed, as (0.033, 0.9)"
            )


LOL_CONSTANTS = ExposureConstants()
RELLISUR_CONSTANTS = ExposureConstants(((0.033, 0.99), (0.04, 0.99), (0.1, 0.99)))


def exposure_codes(frames: Tensor) -> Tensor:
    """1st and 99th percentile of each frame's 8-bit values, all channels together, as continuous codes.

    The whole part is what the published code truncates `np.percentile` to. The fraction says how far into that code's
    pixels the percentile lies: it tells a percentile that is about to change its code from one that is not.

    Args:
        frames: (N, 3, H, W), float, RGB in [0, 1], gamma-coded.

    Returns:
        (N, 2), float32, `lo` and `hi` in [0, 256).
    """
    cumulative = torch.stack([_histogram(frame) for frame in frames]).cumsum(dim=1)
    return torch.stack([_code(cumulative, LOW_PERCENTILE), _code(cumulative, HIGH_PERCENTILE)], dim=1)


def exposure_range(frames: Tensor) -> Tensor:
    """The exposure range of each frame: (N, 2), `lo` and `hi` in [0, 1], whole 8-bit codes divided by 255."""
    return exposure_codes(frames).floor() / 255


def _code(cumulative: Tensor, fraction: float) -> Tensor:
    """Where the percentile lies, from (N, 256) cumulative counts: linearly interpolated as np.percentile does."""
    total = cumulative[:, -1:]
    position = (total - 1).double() * fraction
    rank = position.floor().long()
    lower = (cumulative <= rank).sum(dim=1, keepdim=True)
    upper = (cumulative <= (rank + 1).minimum(total - 1)).sum(dim=1, keepdim=True)
    between = lower + (upper - lower) * (position - rank)
    below = F.pad(cumulative, (1, 0)).gather(1, lower)
    within = (rank - below + 0.5) / (cumulative.gather(1, lower) - below)
    return torch.where(upper > lower, between, lower + within).squeeze(1).float()


def _histogram(frame: Tensor) -> Tensor:
    """Counts of the 256 codes."""
    counts = torch.zeros(_CODES, dtype=torch.int64, device=frame.device)
    values = frame.detach().float().reshape(-1).contiguous()
    if native is not None and values.device.type == "cpu":
        native.count(values.data_ptr(), len(values), counts.data_ptr())
        return counts
    for part in values.split(_VALUES_AT_ONCE):  # by histc: unlike bincount, it does not make the host wait for a GPU
        counts += torch.histc((part * 255).round_().clamp_(0, 255), _CODES, 0, _CODES).to(torch.int64)
    return counts


def clipped_position(frames: Tensor, range_: Tensor) -> Tensor:
    """Where each value lies in its frame's exposure range: 0 up to `lo`, 1 from `hi` on; 0 for a flat frame."""
    lo, hi = range_.to(frames.dtype)[:, :, None, None, None].unbind(1)
    span = hi - lo
    return ((frames - lo) / torch.where(span > 0, span, torch.ones_like(span))).clamp_(0, 1) * (span > 0)


def exposures(frames: Tensor, range_: Tensor, constants: ExposureConstants = LOL_CONSTANTS) -> Tensor:
    """The three synthesised exposures of each frame, from one frame clipped to its exposure range.

    Args:
        frames: (N, 3, H, W), float, RGB in [0, 1].
        range_: (N, 2), `lo` and `hi` in [0, 1].
        constants: the intervals of the weights in use.

    Returns:
        (N, 9, H, W), the exposures one behind the other. A flat frame (`lo == hi`) has flat exposures at their `a`.
    """
    position = clipped_position(frames, range_)
    return torch.cat([a + position * (b - a) for a, b in constants.intervals], dim=1)


def network_input(frames: Tensor, range_: Tensor, constants: ExposureConstants = LOL_CONSTANTS) -> Tensor:
    """What the network takes: frame and exposures, (N, 12, H, W), each as `2x - 1`."""
    return torch.cat([frames, exposures(frames, range_, constants)], dim=1).mul_(2).sub_(1)
