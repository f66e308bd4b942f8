"""Pictures kept in memory while they fit, and batches made ahead, by a thread or by processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import Protocol, overload

from torch.utils.data import DataLoader, Dataset

from exdnet_plugin.pairs import Pair, Picture, find_pictures, read_picture
from exdnet_plugin.pipeline.prefetch import prefetch
from exdnet_plugin.training.batches import Batch

AHEAD = 4  # batches made before they are needed
READERS = 8
Loaded = tuple[Picture, Picture]


class LoadedPairs(Sequence[Loaded]):
    """Pairs, read once to see that all can be; those that fit into memory stay there, others are read when asked for.

    Args:
        pairs: what to read.
        limit: bytes that may stay in memory.

    Raises:
        ValueError, MediaError: a picture is unreadable, or a pair's sizes differ, or it is smaller than `smallest`
            pixels a side.
    """

    def __init__(self, pairs: Sequence[Pair], *, limit: int = 8 << 30, smallest: int = 0) -> None:
        self._pairs, self._kept = pairs, dict[int, Loaded]()
        with ThreadPoolExecutor(READERS) as readers:
            for index, loaded in enumerate(readers.map(_read, pairs, [smallest] * len(pairs))):
                limit -= sum(picture.nbytes for picture in loaded)
                if limit > 0:
                    self._kept[index] = loaded

    def __len__(self) -> int:
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> Loaded: ...
    @overload
    def __getitem__(self, index: slice) -> list[Loaded]: ...
    def __getitem__(self, index: int | slice) -> Loaded | list[Loaded]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        return self._kept[index] if index in self._kept else self._pairs[index].load()


def _read(pair: Pair, smallest: int) -> Loaded:
    low, high = pair.load()
    _check_size(pair.low, low, smallest)
    return low, high


def load_bright(folder: Path, smallest: int = 0) -> list[Picture]:
    """The pictures of a folder; ValueError or MediaError: it holds none, or one unreadable or smaller than a crop."""
    paths = find_pictures(folder)
    if not paths:
        raise ValueError(f"{folder} holds no pictures; give well-lit ones")
    pictures = [read_picture(path) for path in paths]
    for path, picture in zip(paths, pictures, strict=True):
        _check_size(path, picture, smallest)
    return pictures


def _check_size(path: Path, picture: Picture, smallest: int) -> None:
    height, width = picture.shape[:2]
    if min(height, width) < smallest:
        raise ValueError(
            f"{path} is {width}x{height}, smaller than a crop of {smallest} pixels; give a smaller --size, or remove it"
        )


class Source(Protocol):
    """Where batches come from."""

    def at(self, step: int) -> Batch:
        """The batch of a step."""


def ahead(source: Source, workers: int) -> Callable[[int, int], Iterable[Batch]]:
    """The batches of a span of steps in order, made ahead: by a thread, or by so many processes of PyTorch's loader.

    Raises:
        ValueError: there are to be processes, and the system forks none.
    """
    if workers and "fork" not in get_all_start_methods():
        raise ValueError(f"--workers {workers}: this system forks no processes; take 0, a thread")

    def by_thread(first: int, last: int) -> Iterator[Batch]:
        return prefetch(map(source.at, range(first, last)), AHEAD, name="batches")

    def by_processes(first: int, last: int) -> Iterable[Batch]:
        return DataLoader(
            _Steps(source, first, last),
            batch_size=None,
            num_workers=workers,
            multiprocessing_context="fork",  # not what a platform prefers: pictures would be copied to each
            prefetch_factor=AHEAD,
            worker_init_fn=_ignore_interrupts,
        )

    return by_processes if workers else by_thread


def _ignore_interrupts(_: int) -> None:
    """Ctrl-C goes to all processes of a terminal; ours are ended by the one that trains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Steps(Dataset[Batch]):
    def __init__(self, source: Source, first: int, last: int) -> None:
        self._source, self._first, self._last = source, first, last

    def __len__(self) -> int:
        return max(self._last - self._first, 0)

    def __getitem__(self, index: int) -> Batch:
        return self._source.at(self._first + index)
