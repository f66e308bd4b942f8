"""Photos as the frames of a video: `exdnet enhance --sequence`."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from exdnet_plugin import StreamInfo, enhance_image, open_filter

Run = Callable[..., tuple[int, str, str]]
RATE, COUNT = 24, 11  # past ten, so that names sort in another order than numbers


@pytest.fixture(params=[np.uint8, np.uint16])
def frames(request: pytest.FixtureRequest) -> list[np.ndarray]:
    """A dark scene whose light changes from frame to frame."""
    rng = np.random.default_rng(1)
    scene = cv2.GaussianBlur(rng.random((48, 64, 3)), (0, 0), 3)
    peak = np.iinfo(request.param).max
    return [(scene * peak * (0.08 + 0.04 * (i % 3))).astype(request.param) for i in range(COUNT)]


@pytest.fixture
def folder(tmp_path: Path, frames: list[np.ndarray]) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    for number, frame in enumerate(frames, 1):
        cv2.imwrite(str(made / f"frame{number}.png"), frame)
    return made


def written(folder: Path) -> list[np.ndarray]:
    return [cv2.imread(str(folder / f"frame{number}.png"), cv2.IMREAD_UNCHANGED) for number in range(1, COUNT + 1)]


@pytest.mark.parametrize("quality", ["exact", "realtime"])
def test_photos_are_the_frames_of_a_video_in_the_order_of_their_numbers(
    exdnet: Run, folder: Path, frames: list[np.ndarray], tmp_path: Path, quality: str
) -> None:
    names = sorted(folder.iterdir())  # as a shell gives them: frame1, frame10, frame11, frame2
    code, _, error = exdnet("enhance", *names, tmp_path / "out", "--sequence", RATE, "--quality", quality)
    assert code == 0, error
    stream = StreamInfo(64, 48, "rgb24" if frames[0].itemsize == 1 else "rgb48le", RATE)
    with open_filter(stream, quality=quality) as opened:  # type: ignore[arg-type]
        expected = list(opened.run(([frame[:, :, ::-1]], i / RATE) for i, frame in enumerate(frames)))
    for found, (made,) in zip(written(tmp_path / "out"), expected, strict=True):
        np.testing.assert_array_equal(found[:, :, ::-1], made)


def test_only_the_first_is_as_if_it_stood_by_itself(
    exdnet: Run, folder: Path, frames: list[np.ndarray], tmp_path: Path
) -> None:
    assert exdnet("enhance", folder, tmp_path / "out", "--sequence", RATE)[0] == 0
    alone = [enhance_image(frame[:, :, ::-1])[:, :, ::-1] for frame in frames]
    same = [np.array_equal(found, one) for found, one in zip(written(tmp_path / "out"), alone, strict=True)]
    assert same == [True] + [False] * (COUNT - 1)


def test_a_photo_of_another_size_is_named_and_the_others_are_written(exdnet: Run, folder: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(folder / "frame3.png"), np.full((20, 30, 3), 9, np.uint8))
    (folder / "frame5.png").write_bytes(b"no picture")
    code, _, error = exdnet("enhance", folder, tmp_path / "out", "--sequence", "30000/1001")
    assert "frame3.png is 30x20 of 8 bits, the sequence's first 64x48 of " in error
    assert "frame5.png" in error
    assert code == 2
    assert len(list((tmp_path / "out").iterdir())) == COUNT - 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [(["24", "--resume"], "take --overwrite"), (["0"], "--sequence '0': write frames a second"), (["x"], "'x'")],
)
def test_a_sequence_is_not_resumed_and_needs_a_rate(
    exdnet: Run, folder: Path, tmp_path: Path, asked: list[str], said: str
) -> None:
    code, _, error = exdnet("enhance", folder, tmp_path / "out", "--sequence", *asked)
    assert code == 2
    assert said in error
    assert not (tmp_path / "out").exists()
