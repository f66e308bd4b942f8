"""`exdnet demo`: a dark clip out of nothing, brightened, with a picture of both."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner

from exdnet_plugin.cli.demo import demo
from exdnet_plugin.demo import clip as clips
from exdnet_plugin.errors import MediaError

SIZE = (160, 96)
SMALL = ["--seconds", "0.25", "--size", "160", "96", "--device", "cpu"]


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "dark.mp4"
    clips.make_dark_clip(path, seconds=0.5, size=SIZE)
    return path


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def luma(rgb: np.ndarray) -> float:
    return float((rgb @ [0.2126, 0.7152, 0.0722]).mean())


def test_the_clip_is_dark_yet_has_lights_in_it(dark: Path) -> None:
    frames = pictures(dark)
    assert luma(frames) < 40
    assert frames.max() > 200


def test_by_daylight_the_scene_is_bright_and_colourful() -> None:
    light = next(clips.frames(0.1, SIZE, daylight=1.0))
    codes = np.clip(light, 0, 1) ** (1 / 2.2) * 255
    assert 90 < luma(codes) < 150
    assert np.ptp(codes, axis=2).mean() > 40


def test_the_clip_is_tagged_and_timed_as_video_of_today(dark: Path) -> None:
    with av.open(str(dark)) as container:
        video = container.streams.video[0]
        context = video.codec_context
        assert (context.name, context.pix_fmt, video.width, video.height) == ("h264", "yuv420p", *SIZE)
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert video.average_rate == 24
        assert [float(frame.time) for frame in container.decode(video)] == pytest.approx(np.arange(12) / 24)


def test_the_clip_has_soft_sound_of_its_length(dark: Path) -> None:
    with av.open(str(dark)) as container:
        sound = container.streams.audio[0]
        assert (sound.codec_context.name, sound.rate, sound.layout.name) == ("aac", 48000, "stereo")
        samples = np.concatenate([frame.to_ndarray() for frame in container.decode(sound)], axis=1)
    assert samples.shape[1] == pytest.approx(24000, abs=2048)
    assert 0.01 < np.abs(samples).max() < 0.5


def test_the_same_seed_gives_the_same_frames(dark: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        clips.make_dark_clip(tmp_path / f"{seed}.mp4", seconds=0.1, size=SIZE, seed=seed)
    clips.make_dark_clip(tmp_path / "again.mp4", seconds=0.1, size=SIZE, seed=0)
    first, other, again = (pictures(tmp_path / f"{name}.mp4") for name in ("0", "1", "again"))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_moves_moves_smoothly_however_long_the_clip_is() -> None:
    picture = np.repeat(np.arange(200, dtype=np.float32)[None, :, None], 3, axis=2)
    for left in (0.0, 0.25, 0.5, 1.75):  # a ramp shifted by part of a pixel is the same ramp plus that part
        moved = clips._cropped(picture, left, 40)[0, :, 0]
        assert moved == pytest.approx(2 * (np.arange(40) + left) + 0.5)
    things = clips._strip(clips.car(64), 96, 1.0)
    for way in (0.0, 1.0):  # out of sight when it turns up again on the other side
        frame = np.zeros((64, 96, 3), np.float32)
        clips._paste(frame, things, way)
        assert frame.max() < 1e-3


@pytest.mark.parametrize(("size", "seconds"), [((161, 96), 1.0), ((160, 16), 1.0), (SIZE, 0.0)])
def test_a_clip_that_cannot_be_is_refused(tmp_path: Path, size: tuple[int, int], seconds: float) -> None:
    with pytest.raises(ValueError, match="even size"):
        clips.make_dark_clip(tmp_path / "clip.mp4", size=size, seconds=seconds)
    assert list(tmp_path.iterdir()) == []


def test_the_command_brightens_the_clip_and_shows_both(tmp_path: Path) -> None:
    result = CliRunner().invoke(demo, [str(tmp_path / "street.mp4"), *SMALL], catch_exceptions=False)
    assert result.exit_code == 0
    names = {"street.mp4", "street_dark.mp4", "street_before_after.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(str(tmp_path / name) in result.output for name in names)
    assert "exdnet enhance YOUR.mp4 OUT.mp4" in result.output
    before, after = pictures(tmp_path / "street_dark.mp4"), pictures(tmp_path / "street.mp4")
    assert before.shape == after.shape == (6, 96, 160, 3)
    assert luma(after) > 1.3 * luma(before)
    both = pictures(tmp_path / "street_before_after.png")[0]
    assert both.shape == (96, 160 + 4 + 160, 3)
    assert np.array_equal(both[:, :160], before[3])
    assert (both[:, 160:164] == 255).all()


@pytest.mark.parametrize("there", ["street.mp4", "street_dark.mp4", "street_before_after.png"])
def test_files_that_are_there_are_kept(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(MediaError, match="--overwrite"):
        CliRunner().invoke(demo, [str(tmp_path / "street.mp4"), *SMALL], catch_exceptions=False)
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_overwrite_replaces_all_three(tmp_path: Path) -> None:
    for name in ("street.mp4", "street_dark.mp4", "street_before_after.png"):
        (tmp_path / name).write_text("old")
    CliRunner().invoke(
        demo, [str(tmp_path / "street.mp4"), *SMALL, "--chain", "null", "--overwrite"], catch_exceptions=False
    )
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())


@pytest.mark.parametrize("step", ["exdnet_plugin.api.enhance_video", "exdnet_plugin.demo.clip.before_after"])
def test_when_a_step_fails_nothing_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise MediaError("the disk is full")

    monkeypatch.setattr(step, fail)
    with pytest.raises(MediaError, match="full"):
        CliRunner().invoke(demo, [str(tmp_path / "a.mp4"), *SMALL, "--chain", "null"], catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [["x.webm"], ["x.mp4", "--chain", "nosuch"], ["x.mp4", "--device", "abacus"]])
def test_a_wrong_wish_is_refused_before_anything_is_made(tmp_path: Path, wrong: list[str]) -> None:
    with pytest.raises((MediaError, ValueError), match=r"webm|nosuch|abacus"):
        CliRunner().invoke(demo, [str(tmp_path / wrong[0]), *wrong[1:]], catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []
