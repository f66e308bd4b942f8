"""ExdNet as it runs on frames: tile by tile with the exact halo, the calibration matrix from the whole frame."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.exdnet import calibrating
from exdnet_plugin.exdnet.checkpoint import Weights
from exdnet_plugin.exdnet.engines import Engine, LocalPart, choose_engine, default_dtype, local_part
from exdnet_plugin.exdnet.exposures import LOL_CONSTANTS, ExposureConstants, exposure_range
from exdnet_plugin.exdnet.folded import FoldedExdNet, fold
from exdnet_plugin.exdnet.graphs import CudaGraphs, Recorded
from exdnet_plugin.exdnet.highlights import Shoulder, roll_off_into
from exdnet_plugin.exdnet.memory import Sparing, some_rows
from exdnet_plugin.exdnet.network import HALO, OUTPUT_MIN, ExdNet, GlobalNet, apply_matrix
from exdnet_plugin.exdnet.tiles import Slices, tile_threads, tiles

SIZE_MIN = 8  # the global branch shrinks a frame eightfold; smaller ones are continued at their edges
NATIVE_TILE = 540, 1000  # at most so high and wide: rows stream, so that a few dozen of them stay near the cache
CPU_TILE = 256  # pixels a side: a tile and its halo stay near the cache, and the halo costs a fifth
SPARING_TILE = 512  # the same where a GPU's memory does not suffice for a frame


class Inference:
    """A network's inference form on a device.

    Args:
        network: the training form with its weights.
        constants: the exposure constants that belong to those weights.
        device: where frames are.
        tile: side of a tile in pixels, without halo; None for whole frames. Results agree to 1e-5 whatever it is.
        continue_edges: let convolutions see a frame's edge pixels repeated beyond it, instead of the published zeros,
            which draw a line of another colour along the edge.
        engine: see :mod:`exdnet_plugin.exdnet.engines`; native and triton need continued edges.
        dtype: what the local part computes in, float16 or float32; by default float16 on a GPU, which is 70 dB from
            float32. Exposure range, calibration matrix and calibration are float32 in any case.

    Raises:
        ValueError: tile, engine or dtype is not there, here or on that device.

    On a GPU, where memory does not suffice, frames go one by one, then in tiles, then in float16; each is logged.
    """

    device = "cpu"
    dtype: torch.dtype = torch.float32
    _net: FoldedExdNet | None = None
    _records = False  # whether what runs on frames becomes a CUDA graph

    def __init__(
        self,
        network: ExdNet,
        constants: ExposureConstants = LOL_CONSTANTS,
        *,
        device: str = "cpu",
        tile: int | None = None,
        continue_edges: bool = False,
        engine: Engine = "torch",
        dtype: torch.dtype | None = None,
    ) -> None:
        if tile is not None and tile < 1:
            raise ValueError(f"tile {tile}: a side of at least 1 pixel is needed, or None for whole frames")
        network = network.eval().requires_grad_(False).to(device)
        self.device, self.dtype = device, dtype or default_dtype(device)
        self.engine = choose_engine(engine if continue_edges else "torch", device, self.dtype)
        self._net = fold(network, constants)
        self._local = local_part(self._net, self.engine, self.dtype)
        self._global = network.global_net
        self._tile = tile
        self._continue_edges = continue_edges
        self._records = device.startswith("cuda")

    @torch.inference_mode()
    def measure(self, frames: Tensor, range_: Tensor) -> tuple[Tensor, Tensor]:
        """What comes before calibration, (N, 3, H, W), and the calibration matrix, (N, 3, 3); on a GPU by its graph."""
        return self._measuring(frames, range_)

    @cached_property
    def _measuring(self) -> Sparing[tuple[Tensor, Tensor]]:
        def both(local: Callable[..., Tensor], frames: Tensor, range_: Tensor) -> tuple[Tensor, Tensor]:
            before = local(frames, range_)
            return before, self.matrix(before)

        ways: list[tuple[str, Callable[..., Any]]] = []
        if self._records:
            ways = [("a CUDA graph", Recorded(partial(both, self._in_tiles), CudaGraphs()))]
        return Sparing([*ways, ("no CUDA graph", partial(both, self.before_calibration))])

    @torch.inference_mode()
    def before_calibration(self, frames: Tensor, range_: Tensor) -> Tensor:
        """The local part of (N, 3, H, W) frames in [0, 1] with their (N, 2) exposure ranges, same shape back."""
        return self._before(frames, range_)

    @cached_property
    def _before(self) -> Sparing[Tensor]:
        tile = min(self._tile or SPARING_TILE, SPARING_TILE)
        ways: list[tuple[str, Callable[..., Tensor]]] = [("batches", self._in_tiles)]
        ways += [("frames one by one", partial(_one_by_one, self._in_tiles))]
        ways += [("tiles", partial(_one_by_one, partial(self._in_tiles, tile=tile)))]
        if self._net and self.dtype == torch.float32:
            ways += [("tiles in float16", partial(_one_by_one, partial(self._in_half_precision, self._net, tile)))]
        return Sparing(ways)

    def _in_half_precision(self, net: FoldedExdNet, tile: int, frames: Tensor, range_: Tensor) -> Tensor:
        return self._in_tiles(frames, range_, tile=tile, local=local_part(net, "torch", torch.float16))

    def _in_tiles(
        self, frames: Tensor, range_: Tensor, *, tile: int | None = None, local: LocalPart | None = None
    ) -> Tensor:
        """The local part in tiles of the given side, by default of the object's, by default of whole frames."""
        local, tile = local or self._local, tile or self._tile
        pads = self._continue_edges and self.engine != "triton"
        if tile is None and not pads:
            return local(frames, range_)
        height, width = frames.shape[2:]
        result = torch.empty_like(frames)

        @torch.inference_mode()
        def run(tile: tuple[Slices, Slices, Slices]) -> None:
            target, source, inner = tile
            part = frames[:, :, source[0], source[1]]
            if pads:
                missing = [HALO - inner[1].start, HALO - (source[1].stop - target[1].stop)]
                missing += [HALO - inner[0].start, HALO - (source[0].stop - target[0].stop)]
                part = F.pad(part, missing, mode="replicate")
                rows, columns = (slice(HALO, HALO + length.stop - length.start) for length in inner)
                inner = rows, columns
            part = local(part, range_)
            result[:, :, target[0], target[1]] = part[:, :, inner[0], inner[1]]

        each = tile_threads().map if frames.device.type == "cpu" else map
        for _ in each(run, tiles(height, width, *self._counts(height, width, tile))):
            pass
        return result

    def _counts(self, height: int, width: int, tile: int | None) -> tuple[int, int]:
        """How many tiles high and wide a frame is cut."""
        if self.engine != "native":
            tile = tile or max(height, width)
            return -(-height // tile), -(-width // tile)
        rows, columns, threads = -(-height // NATIVE_TILE[0]), -(-width // NATIVE_TILE[1]), torch.get_num_threads()
        while rows * columns % threads and rows < threads * -(-height // NATIVE_TILE[0]):
            rows += 1  # so that no thread waits for another's last tile
        return rows, columns

    @torch.inference_mode()
    def matrix(self, before: Tensor) -> Tensor:
        """The calibration matrix of each frame, (N, 3, 3) float32, from what comes before calibration."""
        return calibration_matrix(self._global, before)

    @torch.inference_mode()
    def calibrate(self, before: Tensor, matrix: Tensor, shoulder: Shoulder | None = None) -> Tensor:
        """The result, `M · rgb` with a shoulder, if any, clamped to [1e-8, 1], written over `before`."""
        if self.engine == "triton" and before.is_contiguous() and before.dtype == torch.float32:
            from exdnet_plugin.exdnet.fused import calibrate  # here, since triton need not be installed

            return calibrate(before, matrix, shoulder)
        if self.engine == "native" and before.is_contiguous() and before.dtype == torch.float32:
            return calibrating.calibrate(before, matrix, shoulder)
        for rows, frames in some_rows(before, shoulder.frames if shoulder else before):
            made = apply_matrix(matrix, rows)
            if shoulder:
                roll_off_into(rows, made, shoulder._replace(frames=frames))
            else:
                rows.copy_(made)
            rows.clamp_(OUTPUT_MIN, 1)
        return before

    def release(self) -> None:
        """Let go of what was recorded, with its memory; what runs afterwards is recorded anew."""
        for name in ("_measuring", "_before"):
            self.__dict__.pop(name, None)

    def __call__(self, frames: Tensor) -> Tensor:
        """Each frame by itself, as published: (N, 3, H, W) RGB in [0, 1] to the same."""
        return self.calibrate(*self.measure(frames, exposure_range(frames)))


def _one_by_one(function: LocalPart, frames: Tensor, range_: Tensor) -> Tensor:
    parts = zip(frames.split(1), range_.split(1), strict=True)
    return torch.cat([function(*part) for part in parts])


def calibration_matrix(network: GlobalNet, before: Tensor) -> Tensor:
    """The matrix of each frame, (N, 3, 3), from (N, 3, H, W) before calibration, of any size."""
    height, width = before.shape[2:]
    if height < SIZE_MIN or width < SIZE_MIN:
        before = F.pad(before, (0, max(0, SIZE_MIN - width), 0, max(0, SIZE_MIN - height)), mode="replicate")
    matrix: Tensor = network(F.avg_pool2d(before, 2))
    return matrix


def exact_inference(
    weights: Weights, device: str = "cpu", engine: Engine = "auto", dtype: torch.dtype | None = None
) -> Inference:
    """The inference form as frames of video go through it: tiled on a CPU, edges continued. See :class:`Inference`."""
    tile = CPU_TILE if device == "cpu" else None
    network, constants = weights.network(), weights.constants
    return Inference(network, constants, device=device, tile=tile, continue_edges=True, engine=engine, dtype=dtype)
