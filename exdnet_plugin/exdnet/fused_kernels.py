"""The local part as Triton kernels: a tile of pixels a program, channels-last float16 in memory, float32 in registers.

Images lie in a frame of their own with 13 more pixels on each side, where edges are continued, so no kernel knows a
border: what it reads beyond an image is whatever memory holds there, and comes no nearer to the result than those 13
pixels. :mod:`exdnet_plugin.exdnet.fused` lays images out so that these reads stay in the buffer, and runs the kernels.
Both branches of a network are images side by side: the frame's branch of all frames, then the differences' branch.

Kernels are longer than functions elsewhere: what they hand on from line to line are tiles in registers. Where taps are
summed, the loop over rows must stay a loop: Triton moves each tap of an unrolled one through shared memory, to have
the sum where the product behind it wants it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

from exdnet_plugin.exdnet import network

HALO = tl.constexpr(network.HALO)
# Rows, columns, warps. An interpreter has nothing to time, and takes as long for a small tile as for a large one.
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
TILES = ((16, 16, 4),) if INTERPRETED else ((4, 32, 4), (8, 16, 4), (4, 16, 2), (8, 32, 8))
OPTIONS = {} if INTERPRETED else {"enable_fp_fusion": True}  # half of the instructions are multiply-adds
ROWS_MAX, COLUMNS_MAX = max(tile[0] for tile in TILES), max(tile[1] for tile in TILES)


class _Tuned:
    """A kernel whose tiles each device chooses by trying them on LARGE frames; others are not worth the seconds.

    They take the first: Triton's tuner would time even a choice of one. LARGE is the last argument.
    """

    def __init__(self, kernel: Any) -> None:
        configs = [
            triton.Config({"ROWS": rows, "COLUMNS": columns, **OPTIONS}, num_warps=warps)
            for rows, columns, warps in TILES
        ]
        self.fn, self._first = kernel, configs[0].all_kwargs()
        self._tuned = triton.autotune(configs, key=["LARGE"])(kernel)

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        def launch(*arguments: Any) -> None:
            if arguments[-1]:
                self._tuned[grid](*arguments)
            else:
                self.fn[grid](*arguments, **self._first)

        return launch


@triton.jit
def _place(ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Row and column of each pixel of this program's tile: (ROWS * COLUMNS,) each."""
    index = tl.arange(0, ROWS * COLUMNS)
    row = tl.program_id(1) * ROWS + index // COLUMNS
    return row, tl.program_id(0) * COLUMNS + index % COLUMNS


@triton.jit
def _gelu(x):
    """GELU to 8e-5, a sixth of float16's step below 1: a minimax polynomial, cut at 4.2, where it is exact.

    erf of CUDA's library takes three times the instructions, and there are 384 of them a pixel.
    """
    y = tl.minimum(tl.maximum(x, -4.2), 4.2)
    s = y * y
    p = 7.941328155e-8 - s * 9.017516118e-10
    p = p * s - 3.037928365e-6
    p = p * s + 6.689064813e-5
    p = p * s - 9.506571110e-4
    p = p * s + 9.298227581e-3
    p = p * s - 6.552819855e-2
    p = p * s + 3.984658712e-1
    return x * (y * p + 0.5)


@_Tuned
@triton.jit
def pack(frames, ranges, packed, height, width, rows, stride, LARGE, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """(N, 3, height, width) frames and their (N, 2) float32 ranges to (N, rows, stride, 8) float16, edges continued.

    The 8 are the frame's three channels, their positions in the exposure range, and two zeros.
    """
    image = tl.program_id(2).to(tl.int64)
    row, column = _place(ROWS, COLUMNS)
    y = tl.minimum(tl.maximum(row - HALO, 0), height - 1)
    x = tl.minimum(tl.maximum(column - HALO, 0), width - 1)
    slot = tl.arange(0, 8)
    source = image * 3 * height * width + (slot % 3).to(tl.int64) * height * width
    value = tl.load(frames + source[None, :] + (y * width + x)[:, None], mask=slot[None, :] < 6, other=0).to(tl.float32)
    low, high = tl.load(ranges + image * 2), tl.load(ranges + image * 2 + 1)
    span = high - low
    position = tl.minimum(tl.maximum((value - low) / tl.where(span > 0, span, 1), 0), 1) * (span > 0)
    value = tl.where(slot[None, :] < 3, value, tl.where(slot[None, :] < 6, position, 0))
    target = (image * rows + row) * stride + column
    tl.store(packed + target[:, None] * 8 + slot[None, :], value.to(tl.float16))


@_Tuned
@triton.jit
def begin(packed, weight, bias, first, images, rows, stride, LARGE, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Packed frames to the channels of both branches, (2N, rows, stride, 16): all that is linear there, LeakyReLU.

    weight: (7, 64, 32) float16: a row of seven pixels by eight values, padded to 64, to the channels of both branches.
    """
    image = tl.program_id(2).to(tl.int64)
    row, column = _place(ROWS, COLUMNS)
    pixel = (image * rows + row) * stride + column
    along, channel = tl.arange(0, 64), tl.arange(0, 32)
    sums = tl.zeros((ROWS * COLUMNS, 32), tl.float32)
    for dy in tl.static_range(7):
        start = (pixel + (dy - 3) * stride - 3) * 8
        line = tl.load(packed + start[:, None] + along[None, :], mask=along[None, :] < 56, other=0)
        sums += tl.dot(line, tl.load(weight + dy * 2048 + along[:, None] * 32 + channel[None, :]))
    sums += tl.load(bias + channel)[None, :]
    sums = tl.where(sums > 0, sums, sums * 0.2)
    branch = (channel // 16).to(tl.int64) * images * rows * stride * 16
    tl.store(first + pixel[:, None] * 16 + (branch + channel % 16)[None, :], sums.to(tl.float16))


@_Tuned
@triton.jit
def position(
    x,
    kept,
    mixable,
    position_w,
    position_b,
    into_w,
    into_b,
    images,
    rows,
    stride,
    LARGE,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """A block's first half, on (2N, rows, stride, 16): depthwise 3×3 to `kept`, 1×1 of it to `mixable`.

    position_w: (2, 9, 16) float32; into_w: (2, 16, 16) float16, from by to; biases (2, 16) float32: one a branch.
    """
    image = tl.program_id(2).to(tl.int64)
    branch = tl.program_id(2) // images
    row, column = _place(ROWS, COLUMNS)
    channel = tl.arange(0, 16)
    at = ((image * rows + row) * stride + column)[:, None] * 16 + channel[None, :]
    sums = tl.zeros((ROWS * COLUMNS, 16), tl.float32) + tl.load(position_b + branch * 16 + channel)[None, :]
    for dy in range(3):
        for dx in tl.static_range(3):
            near = tl.load(x + at + ((dy - 1) * stride + dx - 1) * 16)
            sums += near.to(tl.float32) * tl.load(position_w + branch * 144 + (dy * 3 + dx) * 16 + channel)[None, :]
    tl.store(kept + at, sums.to(tl.float16))
    into = tl.load(into_w + branch * 256 + channel[:, None] * 16 + channel[None, :])
    sums = tl.dot(sums.to(tl.float16), into) + tl.load(into_b + branch * 16 + channel)[None, :]
    tl.store(mixable + at, sums.to(tl.float16))


@_Tuned
@triton.jit
def mix(
    kept,
    mixable,
    first,
    x,
    mix_w,
    mix_b,
    out_w,
    out_b,
    up_w,
    up_b,
    down_w,
    down_b,
    images,
    rows,
    stride,
    LAST: tl.constexpr,
    LARGE,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """A block's second half: depthwise 5×5 and 1×1 added to `kept`; to that, 1×1, GELU, 1×1 of it; into `x`.

    mix_w: (2, 25, 16) float32; out_w (2, 16, 16), up_w (2, 16, 64), down_w (2, 64, 16) float16, from by to. The LAST
    block also adds what the branch began with.
    """
    image = tl.program_id(2).to(tl.int64)
    branch = tl.program_id(2) // images
    row, column = _place(ROWS, COLUMNS)
    channel, hidden = tl.arange(0, 16), tl.arange(0, 64)
    at = ((image * rows + row) * stride + column)[:, None] * 16 + channel[None, :]
    sums = tl.zeros((ROWS * COLUMNS, 16), tl.float32) + tl.load(mix_b + branch * 16 + channel)[None, :]
    for dy in range(5):
        for dx in tl.static_range(5):
            near = tl.load(mixable + at + ((dy - 2) * stride + dx - 2) * 16)
            sums += near.to(tl.float32) * tl.load(mix_w + branch * 400 + (dy * 5 + dx) * 16 + channel)[None, :]
    out = tl.load(out_w + branch * 256 + channel[:, None] * 16 + channel[None, :])
    mixed = tl.dot(sums.to(tl.float16), out) + tl.load(out_b + branch * 16 + channel)[None, :]
    mixed += tl.load(kept + at).to(tl.float32)
    up = tl.load(up_w + branch * 1024 + channel[:, None] * 64 + hidden[None, :])
    raised = _gelu(tl.dot(mixed.to(tl.float16), up) + tl.load(up_b + branch * 64 + hidden)[None, :])
    down = tl.load(down_w + branch * 1024 + hidden[:, None] * 16 + channel[None, :])
    mixed += tl.dot(raised.to(tl.float16), down) + tl.load(down_b + branch * 16 + channel)[None, :]
    if LAST:
        mixed += tl.load(first + at).to(tl.float32)
    tl.store(x + at, mixed.to(tl.float16))


@triton.jit
def _rgb(x, pixel, weight, bias, stride, PIXELS: tl.constexpr):
    """A branch's last 3×3 convolution and tanh: (PIXELS, 16), of which the first three count.

    weight: (3, 64, 16) float16: a row of three pixels by 16 channels, padded to 64, to RGB, padded to 16.
    """
    along, channel = tl.arange(0, 64), tl.arange(0, 16)
    sums = tl.zeros((PIXELS, 16), tl.float32) + tl.load(bias + channel)[None, :]
    for dy in tl.static_range(3):
        start = (pixel + (dy - 1) * stride - 1) * 16
        line = tl.load(x + start[:, None] + along[None, :], mask=along[None, :] < 48, other=0)
        sums += tl.dot(line, tl.load(weight + dy * 1024 + along[:, None] * 16 + channel[None, :]))
    return 1 - 2 / (tl.exp(sums * 2) + 1)


@_Tuned
@triton.jit
def end(
    x,
    weight,
    bias,
    scale,
    shift,
    before,
    images,
    height,
    width,
    rows,
    stride,
    LARGE,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Both branches to RGB, and their sum, without the 13 pixels around, to (N, 3, height, width) float32.

    weight: (2, 3, 64, 16) float16, bias (2, 16), scale and shift (16,) float32, where three of the 16 count.
    """
    image = tl.program_id(2).to(tl.int64)
    row, column = _place(ROWS, COLUMNS)
    pixel = (image * rows + row + HALO) * stride + column + HALO
    raw = _rgb(x, pixel, weight, bias, stride, ROWS * COLUMNS)
    other = ((image + images) * rows + row + HALO) * stride + column + HALO
    difference = _rgb(x, other, weight + 3072, bias + 16, stride, ROWS * COLUMNS)
    channel = tl.arange(0, 16)
    result = raw + difference * tl.load(scale + channel)[None, :] + tl.load(shift + channel)[None, :]
    target = (image * 3 * height + row)[:, None] * width + channel[None, :].to(tl.int64) * height * width
    inside = ((row < height) & (column < width))[:, None] & (channel < 3)[None, :]
    tl.store(before + target + column[:, None], result, mask=inside)
