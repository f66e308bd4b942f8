"""Several devices as one: the CPU twice stands in for GPUs, since what is shared out and gathered is the same."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from conftest import dark_frames

from exdnet_plugin import devices, frame_filter
from exdnet_plugin.devices import devices_of, resolve_device
from exdnet_plugin.exdnet import spread
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.exdnet.highlights import Shoulder
from exdnet_plugin.exdnet.inference import exact_inference
from exdnet_plugin.exdnet.spread import Spread, spread_inference
from exdnet_plugin.frame_filter import FrameFilter
from exdnet_plugin.lanes import DirectLanes
from exdnet_plugin.pipeline.segments import SEGMENT
from exdnet_plugin.processors.exdnet import ExdNetProcessor
from exdnet_plugin.stream_info import StreamInfo


def several(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(devices.torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_frames_come_back_in_order_as_one_device_gives_them(count: int) -> None:
    frames = torch.rand(count, 3, 24, 40, generator=torch.Generator().manual_seed(0)) * 0.3
    range_ = exposure_range(frames)
    one, both = exact_inference(load_weights()), Spread([partial(exact_inference, load_weights())] * 3)
    expected, found = one.measure(frames, range_), both.measure(frames, range_)
    for by_one, by_several in zip(expected, found, strict=True):
        assert torch.allclose(by_one, by_several, atol=1e-6)
    assert torch.equal(both.before_calibration(frames, range_), found[0])
    ways = (both, found), (one, expected)
    for shoulder in (Shoulder(frames, torch.linspace(0, 2, count)), None):
        by_several, by_one = (way.calibrate(*(part.clone() for part in its), shoulder) for way, its in ways)
        assert torch.allclose(by_several, by_one, atol=1e-6)
    both.release()


@pytest.mark.parametrize(
    ("gpus", "auto", "cuda", "all_of_them"),
    [(0, "cpu", None, ["cpu"]), (1, "cuda:0", "cuda:0", ["cuda:0"]), (2, "cuda:0", "cuda", ["cuda:0", "cuda:1"])],
)
def test_cuda_is_every_gpu_and_a_number_is_one(
    monkeypatch: pytest.MonkeyPatch, gpus: int, auto: str, cuda: str | None, all_of_them: list[str]
) -> None:
    several(monkeypatch, gpus)
    assert resolve_device("auto") == auto
    if cuda:
        assert devices_of(cuda) == all_of_them
        assert resolve_device("cuda") == cuda
        assert resolve_device(f"cuda:{gpus - 1}") == f"cuda:{gpus - 1}"
    with pytest.raises(ValueError, match=rf"device 'cuda:{gpus}' is not here; there is cpu"):
        resolve_device(f"cuda:{gpus}")


def test_a_photo_needs_one_device_and_all_parts_are_sent_before_any_is_computed() -> None:
    done: list[str] = []

    class Logged:
        engine, dtype, device = "torch", torch.float32, "cpu"

        def measure(self, frames: torch.Tensor, range_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            done.append("computed")
            return frames, range_

    class Sent(torch.Tensor):
        def to(self, *_: object, **__: object) -> torch.Tensor:
            done.append("sent")
            return self.as_subclass(torch.Tensor)

    made: list[Logged] = []
    both = Spread([lambda: made.append(Logged()) or made[-1]] * 2)
    both.measure(torch.zeros(1, 3, 4, 4), torch.zeros(1, 2))
    assert len(made) == 1
    done.clear()
    both.measure(torch.zeros(2, 3, 4, 4).as_subclass(Sent), torch.zeros(2, 2))
    assert len(made) == 2
    assert done[:4] == ["sent", "sent", "computed", "computed"]


@pytest.mark.parametrize("gpus", range(1, 17))
def test_a_segment_is_whole_batches_on_any_number_of_gpus(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    several(monkeypatch, gpus)
    monkeypatch.setattr(frame_filter, "make_lanes", lambda _: DirectLanes())
    for size in ((640, 360), (1920, 1080), (3840, 2160), (7680, 4320)):
        batch = FrameFilter(StreamInfo(*size, device=resolve_device("cuda")), []).batch
        assert SEGMENT % batch == 0
        assert batch >= gpus * (4 if size[0] < 3840 else 1) * 0.6


def test_one_device_is_not_wrapped() -> None:
    assert not isinstance(spread_inference(load_weights(), "cpu"), Spread)


def test_a_video_is_followed_the_same_on_several_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, times = (
        torch.from_numpy(np.stack(dark_frames(9, (24, 40)))).permute(0, 3, 1, 2).float() / 255,
        torch.arange(9) / 25,
    )
    results = []
    for names in (["cpu"], ["cpu"] * 2):
        monkeypatch.setattr(spread, "devices_of", lambda _, names=names: names)
        processor = ExdNetProcessor()
        processor.open(StreamInfo(40, 24, "gbrp"))
        parts = zip(frames.split(4), times.double().split(4), strict=True)
        results.append(torch.cat([processor.process(*part) for part in parts]))
    assert torch.allclose(*results, atol=1e-6)
