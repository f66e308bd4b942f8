"""Quality realtime: near exact, the same whatever runs it, frame by frame, in every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Identity, dark_frames, decode, journaled, scene

from exdnet_plugin import enhance_image, enhance_video, grid, open_filter
from exdnet_plugin.evaluation.metrics import psnr
from exdnet_plugin.pipeline.segments import SEGMENT
from exdnet_plugin.pixel_format import pixel_format
from exdnet_plugin.stream_info import StreamInfo

FORMATS = [
    "yuv420p",
    "nv12",
    "yuv422p10le",
    "p010le",
    "yuv444p",
    "rgb24",
    "bgra",
    "gbrp10le",
    "gray",
    "gray16le",
    "yuva420p",
]


class Curve(Identity):
    """Brightens, and looks at what it is opened with."""

    def process(self, frames, times):
        assert frames.shape[2:] == (self.stream.height, self.stream.width)
        return super().process(frames, times) ** 0.6


def planes_of(name: str, size: tuple[int, int]) -> list[np.ndarray]:
    layout = pixel_format(name)
    made = []
    for index, names in enumerate(layout.planes):
        shape = layout.plane_shape(index, size[1], size[0])
        picture = np.concatenate([scene(seed, shape[:2]) for seed in (3, 4)], axis=2)[:, :, : len(names)]
        low, span = (0.45, 0.1) if set(names) <= set("uv") else (0.1, 0.3)
        codes = ((low + span * picture) * ((1 << layout.depth) - 1)).round().astype(np.uint16) << layout.shift
        made.append(codes.astype(np.uint8 if layout.bytes_per_value == 1 else np.uint16).reshape(shape))
    return made


def filtered(planes: list[np.ndarray], name: str, quality: str, size: tuple[int, int]) -> list[np.ndarray]:
    with open_filter(StreamInfo(size[1], size[0], name), chain=[Curve()], quality=quality) as opened:
        return opened(planes, 0.0)


@pytest.mark.parametrize("name", FORMATS)
def test_a_curve_in_realtime_is_the_curve(name: str) -> None:
    size = (240, 400)
    planes = planes_of(name, size)
    kept = [plane.copy() for plane in planes]
    exact, realtime = (filtered(planes, name, quality, size) for quality in ("exact", "realtime"))
    step = 1 << (pixel_format(name).depth - 8 + pixel_format(name).shift)
    for before, a, b in zip(planes, exact, realtime, strict=True):
        assert (b.dtype, b.shape) == (before.dtype, before.shape)
        difference = np.abs(a.astype(float) - b) / step
        assert difference.mean() < 2.5
        if "a" in pixel_format(name).planes[-1] and len(pixel_format(name).planes) > 3 and before is planes[-1]:
            assert np.array_equal(b, before)
    assert all(np.array_equal(a, b) for a, b in zip(planes, kept, strict=True)), "originals are not written to"


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4), (33, 17), (240, 400)])
@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le", "yuv444p", "gray"])
def test_native_and_torch_transfer_the_same(
    name: str, size: tuple[int, int], instruction_sets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from exdnet_plugin.exdnet import native

    planes, made = planes_of(name, size), []
    for instructions in instruction_sets:
        native.instructions(instructions)
        made.append(filtered(planes, name, "realtime", size))
    monkeypatch.setattr(grid, "native", None)
    expected = filtered(planes, name, "realtime", size)
    for found in made:
        for a, b in zip(found, expected, strict=True):
            assert np.abs(a.astype(int) - b).mean() <= 1 << (pixel_format(name).depth - 8)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4), (33, 17), (48, 80)])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv440p", "yuv444p", "yuv420p10le"])
def test_each_pixel_is_transferred_the_same(
    name: str, size: tuple[int, int], instruction_sets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neighbours differ as much as can be: chroma lies where it lies, whatever runs it."""
    from exdnet_plugin.exdnet import native

    layout, rng = pixel_format(name), np.random.default_rng(0)
    peak, kind = (1 << layout.depth) - 1, torch.uint8 if layout.depth == 8 else torch.uint16
    shapes = [layout.plane_shape(index, *size)[:2] for index in range(3)]
    channels = [torch.from_numpy(rng.integers(0, peak + 1, shape)).to(kind) for shape in shapes]
    slopes = torch.from_numpy(rng.uniform(-0.5, 0.7, (3, 4, 3, 4)).astype(np.float32))
    made = []
    for instructions in instruction_sets:
        native.instructions(instructions)
        made.append(grid.apply(channels, slopes, peak))
    monkeypatch.setattr(grid, "native", None)
    expected = grid.apply(channels, slopes, peak)
    for found in made:
        for a, b in zip(found, expected, strict=True):
            assert (a.int() - b.int()).abs().max() <= 1, "a code, where a sum lies in the middle of two"


def test_the_fit_finds_an_affine_map() -> None:
    before = torch.from_numpy(scene(1, (40, 60))).permute(2, 0, 1)[None].float()
    matrix = torch.tensor([[1.5, 0.2, -0.1], [0.0, 0.8, 0.3], [0.1, -0.2, 1.1]])
    found = grid.fit(before, torch.einsum("ij,njhw->nihw", matrix, before) + 0.05)
    slopes = found[:, :3].median(dim=3).values.median(dim=2).values
    assert (slopes - matrix).abs().max() < 0.1


def test_realtime_is_near_exact_on_a_dark_picture() -> None:
    picture = dark_frames(1, (360, 480), noise=1.0)[0]
    exact, realtime = (enhance_image(picture, quality=quality) for quality in ("exact", "realtime"))
    as_tensors = [torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 for image in (exact, realtime)]
    assert psnr(*as_tensors) > 25


class Counting(Identity):
    """Counts the frames it is given, and brightens them."""

    count = 0

    def process(self, frames, times):
        self.count += 1
        return super().process(frames, times) ** 0.5


def test_transforms_are_kept_for_a_moment_while_the_picture_stays_alike() -> None:
    picture, processor = planes_of("yuv420p", (120, 200)), Counting()
    other = [255 - plane for plane in picture]
    with open_filter(StreamInfo(200, 120, "yuv420p"), chain=[processor], quality="realtime") as opened:
        opened.refresh = 0.1
        first = opened(picture, 0.0)
        again = opened(picture, 0.05)
        assert processor.count == 1
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        opened(other, 0.07)
        assert processor.count == 2, "another picture is fitted anew at once"
        opened(other, 0.2)
        assert processor.count == 3, "and the same one after the moment"
        opened.refresh = 0.0
        opened(other, 0.21)
        assert processor.count == 4


def test_floats_are_refused() -> None:
    with pytest.raises(ValueError, match="quality realtime takes uint8 or uint16"):
        enhance_image(np.zeros((8, 8, 3), np.float32), quality="realtime")


def test_realtime_goes_on_where_it_was(make_clip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=150, size=(64, 48), rate=25)

    def stop(done: int, _: int | None) -> None:
        if done == 140:
            raise KeyboardInterrupt

    how = {"codec": "ffv1", "quality": "realtime"}
    enhance_video(source, tmp_path / "whole.mkv", **how)
    with pytest.raises(KeyboardInterrupt):
        enhance_video(source, tmp_path / "parts.mkv", **how, progress=stop, on_stop="keep")
    resumed = SEGMENT + journaled(tmp_path / "parts.mkv")
    assert enhance_video(source, tmp_path / "parts.mkv", **how, resume=True).resumed == resumed
    whole, parts = (
        [frame.to_ndarray().tobytes() for frame in decode(tmp_path / name)] for name in ("whole.mkv", "parts.mkv")
    )
    assert whole == parts
