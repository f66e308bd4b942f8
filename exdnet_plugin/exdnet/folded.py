"""ExdNet's inference form: everything linear folded, pixels channels-last. Same result as the training form, to 5e-6.

Folded are: a colour norm into the 1×1 convolution behind it, a gamma into the 1×1 before it, `x + dw3×3(x)` into the
kernel's centre, and the three exposures into their differences, which are affine in the clipped frame. Every fold is
differentiable, so training runs on this form too: it takes half the time of the plain one on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.exdnet.exposures import LOL_CONSTANTS, ExposureConstants, clipped_position
from exdnet_plugin.exdnet.network import Block, ColorNorm, ExdNet, LocalNet

Residual = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True)
class Affine:
    """Weight and bias of a convolution or, for 1×1, of a linear map over channels."""

    weight: Tensor
    bias: Tensor | None

    def map(self, function: Callable[[Tensor], Tensor]) -> Affine:
        return Affine(function(self.weight), None if self.bias is None else function(self.bias))


@dataclass(frozen=True)
class FoldedBlock:
    """A local block as six affine maps, named in the order in which they run, and its drop-path rate."""

    position: Affine
    into: Affine
    mix: Affine
    out: Affine
    up: Affine
    down: Affine
    drop: float

    @property
    def maps(self) -> tuple[Affine, ...]:
        """The six in order."""
        return self.position, self.into, self.mix, self.out, self.up, self.down


@dataclass(frozen=True)
class FoldedLocal:
    """A local branch: the convolution into its channels, its blocks, and the convolution back to RGB."""

    first: Affine
    blocks: tuple[FoldedBlock, ...]
    last: Affine


@dataclass(frozen=True)
class FoldedExdNet:
    """The local part of ExdNet, ready to run: see :func:`before_calibration`."""

    raw: FoldedLocal
    difference: FoldedLocal
    steps: Affine  # (frame, clipped position, one) -> three differences of neighbouring exposures, convolved by conv1
    merge: Affine
    scale: Tensor
    shift: Tensor
    constants: ExposureConstants


def fold(network: ExdNet, constants: ExposureConstants = LOL_CONSTANTS) -> FoldedExdNet:
    """The inference form of a network. Gradients flow through it to the network's own parameters."""
    return FoldedExdNet(
        raw=_fold_local(network.local_net),
        difference=_fold_local(network.local_net_1),
        steps=Affine(_difference_kernel(network.conv1.weight, constants), None),
        merge=Affine(network.conv.weight, network.conv.bias),
        scale=network.nlt_weight,
        shift=network.nlt_bias,
        constants=constants,
    )


def in_dtype(net: FoldedExdNet, dtype: torch.dtype) -> FoldedExdNet:
    """The network computing in a dtype, while frames stay in theirs, in which the branches are summed."""

    def cast(by: Affine) -> Affine:
        return by.map(lambda values: values.to(dtype))

    def local(part: FoldedLocal) -> FoldedLocal:
        return FoldedLocal(cast(part.first), tuple(map(block, part.blocks)), cast(part.last))

    def block(part: FoldedBlock) -> FoldedBlock:
        position, into, mix, out, up, down = map(cast, part.maps)
        return FoldedBlock(position, into, mix, out, up, down, part.drop)

    raw, difference = local(net.raw), local(net.difference)
    return replace(net, raw=raw, difference=difference, steps=cast(net.steps), merge=cast(net.merge))


def _fold_local(net: LocalNet) -> FoldedLocal:
    blocks = tuple(_fold_block(block) for block in net.add_blocks if isinstance(block, Block))
    last = net.add_end[0]
    assert isinstance(last, torch.nn.Conv2d)
    return FoldedLocal(Affine(net.conv1.weight, net.conv1.bias), blocks, Affine(last.weight, last.bias))


def _fold_block(block: Block) -> FoldedBlock:
    identity = F.pad(block.pos_embed.weight.new_ones(1, 1, 1, 1), (1, 1, 1, 1))
    return FoldedBlock(
        position=Affine(block.pos_embed.weight + identity, block.pos_embed.bias),
        into=_after_norm(block.norm1, block.conv1),
        mix=Affine(block.attn.weight, block.attn.bias),
        out=_before_gamma(block.conv2, block.gamma_1),
        up=_after_norm(block.norm2, block.mlp.fc1),
        down=_before_gamma(block.mlp.fc2, block.gamma_2),
        drop=block.drop,
    )


def _after_norm(norm: ColorNorm, conv: torch.nn.Conv2d) -> Affine:
    weight = conv.weight.flatten(1)
    assert conv.bias is not None
    return Affine(weight @ (norm.alpha.reshape(-1, 1) * norm.color), weight @ norm.beta.flatten() + conv.bias)


def _before_gamma(conv: torch.nn.Conv2d, gamma: Tensor) -> Affine:
    assert conv.bias is not None
    return Affine(gamma.reshape(-1, 1) * conv.weight.flatten(1), gamma.flatten() * conv.bias)


def _difference_kernel(shared: Tensor, constants: ExposureConstants) -> Tensor:
    """The shared convolution on the three differences, as one kernel (9, 7, 3, 3) over (2·frame - 1, position, one).

    An exposure is `2·(a + (b - a)·position) - 1`. The constant channel carries what is zero-padded at the border;
    biases cancel.
    """
    (a1, b1), (a2, b2), (a3, b3) = constants.intervals
    of_position = (2 * (b1 - a1), 2 * (b2 - a2 - b1 + a1), 2 * (b3 - a3 - b2 + a2))
    of_one = (2 * a1 - 1, 2 * (a2 - a1), 2 * (a3 - a2))
    summed = shared.sum(dim=1, keepdim=True)
    rows = [
        torch.cat([shared * -(step == 0), shared * of_position[step], summed * of_one[step]], dim=1)
        for step in range(3)
    ]
    return torch.cat(rows)


def _keep(x: Tensor, _rate: float) -> Tensor:
    return x


def before_calibration(net: FoldedExdNet, frames: Tensor, range_: Tensor, *, residual: Residual = _keep) -> Tensor:
    """The local part: what the calibration matrix is computed from and applied to.

    Args:
        net: from :func:`fold`; it computes in the dtype of its weights (see :func:`in_dtype`).
        frames: (N, 3, H, W), float, RGB in [0, 1].
        range_: (N, 2), the exposure range of each frame.
        residual: what training does to a residual with its drop-path rate; inference leaves it.

    Returns:
        (N, 3, H, W) in the frames' dtype, channels-last in memory, about [-2, 2].
    """
    dtype = net.steps.weight.dtype
    frame = (frames * 2 - 1).to(dtype).contiguous(memory_format=torch.channels_last)
    position = clipped_position(frames, range_).to(dtype)
    seen = torch.cat([frame, position, torch.ones_like(frame[:, :1])], dim=1)
    steps = _conv(seen.contiguous(memory_format=torch.channels_last), net.steps)
    raw = _local(net.raw, frame, residual).to(frames.dtype)
    difference = _local(net.difference, _conv(steps, net.merge), residual).to(frames.dtype)
    return torch.addcmul(raw + net.shift, difference, net.scale)


def _conv(x: Tensor, by: Affine, groups: int = 1) -> Tensor:
    return F.conv2d(x, by.weight, by.bias, padding=by.weight.shape[-1] // 2, groups=groups)


def _pixelwise(x: Tensor, by: Affine, *, gelu: bool = False) -> Tensor:
    """A 1×1 convolution and, if asked, GELU behind it: where oneDNN has both in one pass, GELU costs nothing."""
    pixels = x.permute(0, 2, 3, 1)
    on_cpu = x.device.type == "cpu" and x.dtype == torch.float32
    fused = _onednn_linear() if on_cpu and not torch.is_grad_enabled() else None
    if fused:
        result: Tensor = fused(pixels, by.weight, by.bias, "gelu" if gelu else "none", [], "none" if gelu else "")
    else:
        result = F.linear(pixels, by.weight, by.bias)
        result = F.gelu(result) if gelu else result
    return result.permute(0, 3, 1, 2)


@cache
def _onednn_linear() -> Callable[..., Tensor] | None:
    """The operator that torch.compile fuses with on x86, where this build of PyTorch has it. It has no gradient."""
    try:
        found: Callable[..., Tensor] = torch.ops.mkldnn._linear_pointwise
    except AttributeError:
        return None
    return found


def _local(net: FoldedLocal, x: Tensor, residual: Residual) -> Tensor:
    first = F.leaky_relu(_conv(x, net.first), 0.2)
    x = first
    for block in net.blocks:
        x = _block(block, x, residual)
    return torch.tanh(_conv(x + first, net.last))


def _block(block: FoldedBlock, x: Tensor, residual: Residual) -> Tensor:
    channels = x.shape[1]
    x = _conv(x, block.position, channels)
    mixed = _pixelwise(_conv(_pixelwise(x, block.into), block.mix, channels), block.out)
    x = x + residual(mixed, block.drop)
    return x + residual(_pixelwise(_pixelwise(x, block.up, gelu=True), block.down), block.drop)
