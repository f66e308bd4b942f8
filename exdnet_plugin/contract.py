"""Calls of processors: what they raise or give against the contract becomes an error that says whose it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from exdnet_plugin.errors import ExdnetError, PluginError, in_a_line
from exdnet_plugin.exdnet.memory import told_what_helps
from exdnet_plugin.plugins import BUILT_IN
from exdnet_plugin.processor import FrameProcessor, Resumable
from exdnet_plugin.stream_info import StreamInfo


@dataclass(frozen=True)
class Origin:
    """Where a processor of a chain's text comes from: the name that the text has, and the plugin that offers it."""

    name: str
    plugin: str

    def __str__(self) -> str:
        return f"processor {self.name}" + ("" if self.plugin == BUILT_IN else f" of plugin {self.plugin}")

    @contextmanager
    def blamed(self, call: str, *refusals: type[Exception]) -> Iterator[None]:
        """What a processor raises inside becomes a PluginError that names it and the call, chained to what was raised.

        An ExdnetError stays what it is, and so does a refusal, which the contract allows of this call; a stranger's
        gets a note. What a device has no memory for is told as everywhere.
        """
        try:
            with told_what_helps():
                yield
        except ExdnetError:
            raise
        except Exception as error:
            if not isinstance(error, refusals):
                raise PluginError(f"{in_a_line(error)}, raised by {call} of {self}") from error
            if self.plugin != BUILT_IN:
                error.add_note(f"refused by {call} of {self}")
            raise


class Guarded:
    """A processor that a chain's text named: a call that fails names it. All else is its own, as its counts.

    One that the caller made is not guarded: its errors reach the caller, who wrote it, as they are.
    """

    def __init__(self, processor: FrameProcessor, origin: Origin) -> None:
        self.guarded, self.origin = processor, origin

    def open(self, stream: StreamInfo) -> None:
        with self.origin.blamed("open", ValueError):
            self.guarded.open(stream)

    def process(self, frames: Tensor, times: Tensor) -> Tensor:
        with self.origin.blamed("process"):
            return self.guarded.process(frames, times)

    def reset(self) -> None:
        with self.origin.blamed("reset"):
            self.guarded.reset()

    def close(self) -> None:
        with self.origin.blamed("close"):
            self.guarded.close()

    def __getattr__(self, name: str) -> Any:
        if name == "guarded":  # of a copy under way, which has nothing yet
            raise AttributeError(name)
        return getattr(self.guarded, name)


class GuardedResumable(Guarded):
    """One that can tell what it remembers."""

    guarded: Any

    def state(self) -> dict[str, Tensor]:
        with self.origin.blamed("state"):
            state: dict[str, Tensor] = self.guarded.state()
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        with self.origin.blamed("restore", KeyError, ValueError):
            self.guarded.restore(state)


def guarded(processor: FrameProcessor, origin: Origin) -> FrameProcessor:
    """A processor, guarded."""
    return (GuardedResumable if isinstance(processor, Resumable) else Guarded)(processor, origin)


def class_name(processor: object) -> str:
    """The class that a processor was written as."""
    return type(processor.guarded if isinstance(processor, Guarded) else processor).__name__


def _call_of(processor: object, call: str) -> str:
    return f"{call} of {processor.origin}" if isinstance(processor, Guarded) else f"{class_name(processor)}.{call}"


def run_one(processor: FrameProcessor, rgb: Tensor, times: Tensor) -> Tensor:
    """A processor's result, clipped to [0, 1]; what is no number is 0, or it would never leave a mean over time.

    Args:
        rgb: (N, 3, H, W), floating point.
        times: (N,), float64.

    Returns:
        The same shape, type and device as `rgb`.

    Raises:
        PluginError: it is no dense floating point tensor of the same shape on the same device.
    """
    result = processor.process(rgb, times)
    if fault := fault_of(result, rgb):
        raise PluginError(f"{_call_of(processor, 'process')} {fault}")
    return result.to(rgb.dtype).nan_to_num(0.0).clamp_(0, 1)


def fault_of(result: object, frames: Tensor) -> str:
    """What the contract does not allow of a result for frames, in words; empty where nothing is. Looks at no pixel."""
    if not isinstance(result, Tensor) or result.shape != frames.shape:
        found = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        return f"gave {found} for {tuple(frames.shape)}; it must keep the shape"
    if result.device != frames.device:
        return f"gave a result on {result.device} for frames on {frames.device}; leave it there"
    if result.layout is not torch.strided:
        return f"gave a tensor of layout {result.layout}; a dense one is needed, as result.to_dense() is"
    if not result.is_floating_point():
        return f"gave {result.dtype}; floating point in [0, 1] is needed, as codes / 255 are"
    return ""


def remembered_by(processor: Resumable) -> dict[str, NDArray[Any]]:
    """What a processor remembers, as arrays of its own by name.

    Raises:
        PluginError: its state is no dict of tensors, or holds one that numpy has no type for.
    """
    state: object = processor.state()
    if not isinstance(state, Mapping):
        raise PluginError(_no_state(processor, f"a {type(state).__name__}"))
    return {name: _array(value, processor, name) for name, value in state.items()}


def _array(value: object, processor: Resumable, name: str) -> NDArray[Any]:
    if not isinstance(value, Tensor):
        raise PluginError(_no_state(processor, f"{name!r} as a {type(value).__name__}"))
    try:
        return value.detach().cpu().numpy().copy()
    except (TypeError, RuntimeError) as error:  # bfloat16, sparse
        raise PluginError(_no_state(processor, f"{name!r} as {value.dtype}, {value.layout}")) from error


def _no_state(processor: Resumable, gave: str) -> str:
    return f"{_call_of(processor, 'state')} gave {gave}; a dict of tensors by name is needed, of types that numpy has"
