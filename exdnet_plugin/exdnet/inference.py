"""ExdNet as it runs on frames: tile by tile with the exact halo, the calibration matrix from the whole frame."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from threading import Barrier

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.exdnet.checkpoint import Weights
from exdnet_plugin.exdnet.engines import Engine, choose_engine, local_part
from exdnet_plugin.exdnet.exposures import LOL_CONSTANTS, ExposureConstants, exposure_range
from exdnet_plugin.exdnet.folded import fold
from exdnet_plugin.exdnet.network import HALO, OUTPUT_MIN, ExdNet, GlobalNet

SIZE_MIN = 8  # the global branch shrinks a frame eightfold; smaller ones are continued at their edges
NATIVE_TILE = 540, 640  # at most so high and wide: rows stream, so that a dozen of them stay near the cache
CPU_TILE = 256  # pixels a side: a tile and its halo stay near the cache, and the halo costs a fifth
ROWS = 256  # rows that the matrix is applied to at once, so that no second whole frame of temporaries is needed


class Inference:
    """A network's inference form on a device.

    Args:
        network: the training form with its weights.
        constants: the exposure constants that belong to those weights.
        device: where frames are.
        tile: side of a tile in pixels, without halo; None for whole frames. Results agree to 1e-5 whatever it is.
        continue_edges: let convolutions see a frame's edge pixels repeated beyond it, instead of the published zeros,
            which draw a line of another colour along the edge.
        engine: see :mod:`exdnet_plugin.exdnet.engines`; native needs continued edges.
    """

    def __init__(
        self,
        network: ExdNet,
        constants: ExposureConstants = LOL_CONSTANTS,
        *,
        device: str = "cpu",
        tile: int | None = None,
        continue_edges: bool = False,
        engine: Engine = "torch",
    ) -> None:
        if tile is not None and tile < 1:
            raise ValueError(f"tile {tile}: a side of at least 1 pixel is needed, or None for whole frames")
        network = network.eval().requires_grad_(False).to(device)
        self.engine = choose_engine(engine, device) if continue_edges else "torch"
        self._local = local_part(fold(network, constants), self.engine)
        self._global = network.global_net
        self._tile = tile
        self._continue_edges = continue_edges

    @torch.inference_mode()
    def before_calibration(self, frames: Tensor, range_: Tensor) -> Tensor:
        """The local part of (N, 3, H, W) frames in [0, 1] with their (N, 2) exposure ranges, same shape back."""
        if self._tile is None and not self._continue_edges:
            return self._local(frames, range_)
        height, width = frames.shape[2:]
        result = torch.empty_like(frames)

        @torch.inference_mode()
        def run(tile: tuple[Slices, Slices, Slices]) -> None:
            target, source, inner = tile
            part = frames[:, :, source[0], source[1]]
            if self._continue_edges:
                missing = [HALO - inner[1].start, HALO - (source[1].stop - target[1].stop)]
                missing += [HALO - inner[0].start, HALO - (source[0].stop - target[0].stop)]
                part = F.pad(part, missing, mode="replicate")
                rows, columns = (slice(HALO, HALO + length.stop - length.start) for length in inner)
                inner = rows, columns
            part = self._local(part, range_)
            result[:, :, target[0], target[1]] = part[:, :, inner[0], inner[1]]

        each = tile_threads().map if frames.device.type == "cpu" else map
        for _ in each(run, _tiles(height, width, *self._counts(height, width))):
            pass
        return result

    def _counts(self, height: int, width: int) -> tuple[int, int]:
        """How many tiles high and wide a frame is cut."""
        if self.engine == "torch":
            tile = self._tile or max(height, width)
            return -(-height // tile), -(-width // tile)
        rows, columns, threads = -(-height // NATIVE_TILE[0]), -(-width // NATIVE_TILE[1]), torch.get_num_threads()
        while rows * columns % threads and rows < threads * -(-height // NATIVE_TILE[0]):
            rows += 1  # so that no thread waits for another's last tile
        return rows, columns

    @torch.inference_mode()
    def matrix(self, before: Tensor) -> Tensor:
        """The calibration matrix of each frame, (N, 3, 3), from what comes before calibration."""
        return calibration_matrix(self._global, before)

    @torch.inference_mode()
    def calibrate(self, before: Tensor, matrix: Tensor) -> Tensor:
        """The result, `M · rgb` clamped to [1e-8, 1], written over `before`."""
        for rows in before.split(ROWS, dim=2):
            rows.copy_(torch.einsum("nij,njhw->nihw", matrix, rows).clamp_(OUTPUT_MIN, 1))
        return before

    def __call__(self, frames: Tensor) -> Tensor:
        """Each frame by itself, as published: (N, 3, H, W) RGB in [0, 1] to the same."""
        before = self.before_calibration(frames, exposure_range(frames))
        return self.calibrate(before, self.matrix(before))


def calibration_matrix(network: GlobalNet, before: Tensor) -> Tensor:
    """The matrix of each frame, (N, 3, 3), from (N, 3, H, W) before calibration, of any size."""
    height, width = before.shape[2:]
    if height < SIZE_MIN or width < SIZE_MIN:
        before = F.pad(before, (0, max(0, SIZE_MIN - width), 0, max(0, SIZE_MIN - height)), mode="replicate")
    matrix: Tensor = network(F.avg_pool2d(before, 2))
    return matrix


def exact_inference(weights: Weights, device: str = "cpu", engine: Engine = "auto") -> Inference:
    """The inference form as frames of video go through it: tiled on a CPU, edges continued."""
    tile = CPU_TILE if device == "cpu" else None
    network, constants = weights.network(), weights.constants
    return Inference(network, constants, device=device, tile=tile, continue_edges=True, engine=engine)


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


def _tiles(height: int, width: int, high: int, wide: int) -> Iterator[tuple[Slices, Slices, Slices]]:
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
