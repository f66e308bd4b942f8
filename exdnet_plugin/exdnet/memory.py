"""What is done when a device's memory does not suffice: the same pixels, ever fewer of them at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch
from torch import Tensor

from exdnet_plugin.errors import ExdnetError

Result = TypeVar("Result")
log = logging.getLogger(__name__)
ROWS, GPU_ROWS = 64, 1024  # of a frame at a time: few, so that they stay in a core's cache; many, since launches cost
_TOLD = (
    "out of memory: no way of computing the frame needs less memory: take --quality realtime, a smaller frame, or "
    "--device cpu"
)


def some_rows(*frames: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same rows of each (N, C, H, W), some at a time, so that what is computed of them needs little memory."""
    rows = ROWS if frames[0].device.type == "cpu" else GPU_ROWS
    return zip(*(one.split(rows, dim=2) for one in frames), strict=True)


@contextmanager
def told_what_helps() -> Iterator[None]:
    """What a device has no memory for becomes an ExdnetError that says what would help."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise ExdnetError(_TOLD) from error


class Sparing(Generic[Result]):
    """Calls the first of several functions that memory suffices for, and stays with it.

    Args:
        ways: what each is called in the log, and the function; all of the same arguments, none of which it changes.
    """

    def __init__(self, ways: Sequence[tuple[str, Callable[..., Result]]]) -> None:
        self._ways = list(ways)

    def __call__(self, *arguments: object) -> Result:
        """The result.

        Raises:
            ExdnetError: memory suffices for no way; says what would help.
        """
        while True:
            name, way = self._ways[0]
            try:
                return way(*arguments)
            except torch.cuda.OutOfMemoryError as error:
                if len(self._ways) == 1:
                    raise ExdnetError(_TOLD) from error
            del way  # a CUDA graph holds memory itself
            self._next(name)  # out here, where the error no longer holds what the way had allocated

    def _next(self, failed: str) -> None:
        del self._ways[0]
        log.warning("out of memory with %s: from here on %s, which is slower", failed, self._ways[0][0])
