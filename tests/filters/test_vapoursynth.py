"""The VapourSynth filter on real clips, through VapourSynth's own threads, `vspipe` and BestSource."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeClip, dark_frames, scene

vs = pytest.importorskip("vapoursynth", reason="VapourSynth is not installed, or not for this Python")

from exdnet_plugin.filters.vapoursynth import exdnet  # noqa: E402
from exdnet_plugin.filters.vapoursynth.passes import PICTURES_KEPT, POINT_EVERY, Filtered, Pass  # noqa: E402
from exdnet_plugin.filters.vapoursynth.segments import faded  # noqa: E402

from exdnet_plugin import ColorFacts, FrameFilter, StreamInfo, open_filter  # noqa: E402

core = vs.core
WIDTH, HEIGHT = 48, 32
GAMMA = "kornia=op=enhance.adjust_gamma:gamma=0.5"
SEGMENT = 16 / 25  # seconds: 16 frames, of which 2 overlap
Planes = list[np.ndarray]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = core.num_threads
    core.num_threads = 8
    yield
    core.num_threads = before


def planes(frame: vs.VideoFrame) -> Planes:
    return [np.array(frame[index]) for index in range(frame.format.num_planes)]


def results(clip: vs.VideoNode) -> list[Planes]:
    return [planes(frame) for frame in clip.frames()]


def same(one: list[Planes], other: list[Planes]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(a, b) for left, right in pairs for a, b in zip(left, right, strict=True))


def clip_of(frames: list[Planes], layout: int, **props: int) -> vs.VideoNode:
    """A clip of 25 frames a second."""
    height, width = frames[0][0].shape
    blank = core.std.BlankClip(format=layout, width=width, height=height, length=len(frames), fpsnum=25, fpsden=1)

    def filled(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        result = f.copy()
        for index, plane in enumerate(frames[n]):
            np.copyto(np.asarray(result[index]), plane)
        return result

    clip = core.std.ModifyFrame(blank, blank, filled)
    return core.std.SetFrameProps(clip, **props) if props else clip


def dark(count: int, *, gain: Callable[[int], float] = lambda n: 1.0) -> vs.VideoNode:
    """A static dark scene with noise, RGB, 8 bits; `gain` is the light on a frame."""
    pictures = [picture * gain(n) for n, picture in enumerate(dark_frames(count, (HEIGHT, WIDTH)))]
    frames = [[picture[:, :, index].round().astype(np.uint8) for index in range(3)] for picture in pictures]
    return clip_of(frames, vs.RGB24)


FORMATS = [
    (vs.YUV420P8, "yuv420p"),
    (vs.YUV422P8, "yuv422p"),
    (vs.YUV444P10, "yuv444p10le"),
    (vs.YUV420P16, "yuv420p16le"),
    (vs.RGB24, "gbrp"),
    (vs.RGB48, "gbrp16le"),
    (vs.GRAY8, "gray"),
]
TAGS = {"_Matrix": 1, "_Primaries": 1, "_Transfer": 1, "_Range": 1, "_ChromaLocation": 1}
FACTS = ColorFacts("bt709", "bt709", "bt709", "full", "center")


@pytest.mark.parametrize(("layout", "name"), FORMATS, ids=[name for _, name in FORMATS])
def test_the_clip_is_what_open_filter_gives(layout: int, name: str) -> None:
    rgb = name.startswith("gbrp")
    tags = {key: value for key, value in TAGS.items() if not rgb or key != "_Matrix"}
    wanted = {} if rgb else {"matrix_s": "709"}
    source = core.resize.Bicubic(dark(10), format=layout, range_s="full", chromaloc_s="center", **wanted)
    source = core.std.SetFrameProps(source, **tags)
    found = results(exdnet(source, device="cpu"))
    facts = ColorFacts("rgb", "bt709", "bt709", "full", "center") if rgb else FACTS
    order, back = ([1, 2, 0], [2, 0, 1]) if rgb else (range(3), range(3))
    with open_filter(StreamInfo(WIDTH, HEIGHT, name, None, facts), device="cpu") as opened:
        for index, given in enumerate(results(source)):
            result = opened([given[i] for i in order[: len(given)]], index / 25)
            assert same([[result[i] for i in back[: len(given)]]], [found[index]])
            assert result[0].mean() > given[0].mean() * 1.5, "the frame was not touched"


@pytest.mark.parametrize("layout", [vs.YUV420PS, vs.YUV444PH, vs.RGBS, vs.RGBH, vs.GRAYS])
def test_floats_are_filtered_and_what_16_bits_cannot_hold_is_kept(layout: int) -> None:
    matrix = {} if layout in (vs.RGBS, vs.RGBH) else {"matrix_s": "709"}
    source = core.resize.Bicubic(dark(2), format=layout, **matrix)
    high = core.std.Expr(source, ["x 0.1 > 1.25 x ?", ""] if layout != vs.GRAYS else "x 0.1 > 1.25 x ?")
    assert same(results(exdnet(high, chain="null")), results(high))
    for clip in (source, high):
        codes = {} if layout not in (vs.RGBS, vs.RGBH) else {"range_s": "full"}
        whole = core.resize.Point(clip, format=clip.format.replace(sample_type=vs.INTEGER, bits_per_sample=16), **codes)
        expected = results(core.resize.Point(exdnet(whole, chain=GAMMA), format=layout))
        tolerance = 2e-3 if clip.format.bits_per_sample == 16 else 2e-4
        for one, other, given in zip(results(exdnet(clip, chain=GAMMA)), expected, results(clip), strict=True):
            inside = given[0] <= 1
            assert np.abs(one[0][inside].astype(float) - other[0][inside]).max() < tolerance
            assert np.all(one[0][~inside] > 1)


def test_a_gray_clip_without_a_tag_has_limited_range() -> None:
    black = clip_of([[np.full((HEIGHT, WIDTH), 16, np.uint8)]], vs.GRAY8)
    assert results(exdnet(black, chain=GAMMA))[0][0].max() == 16


def test_odd_sizes_are_filtered() -> None:
    frames = [[np.full((17, 33), 20 + n, np.uint8)] * 3 for n in range(2)]
    assert results(exdnet(clip_of(frames, vs.YUV444P8), device="cpu"))[1][2].shape == (17, 33)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times of all frames that filters process."""
    times, run = [], FrameFilter.run

    def counting(self: FrameFilter, frames: list, **options: int) -> Iterator[Planes]:
        times.extend(time for _, time in frames)
        return run(self, frames, **options)

    monkeypatch.setattr(FrameFilter, "run", counting)
    return times


def test_any_order_gives_the_same_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    source, count = dark(50, gain=lambda n: 1 + 0.4 * np.sin(n / 5)), 50
    times = counted(monkeypatch)
    expected = results(exdnet(source, device="cpu", segment=SEGMENT))
    assert len(times) == count + 3 * 2, "in order, a frame is computed once, and twice where segments overlap"
    times.clear()
    clip = exdnet(source, device="cpu", segment=SEGMENT)
    backwards = [planes(clip.get_frame(n)) for n in reversed(range(count))]
    assert same(backwards[::-1], expected)
    assert len(times) < 2 * count, "a step back costs no segment"
    order = np.random.default_rng(0).permutation(count).tolist()
    clip = exdnet(source, device="cpu", segment=SEGMENT)
    futures = {n: clip.get_frame_async(n) for n in order}  # eight threads, all at once
    assert same([planes(futures[n].result()) for n in range(count)], expected)


def test_one_frame_out_of_order_costs_a_segment_and_its_overlap_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = exdnet(dark(50), device="cpu", segment=SEGMENT)
    times = counted(monkeypatch)
    clip.get_frame(33)
    assert len(times) == 16 + 2 + 2
    clip.get_frame(31)
    assert len(times) <= 20 + POINT_EVERY


def test_a_chain_that_cannot_tell_its_state_is_run_from_the_segment_s_start(monkeypatch: pytest.MonkeyPatch) -> None:
    source = dark(20, gain=lambda n: 1 + n / 20)
    expected = results(exdnet(source, device="cpu", segment=SEGMENT))
    monkeypatch.setattr(FrameFilter, "forgetful", property(lambda self: ["Stranger"]))
    clip = exdnet(source, device="cpu", segment=SEGMENT)
    assert same([planes(clip.get_frame(n)) for n in reversed(range(20))], expected[::-1])


def test_the_whole_clip_may_be_one_segment() -> None:
    source = dark(40, gain=lambda n: 1 + n / 40)
    stream = StreamInfo(WIDTH, HEIGHT, "gbrp", None, ColorFacts())
    with open_filter(stream, device="cpu") as opened:
        expected = [opened([g, b, r], n / 25) for n, (r, g, b) in enumerate(results(source))]
    found = [[g, b, r] for r, g, b in results(exdnet(source, device="cpu", segment=0))]
    assert same(found, expected)


def test_what_remembers_pictures_does_not_keep_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, step = [], Pass.step

    def counting(self: Pass, frame: vs.VideoFrame) -> Filtered:
        result = step(self, frame)
        kept.append(sum(point.state is not None for point in self._points.values()))
        return result

    monkeypatch.setattr(Pass, "step", counting)
    source, count = dark(80, gain=lambda n: 1 + n / 80), 80
    expected = results(exdnet(source, chain="denoise,exdnet", device="cpu", segment=0))
    assert max(kept) == PICTURES_KEPT
    backwards = exdnet(source, chain="denoise,exdnet", device="cpu", segment=0)
    assert same([planes(backwards.get_frame(n)) for n in (79, 70, 30)], [expected[n] for n in (79, 70, 30)])
    kept.clear()
    results(exdnet(source, device="cpu", segment=0))
    assert max(kept) == count // POINT_EVERY, "what is small is kept, to go back to"


def test_the_state_starts_anew_within_a_fade() -> None:
    source = dark(40, gain=lambda n: 1 + n / 20)
    cut_short = core.std.Trim(source, 32)  # the third segment alone
    whole = results(exdnet(source, device="cpu", segment=SEGMENT))
    alone = results(exdnet(cut_short, device="cpu", segment=SEGMENT))
    assert same(whole[34:], alone[2:])
    assert not same(whole[32:34], alone[:2])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_fade_moves_evenly_where_results_differ_by_less_than_a_code(kind: type) -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(0, np.iinfo(kind).max, (64, 96), dtype=kind)
    after = before + (rng.random(before.shape) < 0.3)
    for weight in (0.1, 0.5, 0.9):
        result = faded([before], [after.astype(kind)], weight)[0]
        assert np.mean(result.astype(float) - before) == pytest.approx(0.3 * weight, abs=0.02)
    highest = np.full_like(before, np.iinfo(kind).max)
    assert np.array_equal(faded([highest], [highest], 0.5)[0], highest)


def test_filters_behind_each_other_do_not_wait_for_each_other_forever() -> None:
    core.num_threads = 1
    clip = dark(12)
    for _ in range(3):
        clip = exdnet(clip, chain=GAMMA, segment=SEGMENT)
    futures = [clip.get_frame_async(n) for n in (11, 0, 5)]
    assert all(future.result().width == WIDTH for future in futures)


def test_properties_are_kept() -> None:
    source = core.std.SetFrameProps(dark(2), _SARNum=4, _SARDen=3, Mine="told", _PictType="B", _Transfer=1)
    for layout in (vs.RGB24, vs.RGBS):
        given = core.resize.Point(source, format=layout)
        found = exdnet(given, chain=GAMMA)
        assert dict(found.get_frame(1).props) == dict(given.get_frame(1).props)
        assert (found.format.id, found.num_frames, found.fps) == (given.format.id, 2, given.fps)


@pytest.mark.parametrize("layout", [vs.RGB24, vs.RGBS])
def test_a_cut_that_is_seen_is_marked(layout: int) -> None:
    pictures = [np.round(scene(seed, (HEIGHT, WIDTH)) * 60).astype(np.uint8) for seed in (0, 0, 0, 5, 5)]
    source = clip_of([[picture[:, :, index] for index in range(3)] for picture in pictures], vs.RGB24)
    found = exdnet(core.resize.Point(source, format=layout), device="cpu")
    assert [frame.props.get("_SceneChangePrev", 0) for frame in found.frames()] == [0, 0, 0, 1, 0]


@pytest.mark.parametrize("mark", ["_SceneChangePrev", "_SceneChangeNext"])
def test_a_marked_scene_starts_anew(mark: str) -> None:
    source = dark(8, gain=lambda n: 1.0 if n < 4 else 1.8)  # light is switched on: no cut
    at = 4 if mark == "_SceneChangePrev" else 3
    marked = core.std.FrameEval(source, lambda n: core.std.SetFrameProps(source, **{mark: int(n == at)}))
    alone = results(exdnet(core.std.Trim(source, 4), device="cpu"))
    assert same(results(exdnet(marked, device="cpu"))[4:], alone)
    assert not same(results(exdnet(source, device="cpu"))[4:], alone)


def test_a_clip_without_a_rate_goes_by_durations() -> None:
    source = dark(8, gain=lambda n: 1 + n / 8)
    parts = core.std.Trim(source, length=4), core.std.AssumeFPS(core.std.Trim(source, 4), fpsnum=5)
    found = results(exdnet(core.std.Splice(parts), device="cpu"))
    times = [*np.arange(4) / 25, *(4 / 25 + np.arange(4) / 5)]
    with open_filter(StreamInfo(WIDTH, HEIGHT, "gbrp", None, ColorFacts()), device="cpu") as opened:
        expected = [opened([g, b, r], time) for time, (r, g, b) in zip(times, results(source), strict=True)]
    assert same([[g, b, r] for r, g, b in found], expected)
    timeless = exdnet(core.std.RemoveFrameProps(core.std.Splice(parts)), device="cpu")
    timeless.get_frame(0)
    with pytest.raises(vs.Error, match=r"exdnet: frame 1 has no time.*core\.std\.AssumeFPS"):
        timeless.get_frame(1)


def test_frames_of_other_colours_are_converted_by_their_own() -> None:
    frames = [[np.full((HEIGHT, WIDTH), 16, np.uint8)] for _ in range(4)]
    limited, full = (clip_of(frames, vs.GRAY8, _Range=value) for value in (0, 1))
    clip = exdnet(core.std.Splice([limited, full, limited]), chain=GAMMA)
    found = [frame.max() for (frame,) in results(clip)]
    assert found == [16] * 4 + [64] * 4 + [16] * 4  # sqrt(16 / 255) * 255 = 63.9
    assert planes(clip.get_frame(5))[0].max() == 64


def frame_error(clip: vs.VideoNode) -> None:
    exdnet(clip, chain=GAMMA).get_frame(0)


BLANK = core.std.BlankClip(format=vs.YUV420P8, width=WIDTH, height=HEIGHT, length=1)
ERRORS = [
    (lambda: exdnet("clip.mkv"), "clip is a str; a vapoursynth.VideoNode is needed"),
    (lambda: exdnet(core.std.BlankClip(varsize=1)), r"changes format or size .*core\.resize\.Bicubic"),
    (lambda: exdnet(core.std.BlankClip(varformat=1)), r"changes format or size .*core\.resize\.Bicubic"),
    (lambda: exdnet(core.std.BlankClip(format=vs.GRAY32)), r"format Gray32 is not handled.*format=vs\.GRAY16"),
    (lambda: exdnet(core.std.BlankClip(format=vs.YUV411P8)), r"YUV411P8 is not handled.*format=vs\.YUV444P16"),
    (lambda: exdnet(BLANK, device="cuda:99"), "device 'cuda:99' is not here; there is cpu"),
    (lambda: exdnet(BLANK, chain="nope"), "unknown processor 'nope'; there are"),
    (lambda: exdnet(BLANK, quality="best"), "quality 'best' is not there; there are exact, realtime"),
    (lambda: exdnet(BLANK, segment=-1), "segment -1: seconds are needed"),
    (lambda: frame_error(core.std.SetFrameProps(BLANK, _Matrix=14)), "matrix 'ictcp' is not handled; there are bt709"),
    (lambda: frame_error(core.std.SetFieldBased(BLANK, 2)), r"interlaced \(_FieldBased=2\); deinterlace it"),
    (lambda: frame_error(core.std.SetFrameProps(BLANK, _ChromaLocation=4)), r"_ChromaLocation 4 .*chromaloc_s"),
    (
        lambda: frame_error(core.std.SetFrameProps(core.std.BlankClip(format=vs.RGB24), _Range=0)),
        'RGB of limited range is not handled.*range_s="full"',
    ),
]


@pytest.mark.parametrize(("wrong", "told"), ERRORS, ids=[told[:24] for _, told in ERRORS])
def test_what_is_not_handled_is_told(wrong: Callable[[], None], told: str) -> None:
    with pytest.raises(vs.Error, match=f"exdnet: .*{told}"):
        wrong()


def test_an_error_at_a_frame_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    source = dark(6, gain=lambda n: 1 + n / 6)
    expected = results(exdnet(source, device="cpu"))
    clip, run = exdnet(source, device="cpu"), FrameFilter.run

    def full(self: FrameFilter, frames: list, **options: int) -> Iterator[Planes]:
        next(run(self, frames, **options))
        raise RuntimeError("out of memory")

    clip.get_frame(2)
    monkeypatch.setattr(FrameFilter, "run", full)
    with pytest.raises(vs.Error, match="out of memory"):
        clip.get_frame(3)
    monkeypatch.setattr(FrameFilter, "run", run)
    assert same(results(clip), expected)


def test_filters_are_closed_with_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    closed, close = [], FrameFilter.close
    monkeypatch.setattr(FrameFilter, "close", lambda self: (closed.append(self), close(self)))
    clip = exdnet(dark(2), chain=GAMMA)
    clip.get_frame(0)
    closed.clear()
    del clip
    assert len(closed) == 1


SCRIPT = """
import vapoursynth as vs
from exdnet_plugin.filters.vapoursynth import exdnet
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=48, height=32, length=5, color=[40, 120, 130])
exdnet(clip, device="cpu").set_output()
"""


def test_vspipe_writes_y4m(tmp_path: Path) -> None:
    (tmp_path / "bright.vpy").write_text(SCRIPT)
    home = {**os.environ, "HOME": str(tmp_path), "APPDATA": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}
    subprocess.run([sys.executable, "-m", "vapoursynth", "config"], env=home, check=True, capture_output=True)
    vspipe = Path(sys.executable).parent / "vspipe"
    done = subprocess.run([vspipe, "-c", "y4m", "bright.vpy", "-"], env=home, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    header, _, rest = done.stdout.partition(b"\n")
    assert header.startswith(b"YUV4MPEG2 C420 W48 H32")
    assert len(rest) == 5 * (len(b"FRAME\n") + 48 * 32 * 3 // 2)
    assert rest[6] > 60, "the picture was not brightened"
    assert b"does not tag its colour's matrix and range; taken for matrix smpte170m, range limited" in done.stderr


def test_a_file_read_by_bestsource(make_clip: MakeClip, tmp_path: Path) -> None:
    if not hasattr(core, "bs"):
        pytest.skip("BestSource is not installed")
    source = core.bs.VideoSource(str(make_clip("in.mp4", frames=12)), cachemode=0)
    found = exdnet(source, device="cpu")
    given, result = source.get_frame(7), found.get_frame(7)
    assert dict(result.props) == dict(given.props)
    assert np.asarray(result[0]).mean() > np.asarray(given[0]).mean() + 15
    facts = ColorFacts("bt709", "bt709", "bt709", "limited", "left")
    with open_filter(StreamInfo(96, 64, "yuv420p", None, facts), device="cpu") as opened:
        expected = [opened(frame, n / 24) for n, frame in enumerate(results(source))]
    assert same(results(found), expected)


def test_what_is_assumed_is_logged_once() -> None:
    told: list[str] = []
    handle = core.add_log_handler(lambda kind, text: told.append(text))
    clip = exdnet(core.std.BlankClip(BLANK, length=40), chain=GAMMA, segment=SEGMENT)
    results(clip)
    core.remove_log_handler(handle)
    assert len([text for text in told if "taken for matrix" in text]) == 1
