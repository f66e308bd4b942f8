"""What a processor raises or gives against the contract is told with its name, in a program and by the command."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Identity, MakeClip, decode

import exdnet_plugin
from exdnet_plugin import PluginError, StreamInfo, enhance_image, open_filter
from exdnet_plugin.chain import make_chain
from exdnet_plugin.plugins import Plugins, default_plugins
from exdnet_plugin.testing import check_processor

Run = Callable[..., tuple[int, str, str]]
PICTURE = np.linspace(0, 255, 8 * 12 * 3).reshape(8, 12, 3).astype(np.uint8)


class Gives(Identity):
    """What a function makes of the frames."""

    def __init__(self, make: Callable[[torch.Tensor], object]) -> None:
        self.make = make

    def process(self, frames, times):
        return self.make(frames)


class Behind(Identity):
    """As a network in float32 behind another processor."""

    def process(self, frames, times):
        return torch.nn.functional.conv2d(frames, torch.eye(3)[:, :, None, None])


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floats_become_those_that_went_in(kind: torch.dtype) -> None:
    made = enhance_image(PICTURE, chain=[Gives(lambda frames: frames.to(kind)), Behind()], device="cpu")
    assert np.abs(made.astype(int) - PICTURE).max() <= 2
    assert check_processor(lambda: Gives(lambda frames: frames.double()))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda frames: (frames * 255).byte(),
            r"gave torch.uint8; floating point in \[0, 1\] is needed",
        ),
        (lambda frames: frames.long(), "gave torch.int64"),
        (lambda frames: frames > 0.5, "gave torch.bool"),
        (lambda frames: frames.to(torch.complex64), "gave torch.complex64"),
        (lambda frames: frames.to_sparse(), "layout torch.sparse_coo; a dense one is needed"),
        (lambda frames: frames.to("meta"), "on meta for frames on cpu; leave it there"),
        (lambda frames: frames.numpy(), "gave ndarray"),
    ],
)
def test_a_result_that_is_none_is_refused_with_what_is_wanted(make: Callable[..., object], said: str) -> None:
    with (
        open_filter(StreamInfo(12, 8), chain=[Gives(make)], device="cpu") as opened,
        pytest.raises(PluginError, match=f"Gives.process .*{said}"),
    ):
        opened([PICTURE], 0.0)
    with pytest.raises(PluginError, match=f"Gives.process .*{said}"):
        enhance_image(PICTURE, chain=[Gives(make)], device="cpu")
    with pytest.raises(PluginError, match=f"process .*{said}"):
        check_processor(lambda: Gives(make))


class Fails(Identity):
    """Raises where it is told to, and remembers what it is told to."""

    def __init__(self, at: str = "", refuses: bool = False, remembers: str = "") -> None:
        self.at, self.error = at, ValueError("no such lens") if refuses else OSError("no camera")
        self.remembers = {"": {}, "nothing": None, "numbers": {"sum": 3}, "brain": {"sum": torch.zeros(1).bfloat16()}}
        self.memory = self.remembers[remembers]
        self.fail("init")

    def fail(self, call):
        if call == self.at:
            raise self.error

    def open(self, stream):
        self.fail("open")

    def process(self, frames, times):
        self.fail("process")
        return frames

    def reset(self):
        self.fail("reset")

    def state(self):
        self.fail("state")
        return self.memory

    def restore(self, state):
        pass

    def close(self):
        self.fail("close")


class WrongSignature(Identity):
    def process(self, frames):
        return frames


class Strange:
    """A stranger's plugin, which keeps the reports it is told."""

    def __init__(self) -> None:
        self.reports: list[exdnet_plugin.Report] = []

    @exdnet_plugin.hookimpl
    def register_frame_processors(self, register):
        register("fails", Fails)
        register("wrong", WrongSignature)

    @exdnet_plugin.hookimpl
    def stream_closed(self, report):
        self.reports.append(report)


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> Strange:
    plugin, plugins = Strange(), Plugins(discover=False)
    plugins.add(plugin, "strange")
    for module in ("api", "plugins"):
        monkeypatch.setattr(f"exdnet_plugin.{module}.default_plugins", lambda: plugins)
    return plugin


@pytest.mark.usefixtures("strange")
@pytest.mark.parametrize(
    ("chain", "said"),
    [
        ("fails=at=init", "OSError: no camera, raised by the factory of processor fails of plugin strange"),
        ("fails=at=open", "OSError: no camera, raised by open of processor fails of plugin strange"),
        ("fails=at=process", "OSError: no camera, raised by process of processor fails of plugin strange"),
        (
            "fails=at=process:refuses=1",
            "ValueError: no such lens, raised by process of processor fails",
        ),
        ("fails=at=state", "OSError: no camera, raised by state of processor fails of plugin strange"),
        ("fails=at=close", "OSError: no camera, raised by close of processor fails of plugin strange"),
        ("fails=remembers=nothing", "state of processor fails of plugin strange gave a NoneType; a dict of tensors"),
        ("fails=remembers=numbers", "state of processor fails of plugin strange gave 'sum' as a int"),
        ("fails=remembers=brain", "gave 'sum' as torch.bfloat16"),
        ("wrong", "given, raised by process of processor wrong of plugin strange"),
    ],
)
def test_a_processor_that_fails_is_one_line(
    exdnet: Run, make_clip: MakeClip, tmp_path: Path, chain: str, said: str
) -> None:
    code, _, error = exdnet("enhance", make_clip("in.mp4", frames=2), tmp_path / "out.mp4", "--chain", chain)
    assert (code, error.count("\n")) == (2, 1), error
    assert error.startswith("exdnet: ")
    assert said in error
    assert ("EXDNET_DEBUG=1" in error) == ("remembers" not in chain or "brain" in chain)


@pytest.mark.usefixtures("strange")
def test_the_environment_shows_the_traceback(
    exdnet: Run, make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXDNET_DEBUG", "1")
    _, _, error = exdnet("enhance", make_clip("in.mp4", frames=2), tmp_path / "out.mp4", "--chain", "fails=at=open")
    assert 'test_contract.py", line' in error
    assert "in fail" in error
    assert error.splitlines()[-1].startswith("exdnet: OSError: no camera, raised by open")


@pytest.mark.usefixtures("strange")
@pytest.mark.parametrize("at", ["init", "open"])
def test_what_refuses_its_options_stays_a_wrong_argument(exdnet: Run, at: str, tmp_path: Path, make_clip) -> None:
    chain = f"fails=at={at}:refuses=1"
    with pytest.raises(ValueError, match=r"^no such lens\b"):
        enhance_image(PICTURE, chain=chain)
    _, _, error = exdnet("enhance", make_clip("in.mp4", frames=2), tmp_path / "out.mp4", "--chain", chain)
    call = "the factory" if at == "init" else at
    assert error == f"exdnet: no such lens; refused by {call} of processor fails of plugin strange\n"


def test_what_fails_when_it_is_closed_takes_no_report_from_plugins(
    exdnet: Run, strange: Strange, make_clip: MakeClip, tmp_path: Path
) -> None:
    sink, trace = tmp_path / "out.mp4", tmp_path / "trace.json"
    how = ("--chain", "fails=at=close", "--profile", trace)
    assert exdnet("enhance", make_clip("in.mp4", frames=3), sink, *how)[0] == 2
    assert [report.frames for report in strange.reports] == [3]
    assert len(decode(sink)) == 3
    assert json.loads(trace.read_text())


@pytest.mark.usefixtures("strange")
def test_of_several_files_the_one_at_which_a_processor_fails_is_named(
    exdnet: Run, make_clip: MakeClip, tmp_path: Path
) -> None:
    clips = [make_clip(name, frames=2) for name in ("a.mp4", "b.mp4")]
    code, _, error = exdnet("enhance", *clips, tmp_path / "out", "--chain", "wrong")
    assert code == 2
    for clip in clips:
        assert f"exdnet: {clip}: TypeError: " in error


def test_an_error_of_a_processor_that_the_caller_made_is_the_callers_own() -> None:
    with pytest.raises(OSError, match=r"^no camera\b"):
        enhance_image(PICTURE, chain=[Fails(at="process")])


@pytest.mark.usefixtures("strange")
def test_what_was_raised_is_chained() -> None:
    with pytest.raises(PluginError) as raised:
        enhance_image(PICTURE, chain="fails=at=reset")
    assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.usefixtures("strange")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), exdnet_plugin.MediaError("gone")])
def test_a_stop_and_errors_of_our_own_stay_what_they_are(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self, call):
        if call == "process":
            raise error

    monkeypatch.setattr(Fails, "fail", fail)
    with pytest.raises(type(error)) as raised:
        enhance_image(PICTURE, chain="fails")
    assert raised.value is error


@pytest.mark.usefixtures("strange")
def test_what_there_is_no_memory_for_is_told_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self, call):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(Fails, "fail", fail)
    with pytest.raises(exdnet_plugin.ExdnetError, match=r"out of memory: .*--device cpu"):
        enhance_image(PICTURE, chain="fails")


def test_a_guarded_processor_can_be_copied() -> None:
    processor = make_chain("exdnet=strength=0.5", default_plugins())[0]
    assert type(copy.copy(processor).guarded) is type(copy.deepcopy(processor).guarded)
