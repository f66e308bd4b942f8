"""Well-lit frames stay, evenly lit ones get a gain, dark ones are the network's, and nothing jumps in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import MakeClip, decode, scene
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from exdnet_plugin import ExdNetModule, StreamInfo, enhance_image
from exdnet_plugin.errors import CheckpointError
from exdnet_plugin.exdnet.checkpoint import load_weights, weights_bytes
from exdnet_plugin.exdnet.fade import Fade
from exdnet_plugin.exdnet.network import ExdNet
from exdnet_plugin.frame_filter import Quality
from exdnet_plugin.processors.exdnet import ExdNetProcessor

Run = Callable[..., tuple[int, str, str]]
SIZE = 64, 96
FADE = Fade((0.2, 0.9), bright=(0.3, 0.5), white=0.9)
LIT = (100 + scene(0, SIZE) * 120).astype(np.uint8)  # a mean level of 0.6
FULL = (scene(0, SIZE) * 242 / np.percentile(scene(0, SIZE), 99)).clip(0, 255)  # its highlights are nearly white


def as_frames(*pictures: np.ndarray) -> torch.Tensor:
    return torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in pictures]).float() / 255


def opened(shrunk: float = 1.0, **options: str) -> ExdNetProcessor:
    processor = ExdNetProcessor(**options)
    processor.open(StreamInfo(LIT.shape[1], LIT.shape[0], shrunk=shrunk))
    return processor


@pytest.mark.parametrize("quality", ["exact", "realtime"])
def test_a_well_lit_photo_stays_what_it_is_unless_told_otherwise(quality: Quality) -> None:
    off = np.abs(enhance_image(LIT, quality=quality).astype(int) - LIT)
    assert off.max() <= (2 if quality == "realtime" else 0)
    assert np.abs(enhance_image(LIT, chain="exdnet=well_lit=enhance", quality=quality).astype(int) - LIT).mean() > 2


def test_a_dark_photo_is_enhanced_as_if_there_were_no_fade() -> None:
    night = (LIT // 6).astype(np.uint8)
    night[:8, :8] = 250  # a lamp: the picture is not evenly lit
    for dark in (night, (LIT // 10).astype(np.uint8)):
        assert np.array_equal(enhance_image(dark), enhance_image(dark, chain="exdnet=well_lit=enhance"))


@pytest.mark.parametrize("quality", ["exact", "realtime"])
@pytest.mark.parametrize("light", [1 / 4, 1 / 8])
def test_a_photo_that_lacks_nothing_but_light_comes_back(light: float, quality: Quality) -> None:
    """What a camera makes of less light: codes smaller by one factor."""
    dark = np.round(FULL * light ** (1 / 2.2)).astype(np.uint8)
    assert np.abs(enhance_image(dark, quality=quality) - FULL).mean() < 8
    assert np.abs(enhance_image(dark, chain="exdnet=well_lit=enhance") - FULL).mean() > 8


@pytest.mark.parametrize("quality", ["exact", "realtime"])
def test_where_there_is_nothing_it_stays_black(quality: Quality) -> None:
    """Between scenes, under a lens cap, at the end of a fade: the network alone makes them grey."""
    black = np.zeros((216, 384, 3), np.uint8)
    covered = np.random.default_rng(0).normal(0, 1, black.shape).round().clip(0, 255).astype(np.uint8)
    assert enhance_image(black, quality=quality).max() == 0
    assert np.abs(enhance_image(covered, quality=quality) - covered.astype(int)).mean() < 0.5
    assert enhance_image(black, chain="exdnet=well_lit=enhance", quality=quality).mean() > 8


@pytest.mark.parametrize("shrunk", [1.0, 4.0], ids=["exact", "realtime"])
def test_noise_about_black_does_not_pump(shrunk: float) -> None:
    """A scene so dark that it is half black, a code brighter and darker in turn."""
    dark = scene(0, (216, 384)) * 4.2
    levels = as_frames(*[(dark + number % 2 - 0.5).clip(0, 255) for number in range(40)])
    steps = []
    for well_lit in ("keep", "enhance"):
        processor = ExdNetProcessor(well_lit=well_lit)
        processor.open(StreamInfo(384, 216, shrunk=shrunk))
        made = processor.process(levels, torch.arange(40) / 25).mean(dim=(1, 2, 3)) * 255
        steps.append(made.diff()[10:].abs().max())
    assert steps[0] <= steps[1] + 3


def test_a_fade_to_black_ends_black_at_once_and_without_a_jump() -> None:
    size, steps = (216, 384), 30
    night = scene(0, size) * 25
    frames = as_frames(*[np.round(night * max(0, 1 - step / steps)).astype(np.uint8) for step in range(steps + 10)])
    processor = ExdNetProcessor()
    processor.open(StreamInfo(size[1], size[0]))
    made = processor.process(frames, torch.arange(len(frames)) / 25).mean(dim=(1, 2, 3)) * 255
    assert made[0] > 60
    assert made[steps:].max() < 0.1
    assert made.diff().max() < 2
    assert made.diff().min() > -20
    back = processor.process(frames[:1], torch.tensor([2.0])).mean() * 255
    assert back > 50, "light counts at once, too"


def test_the_published_network_has_no_fade(shared: Path) -> None:
    golden = f"exdnet=weights={shared / 'golden' / 'exdnet_random.safetensors'}"
    assert np.array_equal(enhance_image(LIT, chain=golden), enhance_image(LIT, chain=f"{golden}:well_lit=enhance"))


def test_the_module_fades_as_the_processor_does() -> None:
    inner = (..., slice(16, -16), slice(16, -16))  # at edges, the module pads as published
    for gain in (0.17, 0.3, 0.75):  # from the network's result to a gain; a gain; from a gain to the frame
        frames = as_frames((LIT * gain).astype(np.uint8))
        by_processor = opened(engine="torch").process(frames.clone(), torch.zeros(1))
        assert (ExdNetModule()(frames) - by_processor)[inner].abs().max() < 0.02
        assert (ExdNetModule(well_lit="enhance")(frames) - by_processor)[inner].abs().max() > 0.02


@pytest.mark.parametrize("picture", [LIT, FULL])
def test_light_that_comes_on_slowly_makes_no_jump(picture: np.ndarray) -> None:
    """A lamp that is turned up within four seconds: where results fade, none differs much from the one before."""
    gains = np.geomspace(0.15, 1.0, 100)
    changes = {}
    for well_lit in ("keep", "enhance"):
        processor = opened(well_lit=well_lit)
        frames = [as_frames((picture * gain).astype(np.uint8)) for gain in gains]
        times = [torch.tensor([index / 25]) for index in range(len(frames))]
        results = [float(processor.process(*one).mean()) for one in zip(frames, times, strict=True)]
        changes[well_lit] = np.abs(np.diff(results))
    assert changes["keep"].max() <= max(changes["enhance"].max(), 3 / 255)
    fading = gains * picture.mean() / 255 > 0.3
    assert changes["keep"][fading[1:]].max() < 0.014


def daylight_that_goes(index: int) -> np.ndarray:
    """A room with a lamp: evenly lit by day, not in the evening."""
    picture = LIT * (0.75 - 0.006 * index)
    picture[:8, :20] = 250
    return picture


def highlights_that_rise(index: int) -> np.ndarray:
    """A dim room with a window that gets lighter, up to white."""
    picture = LIT * 0.4
    picture[:8, :8] = 100 + 1.5 * index
    return picture


@pytest.mark.parametrize("picture", [daylight_that_goes, highlights_that_rise])
def test_highlights_that_come_slowly_make_no_jump(picture: Callable[[int], np.ndarray]) -> None:
    """Of the room, within four seconds, no more a frame than three codes."""
    processor = opened()
    rooms = []
    for index in range(100):
        frame = as_frames(picture(index).astype(np.uint8))
        rooms.append(float(processor.process(frame, torch.tensor([index / 25]))[:, :, :, 48:].mean()))
    assert max(rooms) - min(rooms) > 0.1
    assert np.abs(np.diff(rooms)).max() < 3 / 255


@pytest.mark.parametrize("shrunk", [1.0, 2.0])
def test_light_that_is_switched_on_is_not_white_at_first(shrunk: float) -> None:
    """Nor in realtime, between the frames whose highlights are measured."""
    processor = opened(shrunk)
    for index in range(25):
        processor.process(as_frames((FULL * 0.3).astype(np.uint8)), torch.tensor([index / 25]))
    result = processor.process(as_frames(FULL.astype(np.uint8)), torch.tensor([1.0]))
    assert processor.cuts == 0
    assert (result > 0.995).float().mean() < 0.2


@pytest.mark.parametrize("noise", [2, 6, 12])
def test_noise_does_not_change_how_bright_a_frame_becomes(noise: float) -> None:
    clean = np.clip(FULL * 0.4, 0, 255)
    clean = cv2.resize(clean.astype(np.float32), (640, 426), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(clean + np.random.default_rng(0).normal(0, noise, clean.shape), 0, 255)
    exact, realtime = (
        enhance_image(np.round(picture).astype(np.uint8), quality=quality).mean()
        for picture, quality in ((clean, "exact"), (noisy, "realtime"))
    )
    assert enhance_image(noisy.astype(np.uint8)).mean() == pytest.approx(exact, abs=4)
    assert realtime == pytest.approx(exact, abs=4)


def test_the_command_says_that_frames_are_well_lit_and_what_brightens_them(
    exdnet: Run, tmp_path: Path, make_clip: MakeClip
) -> None:
    film = make_clip("lit.mkv", frames=[LIT] * 5, codec="ffv1", pix_fmt="yuv444p")
    cv2.imwrite(str(tmp_path / "lit.png"), LIT[:, :, ::-1])
    code, out, _ = exdnet("enhance", film, tmp_path / "out.mkv", "--codec", "ffv1")
    assert code == 0
    assert "5 frames are well lit" in out
    assert "well_lit=enhance" in out
    before, after = (decode(path) for path in (film, tmp_path / "out.mkv"))
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one.to_ndarray(), other.to_ndarray())
    for chain, said in {"exdnet": True, "exdnet=well_lit=enhance": False}.items():
        _, out, _ = exdnet("enhance", tmp_path / "lit.png", tmp_path / "out.png", "--chain", chain, "--overwrite")
        assert ("stays what it was" in out) is said


def test_a_cut_to_a_well_lit_scene_shows_it_at_once() -> None:
    processor = opened()
    other = (scene(1, SIZE) * 30).astype(np.uint8)
    for index in range(10):
        processor.process(as_frames(other), torch.tensor([index / 25]))
    lit = as_frames(LIT)
    assert torch.equal(processor.process(lit.clone(), torch.tensor([10 / 25])), lit)
    assert processor.cuts == 1


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_lighter_frames_take_no_more_of_the_result(one: float, other: float, upper: float) -> None:
    looks = torch.tensor([[level, upper] for level in sorted([one, other])])
    shares, gains = Fade().share(looks), Fade().gain(looks)
    assert 0 <= shares[0] <= shares[1] <= 1
    assert gains[0] >= gains[1] >= 1


def test_a_fade_travels_with_its_weights_and_the_same_weights_are_the_same_file(tmp_path: Path) -> None:
    state = ExdNet().state_dict()
    contents = {weights_bytes(state, fade=FADE) for _ in range(20)}
    assert len(contents) == 1
    (tmp_path / "w.safetensors").write_bytes(contents.pop())
    assert load_weights(str(tmp_path / "w.safetensors")).fade == FADE


@pytest.mark.parametrize(
    "fade", [{"dim": [0.5]}, {"dim": [0.6, 0.4]}, {"even": [0, 2]}, {"white": 0}, {"light": [0, 1]}, [0.3, 0.5], "half"]
)
def test_a_wrong_fade_is_named(tmp_path: Path, fade: object) -> None:
    path = tmp_path / "w.safetensors"
    save_file(ExdNet().state_dict(), path, metadata={"exdnet": json.dumps({"fade": fade})})
    with pytest.raises(CheckpointError, match=r"w\.safetensors: its exposure constants or fade .*fade.* wrong"):
        load_weights(str(path))


def test_another_word_for_well_lit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"well_lit 'leave' is not there; there are keep, enhance"):
        ExdNetProcessor(well_lit="leave")  # type: ignore[arg-type]
