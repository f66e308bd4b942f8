"""YUV planes to RGB and back by the compiled engine: what color.py does by PyTorch's operators, but faster."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from exdnet_plugin.exdnet.compiled import native
from exdnet_plugin.exdnet.plane_calls import in_parts, plane, run_all

ROWS = 64  # that a thread does at once


class Coding(NamedTuple):
    """How a stream's codes stand for colours: H.273's Kr and Kb, and the others in codes.

    Chroma is cosited where it lies on a luma sample, between two otherwise.
    """

    kr: float
    kb: float
    luma_offset: float
    luma_span: float
    chroma_offset: float
    chroma_span: float
    peak: float
    cosited_across: bool
    cosited_down: bool

    @property
    def cosited(self) -> tuple[bool, bool]:
        """Across and down."""
        return self.cosited_across, self.cosited_down


def takes(channels: Sequence[Tensor]) -> bool:
    """Whether the compiled engine is there and takes such channels: whole codes on the CPU, a row's side by side."""
    return native is not None and all(
        one.device.type == "cpu" and one.dtype in (torch.uint8, torch.uint16) and one.stride(1) == 1 for one in channels
    )


def to_rgb(channels: Sequence[Tensor], coding: Coding) -> Tensor:
    """Y, U and V, (h, w) uint8 or uint16 each, to (1, 3, H, W) float32 RGB, not clipped."""
    height, width = channels[0].shape
    rgb = torch.empty(1, 3, height, width)
    call = partial(native.to_rgb, tuple(map(plane, channels)), coding, rgb.data_ptr())
    run_all(in_parts([rgb, *channels], call, height, ROWS))
    return rgb


def from_rgb(rgb: Tensor, original: Sequence[Tensor], coding: Coding) -> list[Tensor]:
    """(1, 3, H, W) RGB to Y, U and V like the original ones, which give chroma the detail between its samples."""
    rgb = rgb.float().contiguous()
    made = [torch.empty_like(one, memory_format=torch.contiguous_format) for one in original]
    planes, chroma = tuple(map(plane, made)), tuple(map(plane, original[1:]))
    call = partial(native.from_rgb, planes, coding, rgb.data_ptr(), chroma)
    run_all(in_parts([rgb, *original, *made], call, original[1].shape[0], ROWS))
    return made
