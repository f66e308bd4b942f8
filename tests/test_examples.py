"""The examples and the OpenCV filter run as their readers would run them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import MakeClip, dark_frames, luma
from exdnet_plugin.filters.opencv import BgrFilter, enhanced

from exdnet_plugin import StreamInfo, enhance_image, open_filter

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("name", ["brighten_video.py", "filter_in_your_own_loop.py"])
def test_an_example_brightens_a_clip(make_clip: MakeClip, tmp_path: Path, name: str) -> None:
    source, sink = make_clip("in.mp4", frames=6, audio=True), tmp_path / "out.mp4"
    subprocess.run([sys.executable, EXAMPLES / name, source, sink], check=True)
    assert np.mean(luma(sink)) > np.mean(luma(source)) + 30
    assert len(luma(sink)) == 6


def test_a_camera_becomes_hls(make_clip: MakeClip, tmp_path: Path) -> None:
    source, playlist = make_clip("in.mp4", frames=100, rate=25, audio=True), tmp_path / "live.m3u8"
    done = subprocess.run(
        [sys.executable, EXAMPLES / "rtsp_to_hls.py", source, playlist], capture_output=True, text=True, check=True
    )
    assert "frames," in done.stdout.splitlines()[-1]
    assert len(luma(playlist)) > 30
    assert np.mean(luma(playlist)) > np.mean(luma(source)) + 30


def test_the_example_plugin_works_once_installed(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", tmp_path, EXAMPLES / "warm_plugin"], check=True)
    program = (
        "import sys, numpy as np, exdnet_plugin; "
        "from exdnet_plugin.plugins import default_plugins; "
        "print([e.name for e in default_plugins().entries]); "
        "print(exdnet_plugin.enhance_image(np.full((2, 2, 3), 100, np.uint8), chain='warm=amount=0.2')[0, 0].tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["['built-in', 'warm']", "[120, 100, 80]"]


@pytest.mark.parametrize(("folder", "tests"), [("warm_plugin", "test_warm.py"), ("iat_plugin", "test_iat.py")])
def test_the_example_plugins_own_tests_pass(folder: str, tests: str) -> None:
    plugin = EXAMPLES / folder
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", plugin, plugin / tests]
    subprocess.run(command, cwd=plugin, check=True)


def test_a_host_with_plugins_of_its_own_takes_ours(tmp_path: Path) -> None:
    dark, bright = tmp_path / "dark.png", tmp_path / "bright.png"
    cv2.imwrite(str(dark), dark_frames(1, (48, 64))[0])
    command = [sys.executable, EXAMPLES / "host_application.py", dark, bright]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "effects: denoise, exdnet, mirror, null"
    assert cv2.imread(str(bright)).mean() > cv2.imread(str(dark)).mean() + 30


class FakeCapture:
    """As a `cv2.VideoCapture` answers."""

    def __init__(self, frames: list[np.ndarray]) -> None:
        self.frames, self.position = frames, 0

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return bool(self.frames)

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.position == len(self.frames):
            return False, None
        self.position += 1
        return True, self.frames[self.position - 1]

    def get(self, prop: int) -> float:
        return {0: (self.position - 1) * 40.0, 5: 25.0}[prop]


def test_the_opencv_filter_gives_bgr_frames_as_the_image_function_gives_rgb() -> None:
    frames = dark_frames(3, (48, 64))
    results = list(enhanced(FakeCapture([np.ascontiguousarray(f[:, :, ::-1]) for f in frames])))
    assert np.array_equal(results[0][:, :, ::-1], enhance_image(frames[0]))
    assert len(results) == 3
    with BgrFilter() as bright:
        assert bright(frames[0]).shape == frames[0].shape
        assert bright(frames[0][:24]).shape == (24, 64, 3), "another size starts a new stream"
        with pytest.raises(ValueError, match="BGR is needed"):
            bright(frames[0][:, :, 0])


def test_the_opencv_filter_starts_anew_behind_a_seek_back() -> None:
    dark = dark_frames(1, (48, 64))[0]
    bright = np.clip(dark.astype(int) * 3, 0, 255).astype(np.uint8)
    with BgrFilter() as opened:
        first = opened(dark, 0.0)
        opened(bright, 10.0)
        assert np.array_equal(opened(dark, 0.0), first)
        opened(bright)
        opened.reset()
        assert np.array_equal(opened(dark), first)
    with pytest.raises(ValueError, match="rate 0: frames a second are needed"):
        BgrFilter(rate=0)


def test_the_opencv_filter_in_realtime_gives_bgr_as_the_rgb_filter_does() -> None:
    frames = dark_frames(3, (37, 53))
    results = enhanced(FakeCapture([np.ascontiguousarray(f[:, :, ::-1]) for f in frames]), quality="realtime")
    with open_filter(StreamInfo(53, 37, "rgb24"), quality="realtime") as bright:
        for index, (frame, result) in enumerate(zip(frames, results, strict=True)):
            # Sums over channels in another order: what lies between two codes may round to the other one.
            difference = np.abs(result[:, :, ::-1].astype(int) - bright([frame], index * 0.04)[0])
            assert difference.max() <= 1
            assert (difference > 0).mean() < 0.002
            assert result.mean() > frame.mean() + 30


@pytest.mark.parametrize("frame", [None, np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_what_is_no_bgr_frame_is_refused(frame: object) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8 BGR is needed, as cv2 reads it; check that it was read"):
        BgrFilter()(frame)


def test_a_name_is_no_capture() -> None:
    with pytest.raises(ValueError, match=r"give cv2.VideoCapture\('night.mp4'\)"):
        next(enhanced("night.mp4"))


def test_a_capture_that_is_not_open_is_refused() -> None:
    with pytest.raises(ValueError, match="the capture is not open"):
        next(enhanced(FakeCapture([])))


def test_the_preview_example_shows_a_source_before_and_after(make_clip: MakeClip) -> None:
    aiohttp = pytest.importorskip("aiohttp")

    async def sizes(address: str) -> tuple[int, int]:
        """Bytes of a picture before and after."""
        async with aiohttp.ClientSession() as client, client.ws_connect(f"{address}socket") as socket:
            while isinstance(message := (await socket.receive(timeout=20)).data, str):
                pass
        header = json.loads(message[4 : 4 + int.from_bytes(message[:4])])
        return header["before"], len(message) - 4 - int.from_bytes(message[:4]) - header["before"]

    command = [sys.executable, EXAMPLES / "camera_to_browser.py", make_clip("in.mp4", frames=24)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            before, after = asyncio.run(sizes(process.stdout.readline().removeprefix("open ").strip()))
        finally:
            process.send_signal(signal.SIGINT)
        assert after > before, "what is bright has more to tell"
        assert process.stdout.read().startswith("the last picture, 96x64, ")
    assert process.returncode == 0


class Timeless:
    """A capture whose backend tells the same time for every frame, or none does."""

    def __init__(self, frames: list[np.ndarray], times: list[float]) -> None:
        self._frames, self._times, self._at = frames, times, -1

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, what: int) -> float:
        return 10.0 if what == cv2.CAP_PROP_FPS else self._times[self._at] * 1000

    def read(self) -> tuple[bool, np.ndarray | None]:
        self._at += 1
        there = self._at < len(self._frames)
        return there, self._frames[self._at] if there else None


def test_the_opencv_filter_counts_frames_where_the_capture_tells_no_time() -> None:
    ramp = np.linspace(0, 1, 64)
    picture = np.outer(0.2 + 0.8 * ramp, ramp)[:, :, None] * np.full(3, 20)
    rising = [np.clip(picture * (1 + 7 * index / 30), 0, 255).astype(np.uint8) for index in range(30)]
    told, untold = (
        list(enhanced(Timeless(rising, times), chain="exdnet=well_lit=enhance"))
        for times in ([index / 10 for index in range(30)], [0.0] * 30)
    )
    assert max(np.abs(one.astype(int) - other).max() for one, other in zip(told, untold, strict=True)) <= 1
