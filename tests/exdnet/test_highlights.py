"""Highlights of dark frames keep their drawing, small lamps stay white, and nothing else changes."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from conftest import dark_frames
from hypothesis import given
from hypothesis import strategies as st

from exdnet_plugin import ExdNetModule, StreamInfo, enhance_image
from exdnet_plugin.exdnet.highlights import KNEE, bend_into, bends, bent
from exdnet_plugin.frame_filter import Quality
from exdnet_plugin.processors.exdnet import ExdNetProcessor

CLIP = "exdnet=highlights=clip"


def headlights(shared: object) -> np.ndarray:
    """A motorway by night, headlights on the road: (360, 640, 3) uint8."""
    with av.open(f"{shared}/data/clips/tmo324_night.mp4") as container:
        return next(frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))


@pytest.mark.parametrize(("quality", "least", "part"), [("exact", 0.02, 0.5), ("realtime", 0.009, 0.7)])
def test_a_road_in_headlights_is_not_driven_into_white(
    shared: object, quality: Quality, least: float, part: float
) -> None:
    night = headlights(shared)
    kept, clipped = (enhance_image(night, chain=chain, quality=quality) for chain in ("exdnet", CLIP))
    white, was_white = ((result >= 248).all(axis=2).mean() for result in (kept, clipped))
    assert was_white > least, "or this picture asks nothing"
    assert white < was_white * part
    dim = (clipped < 255 * KNEE - 2).all(axis=2)
    assert dim.mean() > 0.8
    off = np.abs(kept.astype(int) - clipped)[dim]
    assert off.max() <= 1 if quality == "exact" else off.mean() < 0.5


def test_a_frame_without_highlights_is_as_published() -> None:
    dark = dark_frames(1, (64, 96))[0] // 2
    assert enhance_image(dark, chain=CLIP).max() < 250, "or it has some"
    assert np.array_equal(enhance_image(dark), enhance_image(dark, chain=CLIP))


@given(st.floats(0, 3), st.floats(0, 3), st.floats(0, 2.4))
def test_the_shoulder_keeps_the_order_and_what_is_below_the_knee(one: float, other: float, bend: float) -> None:
    values, by = torch.tensor(sorted([one, other])).reshape(1, 1, 1, 2), torch.tensor([bend])
    result, into = bent(values, by).flatten(), torch.empty_like(values)
    bend_into(into, values.clone(), by)
    assert torch.allclose(into.flatten(), result, atol=1e-6)
    assert result[0] <= result[1] + 1e-6
    assert torch.all(result <= values.flatten() + 1e-6)
    assert torch.equal(result[result < KNEE], values.flatten()[result < KNEE])


@pytest.mark.parametrize("peak", [0.5, 1.0, 1.2, 2.0, 5.0])
def test_the_peak_of_a_frame_becomes_white(peak: float) -> None:
    before = torch.full((1, 3, 200, 300), peak / 2)
    by = bends(before, 2 * torch.eye(3)[None])
    assert float(bent(torch.tensor([[[[peak]]]]), by)) == pytest.approx(min(peak, 1.0), abs=1e-5)


def test_the_module_has_the_processors_shoulder_and_gradients(shared: object) -> None:
    frames = torch.from_numpy(headlights(shared)[100:300, 200:440]).permute(2, 0, 1)[None].float() / 255
    processor = ExdNetProcessor(smoothing=0)
    processor.open(StreamInfo(frames.shape[3], frames.shape[2]))
    inside = (slice(None), slice(None), slice(13, -13), slice(13, -13))
    by_processor = processor.process(frames.clone(), torch.zeros(1))[inside]
    asked = frames.clone().requires_grad_()
    by_module = ExdNetModule()(asked)
    assert (ExdNetModule()(frames)[inside] - by_processor).abs().mean() < 0.01
    assert torch.allclose(by_module, ExdNetModule()(frames), atol=1e-4)
    by_module.sum().backward()
    assert asked.grad is not None
    assert torch.isfinite(asked.grad).all()


def test_the_published_network_has_no_shoulder_and_another_word_is_refused() -> None:
    bright = (dark_frames(1, (64, 96))[0].astype(int) * 4).clip(0, 255).astype(np.uint8)
    by_default, clipped = (
        enhance_image(bright, chain=f"exdnet=weights=lol{more}") for more in ("", ":highlights=clip")
    )
    assert np.array_equal(by_default, clipped)
    with pytest.raises(ValueError, match="highlights 'soft' is not there; there are keep, clip"):
        ExdNetProcessor(highlights="soft")  # type: ignore[arg-type]
