"""A shoulder for highlights: what calibration makes whiter than white keeps its drawing, where clipping leaves none.

Calibration brightens a frame by one matrix. Where headlights shine in a dark frame, that leads to twice white. Film has
a shoulder there. So has the tone curve of Reinhard et al. ("Photographic tone reproduction for digital images",
SIGGRAPH 2002, equation 3), which is taken here for what is above a knee, and has the slope 1 there.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from exdnet_plugin.choices import check_choice
from exdnet_plugin.exdnet.fade import Fade
from exdnet_plugin.exdnet.gamut import within
from exdnet_plugin.exdnet.look import shrunk, upper_end
from exdnet_plugin.exdnet.network import apply_matrix

Ends = Literal["keep", "clip"]
KNEE = 0.6  # below, nothing changes
WHITE = 0.01  # of a frame's values are white, so that small lamps are


class Shoulder(NamedTuple):
    """How highlights are rolled off.

    Attributes:
        frames: (N, 3, H, W), what comes in: the shoulder makes nothing darker than it was there.
        curvature: (N,), at least 0, as :func:`curvatures` gives it; 0 is no shoulder.
        fits: whether colours are first brought within the gamut, see :mod:`exdnet_plugin.exdnet.gamut`.
    """

    frames: Tensor
    curvature: Tensor
    fits: bool = False


class Limits:
    """How results are kept within what can be shown; the published network, whose weights have no fade, clips them.

    Args:
        highlights: `keep` their drawing by a shoulder, or `clip` them.
        gamut: `keep` colours within it by less chroma, or `clip` their channels.
        fade: that of the weights.

    Raises:
        ValueError: there is no such way with highlights or gamut.
    """

    def __init__(self, highlights: Ends, gamut: Ends, fade: Fade | None) -> None:
        check_choice("highlights", highlights, get_args(Ends))
        check_choice("gamut", gamut, get_args(Ends))
        self._rolls, self._fits = (way == "keep" and fade is not None for way in (highlights, gamut))

    def curvatures(self, before: Tensor, matrix: Tensor) -> Tensor:
        """Those of frames' shoulders, (N,) float32; 0 where highlights are clipped."""
        return curvatures(before, matrix) if self._rolls else matrix.new_zeros(len(matrix))

    def shoulder(self, frames: Tensor, curvature: Tensor) -> Shoulder | None:
        """The shoulder of frames, None where all is clipped."""
        return Shoulder(frames, curvature, self._fits) if self._rolls or self._fits else None


def curvatures(before: Tensor, matrix: Tensor) -> Tensor:
    """How much a frame's shoulder bends, so that all but its brightest values are drawn: 0 where nothing is over white.

    Args:
        before: (N, 3, H, W), what comes before calibration.
        matrix: (N, 3, 3).

    Returns:
        (N,), float32, at least 0. What calibration makes of the brightest hundredth of values, shrunk, becomes white.
    """
    made = apply_matrix(matrix.float(), shrunk(before).float())
    return 1 / (1 - KNEE) - 1 / (upper_end(made, WHITE).clamp(min=1.0) - KNEE)


def rolled_off(values: Tensor, shoulder: Shoulder) -> Tensor:
    """(N, 3, H, W), from 0 on, with their shoulder. Gradients flow to values and frames."""
    values = within(values, shoulder.frames) if shoulder.fits else values
    over = (values - KNEE).clamp(min=0.0)
    bent = KNEE + over / (1 + over * shoulder.curvature.to(over.dtype)[:, None, None, None])
    return torch.maximum(torch.minimum(values, bent), torch.minimum(values, shoulder.frames))


def roll_off_into(out: Tensor, values: Tensor, shoulder: Shoulder) -> None:
    """The same into `out`, without a gradient; the values are used up."""
    values = within(values, shoulder.frames) if shoulder.fits else values
    bent = torch.sub(values, KNEE, out=out).clamp_(min=0.0).reciprocal_()  # 0 becomes infinite, and 0 again
    bent.add_(shoulder.curvature[:, None, None, None]).reciprocal_().add_(KNEE)
    torch.minimum(values, bent, out=bent)
    torch.maximum(bent, torch.minimum(values, shoulder.frames, out=values), out=bent)
