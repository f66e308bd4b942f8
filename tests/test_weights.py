"""What a user sees of the default weights, on real pictures that they were not trained on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from exdnet_plugin import enhance_image
from exdnet_plugin.benchmarks.weights import Pairs, bars, darkened, lamps, realtime, well_lit
from exdnet_plugin.data_sets import open_data_set
from exdnet_plugin.evaluation.metrics import lab_chroma, psnr, ssim
from exdnet_plugin.exdnet.checkpoint import load_weights, weights_path
from exdnet_plugin.pairs import Pair, split_by_group
from exdnet_plugin.training.runs import split


@pytest.fixture(scope="module")
def all_held_out(shared: Path) -> list[Pair]:
    """The pictures that training holds out."""
    data = open_data_set(shared / "data" / "lol")
    return split_by_group(data.pairs, data.groups)[1]


@pytest.fixture(scope="module")
def held_out(all_held_out: list[Pair]) -> list[Pair]:
    """Every sixth of them."""
    return all_held_out[::6]


@pytest.fixture(scope="module")
def loaded(held_out: list[Pair]) -> Pairs:
    return [pair.load() for pair in held_out]


@pytest.mark.parametrize(
    "path", sorted(weights_path("default").parent.glob("*.safetensors")), ids=lambda path: path.stem
)
def test_a_card_is_of_its_weights(path: Path) -> None:
    assert f"sha256: {load_weights(path.stem).sha256}" in path.with_suffix(".md").read_text()


def unit(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def test_unseen_pictures_come_near_their_ground_truth_with_their_colours(held_out: list[Pair]) -> None:
    """The full figures are `exdnet evaluate`'s, on all held-out pictures; a sixth of them scatters around those."""
    pictures = [pair.load() for pair in held_out]
    results = [unit(enhance_image(low)) for low, _ in pictures]
    truths = [unit(high) for _, high in pictures]
    assert np.mean([psnr(*pair) for pair in zip(results, truths, strict=True)]) > 18
    assert np.mean([ssim(*pair) for pair in zip(results, truths, strict=True)]) > 0.72
    assert sum(map(lab_chroma, results)) / sum(map(lab_chroma, truths)) > 0.6


def test_weights_for_lol_are_nearer_on_pictures_of_views_that_they_know(shared: Path) -> None:
    pairs = [pair.load() for pair in split(open_data_set(shared / "data" / "lol"), "pictures")[1][::3]]
    truths = [unit(high) for _, high in pairs]
    found = []
    for name in ("default", "lol"):
        results = [unit(enhance_image(low, chain=f"exdnet=weights={name}")) for low, _ in pairs]
        found.append([np.mean([metric(*two) for two in zip(results, truths, strict=True)]) for metric in (psnr, ssim)])
    assert found[1][0] > found[0][0] + 0.5
    assert found[1][1] > max(found[0][1] + 0.02, 0.81)


def test_lamps_stay_lamps(loaded: Pairs) -> None:
    """On average they are white; pixels of their edges may be a little darker."""
    assert min(lamps(loaded, enhance_image).values()) >= 225


def test_a_well_lit_picture_stays_what_it_is(loaded: Pairs) -> None:
    found = well_lit(loaded, enhance_image)
    assert found["dB"] >= 28
    assert found["least dB"] >= 18


def test_black_bars_stay_dark_and_the_picture_between_them_what_it_was(loaded: Pairs) -> None:
    found = bars(loaded, enhance_image)
    assert found["mean level"] <= 11
    assert found["between them dB"] >= found["the same without bars dB"] - 1


@pytest.mark.parametrize("factor", [4, 8, 16, 32])
def test_less_light_is_made_up_for_better_than_by_a_stretch(loaded: Pairs, factor: int) -> None:
    found = darkened(loaded, enhance_image, factor)
    assert found["enhanced"] > found["stretched"] + 1 > found["input"]


@pytest.mark.parametrize("factor", [4, 8, 16, 32])
def test_daylight_made_dark_comes_back_better_than_by_a_stretch(shared: Path, factor: int) -> None:
    frames = []
    for name, index in (("guoqi_normal", 20), ("intel_bottle", 30), ("intel_car", 150)):
        clip = cv2.VideoCapture(str(shared / "data" / "clips" / f"{name}.mp4"))
        clip.set(cv2.CAP_PROP_POS_FRAMES, index)
        small = cv2.resize(clip.read()[1], (640, 360), interpolation=cv2.INTER_AREA)
        frames.append(np.ascontiguousarray(small[:, :, ::-1]))
    pairs = [(frame, frame) for frame in frames]
    found = darkened(pairs, enhance_image, factor)
    assert found["enhanced"] > found["stretched"] + 2 > found["input"]
    assert well_lit(pairs, enhance_image)["least dB"] >= 40


def test_realtime_loses_little(all_held_out: list[Pair]) -> None:
    """To exact 30 dB or more; against ground truth at most 0.3 dB and an SSIM of 0.04 less than exact."""
    found = realtime(pair.load() for pair in all_held_out)
    assert found["to exact dB"] >= 30
    assert found["to the truth dB"] >= found["exact to the truth dB"] - 0.3
    assert found["to the truth SSIM"] >= found["exact to the truth SSIM"] - 0.04


def test_dark_photos_become_brighter(shared: Path) -> None:
    photos = sorted((shared / "data" / "photos").glob("*.bmp"))[:4]
    assert photos
    for path in photos:
        dark = cv2.imread(str(path))[:, :, ::-1]
        assert enhance_image(np.ascontiguousarray(dark)).mean() > dark.mean() + 15, path.name
