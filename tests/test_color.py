"""Colour conversion is swscale's to a code, in every format and matrix, and comes back as it went in."""

from __future__ import annotations

import weakref
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
import torch
from av.filter import Graph
from conftest import Identity, scene

from exdnet_plugin import open_filter, yuv
from exdnet_plugin.color import LUMA_WEIGHTS, ColorConverter, resolve
from exdnet_plugin.exdnet.plane_calls import in_parts, run_all
from exdnet_plugin.media.frames import frame_planes
from exdnet_plugin.pixel_format import pixel_format
from exdnet_plugin.stream_info import ColorFacts, StreamInfo

CODES = {"bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "bt2020nc": 9}
SIZE = (64, 96)
YUV = ["yuv420p", "yuv422p", "yuv444p", "nv12", "yuv420p10le", "yuv422p10le", "yuv444p10le", "p010le", "yuv444p12le"]
RGB = ["rgb24", "bgr24", "rgba", "gbrp", "gbrp10le", "rgb48le", "rgba64le"]
GRAY = ["gray", "gray10le", "gray16le"]


def yuv_frame(name: str, *, smooth: bool) -> av.VideoFrame:
    """A frame of colours that every matrix has in gamut; smooth ones leave chroma filters nothing to differ in."""
    layout = pixel_format(name)
    frame = av.VideoFrame(SIZE[1], SIZE[0], name)
    for index, plane in enumerate(frame_planes(frame)):
        rows, columns = np.mgrid[0 : plane.shape[0], 0 : plane.shape[1]] / SIZE[1] * (SIZE[0] / plane.shape[0])
        wave = np.sin(1.5 * columns + rows + index) if smooth else scene(index, plane.shape[:2])[:, :, 0] * 2 - 1
        values = np.clip((110 + 60 * wave if index == 0 else 128 + 18 * wave), 0, 255) * (1 << (layout.depth - 8))
        plane[...] = (values.round().astype(np.uint16) << layout.shift).reshape(*wave.shape, *[1] * (plane.ndim - 2))
    return frame


def rgb_frame(name: str) -> av.VideoFrame:
    picture = np.round(scene(0, SIZE) * 65535).astype(np.uint16)
    return av.VideoFrame.from_ndarray(picture, format="rgb48le").reformat(format=name)


def tensors(frame: av.VideoFrame) -> list[torch.Tensor]:
    return [torch.from_numpy(np.array(plane)) for plane in frame_planes(frame)]


@pytest.mark.parametrize("range_", ["limited", "full"])
@pytest.mark.parametrize("matrix", CODES)
@pytest.mark.parametrize("name", YUV)
def test_yuv_to_rgb_is_swscales_to_a_code(name: str, matrix: str, range_: str) -> None:
    frame = yuv_frame(name, smooth=True)
    expected = frame.reformat(
        format="gbrp16le",  # to 8 bits, swscale's own shortcuts are off by up to three codes
        src_colorspace=CODES[matrix],
        src_color_range=2 if range_ == "full" else 1,
        dst_color_range=2,
        interpolation="BILINEAR",
    )
    expected = np.stack(frame_planes(expected), axis=2)[:, :, [2, 0, 1]] / 257
    facts = ColorFacts(matrix=matrix, range=range_, chroma_site="center")  # swscale's own where none is told
    made = ColorConverter(StreamInfo(SIZE[1], SIZE[0], name, color=facts)).to_rgb(tensors(frame)) * 255
    difference = np.abs(made[0].permute(1, 2, 0).numpy() - expected)
    assert difference[2:-2, 2:-2].max() <= 1


def ramp(name: str) -> av.VideoFrame:
    """Chroma that rises by four codes a sample, both ways: any linear filter gives the same but for its site."""
    frame, layout = av.VideoFrame(24, 16, name), pixel_format(name)
    for index, plane in enumerate(frame_planes(frame)):
        rows, columns = np.mgrid[0 : plane.shape[0], 0 : plane.shape[1]]
        values = 128 + (columns - rows) * (4 if index == 1 else -4) if index else np.full(plane.shape, 120)
        plane[...] = values << (layout.depth - 8)
    return frame


def scaled(frame: av.VideoFrame, options: str, name: str) -> av.VideoFrame:
    """A frame through swscale by FFmpeg's filter, which can be told chroma sites."""
    graph = Graph()
    steps = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1))]
    steps += [graph.add("scale", f"24:16:flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp:{options}")]
    steps += [graph.add("format", name), graph.add("buffersink")]
    for one, following in pairwise(steps):
        one.link_to(following)
    graph.configure()
    graph.push(frame)
    out = graph.pull()
    assert isinstance(out, av.VideoFrame)
    return out


@pytest.mark.parametrize("site", ["left", "center", "topleft", "top"])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv420p10le"])
def test_chroma_lies_where_swscale_sees_it_both_ways(name: str, site: str) -> None:
    frame, inner = ramp(name), np.s_[4:-4, 4:-4]
    facts = ColorFacts(matrix="bt709", range="limited", chroma_site=site)
    converter = ColorConverter(StreamInfo(24, 16, name, color=facts))
    rgb = converter.to_rgb(tensors(frame))
    options = f"in_chroma_loc={site}:in_color_matrix=bt709:in_range=limited:out_range=full"
    expected = np.stack(frame_planes(scaled(frame, options, "gbrp16le")), axis=2)[:, :, [2, 0, 1]] / 257
    assert np.abs(rgb[0].permute(1, 2, 0).numpy() * 255 - expected)[inner].max() <= 1  # another site: 2

    picture = scaled(frame, options, "gbrp16le")
    options = f"out_chroma_loc={site}:out_color_matrix=bt709:out_range=limited:in_range=full"
    expected_planes = frame_planes(scaled(picture, options, name))
    flat = [torch.full_like(plane, 128 << (pixel_format(name).depth - 8)) for plane in tensors(frame)]
    made = converter.from_rgb(torch.from_numpy(expected.astype(np.float32) / 255).permute(2, 0, 1)[None], flat)
    for ours, theirs in zip(made, expected_planes, strict=True):
        difference = np.abs(ours.int().numpy() - theirs.astype(int))[2:-2, 2:-2] / (1 << (pixel_format(name).depth - 8))
        assert difference.max() <= 1
        assert difference.mean() <= 0.5  # another site: 1


@pytest.mark.parametrize("site", ["left", "center", "topleft"])
@pytest.mark.parametrize("range_", ["limited", "full"])
@pytest.mark.parametrize("matrix", LUMA_WEIGHTS)
@pytest.mark.parametrize("name", [*YUV, *RGB, *GRAY])
def test_to_rgb_and_back_changes_luma_by_a_code_and_chroma_by_two(
    name: str, matrix: str, range_: str, site: str
) -> None:
    frame = yuv_frame(name, smooth=False) if name in YUV else rgb_frame(name)
    facts = ColorFacts(matrix=matrix, range=range_ if name in YUV else "full", chroma_site=site)
    converter = ColorConverter(StreamInfo(SIZE[1], SIZE[0], name, color=facts))
    planes = tensors(frame)
    back = converter.from_rgb(converter.to_rgb(planes), planes)
    layout = pixel_format(name)
    for names, before, after in zip(layout.planes, planes, back, strict=True):
        assert before.dtype == after.dtype
        assert before.shape == after.shape
        change = ((before.int() >> layout.shift) - (after.int() >> layout.shift)).abs().max()
        assert change <= (2 if set(names) & set("uv") else 1)


@pytest.mark.parametrize("transfer", ["bt709", "smpte2084", "arib-std-b67"])
@pytest.mark.parametrize("site", ["left", "center", "topleft"])
@pytest.mark.parametrize("range_", ["limited", "full"])
@pytest.mark.parametrize("matrix", LUMA_WEIGHTS)
@pytest.mark.parametrize("name", ["yuv420p", "nv12", "yuv422p", "yuv444p", "yuv420p10le", "p010le", "yuv444p10le"])
def test_every_code_comes_back_through_a_chain_that_changes_nothing(
    name: str, matrix: str, range_: str, site: str, transfer: str
) -> None:
    """Super-white, sub-black and colours that RGB does not have, too: random codes are all of them."""
    layout = pixel_format(name)
    rng = np.random.default_rng(0)
    kind = np.uint8 if layout.depth == 8 else np.uint16
    planes = [
        (rng.integers(0, 1 << layout.depth, layout.plane_shape(index, 32, 24)) << layout.shift).astype(kind)
        for index in range(len(layout.planes))
    ]
    color = ColorFacts(matrix=matrix, range=range_, chroma_site=site, transfer=transfer)
    with open_filter(StreamInfo(32, 24, name, color=color), chain=[Identity()]) as opened:
        back = opened(planes, 0.0)
    for names, before, after in zip(layout.planes, planes, back, strict=True):
        change = np.abs((before >> layout.shift).astype(int) - (after >> layout.shift)).max()
        assert change <= (2 if set(names) & set("uv") else 1)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (101, 77), (2, 1)])
@pytest.mark.parametrize("name", ["yuv420p", "nv12", "yuv422p", "gray", "rgb24", "yuv444p10le"])
def test_every_size_works(size: tuple[int, int], name: str) -> None:
    layout = pixel_format(name)
    kind = torch.uint8 if layout.depth == 8 else torch.int32
    shapes = [layout.plane_shape(index, *size) for index in range(len(layout.planes))]
    planes = [torch.randint(60, 180, shape).to(kind).to(torch.uint16 if layout.depth > 8 else kind) for shape in shapes]
    converter = ColorConverter(StreamInfo(*size, name))
    rgb = converter.to_rgb(planes)
    assert rgb.shape == (1, 3, size[1], size[0])
    assert [tuple(plane.shape) for plane in converter.from_rgb(rgb, planes)] == shapes


@pytest.mark.parametrize("site", ["left", "center", "topleft", "top"])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 5), (101, 77), (230, 142)])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv440p", "yuv444p", "yuva420p", "yuv420p10le", "yuv422p16le"])
def test_native_and_torch_convert_the_same(
    name: str, size: tuple[int, int], site: str, instruction_sets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from exdnet_plugin.exdnet import native

    layout, random = pixel_format(name), np.random.default_rng(0)
    shapes = [layout.plane_shape(index, *size) for index in range(len(layout.planes))]
    wide = [random.integers(0, 1 << layout.depth, (shape[0], shape[1] + 3)) for shape in shapes]  # rows end with more
    kind = np.uint8 if layout.depth == 8 else np.uint16
    planes = [torch.from_numpy(plane.astype(kind))[:, :-3] for plane in wide]
    facts = ColorFacts(matrix="bt709", range="full" if size[0] == 101 else "limited", chroma_site=site)
    converter = ColorConverter(StreamInfo(*size, name, color=facts))
    curved = torch.rand(1, 3, size[1], size[0], generator=torch.Generator().manual_seed(0)) ** 2 * 1.2 - 0.1
    with monkeypatch.context() as patched:
        patched.setattr(yuv, "native", None)
        rgb, back = converter.to_rgb(planes), converter.from_rgb(curved, planes)
    for instructions in instruction_sets:
        native.instructions(instructions)
        assert (converter.to_rgb(planes) - rgb).abs().max() < 1e-5
        assert all(torch.equal(a, b) for a, b in zip(converter.from_rgb(rgb, planes), planes, strict=True))
        for made, expected in zip(converter.from_rgb(curved, planes), back, strict=True):
            off = (made.to(torch.int32) - expected.to(torch.int32)).abs()
            assert off.max() <= 1, "but for what lies half-way between two codes"
            assert (off > 0).sum() <= 1 + off.numel() * 1e-3 * (1 << (layout.depth - 8))


def test_work_that_nobody_waits_for_any_more_holds_its_memory() -> None:
    """Ctrl-C ends who waits for rows, not the threads that are at them."""
    tensor, done = torch.zeros(10), []
    kept = weakref.ref(tensor)
    jobs = in_parts([tensor], lambda first, last: done.append((first, last)), 10, 4)
    del tensor
    assert kept() is not None
    run_all(jobs)
    assert sorted(done) == [(0, 4), (4, 8), (8, 10)]
    del jobs
    assert kept() is None


def test_alpha_is_kept() -> None:
    planes = [torch.randint(0, 255, (8, 8, 4)).to(torch.uint8)]
    converter = ColorConverter(StreamInfo(8, 8, "rgba"))
    assert torch.equal(converter.from_rgb(torch.zeros(1, 3, 8, 8), planes)[0][:, :, 3], planes[0][:, :, 3])


def test_unspecified_tags_follow_the_written_rule() -> None:
    assert resolve(StreamInfo(720, 576, "yuv420p")).matrix == "smpte170m"
    assert resolve(StreamInfo(1280, 720, "yuv420p")).matrix == "bt709"
    assert resolve(StreamInfo(1280, 720, "yuv420p")).range == "limited"
    assert resolve(StreamInfo(1280, 720, "yuvj420p")).range == "full"
    assert resolve(StreamInfo(64, 64, "gray")).range == "full"
    assert resolve(StreamInfo(64, 64, "gray", rate=Fraction(25), color=ColorFacts(range="limited"))).range == "limited"


def test_what_is_not_handled_is_refused_with_what_is() -> None:
    with pytest.raises(ValueError, match=r"ictcp.*bt709"):
        ColorConverter(StreamInfo(8, 8, "yuv420p", color=ColorFacts(matrix="ictcp")))
    with pytest.raises(ValueError, match=r"pal8.*yuv420p"):
        ColorConverter(StreamInfo(8, 8, "pal8"))
