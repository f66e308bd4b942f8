"""How a network's result fades into the frame: the lighter a frame is already, the less of it is taken.

A network that is taught to leave well-lit pictures alone still changes them by a dozen codes. How bright a frame is on
the whole tells well-lit ones from dark ones, so this needs no teaching.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

WellLit = Literal["keep", "enhance"]


@dataclass(frozen=True)
class Fade:
    """Mean levels of a frame, in [0, 1]: up to `begin` it is the result, from `end` on it stays what it is.

    They belong to the weights. The published network has none.
    """

    begin: float = 0.3  # well-lit photos have 0.44 on average, the same with a quarter of their light 0.23
    end: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end <= 1:
            raise ValueError(f"fade {self.begin} to {self.end}: 0 <= begin < end <= 1 is needed, as 0.3 to 0.5")

    def share(self, levels: Tensor) -> Tensor:
        """How much of the result frames of these mean levels take: the same shape, in [0, 1]."""
        return ((self.end - levels) / (self.end - self.begin)).clamp(0, 1)


def mean_levels(frames: Tensor) -> Tensor:
    """The mean of all values of each of (N, 3, H, W) frames: (N,), float32. Rows first, which is exact enough."""
    return frames.mean(dim=3, dtype=torch.float32).mean(dim=(1, 2))


class Blend:
    """Frames with a share of the network's results.

    Args:
        strength: 0 leaves a frame, 1 is the result, between is a blend.
        well_lit: `keep`, then the fade counts, or `enhance`, well-lit frames like others.
        fade: that of the weights.

    Raises:
        ValueError: strength is out of range, or well_lit is neither.
    """

    def __init__(self, strength: float, well_lit: WellLit, fade: Fade | None) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength {strength}: it must be between 0 and 1")
        if well_lit not in get_args(WellLit):
            raise ValueError(f"well_lit {well_lit!r} is not there; there are {', '.join(get_args(WellLit))}")
        self.strength = strength
        self.fade = fade if well_lit == "keep" else None

    def __call__(self, frames: Tensor, results: Tensor, levels: Tensor | None, *, over: bool = False) -> Tensor:
        """(N, 3, H, W) frames and results to the same shape; a fade needs the frames' mean levels, (N,).

        `over` writes it over the results, so that no further frame is held.
        """
        share: Tensor | float = self.strength
        if self.fade and levels is not None:
            share = (self.strength * self.fade.share(levels)).to(frames.dtype)[:, None, None, None]
        elif share == 1:
            return results
        return torch.lerp(frames, results, share, out=results if over else None)
