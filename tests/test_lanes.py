"""Overlap on a device: order, events and buffers, with a stand-in for CUDA's streams; the real ones on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import exdnet_plugin
from exdnet_plugin.lanes import IN_FLIGHT, DirectLanes, StreamLanes


class FakeStreams:
    """Runs everything at once, logs what CUDA would be told, and checks that no lane runs ahead of its events."""

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
    per_batch = [entry for entry, _ in streams.log if "host" not in entry][:5]
    assert per_batch == ["record upload", "compute waits", "record compute", "download waits", "record download"]
    assert streams.host_waits == 4


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
