"""The compiled engine gives what PyTorch's operators give, and is asked for by name."""

from __future__ import annotations

import pytest
import torch
from conftest import scene

from exdnet_plugin.exdnet import engines
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.exdnet.inference import Inference, exact_inference
from exdnet_plugin.processors.exdnet import ExdNetProcessor
from exdnet_plugin.stream_info import StreamInfo


def inference(engine: str) -> Inference:
    return exact_inference(load_weights(), engine=engine)


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (33, 31), (64, 96), (101, 353), (600, 40)])
@pytest.mark.usefixtures("compiled")
def test_native_is_torch_to_a_hundred_thousandth(size: tuple[int, int]) -> None:
    frames = torch.stack([torch.from_numpy(scene(seed, size) * 0.3).permute(2, 0, 1).float() for seed in (0, 1)])
    for range_ in (exposure_range(frames), torch.tensor([[0.1, 0.1], [0.0, 1.0]])):
        expected = inference("torch").before_calibration(frames, range_)
        found = inference("native").before_calibration(frames, range_)
        assert (expected - found).abs().max() < 1e-5


def test_auto_takes_what_there_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert engines.choose_engine("auto", "cuda:0") == "torch"
    monkeypatch.setattr(engines, "native", None)
    assert engines.choose_engine("auto", "cpu") == "torch"
    assert "a C++ compiler was missing" in caplog.text
    with pytest.raises(ValueError, match="engine native is not built: a C"):
        engines.choose_engine("native", "cpu")


def test_engines_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="engine 'fast' is not there; there are auto, native, torch"):
        ExdNetProcessor(engine="fast").open(StreamInfo(32, 32, "rgb24"))
