"""The MoviePy effect, on a real clip, where MoviePy is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import MakeClip, luma

moviepy = pytest.importorskip("moviepy", reason="MoviePy is not installed")


def test_the_effect_brightens_a_clip_with_its_sound(make_clip: MakeClip, tmp_path: Path) -> None:
    from exdnet_plugin.filters.moviepy import ExdNet

    source, sink = make_clip("in.mp4", audio=True), tmp_path / "out.mp4"
    with moviepy.VideoFileClip(str(source)) as clip:
        bright = clip.with_effects([ExdNet(quality="realtime")])
        bright.write_videofile(str(sink), audio_codec="aac", logger=None)
        assert bright.duration == clip.duration
    assert np.mean(luma(sink)) > np.mean(luma(source)) + 20


def test_a_frame_asked_for_twice_is_the_same(make_clip: MakeClip) -> None:
    from exdnet_plugin.filters.moviepy import ExdNet

    with moviepy.VideoFileClip(str(make_clip("in.mp4"))) as clip:
        bright = clip.with_effects([ExdNet()])
        first = bright.get_frame(0.2)
        drawn = bright.get_frame(0.2)
        drawn[:] = 255
        assert np.array_equal(bright.get_frame(0.2), first)


def test_a_wrong_chain_is_told() -> None:
    from exdnet_plugin.filters.moviepy import ExdNet

    clip = moviepy.ColorClip((32, 24), color=(20, 20, 20), duration=1)
    with pytest.raises(ValueError, match="there are denoise, exdnet"):
        clip.with_effects([ExdNet(chain="exdnot")]).get_frame(0)
