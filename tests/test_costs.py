"""What a frame costs, in counts that do not depend on the machine: memory allocated, and waits for a device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from conftest import WAITS
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from exdnet_plugin import StreamInfo, open_filter, yuv
from exdnet_plugin.frame_filter import Quality


class Costs(TorchDispatchMode):
    """Counts bytes of new tensors on this thread, and reads of a tensor's value, which wait for a GPU.

    Times, in float64, are the host's own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.allocated = self.waits = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        given = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)}
        for leaf in filter(torch.is_tensor, tree_leaves(result)):
            storage = leaf.untyped_storage()
            self.allocated += storage.nbytes() if storage.data_ptr() not in given else 0
        self.waits += function.name() in WAITS and args[0].dtype != torch.float64
        return result


def costs_of_a_frame(size: tuple[int, int], quality: Quality, chain: str = "exdnet") -> tuple[float, int]:
    """Bytes allocated, as a multiple of the frame as float RGB, and waits."""
    width, height = size
    shapes = [(height, width), *[(height // 2, width // 2)] * 2]
    planes = [np.full(shape, level, np.uint8) for shape, level in zip(shapes, (30, 120, 130), strict=True)]
    with open_filter(StreamInfo(width, height, "yuv420p"), chain=chain, quality=quality) as opened:
        opened(planes, 0.0)
        with Costs() as costs:
            opened(planes, 0.04)
    return costs.allocated / (width * height * 3 * 4), costs.waits


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(("quality", "most", "waits"), [("exact", 18, 0), ("realtime", 1.2, 2)])
def test_memory_a_frame_is_bounded_and_nothing_waits(quality: Quality, most: float, waits: int) -> None:
    """But that realtime on a CPU, and there alone, looks whether to measure anew: at a cut, or where it is black."""
    small, large = costs_of_a_frame((640, 360), quality), costs_of_a_frame((1280, 720), quality)
    assert large[0] <= most
    assert large[0] <= small[0] * 1.02, "larger frames cost more a pixel"
    assert (small[1], large[1]) == (waits, waits)


def test_colours_by_pytorch_alone_cost_a_few_frames_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yuv, "native", None)
    assert costs_of_a_frame((640, 360), "exact")[0] <= 39


@pytest.mark.usefixtures("compiled")
def test_reducing_noise_waits_for_nothing() -> None:
    small, large = (costs_of_a_frame(size, "exact", "denoise") for size in ((640, 360), (1280, 720)))
    assert large[0] <= min(14, small[0] * 1.02)
    assert (small[1], large[1]) == (0, 0)
