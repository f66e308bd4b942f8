"""What a filter refuses of its host."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Identity

from exdnet_plugin import StreamInfo, open_filter
from exdnet_plugin.frame_filter import SEGMENT

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
    opened.close()
    with pytest.raises(ValueError, match="is closed"):
        opened(PLANES, 0.0)
