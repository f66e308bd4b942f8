"""Engine triton: the local part on a GPU in nine launches, both branches at once, activations in float16.

Unfused, each of the network's seventy operations moves its activations through the GPU's memory; here each half of a
block reads and writes 16 channels once. What is linear before the first LeakyReLU (exposures, differences, three
convolutions) is one 7×7 convolution of frame and clipped position. The kernels: `fused_kernels.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial

import torch
import torch.nn.functional as F
import triton
from torch import Tensor

from exdnet_plugin.exdnet import fused_calibration
from exdnet_plugin.exdnet import fused_kernels as kernels
from exdnet_plugin.exdnet.folded import Affine, FoldedBlock, FoldedExdNet, FoldedLocal, before_calibration, fold
from exdnet_plugin.exdnet.highlights import Shoulder
from exdnet_plugin.exdnet.network import CHANNELS, HALO, ExdNet

AGREES = 0.02  # the largest difference from float32 that is rounding: a code is 0.004 and activations are a few
_REACH = 4  # rows: no kernel reads further from a pixel
_LARGE = 1 << 19  # pixels that fill a GPU
_CALIBRATED_AT_ONCE = 1024


@dataclass(frozen=True)
class _Block:
    """A block's weights for both branches, in the order and shapes that the kernels tell."""

    position_w: Tensor
    position_b: Tensor
    into_w: Tensor
    into_b: Tensor
    mix_w: Tensor
    mix_b: Tensor
    out_w: Tensor
    out_b: Tensor
    up_w: Tensor
    up_b: Tensor
    down_w: Tensor
    down_b: Tensor

    @property
    def tensors(self) -> list[Tensor]:
        return [getattr(self, field.name) for field in fields(self)]


class FusedLocal:
    """The local part of a network: frames (N, 3, H, W) in [0, 1] and ranges (N, 2) to (N, 3, H, W) float32.

    Args:
        net: from `fold`, on the device that frames will be on.

    Edges are continued. Weights of matrix products are rounded to float16; sums are float32.
    """

    def __init__(self, net: FoldedExdNet) -> None:
        self._begin = _begin_weights(net)
        pairs = zip(net.raw.blocks, net.difference.blocks, strict=True)
        self._blocks = [_block_weights(raw, difference) for raw, difference in pairs]
        self._end = _end_weights(net)

    def __call__(self, frames: Tensor, range_: Tensor) -> Tensor:
        with torch.cuda.device_of(frames):  # Triton launches on the current device
            return self._run(frames.contiguous(), range_.float().contiguous())

    def _run(self, frames: Tensor, ranges: Tensor) -> Tensor:
        count, _, height, width = frames.shape
        rows = _padded(height, kernels.ROWS_MAX)
        stride = _padded(width, kernels.COLUMNS_MAX)
        pixels = count * rows * stride
        layout = count, rows, stride
        large = int(pixels >= _LARGE)
        whole, both = (partial(_grid, rows, stride, images) for images in (count, 2 * count))
        new = partial(_images, frames.device, _REACH * stride)
        packed, first, kept, mixable, x = new(pixels, 8), *(new(2 * pixels, CHANNELS) for _ in range(4))

        kernels.pack[whole](frames, ranges, packed, height, width, rows, stride, large)
        kernels.begin[whole](packed, *self._begin, first, *layout, large)
        for index, block in enumerate(self._blocks):
            source, weights, last = x if index else first, block.tensors, index == len(self._blocks) - 1
            kernels.position[both](source, kept, mixable, *weights[:4], *layout, large)
            kernels.mix[both](kept, mixable, first, x, *weights[4:], *layout, last, large)
        before = torch.empty(frames.shape, device=frames.device)
        inner = partial(_grid, height, width, count)
        kernels.end[inner](x, *self._end, before, count, height, width, rows, stride, large)
        return before


def _padded(side: int, tile: int) -> int:
    """A side with the pixels around it, rounded up to whole tiles."""
    return -(-(side + 2 * HALO) // tile) * tile


def calibrate(before: Tensor, matrix: Tensor, shoulder: Shoulder | None = None) -> Tensor:
    """`M · rgb` with a shoulder, if any, clamped to [1e-8, 1], written over (N, 3, H, W) contiguous float32.

    Args:
        matrix: (N, 3, 3).
        shoulder: see :mod:`exdnet_plugin.exdnet.highlights`.
    """
    # Without a shoulder the kernel reads neither, but takes pointers all the same.
    frames, curvature = (shoulder.frames, shoulder.curvature) if shoulder else (matrix, matrix)
    pixels = before.shape[2] * before.shape[3]
    grid = triton.cdiv(pixels, _CALIBRATED_AT_ONCE), before.shape[0]
    with torch.cuda.device_of(before):
        fused_calibration.calibrate[grid](
            before,
            matrix.float().contiguous(),
            frames.float().contiguous(),
            curvature.float().contiguous(),
            pixels,
            SHOULDER=shoulder is not None,
            FITS=shoulder is not None and shoulder.fits,
            SIZE=_CALIBRATED_AT_ONCE,
        )
    return before


def _grid(rows: int, columns: int, images: int, tile: dict[str, int]) -> tuple[int, int, int]:
    return triton.cdiv(columns, tile["COLUMNS"]), triton.cdiv(rows, tile["ROWS"]), images


def _images(device: torch.device, around: int, pixels: int, channels: int) -> Tensor:
    """So many float16 pixels, with as much memory before and behind them as kernels reach beyond an image."""
    return torch.empty((pixels + 2 * around, channels), dtype=torch.float16, device=device)[around : around + pixels]


def _begin_weights(net: FoldedExdNet) -> tuple[Tensor, Tensor]:
    """The kernel `begin`'s weight and bias: everything before the LeakyReLU as one convolution of packed frames.

    Off the borders `2x - 1` and the channel of ones are constants, so they go into the bias. That lets float16 hold
    `x`, which in dark frames is near 0, where it has finer steps than near -1.
    """
    first, merge = net.difference.first, net.merge
    chain = _composed(first.weight, _composed(merge.weight, net.steps.weight))  # (16, 7, 7, 7)
    frame = F.pad(net.raw.first.weight, (2, 2, 2, 2))
    of_frame, of_position = torch.cat([frame, chain[:, :3]]), torch.cat([torch.zeros_like(frame), chain[:, 3:6]])
    ones = torch.cat([torch.zeros_like(chain[:, 6]), chain[:, 6]]).sum((1, 2)) - of_frame.sum((1, 2, 3))
    merged = _bias(first) + first.weight.sum((2, 3)) @ _bias(merge)
    weight = torch.cat([2 * of_frame, of_position, torch.zeros_like(of_frame[:, :2])], dim=1)  # (32, 8, 7, 7)
    return _rows(weight), (ones + torch.cat([_bias(net.raw.first), merged])).float().contiguous()


def _composed(outer: Tensor, inner: Tensor) -> Tensor:
    """The kernel of one convolution behind another, (O, M, a, a) behind (M, I, b, b): (O, I, a + b - 1, a + b - 1)."""
    return F.conv2d(inner.transpose(0, 1), outer.flip(2, 3), padding=outer.shape[-1] - 1).transpose(0, 1)


def _bias(by: Affine) -> Tensor:
    assert by.bias is not None
    return by.bias


def _rows(weight: Tensor) -> Tensor:
    """A convolution (O, I, k, k) as k products with a row of k pixels, padded to 64 values: (k, 64, O) float16."""
    by_row = weight.permute(2, 3, 1, 0).flatten(1, 2)
    return F.pad(by_row, (0, 0, 0, 64 - by_row.shape[1])).half().contiguous()


def _block_weights(raw: FoldedBlock, difference: FoldedBlock) -> _Block:
    tensors: list[Tensor] = []
    for maps in zip(raw.maps, difference.maps, strict=True):
        weight = torch.stack([by.weight for by in maps])
        depthwise = weight.dim() == 5
        tensors += [weight.flatten(2).transpose(1, 2).float() if depthwise else weight.transpose(1, 2).half()]
        tensors += [torch.stack([_bias(by) for by in maps]).float()]
    return _Block(*(tensor.contiguous() for tensor in tensors))


def _end_weights(net: FoldedExdNet) -> tuple[Tensor, ...]:
    """The kernel `end`'s weight, bias, scale and shift."""

    def rgb(values: Tensor) -> Tensor:
        return F.pad(values.float(), (0, CHANNELS - 3)).contiguous()

    def last(local: FoldedLocal) -> Tensor:
        return F.pad(_rows(local.last.weight), (0, CHANNELS - 3))

    weight = torch.stack([last(net.raw), last(net.difference)]).contiguous()
    bias = torch.stack([rgb(_bias(net.raw.last)), rgb(_bias(net.difference.last))])
    return weight, bias, rgb(net.scale.flatten()), rgb(net.shift.flatten())


def largest_difference(device: str) -> float:
    """How far the kernels are from PyTorch's operators in float32 on a small frame, weights of either sign and size 1.

    Raises:
        Exception: whatever Triton's compiler or the device says.
    """
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(0)  # the CPU's alone
        network = ExdNet().eval().requires_grad_(False)
        for name, parameter in network.named_parameters():
            if "gamma" in name:  # at their start the blocks they weigh do next to nothing
                parameter.copy_(torch.rand(parameter.shape))
        frames, range_ = torch.rand(2, 3, 6, 20), torch.tensor([[0.1, 0.7], [0.3, 0.3]])
    continued = F.pad(frames, (HALO,) * 4, mode="replicate")
    expected = before_calibration(fold(network), continued, range_)[:, :, HALO:-HALO, HALO:-HALO]
    found = FusedLocal(fold(network.to(device)))(frames.to(device), range_.to(device))
    return float((found.cpu() - expected).abs().max())
