"""What runs the local part: PyTorch's operators anywhere, a compiled pass over tiles on CPUs, fused kernels on GPUs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Literal, get_args

import torch
from torch import Tensor

from exdnet_plugin.choices import check_choice
from exdnet_plugin.exdnet.compiled import native
from exdnet_plugin.exdnet.folded import Affine, FoldedExdNet, FoldedLocal, before_calibration, in_dtype

__all__ = ["Chosen", "Engine", "LocalPart", "choose_engine", "default_dtype", "local_part"]
Chosen = Literal["native", "torch", "triton"]
Engine = Literal["auto", "native", "torch", "triton"]
LocalPart = Callable[[Tensor, Tensor], Tensor]
DTYPES = (torch.float16, torch.float32)
log = logging.getLogger(__name__)
_UNBUILT = (
    "engine native is not here: the package was installed without a C++ compiler, so install one and reinstall; or "
    "Python was started in a checkout, whose sources hide the installed package, so start it elsewhere"
)


def default_dtype(device: str) -> torch.dtype:
    """What the local part computes in: float16 on a GPU, whose tensor cores want it, and float32 elsewhere."""
    return torch.float16 if device.startswith("cuda") else torch.float32


def choose_engine(engine: str, device: str, dtype: torch.dtype | None = None) -> Chosen:
    """The engine itself, or for `auto` the fastest that there is.

    Args:
        engine: one of :data:`Engine`.
        device: as torch names it.
        dtype: of the local part, by default the device's.

    Raises:
        ValueError: there is no such engine or dtype, here or on that device.
    """
    dtype = dtype or default_dtype(device)
    check_choice("engine", engine, get_args(Engine))
    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype} is not handled; take {' or '.join(map(str, DTYPES))}")
    if engine == "auto":
        return _fastest(device, dtype)
    chosen: Chosen = "native" if engine == "native" else "triton" if engine == "triton" else "torch"
    why = _WHY_NOT[chosen](device, dtype)
    if why:
        raise ValueError(why)
    return chosen


def _fastest(device: str, dtype: torch.dtype) -> Chosen:
    if device == "cpu" and native is None:
        log.warning("%s: it is slower", _UNBUILT)
    if device == "cpu":
        return "torch" if _not_native(device, dtype) else "native"
    if not device.startswith("cuda") or dtype != torch.float16:
        return "torch"
    return "torch" if _without_triton(device) else "triton"


def _not_native(device: str, dtype: torch.dtype) -> str | None:
    if native is None:
        return _UNBUILT
    if device != "cpu":
        return f"engine native runs on the CPU, not on {device}; take engine torch, or device cpu"
    if dtype != torch.float32:
        return f"engine native computes in float32, not in {dtype}; take engine torch, or dtype torch.float32"
    return None


def _not_triton(device: str, dtype: torch.dtype) -> str | None:
    if not device.startswith("cuda"):
        return f"engine triton runs on NVIDIA GPUs, not on {device}; take engine auto, or device cuda"
    if dtype != torch.float16:
        return f"engine triton computes in float16, not in {dtype}; take engine torch, or dtype torch.float16"
    return _triton_trouble(device)


_WHY_NOT: dict[Chosen, Callable[[str, torch.dtype], str | None]] = {
    "native": _not_native,
    "triton": _not_triton,
    "torch": lambda _device, _dtype: None,
}


@cache
def _without_triton(device: str) -> bool:
    """Whether `auto` must do without triton on a device, said once a process."""
    trouble = _triton_trouble(device)
    if trouble:
        log.warning("%s: %s runs the network by engine torch, which is slower", trouble, device)
    return trouble is not None


@cache
def _triton_trouble(device: str) -> str | None:
    """Why triton cannot be used on a GPU, with the remedy. Its kernels are tried on a small frame, once a process."""
    try:
        from exdnet_plugin.exdnet import fused
    except ImportError as error:
        return f"engine triton is not installed ({error}): pip install triton, or take engine torch"
    try:
        difference = fused.largest_difference(device)
    except Exception as error:  # noqa: BLE001 - a compiler's, a driver's, whatever it is: torch does the same
        first = (str(error).strip().splitlines() or [""])[0]
        return f"engine triton does not run on {device} ({type(error).__name__}: {first}): take engine torch"
    if difference <= fused.AGREES:
        return None
    return f"engine triton is off by {difference:.3g} on {device}, more than {fused.AGREES}: take engine torch"


def local_part(net: FoldedExdNet, engine: Chosen, dtype: torch.dtype | None = None) -> LocalPart:
    """A function of frames (N, 3, H, W) in [0, 1] and their exposure ranges (N, 2): see `before_calibration`.

    Engine native pads nothing: its results count from 13 pixels off the edge on. Engine triton continues edges itself.
    A dtype other than that of `net` is for engine torch.
    """
    if engine == "torch":
        return partial(before_calibration, net if dtype is None else in_dtype(net, dtype))
    if engine == "triton":
        from exdnet_plugin.exdnet.fused import FusedLocal  # here, since triton need not be installed

        return FusedLocal(net)
    return partial(_native, torch.cat([part.flatten() for part in _in_order(net)]).float().contiguous())


def _native(weights: Tensor, frames: Tensor, range_: Tensor) -> Tensor:
    frames = frames.float().contiguous()
    result = torch.empty_like(frames)
    height, width = frames.shape[2:]
    for frame, made, (lo, hi) in zip(frames, result, range_.tolist(), strict=True):
        native.before_calibration(weights.data_ptr(), frame.data_ptr(), made.data_ptr(), height, width, lo, hi)
    return result


def _in_order(net: FoldedExdNet) -> Iterator[Tensor]:
    """Weights in the order in which native_branch.h takes them."""
    yield from _both(net.steps, net.merge)
    for local in (net.raw, net.difference):
        yield from _local(local)
    yield from (net.scale, net.shift)


def _local(local: FoldedLocal) -> Iterator[Tensor]:
    yield from _both(local.first)
    for block in local.blocks:
        yield from _both(*block.maps)
    yield from _both(local.last)


def _both(*maps: Affine) -> Iterator[Tensor]:
    for one in maps:
        yield one.weight
        if one.bias is not None:
            yield one.bias
