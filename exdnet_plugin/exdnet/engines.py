"""What runs the local part: PyTorch's operators anywhere, or the compiled pass over tiles that CPUs run faster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor

from exdnet_plugin.exdnet.folded import Affine, FoldedExdNet, FoldedLocal, before_calibration

try:
    from exdnet_plugin.exdnet import native
except ImportError:  # built without a compiler
    native = None  # type: ignore[assignment]

__all__ = ["Engine", "LocalPart", "choose_engine", "local_part", "native"]
Engine = Literal["auto", "native", "torch"]
LocalPart = Callable[[Tensor, Tensor], Tensor]
log = logging.getLogger(__name__)
_UNBUILT = (
    "engine native is not built: a C++ compiler was missing when the package was installed. Install one and "
    "reinstall, or take engine torch"
)


def choose_engine(engine: str, device: str) -> Literal["native", "torch"]:
    """The engine itself, or for `auto` the fastest that there is.

    Raises:
        ValueError: there is no such engine, here or on that device.
    """
    if engine not in get_args(Engine):
        raise ValueError(f"engine {engine!r} is not there; there are {', '.join(get_args(Engine))}")
    if engine == "native" and native is None:
        raise ValueError(_UNBUILT)
    if engine == "native" and device != "cpu":
        raise ValueError(f"engine native runs on the CPU, not on {device}; take engine torch, or device cpu")
    if engine == "auto" and device == "cpu" and native is None:
        log.warning("%s: it is slower", _UNBUILT)
    fast = engine == "native" or (engine == "auto" and device == "cpu" and native is not None)
    return "native" if fast else "torch"


def local_part(net: FoldedExdNet, engine: Literal["native", "torch"]) -> LocalPart:
    """A function of frames (N, 3, H, W) in [0, 1] and their exposure ranges (N, 2): see `before_calibration`.

    Engine native pads nothing: its results count from 13 pixels off the edge on.
    """
    if engine == "torch":
        return partial(before_calibration, net)
    return partial(_native, torch.cat([part.flatten() for part in _in_order(net)]).float().contiguous())


def _native(weights: Tensor, frames: Tensor, range_: Tensor) -> Tensor:
    frames = frames.float().contiguous()
    result = torch.empty_like(frames)
    height, width = frames.shape[2:]
    for frame, made, (lo, hi) in zip(frames, result, range_.tolist(), strict=True):
        native.before_calibration(weights.data_ptr(), frame.data_ptr(), made.data_ptr(), height, width, lo, hi)
    return result


def _in_order(net: FoldedExdNet) -> Iterator[Tensor]:
    """Weights in the order in which native_kernel.h takes them."""
    yield from _both(net.steps, net.merge)
    for local in (net.raw, net.difference):
        yield from _local(local)
    yield from (net.scale, net.shift)


def _local(local: FoldedLocal) -> Iterator[Tensor]:
    yield from _both(local.first)
    for block in local.blocks:
        yield from _both(block.position, block.into, block.mix, block.out, block.up, block.down)
    yield from _both(local.last)


def _both(*maps: Affine) -> Iterator[Tensor]:
    for one in maps:
        yield one.weight
        if one.bias is not None:
            yield one.bias
