"""Where memory does not suffice, the same pixels come in smaller parts, and it is said once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from conftest import dark_frames
from torch import Tensor

from exdnet_plugin import open_filter
from exdnet_plugin.errors import ExdnetError
from exdnet_plugin.exdnet import inference as inference_module
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.inference import Inference
from exdnet_plugin.processors.exdnet import ExdNetProcessor
from exdnet_plugin.stream_info import StreamInfo

SIZE = 64, 96
PADDED = (64 + 26) * (96 + 26)


def frames(count: int = 3) -> Tensor:
    return torch.stack([torch.from_numpy(one).permute(2, 0, 1).float() / 255 for one in dark_frames(count, SIZE)])


def limited(make: Callable[..., object], pixels: float, dtype: torch.dtype | None = None) -> Callable[..., object]:
    """What makes local parts, on a device on which those of a dtype, or all, cannot take more than so many pixels."""

    def wrapped(net: object, engine: object, own: torch.dtype) -> Callable[[Tensor, Tensor], Tensor]:
        run = make(net, engine, own)

        def local(frames: Tensor, range_: Tensor) -> Tensor:
            if (dtype in (None, own)) and frames.shape[0] * frames.shape[2] * frames.shape[3] > pixels:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
            return run(frames, range_)

        return local

    return wrapped


def build(monkeypatch: pytest.MonkeyPatch, pixels: float, dtype: torch.dtype | None = None) -> Inference:
    monkeypatch.setattr(inference_module, "local_part", limited(inference_module.local_part, pixels, dtype))
    monkeypatch.setattr(inference_module, "SPARING_TILE", 32)
    weights = load_weights()
    return Inference(weights.network(), weights.constants, continue_edges=True)


@pytest.fixture
def expected() -> Tensor:
    weights = load_weights()
    return Inference(weights.network(), weights.constants, continue_edges=True)(frames())


@pytest.mark.parametrize(
    ("pixels", "steps"), [(3 * PADDED, []), (PADDED, ["frames one by one"]), (5000, ["frames one by one", "tiles"])]
)
def test_smaller_parts_give_the_same_pixels(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    expected: Tensor,
    pixels: int,
    steps: list[str],
) -> None:
    tight = build(monkeypatch, pixels)
    for _ in range(2):  # a step is told once, and stays
        assert (tight(frames()) - expected).abs().max() < 1e-5
    told = [record.getMessage().partition("from here on ")[2].partition(",")[0] for record in caplog.records]
    assert told == steps


def test_the_last_step_is_half_precision(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, expected: Tensor
) -> None:
    tight = build(monkeypatch, 100, torch.float32)
    assert (tight(frames()) - expected).abs().max() < 0.004
    assert "from here on tiles in float16" in caplog.messages[-1]


def test_where_nothing_is_small_enough_the_error_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    tight = build(monkeypatch, 100)
    with pytest.raises(ExdnetError, match=r"out of memory: .*--quality realtime"):
        tight(frames())


def test_a_stream_loses_no_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for pixels in (float("inf"), 5000):
        with monkeypatch.context() as patch:
            patch.setattr(inference_module, "local_part", limited(inference_module.local_part, pixels))
            patch.setattr(inference_module, "SPARING_TILE", 32)
            patch.setattr(inference_module, "CPU_TILE", None)
            processor = ExdNetProcessor(engine="torch")
            processor.open(StreamInfo(SIZE[1], SIZE[0], "rgb24"))
            batches = zip(frames(6).split(2), torch.arange(6).double().split(2), strict=True)
            results.append(torch.cat([processor.process(batch, times / 25) for batch, times in batches]))
    assert results[1].shape[0] == 6
    assert (results[0] - results[1]).abs().max() < 1e-5


def test_what_any_processor_has_no_memory_for_is_told_with_what_helps() -> None:
    class Greedy:
        def open(self, stream: StreamInfo) -> None:
            pass

        def process(self, frames: Tensor, times: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

        def reset(self) -> None:
            pass

        def close(self) -> None:
            pass

    with (
        open_filter(StreamInfo(SIZE[1], SIZE[0]), chain=[Greedy()], device="cpu") as opened,
        pytest.raises(ExdnetError, match=r"out of memory: .*--device cpu"),
    ):
        opened([dark_frames(1, SIZE)[0]], 0.0)
