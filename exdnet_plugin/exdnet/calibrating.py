"""Calibration by the compiled engine: what highlights.py and gamut.py do by PyTorch's operators, in one pass."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from exdnet_plugin.exdnet.compiled import native
from exdnet_plugin.exdnet.gamut import SHARE, TINY
from exdnet_plugin.exdnet.highlights import KNEE, Shoulder
from exdnet_plugin.exdnet.network import OUTPUT_MIN
from exdnet_plugin.exdnet.plane_calls import in_parts, run_all

PIXELS = 1 << 16  # that a thread does at once


def calibrate(before: Tensor, matrix: Tensor, shoulder: Shoulder | None = None) -> Tensor:
    """`M · rgb` with a shoulder, if any, clamped to [1e-8, 1], written over (N, 3, H, W) contiguous float32.

    Args:
        matrix: (N, 3, 3).
        shoulder: see :mod:`exdnet_plugin.exdnet.highlights`.
    """
    pixels, count = before.shape[2] * before.shape[3], len(before)
    frames = list(shoulder.frames.float().contiguous()) if shoulder else [None] * count
    curvatures = shoulder.curvature.tolist() if shoulder else [0.0] * count
    for rgb, was, by, curvature in zip(before, frames, matrix.flatten(1).tolist(), curvatures, strict=True):
        limits = curvature, KNEE, SHARE, TINY, OUTPUT_MIN
        read = 0 if was is None else was.data_ptr()
        fits = shoulder is not None and shoulder.fits
        call = partial(native.calibrate, rgb.data_ptr(), read, pixels, tuple(by), limits, fits)
        run_all(in_parts([rgb] if was is None else [rgb, was], call, pixels, PIXELS))
    return before
