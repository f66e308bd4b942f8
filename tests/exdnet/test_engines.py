"""The compiled engine gives what PyTorch's operators give, and is asked for by name."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from conftest import scene

import exdnet_plugin.exdnet
from exdnet_plugin import grid
from exdnet_plugin.exdnet import engines
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.exdnet.inference import Inference, exact_inference
from exdnet_plugin.processors.exdnet import ExdNetProcessor
from exdnet_plugin.stream_info import StreamInfo


def inference(engine: str) -> Inference:
    return exact_inference(load_weights(), engine=engine)


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (33, 31), (64, 96), (101, 353), (600, 40)])
@pytest.mark.usefixtures("compiled")
def test_native_is_torch_to_a_hundred_thousandth(size: tuple[int, int]) -> None:
    frames = torch.stack([torch.from_numpy(scene(seed, size) * 0.3).permute(2, 0, 1).float() for seed in (0, 1)])
    for range_ in (exposure_range(frames), torch.tensor([[0.1, 0.1], [0.0, 1.0]])):
        expected = inference("torch").before_calibration(frames, range_)
        found = inference("native").before_calibration(frames, range_)
        assert (expected - found).abs().max() < 1e-5


def test_native_is_the_same_by_every_instruction_set_that_is_here(instruction_sets: list[str]) -> None:
    from exdnet_plugin.exdnet import native

    frames = torch.from_numpy(scene(0, (101, 353)) * 0.3).permute(2, 0, 1).float()[None]
    expected = inference("torch").before_calibration(frames, exposure_range(frames))
    for name in instruction_sets:
        native.instructions(name)
        found = inference("native").before_calibration(frames, exposure_range(frames))
        assert (expected - found).abs().max() < 1e-5, name
    assert instruction_sets[-1] == "any"
    with pytest.raises(ValueError, match="no instructions sse9"):
        native.instructions("sse9")


@pytest.mark.skipif(not shutil.which("clang++"), reason="clang++ is not installed")
def test_clang_compiles_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS. A build passes over what does not compile."""
    project = Path(__file__).parents[2]
    (extension,) = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
    (source,) = extension["sources"]
    made, include = tmp_path / "native.so", sysconfig.get_paths()["include"]
    options = [*extension["extra-compile-args"], "-Wall", "-Werror", "-fPIC", "-c", f"-I{include}"]
    subprocess.run(["clang++", *options, str(project / source), "-o", str(tmp_path / "native.o")], check=True)
    # Linked by itself, as setuptools does: told of fast arithmetic, it would change that of the whole process.
    subprocess.run(["clang++", "-shared", str(tmp_path / "native.o"), "-o", str(made)], check=True)
    spec = spec_from_file_location("native", made)
    assert spec is not None
    assert spec.loader is not None
    compiled = module_from_spec(spec)
    spec.loader.exec_module(compiled)
    frames = torch.from_numpy(scene(0, (101, 353)) * 0.3).permute(2, 0, 1).float()[None]
    channels, transforms = [*(frames[0] * 255).byte().contiguous()], torch.rand(3, 4, 9, 31) / 4
    expected = inference("torch").before_calibration(frames, exposure_range(frames))
    monkeypatch.setattr(grid, "native", None)
    transferred = grid.apply(channels, transforms, 255)
    for module in (engines, grid):
        monkeypatch.setattr(module, "native", compiled)
    assert (expected - inference("native").before_calibration(frames, exposure_range(frames))).abs().max() < 1e-5
    for before, after in zip(transferred, grid.apply(channels, transforms, 255), strict=True):
        assert (before.int() - after.int()).abs().max() <= 1


def test_auto_takes_what_there_is(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(engines, "native", None)
    assert engines.choose_engine("auto", "cpu") == "torch"
    assert "installed without a C++ compiler" in caplog.text
    with pytest.raises(ValueError, match="engine native is not here: the package was installed without a C"):
        engines.choose_engine("native", "cpu")


class Kernels:
    """Stands in for the fused kernels on a GPU, which are so far from PyTorch's operators or do not compile."""

    AGREES = 0.02

    def __init__(self, outcome: float | Exception) -> None:
        self.outcome, self.tries = outcome, 0

    def largest_difference(self, device: str) -> float:
        self.tries += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Callable[[float | Exception | None], Kernels]:
    """Puts a stand-in in the place of the kernels; None is a system without triton."""

    def put(outcome: float | Exception | None) -> Kernels:
        stand_in = Kernels(outcome or 0)
        monkeypatch.setitem(sys.modules, "exdnet_plugin.exdnet.fused", None if outcome is None else stand_in)
        monkeypatch.setattr(exdnet_plugin.exdnet, "fused", stand_in, raising=False)
        if outcome is None:
            monkeypatch.delattr(exdnet_plugin.exdnet, "fused")
        engines._triton_trouble.cache_clear()
        engines._without_triton.cache_clear()
        return stand_in

    return put


def test_auto_on_a_gpu_takes_triton_after_trying_it_once(
    kernels: Callable[..., Kernels], caplog: pytest.LogCaptureFixture
) -> None:
    tried = kernels(0.001)
    assert [engines.choose_engine("auto", "cuda:0") for _ in range(3)] == ["triton"] * 3
    assert engines.choose_engine("triton", "cuda:0") == "triton"
    assert engines.choose_engine("auto", "cuda:1") == "triton"
    assert tried.tries == 2
    assert not caplog.messages


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (None, "engine triton is not installed (.*): pip install triton"),
        (0.5, "engine triton is off by 0.5 on cuda:0, more than 0.02"),
        (
            RuntimeError("no kernel image\nmore"),
            r"engine triton does not run on cuda:0 \(RuntimeError: no kernel image\)",
        ),
    ],
)
def test_auto_on_a_gpu_says_in_one_line_why_it_goes_without_triton(
    kernels: Callable[..., Kernels], caplog: pytest.LogCaptureFixture, outcome: float | Exception | None, why: str
) -> None:
    kernels(outcome)
    assert [engines.choose_engine("auto", "cuda:0") for _ in range(3)] == ["torch"] * 3
    (message,) = caplog.messages
    assert re.match(f"{why}.* runs the network by engine torch, which is slower", message)
    with pytest.raises(ValueError, match=why):
        engines.choose_engine("triton", "cuda:0")


def test_float32_on_a_gpu_is_torchs(kernels: Callable[..., Kernels]) -> None:
    tried = kernels(0.001)
    assert engines.choose_engine("auto", "cuda:0", torch.float32) == "torch"
    with pytest.raises(ValueError, match=r"engine triton computes in float16, not in torch.float32; take engine torch"):
        engines.choose_engine("triton", "cuda:0", torch.float32)
    assert not tried.tries


@pytest.mark.usefixtures("compiled")
def test_float16_on_a_cpu_is_torchs() -> None:
    assert engines.choose_engine("auto", "cpu", torch.float16) == "torch"
    with pytest.raises(ValueError, match="engine native computes in float32"):
        engines.choose_engine("native", "cpu", torch.float16)


def test_engines_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="engine 'fast' is not there; there are auto, native, torch, triton"):
        ExdNetProcessor(engine="fast").open(StreamInfo(32, 32, "rgb24"))
    with pytest.raises(ValueError, match="engine triton runs on NVIDIA GPUs, not on cpu; take engine auto"):
        ExdNetProcessor(engine="triton").open(StreamInfo(32, 32, "rgb24"))
    with pytest.raises(ValueError, match=r"dtype torch.bfloat16 is not handled; take torch.float16 or torch.float32"):
        exact_inference(load_weights(), dtype=torch.bfloat16)


@pytest.mark.needs_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU is here")
def test_a_gpu_runs_triton() -> None:
    assert exact_inference(load_weights(), "cuda:0").engine == "triton"
