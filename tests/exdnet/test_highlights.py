"""Highlights of dark frames keep their drawing, lamps stay as white as they were, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from conftest import dark_frames
from hypothesis import given
from hypothesis import strategies as st

from exdnet_plugin import ColorFacts, ExdNetModule, StreamInfo, enhance_image, open_filter
from exdnet_plugin.exdnet.highlights import KNEE, Shoulder, curvatures, roll_off_into, rolled_off
from exdnet_plugin.frame_filter import Quality
from exdnet_plugin.processors.exdnet import ExdNetProcessor

KEEP, CLIP = "exdnet=gamut=clip", "exdnet=gamut=clip:highlights=clip"


@pytest.fixture(scope="module")
def night(shared: Path) -> np.ndarray:
    """A motorway by night, headlights on the road: (360, 640, 3) uint8."""
    with av.open(str(shared / "data" / "clips" / "tmo324_night.mp4")) as container:
        return next(frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))


def as_frames(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def opened(picture: np.ndarray, shrunk: float = 1.0, **options: float | str) -> ExdNetProcessor:
    processor = ExdNetProcessor(**options)  # type: ignore[arg-type]
    processor.open(StreamInfo(picture.shape[1], picture.shape[0], shrunk=shrunk))
    return processor


@pytest.mark.parametrize(("quality", "least", "part"), [("exact", 0.02, 0.5), ("realtime", 0.009, 0.7)])
def test_a_road_in_headlights_is_not_driven_into_white(
    night: np.ndarray, quality: Quality, least: float, part: float
) -> None:
    kept, clipped = (enhance_image(night, chain=chain, quality=quality) for chain in (KEEP, CLIP))
    white, was_white = ((result >= 248).all(axis=2).mean() for result in (kept, clipped))
    assert was_white > least, "or this picture asks nothing"
    assert white < was_white * part
    dim = (clipped < 255 * KNEE - 2).all(axis=2)
    assert dim.mean() > 0.8
    off = np.abs(kept.astype(int) - clipped)[dim]
    assert off.max() <= 1 if quality == "exact" else off.mean() < 0.5


def test_white_titles_and_lamps_beside_it_stay_as_white_as_they_were(night: np.ndarray) -> None:
    titled = night.copy()
    titled[20:60, 40:600] = 235  # 10 % of the frame
    titled[100:110, 40:50] = 200
    kept, clipped = (enhance_image(titled, chain=chain) for chain in (KEEP, CLIP))
    inside = np.s_[26:54, 46:594], np.s_[104:106, 44:46]
    for place in inside:
        assert kept[place].min() >= min(titled[place].min(), clipped[place].min()) - 1
    assert (kept < clipped).mean() > 0.01, "there was no shoulder"


def test_a_frame_without_highlights_is_as_published() -> None:
    dark = dark_frames(1, (64, 96))[0] // 2
    kept, clipped = enhance_image(dark, chain=KEEP), enhance_image(dark, chain=CLIP)
    assert clipped.max() < 250, "or it has some"
    assert np.abs(kept.astype(int) - clipped).max() <= 1


@given(st.floats(0, 3), st.floats(0, 3), st.floats(0, 2.4), st.floats(0, 1))
def test_the_shoulder_keeps_the_order_what_is_below_the_knee_and_what_was_bright(
    one: float, other: float, curvature: float, was: float
) -> None:
    values = torch.tensor(sorted([one, other])).reshape(1, 1, 1, 2)
    shoulder = Shoulder(torch.full_like(values, was), torch.tensor([curvature]))
    result, into = rolled_off(values, shoulder), torch.empty_like(values)
    roll_off_into(into, values.clone(), shoulder)
    assert torch.allclose(into, result, atol=1e-6)
    assert result[..., 0] <= result[..., 1] + 1e-6
    assert torch.all(result <= values)
    assert torch.all(result >= torch.minimum(values, shoulder.frames))
    assert torch.equal(result[values <= KNEE], values[values <= KNEE])


@pytest.mark.parametrize("peak", [0.5, 1.0, 1.2, 2.0, 5.0])
def test_the_peak_of_a_frame_becomes_white(peak: float) -> None:
    before = torch.full((1, 3, 200, 300), peak / 2)
    shoulder = Shoulder(torch.zeros(1, 1, 1, 1), curvatures(before, 2 * torch.eye(3)[None]))
    assert float(rolled_off(torch.tensor([[[[peak]]]]), shoulder)) == pytest.approx(min(peak, 1.0), abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_the_module_has_the_processors_shoulder(night: np.ndarray, dtype: torch.dtype) -> None:
    part = night[100:300, 200:440]
    inside = (slice(None), slice(None), slice(13, -13), slice(13, -13))  # edges are continued in another way
    processor, module = opened(part, smoothing=0, engine="torch"), ExdNetModule().to(dtype)
    by_processor = processor.process(as_frames(part), torch.zeros(1))[inside]
    by_module, clipped = (one(as_frames(part))[inside] for one in (module, ExdNetModule(highlights="clip")))
    assert (clipped - by_processor).abs().max() > 0.08, "or this picture asks nothing"
    assert (by_module - by_processor).abs().max() < 0.01


def test_gradients_go_through_the_shoulder(night: np.ndarray) -> None:
    frames = as_frames(night[150:300, 250:400]).requires_grad_()
    result = ExdNetModule()(frames)
    assert torch.allclose(result, ExdNetModule()(frames.detach()), atol=1e-4)
    result.sum().backward()
    assert frames.grad is not None
    assert torch.isfinite(frames.grad).all()


@pytest.mark.parametrize("shrunk", [1.0, 2.0])
def test_it_follows_the_video_whatever_the_batches_and_goes_on_where_it_was(night: np.ndarray, shrunk: float) -> None:
    """Headlights that come nearer, frame by frame, by fours, and with another processor from the ninth on."""
    size = slice(160, 300), slice(220, 400)
    frames = torch.cat([as_frames(night[size]) * (0.5 + index / 24) for index in range(12)])
    times = torch.arange(12) / 25
    single, fours, first, second = (opened(night[size], shrunk=shrunk) for _ in range(4))
    one_by_one = torch.cat(
        [single.process(frame[None].clone(), time[None]) for frame, time in zip(frames, times, strict=True)]
    )
    by_fours = torch.cat([fours.process(frames[at : at + 4].clone(), times[at : at + 4]) for at in (0, 4, 8)])
    begun = first.process(frames[:8].clone(), times[:8])
    second.restore(first.state())
    gone_on = torch.cat([begun, second.process(frames[8:].clone(), times[8:])])
    clipped = opened(night[size], shrunk=shrunk, highlights="clip").process(frames.clone(), times)
    assert (clipped - one_by_one).max() > 0.05, "or there was no shoulder"
    assert torch.allclose(by_fours, one_by_one, atol=1e-5)
    assert torch.allclose(gone_on, one_by_one, atol=1e-5)


def test_the_published_network_has_no_shoulder_and_another_word_is_refused(night: np.ndarray) -> None:
    by_default, clipped = (enhance_image(night, chain=f"exdnet=weights=lol{more}") for more in ("", ":highlights=clip"))
    assert (clipped == 255).mean() > 0.005, "or it has nothing over white"
    assert np.array_equal(by_default, clipped)
    with pytest.raises(ValueError, match="highlights 'soft' is not there; there are keep, clip"):
        ExdNetProcessor(highlights="soft")  # type: ignore[arg-type]


@pytest.mark.parametrize(("transfer", "dark", "lamp"), [("smpte2084", 200, 770), ("arib-std-b67", 120, 900)])
def test_a_lamp_of_hdr_is_as_bright_behind_the_default_chain(transfer: str, dark: int, lamp: int) -> None:
    """1,000 cd/m² stay that, where a night around it is lifted; codes are of 10 bits, 64 is black."""
    luma = dark + np.round(np.array(dark_frames(1, (96, 128), peak=60))[0, :, :, 1]).astype(np.uint16)
    luma[30:62, 40:72] = lamp
    chroma = np.full((48, 64), 512, np.uint16)
    color = ColorFacts(matrix="bt2020nc", primaries="bt2020", transfer=transfer, range="limited")
    with open_filter(StreamInfo(128, 96, "yuv420p10le", color=color)) as bright:
        result = bright([luma, chroma, chroma], 0.0)[0].astype(int)
    inside, around = np.s_[34:58, 44:68], np.s_[70:, :]
    assert np.abs(result[inside] - lamp).max() <= 8
    assert result[around].mean() > luma[around].mean() + 10
