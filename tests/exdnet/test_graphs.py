"""What runs on frames is recorded a size, replayed into fixed buffers, and given up in words; and nothing waits."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from conftest import WAITS
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from exdnet_plugin.exdnet import exposures
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.exdnet.graphs import KEPT, VALUES_MAX, CudaGraphs, Recorded
from exdnet_plugin.exdnet.inference import Inference, exact_inference
from exdnet_plugin.processors.exdnet import ExdNetProcessor
from exdnet_plugin.stream_info import StreamInfo


class FakeGraphs:
    """Replays by running the function on its recorded buffers, and counts."""

    def __init__(self, error: str = "") -> None:
        self.error, self.records, self.replays = error, 0, 0

    def record(self, function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> tuple[Callable[[], None], Any]:
        self.records += 1
        if self.error:
            raise RuntimeError(self.error)
        outputs = function(*inputs)

        def replay() -> None:
            self.replays += 1
            for output, again in zip(outputs, function(*inputs), strict=True):
                output.copy_(again)

        return replay, outputs


def doubled(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return x * 2, x + y


def call(recorded: Recorded, side: int, value: float) -> None:
    x = torch.full((1, 3, side, side), value)
    twice, sums = recorded(x, x + 1)
    assert torch.equal(twice, x * 2)
    assert torch.equal(sums, x * 2 + 1)


def test_a_size_is_recorded_when_it_comes_again_and_replayed_from_then_on() -> None:
    graphs = FakeGraphs()
    recorded = Recorded(doubled, graphs)
    for value in range(5):
        call(recorded, 8, value)
    assert (graphs.records, graphs.replays) == (1, 4)
    call(recorded, 4, 7)  # a stream's last batch, say: once is not worth it
    assert graphs.records == 1


def test_large_frames_are_not_recorded() -> None:
    graphs = FakeGraphs()
    recorded = Recorded(lambda x: (x,), graphs)
    for _ in range(3):
        recorded(torch.empty(1).expand(VALUES_MAX + 1))
    assert graphs.records == 0


def test_few_sizes_are_kept_and_the_oldest_goes() -> None:
    graphs = FakeGraphs()
    recorded = Recorded(doubled, graphs)
    for side in (*range(1, KEPT + 2), 1):
        call(recorded, side, 1)
        call(recorded, side, 2)
    assert graphs.records == KEPT + 2
    assert len(recorded._kept) == KEPT


def test_results_are_the_callers_to_keep() -> None:
    recorded = Recorded(doubled, FakeGraphs())
    results = [recorded(torch.full((2,), float(value)), torch.zeros(2))[0].mul_(10) for value in range(4)]
    assert [float(result[0]) for result in results] == [0, 20, 40, 60]


def test_what_cannot_be_recorded_runs_as_it_is_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    graphs = FakeGraphs("operation not permitted when stream is capturing\nand more")
    recorded = Recorded(doubled, graphs)
    for value in range(4):
        call(recorded, 8, value)
    assert graphs.records == 1
    (message,) = caplog.messages
    assert message.startswith("no CUDA graph of the network (operation not permitted when stream is capturing)")


def test_the_network_is_what_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = FakeGraphs()
    monkeypatch.setattr("exdnet_plugin.exdnet.inference.CudaGraphs", lambda: graphs)
    plain, recorded = (exact_inference(load_weights(), engine="torch") for _ in range(2))
    recorded._records = True
    for seed in range(3):
        frames = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(plain(frames), recorded(frames))
    assert (graphs.records, graphs.replays) == (1, 2)
    kept = weakref.ref(recorded._measuring._ways[0][1])
    recorded.release()
    assert kept() is None  # at once, not when a cycle is found


class NoWaiting(TorchFunctionMode):
    """Fails where the host would read values off a device. Times in float64 are the host's own."""

    names = ("item", "tolist", "numpy", "cpu", "nonzero", "equal", "__bool__", "__float__", "__int__", "__index__")

    def __torch_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        name = getattr(function, "__name__", "")
        if name in self.names and arguments[0].dtype != torch.float64:
            raise AssertionError(f"{name} makes the host wait")
        return function(*arguments, **(options or {}))


class NoHiddenWaiting(TorchDispatchMode):
    """The same where an operator does so on its own."""

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), options: Any = None
    ) -> Any:
        if function.name() in WAITS and arguments[0].dtype != torch.float64:
            raise AssertionError(f"{function.name()} makes the host wait")
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize("mode", [nullcontext, torch.inference_mode])
@pytest.mark.parametrize("wait", [Tensor.item, Tensor.tolist, Tensor.cpu, float, bool, lambda x: x[x > 0]])
def test_the_guard_against_waiting_sees_waiting(
    wait: Callable[[Tensor], object], mode: Callable[[], AbstractContextManager[Any]]
) -> None:
    with mode(), NoWaiting(), NoHiddenWaiting(), pytest.raises(AssertionError, match="makes the host wait"):
        wait(torch.ones(1))


@pytest.mark.parametrize("mode", [nullcontext, torch.inference_mode])
@pytest.mark.parametrize("wait", [Tensor.item, Tensor.is_nonzero, lambda x: x[x > 0]])
def test_so_does_the_one_that_sees_what_operators_do(
    wait: Callable[[Tensor], object], mode: Callable[[], AbstractContextManager[Any]]
) -> None:
    with mode(), NoHiddenWaiting(), pytest.raises(AssertionError, match="makes the host wait"):
        wait(torch.ones(1))


def test_no_value_of_a_frame_is_read_by_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposures, "native", None)  # counted as on a GPU
    weights = load_weights()
    inference = Inference(weights.network(), weights.constants, continue_edges=True)
    processor = ExdNetProcessor(engine="torch")
    processor.open(StreamInfo(48, 32, "rgb24"))
    processor._inference = inference  # whole frames, as on a GPU
    with NoWaiting(), NoHiddenWaiting():
        inference(torch.rand(2, 3, 32, 48))
        for index in range(3):
            processor.process(torch.rand(2, 3, 32, 48), torch.tensor([2.0 * index, 2 * index + 1], dtype=torch.float64))


gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU is here")


@pytest.mark.needs_cuda
@gpu
@pytest.mark.parametrize("engine", ["torch", "triton"])
def test_a_gpu_makes_the_host_wait_nowhere_in_a_frame(engine: str) -> None:
    processor = ExdNetProcessor(engine=engine)
    processor.open(StreamInfo(96, 64, "rgb24", device="cuda:0"))
    batches = [(torch.rand(2, 3, 64, 96).cuda(), torch.arange(2).double() / 25 + index) for index in range(6)]
    for batch in batches[:3]:  # compiles, records
        processor.process(*batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in batches[3:]:
            processor.process(*batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.needs_cuda
@gpu
@pytest.mark.parametrize("engine", ["torch", "triton"])
def test_replayed_frames_on_a_gpu_are_those_that_are_not(engine: str, caplog: pytest.LogCaptureFixture) -> None:
    inference = exact_inference(load_weights(), "cuda:0", engine)
    for seed in range(4):
        frames = torch.rand(2, 3, 90, 120, generator=torch.Generator().manual_seed(seed)).cuda()
        range_ = exposure_range(frames)
        found, matrix = inference.measure(frames, range_)
        before = inference.before_calibration(frames, range_)
        assert torch.allclose(found, before, atol=1e-3)
        assert torch.allclose(matrix, inference.matrix(before), atol=1e-3)
    assert not caplog.messages
    assert isinstance(inference._measuring._ways[0][1], Recorded)
    assert isinstance(inference._measuring._ways[0][1]._graphs, CudaGraphs)
