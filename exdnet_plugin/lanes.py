"""How frames get onto a device and back: on a CPU as they are, on CUDA over three streams tied by events.

Upload, compute and download run on streams of their own over pinned memory; the host waits in one place only, for the
oldest download. It stands beside the frame filter rather than in the pipeline, because hosts that hold a filter want
the overlap too and have no pipeline of ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor

from exdnet_plugin.devices import devices_of

Planes = list[Tensor]
Process = Callable[[list[Planes], list[float]], list[Planes]]
IN_FLIGHT = 3  # batches: one uploading, one computing, one downloading


class Lanes(Protocol):
    """Runs batches of frames through `process` on a device, in order."""

    def settle(self) -> None:
        """What was started on the device, as weights on their way to it before frames come, or frames, is done."""

    def run(self, frames: Iterable[tuple[Planes, float]], process: Process, batch: int) -> Iterator[Planes]:
        """The planes of each frame as they are then, on the CPU."""


def make_lanes(device: str) -> Lanes:
    """The lanes of a device as torch names it."""
    return StreamLanes(CudaStreams(device)) if device.startswith("cuda") else DirectLanes()


def _batches(frames: Iterable[tuple[Planes, float]], size: int) -> Iterator[tuple[list[Planes], list[float]]]:
    """Frames in batches; an error comes behind those before it."""
    iterator = iter(frames)
    failed: Exception | None = None
    while failed is None:
        items: list[tuple[Planes, float]] = []
        try:
            items.extend(islice(iterator, size))  # which keeps those that came before an error
        except Exception as error:  # noqa: BLE001 - of whatever is upstream; raised below
            failed = error
        if not items:
            break
        yield [planes for planes, _ in items], [time for _, time in items]
    if failed is not None:
        raise failed


class DirectLanes:
    """Frames are where they are processed."""

    def settle(self) -> None:
        """Nothing is under way."""

    def run(self, frames: Iterable[tuple[Planes, float]], process: Process, batch: int) -> Iterator[Planes]:
        for planes, times in _batches(frames, batch):
            yield from process(planes, times)


class Streams(Protocol):
    """The few things that lanes need of a device: the seam at which tests stand in for CUDA."""

    def on(self, lane: str) -> AbstractContextManager[Any]:
        """Work within runs on this lane: `upload`, `compute` or `download`."""

    def record(self, lane: str) -> Any:
        """An event behind what the lane has been given so far."""

    def wait(self, lane: str, event: Any) -> None:
        """Let a lane wait for an event; the host goes on."""

    def synchronize(self, event: Any) -> None:
        """Let the host wait for an event."""

    def settle(self) -> None:
        """Let the host wait for all that was started, on the lanes or outside of them."""

    def pinned(self, like: Tensor) -> Tensor:
        """An empty tensor of the same shape and type in memory that copies do not block on."""

    def copy(self, tensor: Tensor, to: Tensor | None) -> Tensor:
        """Start a copy to the device or, with `to`, into that tensor on the host."""


@dataclass
class _Flight:
    """A batch under way. It holds every tensor that the device still reads or writes until its download has ended."""

    staged: list[Planes]
    uploaded: list[Planes]
    processed: list[Planes]
    downloaded: list[Planes]
    done: Any


class StreamLanes:
    """Upload, compute and download overlapped, up to `IN_FLIGHT` batches."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def settle(self) -> None:
        self._streams.settle()

    def run(self, frames: Iterable[tuple[Planes, float]], process: Process, batch: int) -> Iterator[Planes]:
        flights: deque[_Flight] = deque()
        failed: Exception | None = None
        try:
            for planes, times in _batches(frames, batch):
                flights.append(self._start(planes, times, process))
                if len(flights) == IN_FLIGHT:
                    yield from self._land(flights.popleft())
        except Exception as error:  # noqa: BLE001 - of whatever is upstream, or a processor's; raised below
            failed = error
        while flights:  # also those before an error, as on a CPU
            yield from self._land(flights.popleft())
        if failed is not None:
            raise failed

    def _start(self, originals: list[Planes], times: list[float], process: Process) -> _Flight:
        streams = self._streams
        staged = [[streams.pinned(plane).copy_(plane) for plane in planes] for planes in originals]
        with streams.on("upload"):
            uploaded = [[streams.copy(plane, None) for plane in planes] for planes in staged]
        streams.wait("compute", streams.record("upload"))
        with streams.on("compute"):
            processed = process(uploaded, times)
        streams.wait("download", streams.record("compute"))
        with streams.on("download"):
            downloaded = [[streams.copy(plane, streams.pinned(plane)) for plane in planes] for planes in processed]
        return _Flight(staged, uploaded, processed, downloaded, streams.record("download"))

    def _land(self, flight: _Flight) -> Iterator[Planes]:
        self._streams.synchronize(flight.done)
        yield from flight.downloaded


class CudaStreams:
    """CUDA's streams and events."""

    def __init__(self, device: str) -> None:
        self._device, self._devices = torch.device(device), devices_of(device)  # over which networks may be spread
        self._streams = {lane: torch.cuda.Stream(self._device) for lane in ("upload", "compute", "download")}

    def on(self, lane: str) -> AbstractContextManager[Any]:
        context: AbstractContextManager[Any] = torch.cuda.stream(self._streams[lane])
        return context

    def record(self, lane: str) -> torch.cuda.Event:
        event = torch.cuda.Event()
        event.record(self._streams[lane])
        return event

    def wait(self, lane: str, event: torch.cuda.Event) -> None:
        self._streams[lane].wait_event(event)

    def synchronize(self, event: torch.cuda.Event) -> None:
        event.synchronize()

    def settle(self) -> None:
        for stream in (*map(torch.cuda.current_stream, self._devices), *self._streams.values()):
            stream.synchronize()

    def pinned(self, like: Tensor) -> Tensor:
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)

    def copy(self, tensor: Tensor, to: Tensor | None) -> Tensor:
        if to is None:
            return tensor.to(self._device, non_blocking=True)
        return to.copy_(tensor, non_blocking=True)
