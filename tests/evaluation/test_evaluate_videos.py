"""`exdnet evaluate` over a video, and over two."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeClip, dark_frames

from exdnet_plugin.benchmarks.flicker import generated

Run = Callable[..., tuple[int, str, str]]
LOSSLESS = {"codec": "ffv1", "pix_fmt": "yuv444p"}


@pytest.fixture
def clip(make_clip: MakeClip) -> Path:
    return make_clip("dark.mkv", frames=dark_frames(10, (96, 128), peak=90), **LOSSLESS)


def found(result: tuple[int, str, str]) -> dict:
    code, out, error = result
    assert code == 0, error
    return json.loads(out)


def test_a_chain_that_changes_nothing_has_equal_sides(exdnet: Run, clip: Path) -> None:
    result = found(exdnet("evaluate", clip, "--chain", "null", "--json"))
    assert (result["chain"], result["frames"], result["cuts"]) == ("null", 10, 0)
    assert result["mean"]["before"] == result["mean"]["after"]
    assert result["mean"]["before"]["flicker"] < 0.2
    assert [row["time"] for row in result["rows"][:2]] == [0, pytest.approx(1 / 24, abs=1e-3)]
    assert result["rows"][0]["before"]["flicker"] is None


def test_the_default_chain_brightens_and_stays_steady(exdnet: Run, clip: Path) -> None:
    result = found(exdnet("evaluate", clip, "--json", "--frames", "6"))
    before, after = result["mean"]["before"], result["mean"]["after"]
    assert result["frames"] == 6
    assert after["luma"] > before["luma"] + 0.1
    assert after["flicker"] < before["flicker"] + 0.3


def test_frame_by_frame_flickers_more_than_smoothed(exdnet: Run, make_clip: MakeClip) -> None:
    # In a smaller frame the noise of the mean itself, which nothing smooths, would be most of what is measured.
    still = generated(12, (640, 360))
    frames = [np.rint(frame.permute(1, 2, 0).numpy() * 255).astype(np.uint8) for frame in still]
    clip = make_clip("still.mkv", frames=frames, **LOSSLESS)
    network = "exdnet=well_lit=enhance:blocks=keep"  # smoothed between blocks, there is less noise to flicker by
    each = found(exdnet("evaluate", clip, "--json", "--chain", f"{network}:smoothing=0"))
    smoothed = found(exdnet("evaluate", clip, "--json", "--chain", network))
    assert each["mean"]["before"] == smoothed["mean"]["before"]
    assert each["mean"]["after"]["flicker"] > 1.5 * smoothed["mean"]["after"]["flicker"]


def test_a_real_pan_is_followed_and_has_nothing_static(exdnet: Run, shared: Path) -> None:
    clip = shared / "data" / "clips" / "guoqi_dark.mp4"
    result = found(exdnet("evaluate", clip, "--json", "--frames", "3", "--chain", "null"))
    assert result["mean"]["before"]["flicker"] is None
    assert result["mean"]["before"]["warping_relative"] < 6
    assert result["compared"] > 60
    assert result["static"] < 5


def test_people_get_a_table_and_what_was_compared(exdnet: Run, clip: Path) -> None:
    code, out, _ = exdnet("evaluate", clip, "--chain", "null")
    assert code == 0
    assert "before" in out.splitlines()[0]
    assert "flicker, %" in out
    assert "10 frames, 0 cuts; flicker over" in out


def test_a_part_is_taken(exdnet: Run, clip: Path) -> None:
    assert found(exdnet("evaluate", clip, "--chain", "null", "--json", "--from", "0.25"))["frames"] == 4
    code, _, error = exdnet("evaluate", clip, "--from", "9")
    assert (code, error.count("\n")) == (2, 1)
    assert "is shorter" in error


def test_two_videos_are_compared_as_they_are(exdnet: Run, clip: Path, make_clip: MakeClip) -> None:
    frames = dark_frames(10, (96, 128), peak=90)
    flickering = [
        np.clip(np.rint(frame * 2.0 * (1.02 if index % 2 else 1)), 0, 255).astype(np.uint8)
        for index, frame in enumerate(frames)
    ]
    after = make_clip("after.mkv", frames=flickering, **LOSSLESS)
    result = found(exdnet("evaluate", clip, after, "--json"))
    assert (result["before"], result["after"]) == (str(clip), str(after))
    assert "chain" not in result
    assert result["mean"]["after"]["flicker"] == pytest.approx(2, abs=0.3)
    assert result["mean"]["before"]["flicker"] < 0.2
    assert not {"psnr", "ssim"} & result["mean"]["after"].keys()


@pytest.mark.parametrize(
    ("other", "options", "said"),
    [
        ({"size": (64, 96)}, [], "is 128x96 but"),
        ({"frames": 6}, [], "or --frames 6"),
        ({"rate": 12}, [], "is shown at"),
        ({}, ["--chain", "null"], "--chain: two videos are compared as they are"),
        ({}, ["--device", "cpu"], "--device: two videos"),
        (None, [], "does not exist"),
        ("text", [], "not a media file"),
        ("folder", [], "two folders of pictures, two pictures or two video files"),
    ],
)
def test_two_that_do_not_belong_together_are_refused(
    exdnet: Run, clip: Path, make_clip: MakeClip, tmp_path: Path, other: dict | str | None, options: list, said: str
) -> None:
    path = tmp_path / "other.mkv"
    if other == "text":
        path.write_text("no film\n" * 50)
    elif other == "folder":
        path.mkdir()
    elif isinstance(other, dict):
        how = {"frames": 10, "size": (128, 96)} | other
        pictures = dark_frames(how.pop("frames"), how.pop("size")[::-1])
        make_clip("other.mkv", frames=pictures, **how, **LOSSLESS)
    code, _, error = exdnet("evaluate", clip, path, *options)
    assert (code, error.count("\n")) == (2, 1), error
    assert said in error


@pytest.mark.parametrize(
    ("kind", "said"), [("text", "not a media file"), ("empty", "is empty"), ("missing", "does not exist")]
)
def test_a_video_that_is_none_is_refused(exdnet: Run, tmp_path: Path, kind: str, said: str) -> None:
    path = tmp_path / "bad.mp4"
    if kind != "missing":
        path.write_text("no film\n" * 50 if kind == "text" else "")
    code, out, error = exdnet("evaluate", path)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert str(path) in error
    assert said in error


def test_frames_too_small_for_flow_are_refused(exdnet: Run, make_clip: MakeClip) -> None:
    tiny = make_clip("tiny.mkv", frames=dark_frames(3, (8, 32)), **LOSSLESS)
    code, _, error = exdnet("evaluate", tiny, "--chain", "null")
    assert (code, error.count("\n")) == (2, 1)
    assert "is 32x8: optical flow needs at least 16x16" in error


def test_validation_is_not_of_videos(exdnet: Run, clip: Path) -> None:
    assert "--validation" in exdnet("evaluate", clip, "--validation")[2]
