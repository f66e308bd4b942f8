"""Planes as the compiled engine takes them, and its calls shared out over threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from exdnet_plugin.exdnet.tiles import tile_threads


def plane(channel: Tensor) -> tuple[int, int, int, int, int]:
    """An (h, w) channel, a row's values side by side: address, width, height, stride in values, bytes a value."""
    height, width = channel.shape
    return channel.data_ptr(), width, height, channel.stride(0), channel.element_size()


def holding(tensors: Sequence[Tensor], call: Callable[..., None], *arguments: Any) -> None:
    """Call with addresses of these tensors among the arguments.

    What is submitted is done even where Ctrl-C or an error ends who waits for it: so a job holds what it reads and
    writes.
    """
    call(*arguments)


def in_parts(
    tensors: Sequence[Tensor], call: Callable[[int, int], None], rows: int, at_once: int
) -> list[Callable[[], None]]:
    """Calls that do so many rows of these tensors, each from a first row up to a last one."""
    return [partial(holding, tensors, call, row, min(row + at_once, rows)) for row in range(0, rows, at_once)]


def run_all(jobs: Sequence[Callable[[], None]]) -> None:
    """Run each on one of the threads for tiles; by itself where the interpreter ends, and threads take no more."""
    try:
        pending = [tile_threads().submit(job) for job in jobs]
    except RuntimeError:
        for job in jobs:
            job()
        return
    for one in pending:
        one.result()
