"""What a filter refuses of its host."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Identity, dark_frames

from exdnet_plugin import StreamInfo, enhance_image, open_filter
from exdnet_plugin.chain import make_chain
from exdnet_plugin.frame_filter import SEGMENT
from exdnet_plugin.plugins import default_plugins

PLANES = [np.zeros((4, 6, 3), np.uint8)]


def test_a_time_that_is_none_is_refused_and_leaves_no_trace() -> None:
    with open_filter(StreamInfo(6, 4), chain=[Identity()]) as opened:
        for time in (float("nan"), float("inf")):
            with pytest.raises(ValueError, match=f"time {time}"):
                opened(PLANES, time)
        assert len(opened(PLANES, 0.0)) == 1


def test_what_remembers_pictures_is_not_kept_of_every_frame() -> None:
    steps = []
    for chain in ("exdnet", "denoise,exdnet"):
        with open_filter(StreamInfo(6, 4), chain=chain, device="cpu") as opened:
            steps.append(opened.step)
    assert steps == [1, SEGMENT]


def test_a_closed_filter_is_refused() -> None:
    opened = open_filter(StreamInfo(6, 4), chain=[Identity()])
    running = opened.run((PLANES, index / 25) for index in range(3))
    next(running)
    opened.close()
    with pytest.raises(ValueError, match="is closed"):
        opened(PLANES, 0.0)
    with pytest.raises(ValueError, match="is closed"):  # it does not go on with processors that are closed
        next(running)


class Far(Identity):
    """Leaves [0, 1] on either side."""

    def process(self, frames, times):
        return frames * 4 - 1


class Broken(Identity):
    """One frame of it is no number."""

    def __init__(self, at: float) -> None:
        self.at = at

    def process(self, frames, times):
        return frames * torch.nan if float(times[0]) == self.at else frames


class Looks(Identity):
    """What it was given."""

    def process(self, frames, times):
        self.least, self.most = float(frames.min()), float(frames.max())
        return frames


class Closes(Identity):
    """Raises when it is closed."""

    closed = 0

    def close(self):
        self.closed += 1
        raise OSError("it is gone")


def test_the_next_processor_gets_what_was_promised() -> None:
    looks = Looks()
    picture = np.linspace(0, 255, 4 * 6 * 3).reshape(4, 6, 3).astype(np.uint8)
    with open_filter(StreamInfo(6, 4), chain=[Far(), looks]) as opened:
        opened([picture], 0.0)
    assert (looks.least, looks.most) == (0, 1)
    enhance_image(picture, chain=[Far(), looks])
    assert (looks.least, looks.most) == (0, 1)


@pytest.mark.parametrize("behind", ["exdnet", "denoise"])
def test_a_frame_that_is_no_number_does_not_stay(behind: str) -> None:
    ramp = np.linspace(0, 1, 64)
    frame = (np.outer(0.2 + 0.8 * ramp, ramp)[:, :, None] * np.full(3, 40)).astype(np.uint8)
    with open_filter(StreamInfo(64, 64), chain=[Broken(at=0.2), *make_chain(behind, default_plugins())]) as opened:
        made = [opened([frame], index / 25)[0] for index in range(40)]
    assert np.abs(made[-1].astype(int) - made[4]).mean() < 3
    assert made[4].mean() > 10


def test_a_processor_that_saw_another_stream_starts_anew() -> None:
    dark, bright = (np.full((32, 48, 3), level, np.uint8) for level in (8, 60))
    bright[:16] = 20
    processor = make_chain("exdnet", default_plugins())
    for before in (dark, bright):
        with open_filter(StreamInfo(48, 32), chain=processor) as opened:
            again = opened([before], 0.0)[0]
    with open_filter(StreamInfo(48, 32), chain="exdnet") as opened:
        assert np.array_equal(again, opened([bright], 0.0)[0])


def test_arrays_that_run_backwards_or_may_not_be_written_are_taken() -> None:
    picture = dark_frames(1, (4, 6))[0]
    fixed = picture.copy()
    fixed.flags.writeable = False
    with open_filter(StreamInfo(6, 4), chain=[Looks()]) as opened, warnings.catch_warnings():
        warnings.simplefilter("error")
        for index, given in enumerate((picture[:, :, ::-1], picture[::-1], fixed)):
            assert np.array_equal(opened([given], index / 10)[0], given)


@pytest.mark.parametrize(
    ("planes", "found"),
    [
        ([], r"\[\]"),
        ([None], r"\['NoneType'\]"),
        ([[0, 1]], r"\['list'\]"),
        (PLANES * 2, r"\[\(4, 6, 3\), \(4, 6, 3\)\]"),
    ],
)
def test_planes_that_are_none_are_refused_with_what_is_wanted(planes: list[object], found: str) -> None:
    with open_filter(StreamInfo(6, 4), chain=[Identity()]) as opened:
        wanted = r"6x4 rgb24, which has 1: \[\(4, 6, 3\)\], numpy arrays or tensors"
        with pytest.raises(ValueError, match=f"planes {found} do not fit {wanted}"):
            opened(planes, 0.0)
        assert len(opened(PLANES, 0.0)) == 1


def test_planes_in_another_byte_order_are_refused() -> None:
    with (
        open_filter(StreamInfo(6, 4, "rgb48le"), chain=[Identity()]) as opened,
        pytest.raises(ValueError, match=r"must be torch.uint16, or numpy's uint16, not .*>u2"),
    ):
        opened([np.zeros((4, 6, 3), ">u2")], 0.0)


@pytest.mark.parametrize("quality", ["exact", "realtime"])
def test_images_in_another_byte_order_come_back_in_it(quality: str) -> None:
    picture = dark_frames(1, (24, 32))[0].astype(np.uint16) * 257
    swapped = enhance_image(picture.astype(">u2"), quality=quality)
    assert swapped.dtype == np.dtype(">u2")
    assert np.array_equal(swapped, enhance_image(picture, quality=quality))


@pytest.mark.parametrize(("kind", "value"), [(np.float32, "1.0000001"), (np.float64, "1.0000000000000002")])
def test_a_float_just_above_one_is_told_from_one(kind: type, value: str) -> None:
    with pytest.raises(ValueError, match=rf"image of floats from 0\.0 to {value}: \[0, 1\] is needed"):
        enhance_image(np.array([[[0, 0.5, kind(value)]]], kind))


def test_one_processor_is_a_chain_of_one() -> None:
    looks = Looks()
    with open_filter(StreamInfo(6, 4), chain=looks) as opened:
        opened(PLANES, 0.0)
    assert np.array_equal(enhance_image(PLANES[0], chain=looks), PLANES[0])
    assert looks.most == 0


def test_all_processors_are_closed_also_where_one_raises() -> None:
    chain = [Closes(), Closes()]
    opened = open_filter(StreamInfo(6, 4), chain=chain)
    with pytest.raises(OSError, match="it is gone"):
        opened.close()
    assert [processor.closed for processor in chain] == [1, 1]


@pytest.mark.parametrize("chain", [["exdnet"], None, [object()]])
def test_what_is_no_processor_is_refused_in_words(chain: Any) -> None:
    with pytest.raises(ValueError, match="in the chain is no processor: it has no open, process, reset, close"):
        enhance_image(np.zeros((8, 8, 3), np.uint8), chain=chain)


def test_a_filter_is_opened_over_a_stream_not_a_file() -> None:
    with pytest.raises(ValueError, match=r"stream 'night.mp4': a StreamInfo\(.*enhance_video takes files"):
        open_filter("night.mp4")  # type: ignore[arg-type]
