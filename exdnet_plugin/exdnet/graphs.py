"""CUDA graphs: what runs on frames of one size is recorded once and replayed, so that no launch costs the host time."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
Function = Callable[..., Tensors]
KEPT = 2  # sizes: a stream has one, and another where its last batch is smaller; each holds its memory
VALUES_MAX = 1 << 26  # of the first argument, as two 4K frames: what takes longer hides its launches anyway
log = logging.getLogger(__name__)


class Graphs(Protocol):
    """What recording needs of a device: the seam at which tests stand in for CUDA."""

    def record(self, function: Function, inputs: Tensors) -> tuple[Callable[[], Any], Tensors]:
        """Run a function on tensors, record it, and give what replays it and the tensors that results appear in."""


class CudaGraphs:
    """CUDA's own graphs."""

    def record(self, function: Function, inputs: Tensors) -> tuple[Callable[[], Any], Tensors]:
        """Kernels are compiled and chosen in a run before, on a stream apart, as PyTorch asks for."""
        with torch.cuda.device_of(inputs[0]):
            beside, current = torch.cuda.Stream(), torch.cuda.current_stream()
            beside.wait_stream(current)
            with torch.cuda.stream(beside):
                function(*inputs)
            current.wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            # Thread-local, since decoders and encoders on other threads may allocate at the same time. The stream is
            # set around it, too: a recording that fails at its end would leave it the current one.
            with (
                torch.cuda.stream(beside),
                torch.cuda.graph(graph, stream=beside, capture_error_mode="thread_local"),
            ):
                outputs = function(*inputs)
        return partial(self._replay, graph, inputs[0]), outputs

    @staticmethod
    def _replay(graph: torch.cuda.CUDAGraph, where: Tensor) -> None:
        with torch.cuda.device_of(where):
            graph.replay()


class Recorded:
    """A function of tensors that is recorded for each shape of its arguments, from the second time on it is seen.

    Args:
        function: of tensors, giving tensors; the host decides nothing within it that hangs on their values.
        graphs: what records it.

    Results are copies, so a caller may keep or overwrite them. Where recording fails, the function runs as it is.
    """

    def __init__(self, function: Function, graphs: Graphs) -> None:
        self._function, self._graphs = function, graphs
        self._last: object = None
        self._kept: OrderedDict[object, tuple[Tensors, Callable[[], Any], Tensors]] = OrderedDict()
        self._works = True

    def __call__(self, *arguments: Tensor) -> Tensors:
        key = tuple((argument.shape, argument.dtype) for argument in arguments)
        if key not in self._kept:
            again, self._last = key == self._last and arguments[0].numel() <= VALUES_MAX, key
            if not (self._works and again and self._record(key, arguments)):
                return self._function(*arguments)
        self._kept.move_to_end(key)
        inputs, replay, outputs = self._kept[key]
        for kept, given in zip(inputs, arguments, strict=True):
            kept.copy_(given)
        replay()
        return tuple(output.clone() for output in outputs)

    def _record(self, key: object, arguments: Tensors) -> bool:
        while len(self._kept) >= KEPT:
            self._kept.popitem(last=False)
        inputs = tuple(argument.clone(memory_format=torch.contiguous_format) for argument in arguments)
        try:
            self._kept[key] = (inputs, *self._graphs.record(self._function, inputs))
        except RuntimeError as error:  # what may not be recorded, or what there is no memory for
            self._works = False
            why = str(error).strip().partition("\n")[0]
            log.warning("no CUDA graph of the network (%s): it runs without, which is slower on small frames", why)
        return self._works
