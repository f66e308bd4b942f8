"""Flicker and warping error over generated frames, whose flicker and motion are known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from conftest import scene

from exdnet_plugin.evaluation.consistency import Consistency, FramePair
from exdnet_plugin.evaluation.motion import MotionFinder

SIZE = (96, 160)


def noisy(clean: np.ndarray, count: int, noise: float = 0.01) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [np.clip(clean + rng.normal(0, noise, clean.shape), 0, 1).astype(np.float32) for _ in range(count)]


def panned(count: int, step: int = 3, brightness: float = 0.3) -> list[np.ndarray]:
    wide = scene(2, (SIZE[0], SIZE[1] + step * count)).astype(np.float32) * brightness
    return [np.ascontiguousarray(wide[:, step * index : step * index + SIZE[1]]) for index in range(count)]


def measured(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> list[FramePair]:
    measure = Consistency()
    return [measure.update({"before": one, "after": other}) for one, other in zip(before, after, strict=True)]


def rms(values: Sequence[float | None]) -> float:
    return float(np.sqrt(np.mean(np.square([value for value in values if value is not None]))))


def test_a_static_noisy_clip_does_not_flicker_and_has_its_noise_as_warping_error() -> None:
    clip = noisy(scene(0, SIZE) * 0.2 + 0.05, 8)
    rows = measured(clip, clip)[1:]
    assert rms([row.before.flicker for row in rows]) < 0.1
    for row in rows:
        assert row.before == row.after
        assert row.static is not None
        assert row.static > 60
        assert 0.5e-4 < row.before.warping_error < 2.2e-4  # twice the noise's variance, less what interpolation takes


def test_injected_flicker_is_found_in_the_version_that_has_it() -> None:
    clip = noisy(scene(0, SIZE) * 0.3 + 0.05, 8)
    flickering = [frame * np.float32(1.01 if index % 2 else 1 / 1.01) for index, frame in enumerate(clip)]
    rows = measured(clip, flickering)[1:]
    assert rms([row.after.flicker for row in rows]) == pytest.approx(2, abs=0.15)
    assert rms([row.before.flicker for row in rows]) < 0.1
    again = measured(flickering, clip)[1:]
    assert rms([row.before.flicker for row in again]) == pytest.approx(2, abs=0.15)


def test_a_pan_is_not_flicker() -> None:
    still = scene(0, SIZE).astype(np.float32) * 0.3
    clip = [np.vstack([moving[:48], still[48:]]) for moving in panned(6)]
    rows = measured(clip, clip)[1:]
    assert all(row.before.flicker is not None and abs(row.before.flicker) < 0.2 for row in rows)


def test_a_pan_is_followed_and_a_wrong_frame_in_it_is_found() -> None:
    clip = panned(6)
    brightened = [frame.copy() for frame in clip]
    brightened[3] = brightened[3] * np.float32(1.2)
    rows = measured(clip, brightened)[1:]
    unwarped = [float(np.square(now - last).mean()) for last, now in pairwise(clip)]
    assert all(row.before.warping_error < 0.05 * plain for row, plain in zip(rows, unwarped, strict=True))
    assert all(row.compared > 80 for row in rows)
    errors = [row.after.warping_error for row in rows]
    assert min(errors[2:4]) > 5 * max(errors[0], errors[1], errors[4])


def test_being_brighter_alone_changes_no_relative_figure() -> None:
    clip = noisy(scene(0, SIZE) * 0.2 + 0.05, 4)
    rows = measured(clip, [frame * np.float32(3) for frame in clip])[1:]
    for row in rows:
        assert row.after.warping_error == pytest.approx(9 * row.before.warping_error, rel=0.01)
        assert row.after.warping_relative == pytest.approx(row.before.warping_relative, rel=0.01)
        assert row.after.flicker == pytest.approx(row.before.flicker, abs=0.01)


def test_a_cut_is_told_and_does_not_count() -> None:
    clip = [*noisy(scene(0, SIZE) * 0.3, 3), *noisy(scene(7, SIZE)[::-1] * 0.3, 3)]
    rows = measured(clip, clip)
    assert [row.cut for row in rows] == [False, False, False, True, False, False]
    assert rows[3].before.flicker is rows[3].before.warping_error is rows[3].static is None
    assert rows[4].before.warping_error < 1e-3


def test_black_frames_have_nothing_to_be_relative_to() -> None:
    black = [np.zeros((*SIZE, 3), np.float32)] * 3
    assert measured(black, black)[2].before.warping_relative is None


def test_what_moves_before_a_fixed_camera_is_not_static() -> None:
    still = np.round(scene(0, SIZE).mean(axis=2) * 50).astype(np.float32) / 255
    finder, motion = MotionFinder(), None
    for index in range(3):
        frame = still.copy()
        frame[30:66, 40 + 4 * index : 76 + 4 * index] = scene(5, (36, 36)).mean(axis=2) * 0.4
        motion = finder.update(frame)
    assert motion is not None
    assert motion.static[36:60, 54:80].mean() < 0.1
    assert motion.static[:, 110:].mean() > 0.8
    assert motion.flow[48, 64, 0] == pytest.approx(-4, abs=0.5)


def test_large_frames_have_flow_at_their_own_size() -> None:
    wide = np.asarray(scene(3, (600, 1300)).mean(axis=2) * 0.4, np.float32)
    finder = MotionFinder()
    finder.update(np.ascontiguousarray(wide[:, :1200]))
    motion = finder.update(np.ascontiguousarray(wide[:, 6:1206]))
    assert motion is not None
    assert motion.flow.shape == (600, 1200, 2)
    assert motion.visible.shape == motion.static.shape == (600, 1200)
    assert float(np.median(motion.flow[:, :, 0])) == pytest.approx(6, abs=0.3)
