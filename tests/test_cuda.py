"""On an NVIDIA GPU, frames of every kind, through every chain, are what they are on the CPU; and the host goes on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from conftest import scene

from exdnet_plugin import ColorFacts, FrameFilter, StreamInfo, open_filter
from exdnet_plugin.frame_filter import Quality
from exdnet_plugin.pixel_format import pixel_format

pytestmark = [
    pytest.mark.needs_cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU is here"),
]
WIDTH, HEIGHT, FRAMES = 318, 182, 30  # batches of four, the last one smaller; odd chroma
HDR = ColorFacts("bt2020nc", "bt2020", "smpte2084", "limited", "topleft")
Planes = list[np.ndarray]


def clip(name: str) -> Iterator[tuple[Planes, float]]:
    """A dark noisy scene that moves, and is another from the middle on."""
    layout, rng = pixel_format(name), np.random.default_rng(0)
    peak = (1 << layout.depth) - 1
    pictures = [scene(seed, (2 * HEIGHT, 2 * WIDTH)) for seed in (1, 2)]
    for index in range(FRAMES):
        made = []
        for plane, names in enumerate(layout.planes):
            shape = layout.plane_shape(plane, WIDTH, HEIGHT)
            part = pictures[2 * index // FRAMES][index : index + shape[0], index : index + shape[1], : len(names)]
            low, span = (0.45, 0.1) if set(names) <= set("uv") else (0.08, 0.2)
            part = np.resize(part, (*shape[:2], len(names)))
            codes = (low + span * part + rng.normal(0, 0.004, part.shape)).clip(0, 1) * peak
            words = codes.round().astype(np.uint16) << layout.shift
            made.append(words.astype(np.uint8 if layout.bytes_per_value == 1 else np.uint16).reshape(shape))
        yield made, index / 25


def results(name: str, device: str, chain: str, quality: Quality, color: ColorFacts) -> list[Planes]:
    stream = StreamInfo(WIDTH, HEIGHT, name, None, color)
    with open_filter(stream, device=device, chain=chain, quality=quality) as opened:
        return list(opened.run(clip(name)))


@pytest.mark.parametrize("chain", ["exdnet", "denoise,exdnet", "kornia=op=enhance.adjust_gamma:gamma=0.5"])
@pytest.mark.parametrize("quality", ["exact", "realtime"])
@pytest.mark.parametrize(
    "name", ["yuv420p", "nv12", "yuv422p10le", "p010le", "yuv444p", "gbrp10le", "rgb24", "gray16le", "yuva420p", "HDR"]
)
def test_frames_are_what_they_are_on_the_cpu(name: str, quality: Quality, chain: str) -> None:
    color = HDR if name == "HDR" else ColorFacts()
    name = "yuv420p10le" if name == "HDR" else name
    layout = pixel_format(name)
    step = float(((1 << layout.depth) - 1) << layout.shift) / 255  # a code of 8 bits
    on_cpu, on_gpu = (results(name, device, chain, quality, color) for device in ("cpu", "cuda:0"))
    assert len(on_gpu) == FRAMES
    for expected, found in zip(on_cpu, on_gpu, strict=True):
        for a, b in zip(expected, found, strict=True):
            difference = np.abs(a.astype(float) - b) / step
            assert difference.mean() < 0.5
            assert difference.max() < 6


@pytest.mark.parametrize("quality", ["exact", "realtime"])
@pytest.mark.parametrize("name", ["yuv420p", "yuv444p", "p010le"])
def test_nothing_in_a_frame_is_waited_for(name: str, quality: Quality) -> None:
    frames = list(clip(name))[:8]
    with open_filter(StreamInfo(WIDTH, HEIGHT, name), device="cuda:0", quality=quality) as opened:
        on_device = [[torch.from_numpy(plane).cuda() for plane in planes] for planes, _ in frames]
        for index, planes in enumerate(on_device):
            torch.cuda.set_sync_debug_mode("error" if index >= 4 else "default")  # kernels are compiled, graphs made
            try:
                FrameFilter._process(opened, [planes], [index / 25])
            finally:
                torch.cuda.set_sync_debug_mode("default")


def test_what_a_gpu_remembered_is_gone_on_with() -> None:
    """A job that is stopped and goes on: behind whole batches, to the same frames."""
    stream = StreamInfo(WIDTH, HEIGHT, "yuv420p")
    frames = list(clip("yuv420p"))
    with open_filter(stream, device="cuda:0", chain="denoise,exdnet") as opened:
        half = 4 * opened.batch
        whole = list(opened.run(frames))
    with open_filter(stream, device="cuda:0", chain="denoise,exdnet") as first:
        list(first.run(frames[:half]))
        state = first.remembered()
    with open_filter(stream, device="cuda:0", chain="denoise,exdnet") as second:
        second.restore(state)
        rest = list(second.run(frames[half:]))
    for expected, found in zip(whole[half:], rest, strict=True):
        for a, b in zip(expected, found, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1


def test_a_run_that_is_given_up_leaves_the_next_one_right() -> None:
    stream = StreamInfo(WIDTH, HEIGHT, "yuv420p")
    expected = results("yuv420p", "cuda:0", "exdnet", "exact", ColorFacts())
    with open_filter(stream, device="cuda:0") as opened:
        run = opened.run(clip("yuv420p"))
        for _ in range(5):
            next(run)
        run.close()  # with batches in flight
        opened.reset()
        again = list(opened.run(clip("yuv420p")))
    for before, after in zip(expected, again, strict=True):
        for a, b in zip(before, after, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1
