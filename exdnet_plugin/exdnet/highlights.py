"""A shoulder for highlights: what calibration makes whiter than white keeps its drawing, where clipping leaves none.

Calibration brightens a frame by one matrix. Where headlights shine in a dark frame, that leads to twice white. Film has
a shoulder there. So has the tone curve of Reinhard et al. ("Photographic tone reproduction for digital images",
SIGGRAPH 2002, equation 3), which is taken here for what is above a knee, and has the slope 1 there.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from exdnet_plugin.exdnet.fade import Fade
from exdnet_plugin.exdnet.look import shrunk, upper_end
from exdnet_plugin.exdnet.network import apply_matrix

Highlights = Literal["keep", "clip"]
KNEE = 0.6  # below, nothing changes
BRIGHTEST = 0.01  # of a frame becomes white, so that small lamps do


def keeps(highlights: Highlights, fade: Fade | None) -> bool:
    """Whether highlights get a shoulder: if asked, and not in the published network, which has no fade, either.

    Raises:
        ValueError: there is no such way with highlights.
    """
    if highlights not in get_args(Highlights):
        raise ValueError(f"highlights {highlights!r} is not there; there are {', '.join(get_args(Highlights))}")
    return highlights == "keep" and fade is not None


def bends(before: Tensor, matrix: Tensor) -> Tensor:
    """How much the shoulder bends so that all but the brightest of a frame is drawn: 0 where nothing is over white.

    Args:
        before: (N, 3, H, W), what comes before calibration.
        matrix: (N, 3, 3).

    Returns:
        (N,), at least 0. What calibration makes of the brightest hundredth of the frame, shrunk, becomes white.
    """
    peaks = upper_end(apply_matrix(matrix, shrunk(before)), BRIGHTEST).clamp(min=1.0)
    return 1 / (1 - KNEE) - 1 / (peaks - KNEE)


def bent(values: Tensor, by: Tensor) -> Tensor:
    """(N, 3, H, W) with a shoulder that bends so much, (N,). Gradients flow to the values."""
    over = (values - KNEE).clamp(min=0.0)
    bend = over * by.to(over.dtype)[:, None, None, None]
    return values - over * bend / (1 + bend)


def bend_into(out: Tensor, values: Tensor, by: Tensor) -> None:
    """The same into `out`, without a gradient and without memory of its own; the values are used up."""
    over = torch.sub(values, KNEE, out=out).clamp_(min=0.0)
    values.sub_(over)
    over.reciprocal_().add_(by[:, None, None, None]).reciprocal_().add_(values)  # 0 becomes infinite and 0 again
