"""A frame cut into tiles with the network's halo, and the threads that they run on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from threading import Barrier

import torch

from exdnet_plugin.exdnet.network import HALO

Slices = tuple[slice, slice]


@cache
def tile_threads() -> ThreadPoolExecutor:
    """Threads that run a tile each, with no threads of PyTorch's own below them.

    Splitting every small operation over the cores, as PyTorch does, makes them wait for each other thousands of times a
    frame, and for whatever else the machine runs.
    """
    count = torch.get_num_threads()
    ready = Barrier(count + 1)

    def alone() -> None:
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix="tile", initializer=alone)
    for _ in range(count):
        pool.submit(int)  # an executor makes its threads when there is work for them
    ready.wait()
    torch.set_num_threads(count)  # the last call is what threads of others start with
    return pool


if hasattr(os, "register_at_fork"):  # a forked process has its parent's executor, but none of its threads
    os.register_at_fork(after_in_child=tile_threads.cache_clear)


def tiles(height: int, width: int, high: int, wide: int) -> Iterator[tuple[Slices, Slices, Slices]]:
    """For each of so many tiles: its place in the frame, that with its halo, and its place within the latter.

    At the frame's edge there is no halo: the convolutions' zero padding belongs there.
    """
    rows, columns = _spans(height, high), _spans(width, wide)
    for row in rows:
        for column in columns:
            yield (row[0], column[0]), (row[1], column[1]), (row[2], column[2])


def _spans(length: int, count: int) -> list[tuple[slice, slice, slice]]:
    edges = [length * i // count for i in range(count + 1)]
    spans = []
    for start, stop in pairwise(edges):
        first, last = max(start - HALO, 0), min(stop + HALO, length)
        spans.append((slice(start, stop), slice(first, last), slice(start - first, stop - first)))
    return spans
