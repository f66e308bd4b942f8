"""Grids of local affine colour transforms: fitted to a small frame before and after a chain, applied at full size.

The fit is a guided filter whose guide is all channels of the small frame (He, Sun and Tang, "Guided Image Filtering",
TPAMI 2013, section 3.4), its coefficients enlarged (He and Sun, "Fast Guided Filter", 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.color import double, halve
from exdnet_plugin.exdnet.compiled import native
from exdnet_plugin.exdnet.plane_calls import holding, in_parts, plane, run_all

EPSILON = 3e-5  # of full scale squared: how little a neighbourhood may vary before it counts as flat
ROWS = 512  # that a thread does at once, at most


def fit(before: Tensor, after: Tensor) -> Tensor:
    """The transforms from one small frame to another.

    Args:
        before, after: (1, C, h, w), C of 1 or 3, in full scales.

    Returns:
        (C, 4, h, w): for each channel, what the three channels before count and what is added. With C of 1, the
        second and third count nothing.
    """
    if native is not None and before.shape[1] == 3 and before.device.type == "cpu":
        before, after = before.float().contiguous(), after.float().contiguous()
        made = torch.empty(3, 4, *before.shape[2:])
        native.fit(before.data_ptr(), after.data_ptr(), made.data_ptr(), before.shape[2], before.shape[3], EPSILON)
        return made
    return _fit(before, after)


def _fit(before: Tensor, after: Tensor) -> Tensor:
    """The same with PyTorch's operators."""
    channels = before.shape[1]
    means = _box(torch.cat([before, after, *_products(before, before), *_products(before, after)], dim=1))[0]
    mean, target = means[:channels], means[channels : 2 * channels]
    squares = means[2 * channels :].unflatten(0, (2, channels, channels))
    variance = squares[0] - mean[:, None] * mean[None]
    covariance = squares[1] - mean[:, None] * target[None]
    slopes = _solve(variance, covariance)  # (from, to, h, w)
    offset = target - (slopes * mean[:, None]).sum(dim=0)
    grid = before.new_zeros(channels, 4, *before.shape[2:])
    grid[:, :channels], grid[:, 3] = slopes.transpose(0, 1), offset
    smoothed: Tensor = _box(grid.flatten(0, 1)[None])[0].unflatten(0, (channels, 4))
    return smoothed.contiguous()


def _products(a: Tensor, b: Tensor) -> list[Tensor]:
    return [one * b for one in a.split(1, dim=1)]


def _box(x: Tensor) -> Tensor:
    """Means of 3 by 3, edges repeated: by shifted sums, since PyTorch's pooling takes many times as long on a CPU."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    return (x[..., :-2] + x[..., 1:-1] + x[..., 2:]) / 9


def _solve(variance: Tensor, covariance: Tensor) -> Tensor:
    """(V + EPSILON)⁻¹ C of (C, C, h, w) matrices, by cofactors: solvers of small matrices take many times as long."""
    if len(variance) == 1:
        return covariance / (variance + EPSILON)
    a, b, c, d, e, f = (variance[i, j] + EPSILON * (i == j) for i in range(3) for j in range(i, 3))
    cofactors = [d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b]
    determinant = a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    rows = [[cofactors[i] for i in row] for row in ((0, 1, 2), (1, 3, 4), (2, 4, 5))]
    solved = [sum(cofactor * row for cofactor, row in zip(line, covariance, strict=True)) for line in rows]
    return torch.stack([one / determinant for one in solved])


def shrink(channels: Sequence[Tensor], size: tuple[int, int]) -> list[Tensor]:
    """Means of each channel's cells, (h, w) integers to `size` in float32 of the same scale."""
    if native is None or channels[0].device.type != "cpu":
        return [F.adaptive_avg_pool2d(channel.to(torch.int32).float()[None, None], size)[0, 0] for channel in channels]
    results = [torch.empty(size) for _ in channels]
    pairs = list(zip(channels, results, strict=True))
    run_all([partial(holding, pair, native.shrink, plane(pair[0]), pair[1].data_ptr(), *size, 1.0) for pair in pairs])
    return results


def apply(channels: Sequence[Tensor], grid: Tensor, peak: int) -> list[Tensor]:
    """Channels transformed by a grid.

    Args:
        channels: (h, w) integers each; chroma may have half the size.
        grid: (C, 4, h', w') from :func:`fit`.
        peak: their highest code.
    """
    inputs = [*channels] * (3 if len(channels) == 1 else 1)
    if native is None or channels[0].device.type != "cpu":
        return [_applied(inputs, like, part, peak) for like, part in zip(channels, grid, strict=True)]
    results = [torch.empty_like(channel, memory_format=torch.contiguous_format) for channel in channels]
    grid = grid.contiguous()
    jobs = []
    a, b, c = (plane(one) for one in inputs)
    for result, part in zip(results, grid, strict=True):
        height, cells = result.shape[0], (part.shape[1], part.shape[2])
        call = partial(native.apply, a, b, c, plane(result), part.data_ptr(), *cells, float(peak))
        jobs += in_parts([*inputs, *results, grid], call, height, ROWS)
    run_all(jobs)
    return results


def _applied(inputs: Sequence[Tensor], like: Tensor, grid: Tensor, peak: int) -> Tensor:
    """One channel, with PyTorch's operators."""
    factors = F.interpolate(grid[None], size=like.shape, mode="bilinear", align_corners=False)[0]
    values = [_sized(one.to(torch.int32).float()[None, None], (like.shape[0], like.shape[1])) for one in inputs]
    result = factors[3] * peak
    for factor, value in zip(factors[:3], values, strict=True):
        result = result + factor * value[0, 0]
    return result.add_(0.5).floor_().clamp_(0, peak).to(torch.int32).to(like.dtype)


def _sized(channel: Tensor, size: tuple[int, int]) -> Tensor:
    """A channel, (1, 1, h, w), at another's size, twice or half its own: as `read_as` of transfer_kernel.h."""
    for dim, wanted in zip((2, 3), size, strict=True):
        if channel.shape[dim] > wanted:
            channel = halve(channel, dim, cosited=False)
        elif channel.shape[dim] < wanted:
            larger = double(channel, dim, cosited=True) if dim == 3 else channel.repeat_interleave(2, dim)
            channel = larger.narrow(dim, 0, wanted)
    return channel
