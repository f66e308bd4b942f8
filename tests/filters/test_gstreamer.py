"""The GStreamer element in real pipelines: `gst-launch-1.0` and the system's Python, as its users run it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from exdnet_plugin.filters.gstreamer.frames import plane_views

import exdnet_plugin
from exdnet_plugin import ColorFacts, StreamInfo, open_filter
from exdnet_plugin import filters as host_filters
from exdnet_plugin.pixel_format import pixel_format

SYSTEM_PYTHON = "/usr/bin/python3"
WIDTH, HEIGHT, FRAMES = 70, 48, 4  # rows of 70 do not end on GStreamer's 4 bytes: strides count
GAMMA = "kornia=op=enhance.adjust_gamma:gamma=0.5"


class Case(NamedTuple):
    """A stream by GStreamer's caps, and the same by ours."""

    caps: str
    pixel_format: str
    color: ColorFacts
    chain: str
    properties: str | None = None  # that ask for the chain, where it is not named
    pattern: str = "smpte"


CASES = [
    Case(
        "format=I420,colorimetry=bt601,chroma-site=jpeg",
        "yuv420p",
        ColorFacts("smpte170m", "smpte170m", "smpte170m", "limited", "center"),
        "exdnet=well_lit=enhance",
    ),
    Case(
        "format=I420_10LE,colorimetry=bt2020,chroma-site=mpeg2",
        "yuv420p10le",
        ColorFacts("bt2020nc", "bt2020", "bt2020-12", "limited", "left"),
        "exdnet=strength=0.5",
        "strength=0.5",
        pattern="ball foreground-color=0xff605848 background-color=0xff202838",  # colour bars are well lit, and stay
    ),
    Case(
        "format=NV12,colorimetry=(string)1:3:5:1,chroma-site=mpeg2",
        "nv12",
        ColorFacts("bt709", "bt709", "bt709", "full", "left"),
        GAMMA,
    ),
    Case(
        "format=P010_10LE,colorimetry=bt2100-hlg,chroma-site=cosited",
        "p010le",
        ColorFacts("bt2020nc", "bt2020", "arib-std-b67", "limited", "topleft"),
        GAMMA,
    ),
    Case("format=RGB,colorimetry=sRGB", "rgb24", ColorFacts("rgb", "bt709", "iec61966-2-1", "full"), GAMMA),
]


def bindings() -> Path:
    """The folder that GStreamer's Python bindings lie in; skips the test where they or the loader are not."""
    if not shutil.which("gst-launch-1.0"):
        pytest.skip("gst-launch-1.0 is not installed; filters/gstreamer/README.md says which packages are needed")
    program = (
        "import gi, sys; gi.require_version('GstBase', '1.0'); gi.require_version('GstVideo', '1.0'); "
        "from gi.repository import GstBase, GstVideo; print(*sys.version_info[:2], gi.__path__[0])"
    )
    found = subprocess.run([SYSTEM_PYTHON, "-c", program], capture_output=True, text=True, check=False)
    loader = subprocess.run(["gst-inspect-1.0", "python"], capture_output=True, check=False)
    if found.returncode or loader.returncode:
        pytest.skip("GStreamer's Python bindings or plugin loader are not installed; see filters/gstreamer/README.md")
    major, minor, folder = found.stdout.split()
    if (int(major), int(minor)) != sys.version_info[:2]:
        pytest.skip(f"GStreamer runs Python {major}.{minor}; this is {sys.version_info.major}.{sys.version_info.minor}")
    return Path(folder).parent


def installed_in(folder: Path) -> Path:
    """The package as an install without `-e` lays it out: PYTHONPATH does not find an editable one."""
    package = folder / "exdnet_plugin"
    package.mkdir(parents=True)
    for entry in Path(exdnet_plugin.__file__).parent.iterdir():
        (package / entry.name).symlink_to(entry)
    if not (package / "filters").exists():
        (package / "filters").symlink_to(host_filters.__path__[0])
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    dist_packages, folder = bindings(), tmp_path_factory.mktemp("gstreamer")
    site = installed_in(folder / "site")
    (folder / "plugins/python").mkdir(parents=True)
    (folder / "plugins/python/exdnet_gst.py").symlink_to(site / "exdnet_plugin/filters/gstreamer/exdnet_gst.py")
    path = [site, sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), dist_packages]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "GST_PLUGIN_PATH": str(folder / "plugins"),
        "GST_REGISTRY": str(folder / "registry.bin"),
    }


def launch(pipeline: str, environment: dict[str, str], tries: int = 1) -> subprocess.CompletedProcess[str]:
    """GStreamer 1.22 hangs behind one error at a frame in ten, of its own elements, too: then it is tried anew."""
    command = ["gst-launch-1.0", "-q", *pipeline.split()]
    for _ in range(tries - 1):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def raw_frames(path: Path, name: str) -> list[list[np.ndarray]]:
    """Frames of a file of raw video: GStreamer rounds rows up to 4 bytes."""
    layout = pixel_format(name)
    kind = np.dtype(np.uint8 if layout.bytes_per_value == 1 else np.uint16)
    data, start, frames = bytearray(path.read_bytes()), 0, []
    while start < len(data):
        planes = []
        for index in range(len(layout.planes)):
            shape = layout.plane_shape(index, WIDTH, HEIGHT)
            row = int(np.prod(shape[1:])) * kind.itemsize
            stride = -(-row // 4) * 4
            rows = np.frombuffer(data, np.uint8, shape[0] * stride, start).reshape(shape[0], stride)
            planes.append(np.ascontiguousarray(rows[:, :row]).view(kind).reshape(shape))
            start += shape[0] * stride
        frames.append(planes)
    return frames


@pytest.fixture(scope="module")
def recorded(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What went into the element and what came out, for all cases, by one process."""
    folder = tmp_path_factory.mktemp("raw")
    branches = [
        f"videotestsrc num-buffers={FRAMES} pattern={case.pattern} ! "
        f"video/x-raw,{case.caps},width={WIDTH},height={HEIGHT},framerate=25/1 ! tee name=t{index} "
        f"t{index}. ! queue ! filesink location={folder}/{case.pixel_format}.in "
        f"t{index}. ! queue ! exdnet {case.properties or f'chain={case.chain}'} device=cpu ! "
        f"video/x-raw,{case.caps} ! filesink location={folder}/{case.pixel_format}.out"
        for index, case in enumerate(CASES)
    ]
    done = launch(" ".join(branches), environment)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("case", CASES, ids=[case.pixel_format for case in CASES])
def test_the_element_gives_what_open_filter_gives(recorded: Path, case: Case) -> None:
    name = case.pixel_format
    sources, results = raw_frames(recorded / f"{name}.in", name), raw_frames(recorded / f"{name}.out", name)
    assert len(sources) == len(results) == FRAMES
    code = 1 << pixel_format(name).shift
    stream = StreamInfo(WIDTH, HEIGHT, name, None, case.color)
    with open_filter(stream, chain=case.chain, device="cpu") as opened:
        for index, (source, result) in enumerate(zip(sources, results, strict=True)):
            for expected, found in zip(opened(source, index / 25), result, strict=True):
                assert np.abs(expected.astype(int) - found).max() <= code
            assert np.abs(source[0].astype(int) - result[0]).mean() > 3 * code, "the frame was not touched"


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ("chain=nope", "exdnet: unknown processor 'nope'; there are"),
        ("chain=null strength=0.5", "exdnet: strength 0.5 is of the chain exdnet alone, and the chain is 'null'"),
    ],
)
def test_a_wrong_property_ends_the_pipeline_with_one_line(
    environment: dict[str, str], properties: str, message: str
) -> None:
    done = launch(f"videotestsrc num-buffers=3 ! exdnet {properties} ! fakesink", environment)
    assert done.returncode != 0
    assert done.stderr.count(message) == 1
    assert "Traceback" not in done.stderr


def test_an_error_at_a_frame_ends_the_pipeline(environment: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "short.raw"
    source.write_bytes(bytes(9000))
    caps = "video/x-raw,format=I420,width=64,height=48,framerate=25/1"
    pipeline = f"filesrc location={source} blocksize=4000 ! {caps} ! exdnet chain=null ! fakesink"
    done = launch(pipeline, environment, tries=4)
    assert done.returncode != 0
    assert "exdnet: a buffer of 4000 bytes for 64x48 yuv420p, which needs 4608" in done.stderr


def test_an_environment_that_is_not_found_is_named(environment: dict[str, str]) -> None:
    dist_packages = environment["PYTHONPATH"].split(os.pathsep)[-1]
    done = launch("videotestsrc ! exdnet ! fakesink", environment | {"PYTHONPATH": dist_packages})
    assert done.returncode != 0
    assert "No module named 'exdnet_plugin'; GStreamer runs Python" in done.stderr


def test_a_live_pipeline_runs_and_goes_on_in_another_size(environment: dict[str, str], tmp_path: Path) -> None:
    sink = tmp_path / "out.raw"
    live = "videotestsrc is-live=true num-buffers=5 ! video/x-raw,format=I420,framerate=25/1"
    done = launch(
        f"concat name=c ! exdnet chain={GAMMA} ! filesink sync=true location={sink} "
        f"{live},width=64,height=48 ! c. {live},width=32,height=16 ! c.",
        environment,
    )
    assert done.returncode == 0, done.stderr
    assert sink.stat().st_size == 5 * 64 * 48 * 3 // 2 + 5 * 32 * 16 * 3 // 2


SEEK = """
import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
from exdnet_plugin import FrameFilter
resets = []
FrameFilter.reset = lambda opened: resets.append(opened)
pipeline = Gst.parse_launch("videotestsrc num-buffers=50 ! exdnet chain=null ! fakesink")
pipeline.set_state(Gst.State.PAUSED)
pipeline.get_state(60 * Gst.SECOND)
before = len(resets)
pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, Gst.SECOND)
pipeline.get_state(60 * Gst.SECOND)
print(len(resets) > before, len({id(opened) for opened in resets}))
pipeline.set_state(Gst.State.NULL)
"""


def test_a_seek_makes_the_filter_forget(environment: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "seek.py"
    script.write_text(SEEK)
    done = subprocess.run(
        [SYSTEM_PYTHON, script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["True", "1"], done.stderr


def test_planes_are_views_with_the_strides_and_offsets_of_the_buffer() -> None:
    data = bytearray(range(200))
    luma, chroma = plane_views(memoryview(data), StreamInfo(6, 4, "nv12"), [16, 100], [10, 12])
    assert luma[1].tolist() == list(range(26, 32))
    assert chroma[1].tolist() == [[112, 113], [114, 115], [116, 117]]
    luma[:] = 0
    assert data[22] == 22, "padding stays"
    assert data[21] == 0
