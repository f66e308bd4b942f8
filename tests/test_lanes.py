"""Overlap on a device: order, events and buffers, with a stand-in for CUDA's streams; the real ones on a GPU."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import exdnet_plugin
from exdnet_plugin.lanes import IN_FLIGHT, DirectLanes, StreamLanes


class FakeStreams:
    """Runs everything at once, and logs what CUDA would be told."""

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []
        self.lane = "host"
        self.events = 0
        self.host_waits = 0

    @contextmanager
    def on(self, lane: str) -> Iterator[None]:
        self.lane = lane
        yield
        self.lane = "host"

    def record(self, lane: str) -> int:
        self.events += 1
        self.log.append((f"record {lane}", self.events))
        return self.events

    def wait(self, lane: str, event: int) -> None:
        self.log.append((f"{lane} waits", event))

    def synchronize(self, event: int) -> None:
        self.host_waits += 1
        self.log.append(("host waits", event))

    def pinned(self, like: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(like)

    def copy(self, tensor: torch.Tensor, to: torch.Tensor | None) -> torch.Tensor:
        assert self.lane == ("upload" if to is None else "download")
        return tensor.clone() if to is None else to.copy_(tensor)


def frames(count: int) -> list[tuple[list[torch.Tensor], float]]:
    return [([torch.full((2, 3), index)], index / 10) for index in range(count)]


def plus_one(batch: list[list[torch.Tensor]], times: list[float]) -> list[list[torch.Tensor]]:
    return [[plane + 1 for plane in planes] for planes in batch]


@pytest.mark.parametrize("count", [0, 1, 3, 17])
@pytest.mark.parametrize("batch", [1, 4])
def test_frames_come_back_in_order(count: int, batch: int) -> None:
    for lanes in (DirectLanes(), StreamLanes(FakeStreams())):
        results = list(lanes.run(frames(count), plus_one, batch))
        assert [int(planes[0][0, 0]) for planes in results] == list(range(1, count + 1))


def test_each_lane_waits_for_the_one_before_and_the_host_waits_once_a_batch() -> None:
    streams = FakeStreams()
    list(StreamLanes(streams).run(frames(8), plus_one, 2))
    steps = ["record upload", "compute waits", "record compute", "download waits", "record download"]
    events = [(0, 0, 1, 1, 2), (3, 3, 4, 4, 5), (6, 6, 7, 7, 8), (9, 9, 10, 10, 11)]  # each waits for its own batch
    on_device = [entry for entry in streams.log if "host" not in entry[0]]
    assert on_device == [(step, event + 1) for batch in events for step, event in zip(steps, batch, strict=True)]
    assert [event for entry, event in streams.log if entry == "host waits"] == [3, 6, 9, 12]


def test_what_the_device_reads_is_held_until_the_host_has_waited() -> None:
    streams, held = FakeStreams(), list[weakref.ref[torch.Tensor]]()

    def remembered(batch: list[list[torch.Tensor]], times: list[float]) -> list[list[torch.Tensor]]:
        made = plus_one(batch, times)
        held.extend(weakref.ref(plane) for planes in (*batch, *made) for plane in planes)
        return made

    run = StreamLanes(streams).run(frames(IN_FLIGHT), remembered, 1)
    next(run)
    assert streams.host_waits == 1
    waited, under_way = held[:2], held[2:]
    assert len(under_way) == 2 * (IN_FLIGHT - 1)
    assert all(tensor() is not None for tensor in under_way)
    list(run)
    assert all(tensor() is None for tensor in waited)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("where", ["upstream", "in a processor"])
def test_frames_before_an_error_come_out_before_it(batch: int, where: str) -> None:
    fails = 10  # in the middle of a batch of four

    def upstream() -> Iterator[tuple[list[torch.Tensor], float]]:
        for index, frame in enumerate(frames(20)):
            if where == "upstream" and index == fails:
                raise ValueError("broken")
            yield frame

    def process(planes: list[list[torch.Tensor]], times: list[float]) -> list[list[torch.Tensor]]:
        if where != "upstream" and max(times) >= fails / 10:
            raise ValueError("broken")
        return plus_one(planes, times)

    for lanes in (DirectLanes(), StreamLanes(FakeStreams())):
        results = []
        with pytest.raises(ValueError, match="broken"):
            results.extend(lanes.run(upstream(), process, batch))  # which keeps those before the error
        whole = fails if where == "upstream" else fails // batch * batch
        assert [int(planes[0][0, 0]) for planes in results] == list(range(1, whole + 1))


def test_batches_are_in_flight_before_the_host_waits() -> None:
    streams = FakeStreams()
    run = StreamLanes(streams).run(frames(20), plus_one, 1)
    next(run)
    assert [entry for entry, _ in streams.log].count("record upload") == IN_FLIGHT
    assert streams.host_waits == 1


@pytest.mark.needs_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU is here")
def test_cuda_gives_what_the_cpu_gives() -> None:
    rng = np.random.default_rng(0)
    stream = exdnet_plugin.StreamInfo(96, 64, "yuv420p")
    clip = [
        [rng.integers(16, 70, shape).astype(np.uint8) for shape in ((64, 96), (32, 48), (32, 48))] for _ in range(12)
    ]
    results = []
    for device in ("cpu", "cuda"):
        with exdnet_plugin.open_filter(stream, device=device) as opened:
            results.append(list(opened.run((planes, index / 25) for index, planes in enumerate(clip))))
    for on_cpu, on_gpu in zip(*results, strict=True):
        for a, b in zip(on_cpu, on_gpu, strict=True):
            assert np.abs(a.astype(int) - b.astype(int)).max() <= 1
