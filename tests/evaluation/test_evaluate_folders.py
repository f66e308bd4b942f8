"""`exdnet evaluate` over folders of pictures, with a ground truth and without."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import dark_frames, scene

from exdnet_plugin.data_sets import open_data_set
from exdnet_plugin.media.photos import read_photo, write_photo
from exdnet_plugin.training.runs import split

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for index in range(3):
        bright = (scene(index, (64, 96)) * 255).astype(np.uint8)
        for name, picture in {"high": bright, "low": dark_frames(1, (64, 96), seed=index)[0]}.items():
            (tmp_path / name).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / name / f"{index}.png"), picture[:, :, ::-1])
    return tmp_path


def refused(result: tuple[int, str, str], *said: str) -> None:
    code, out, error = result
    assert (code, out, error.count("\n")) == (2, "", 1), error
    for part in said:
        assert part in error


def test_pairs_have_the_colour_difference_beside_the_other_metrics(exdnet: Run, pairs: Path) -> None:
    code, out, _ = exdnet("evaluate", pairs / "low", pairs / "high", "--json")
    found = json.loads(out)
    assert code == 0
    assert list(found) == ["chain", "pictures", "mean", "rows"]
    assert list(found["rows"][0]) == ["name", "psnr", "ssim", "chroma_ratio", "delta_e", "psnr_before"]
    assert found["mean"]["delta_e"] == pytest.approx(np.mean([row["delta_e"] for row in found["rows"]]), abs=1e-3)
    same = json.loads(exdnet("evaluate", pairs / "high", pairs / "high", "--json", "--chain", "null")[1])
    assert same["mean"]["delta_e"] == 0
    plain = json.loads(exdnet("evaluate", pairs / "low", pairs / "high", "--json", "--chain", "null")[1])["mean"]
    assert found["mean"]["psnr_before"] == plain["psnr"] == plain["psnr_before"]


def test_enhancing_brings_colours_nearer(exdnet: Run, pairs: Path) -> None:
    plain, bright = (
        json.loads(exdnet("evaluate", pairs / "low", pairs / "high", "--json", "--chain", chain)[1])["mean"]
        for chain in ("null", "exdnet")
    )
    assert bright["delta_e"] < plain["delta_e"]


def test_pairs_are_lines_and_a_mean_for_people(exdnet: Run, pairs: Path) -> None:
    lines = exdnet("evaluate", pairs / "low", pairs / "high", "--chain", "null")[1].splitlines()
    assert len(lines) == 4
    assert all(part in lines[0] for part in ("dB", "SSIM", "chroma", "ΔE2000"))
    assert lines[-1].startswith("mean of 3: ")


def test_pictures_without_a_truth_are_described_before_and_after(exdnet: Run, pairs: Path) -> None:
    found = json.loads(exdnet("evaluate", pairs / "low", "--json")[1])
    assert list(found) == ["chain", "pictures", "mean", "rows"]
    assert [row["name"] for row in found["rows"]] == ["0.png", "1.png", "2.png"]
    before, after = found["mean"]["before"], found["mean"]["after"]
    assert list(before) == ["luma", "under_exposed", "clipped", "chroma", "contrast", "noise"]
    assert after["luma"] > before["luma"]
    assert after["under_exposed"] < before["under_exposed"]
    assert before["noise"] == pytest.approx(1.5, abs=0.5)  # luma of channels with 2 codes each
    lines = exdnet("evaluate", pairs / "low")[1].splitlines()
    assert "under-exposed" in lines[0]
    assert "→" in lines[0]


def test_an_unreadable_picture_is_named(exdnet: Run, pairs: Path) -> None:
    (pairs / "low" / "1.png").write_text("no picture")
    refused(exdnet("evaluate", pairs / "low", "--chain", "null"), "low/1.png is not a picture")
    refused(exdnet("evaluate", pairs / "low", pairs / "high", "--chain", "null"), "low/1.png is not a picture")


def test_single_pictures_have_the_rows_that_they_have_in_their_folders(exdnet: Run, pairs: Path) -> None:
    low, high = pairs / "low", pairs / "high"
    for folders in ([low, high], [low]):
        whole, one = (
            json.loads(exdnet("evaluate", *paths, "--chain", "null", "--json")[1])["rows"]
            for paths in (folders, [folder / "1.png" for folder in folders])
        )
        assert one == [row for row in whole if row["name"] in ("1", "1.png")]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_photos_of_phones_are_measured_as_their_png(
    exdnet: Run, pairs: Path, tmp_path: Path, suffix: str, deep: bool
) -> None:
    png = pairs / "low" / "1.png"
    photo = read_photo(png)
    photo = replace(photo, rgb=photo.rgb.astype(np.uint16) * 257) if deep else photo
    write_photo(tmp_path / f"phone{suffix}", photo, quality=100)
    row, other = (
        json.loads(exdnet("evaluate", path, pairs / "high" / "1.png", "--chain", "null", "--json")[1])["rows"][0]
        for path in (png, tmp_path / f"phone{suffix}")
    )
    assert other["psnr"] == pytest.approx(row["psnr"], abs=0.05)


def test_a_pair_of_two_sizes_is_refused(exdnet: Run, pairs: Path) -> None:
    cv2.imwrite(str(pairs / "high" / "0.png"), np.zeros((9, 12, 3), np.uint8))
    refused(exdnet("evaluate", pairs / "low", pairs / "high"), "96x64", "12x9", "a pair needs one size")


def test_what_is_no_folder_of_pictures_is_refused(exdnet: Run, pairs: Path) -> None:
    (pairs / "nothing").mkdir()
    refused(exdnet("evaluate", pairs / "nothing"), "nothing holds no pictures", ".png")
    refused(
        exdnet("evaluate", pairs / "nowhere"),
        "nowhere does not exist",
        "give pictures, a folder of them, or a video file",
    )
    refused(exdnet("evaluate", pairs / "low", pairs / "high" / "0.png"), "two folders of pictures")
    refused(exdnet("evaluate", pairs / "low" / "0.png", pairs / "high" / "gone.png"), "gone.png")
    refused(exdnet("evaluate", pairs / "low" / "0.png", pairs / "high" / "0.png", "--validation"), "--validation")
    (pairs / "low" / "2.png").rename(pairs / "low" / "9.png")
    refused(exdnet("evaluate", pairs / "low", pairs / "high"), "no partner", "2, 9")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--frames", "5"], "--frames"),
        (["--from", "1"], "--from"),
        (["--validation"], "no ground truth"),
        (["--hold-out", "views"], "--hold-out: there is no ground truth"),
        (["--chain", "exdnot"], "there are denoise, exdnet"),
        (["--chain", "exdnet=weights=gone.pth"], "no weights 'gone.pth'"),
        (["--device", "tpu"], "there is cpu"),
    ],
)
def test_options_that_do_not_fit_are_refused(exdnet: Run, pairs: Path, options: list[str], said: str) -> None:
    refused(exdnet("evaluate", pairs / "low", *options), said)


def test_tiny_pictures_are_refused_by_name(exdnet: Run, pairs: Path) -> None:
    cv2.imwrite(str(pairs / "low" / "0.png"), np.zeros((2, 12, 3), np.uint8))
    refused(exdnet("evaluate", pairs / "low", "--chain", "null"), "0.png is 12x2")


@pytest.mark.parametrize("hold_out", ["views", "pictures"])
def test_validation_is_what_training_holds_out_wherever_the_folders_lie(
    exdnet: Run, pairs: Path, hold_out: str
) -> None:
    """LOL as it is given out has its folders one further down than what tells its groups."""
    root = pairs / "root"
    (root / "our485").mkdir(parents=True)
    for side in ("low", "high"):
        (pairs / side).rename(root / "our485" / side)
    (root / "viewpoint_groups.json").write_text(json.dumps([["0"], ["1", "2"]]))
    held_out = {pair.name for pair in split(open_data_set(root), hold_out)[1]}
    options = ["--validation", "--hold-out", hold_out, "--json"]
    out = exdnet("evaluate", root / "our485/low", root / "our485/high", *options)[1]
    assert {row["name"] for row in json.loads(out)["rows"]} == held_out


def test_equal_pictures_count_as_60_db_and_leave_json_that_every_reader_takes(exdnet: Run, pairs: Path) -> None:
    same = ["evaluate", pairs / "high", pairs / "high", "--chain", "null"]
    assert json.loads(exdnet(*same, "--json")[1])["mean"]["psnr"] == 60
    assert "mean of 3: 60.00 dB" in exdnet(*same)[1]
