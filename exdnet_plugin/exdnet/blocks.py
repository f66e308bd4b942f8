"""The steps that compression leaves between blocks, smoothed before ExdNet makes them many times as high."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from exdnet_plugin.choices import check_choice
from exdnet_plugin.exdnet.fade import Fade
from exdnet_plugin.guided import smoothed

Blocks = Literal["smooth", "keep"]
STEPS = 0.5 / 255**2  # the variance of steps of a code, half of them up: more of what varies more than that is kept
SIDE = 16  # pixels of a macroblock


def smooths(blocks: Blocks, fade: Fade | None) -> bool:
    """Whether steps are smoothed: if asked, and not before the published network, which has no fade, either.

    Raises:
        ValueError: there is no such way with blocks.
    """
    check_choice("blocks", blocks, get_args(Blocks))
    return blocks == "smooth" and fade is not None


def without_steps(frames: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] with flat parts as slopes where they were steps of a code or two."""
    return smoothed(frames, STEPS, SIDE)
