"""The fused kernels give what PyTorch's operators give: on a GPU as they are, elsewhere in Triton's interpreter.

Triton asks for its interpreter when it is imported, so without a GPU this file's tests run in a process of their own.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import dark_frames
from torch import Tensor

from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.exdnet.folded import FoldedExdNet, before_calibration, fold
from exdnet_plugin.exdnet.highlights import Shoulder, rolled_off
from exdnet_plugin.exdnet.network import HALO

ought_to_be_here = os.environ.get("CI") and sys.platform == "linux" and platform.machine() == "x86_64"
triton = import_module("triton") if ought_to_be_here else pytest.importorskip("triton", reason="triton is not here")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
no_gpu = not torch.cuda.is_available()
interpreter = pytest.mark.skipif(not INTERPRETED, reason="runs in the interpreter's process")
gpu = [pytest.mark.needs_cuda, pytest.mark.skipif(no_gpu or INTERPRETED, reason="no NVIDIA GPU is here")]
device = pytest.mark.parametrize("device", [pytest.param("cpu", marks=interpreter), pytest.param("cuda", marks=gpu)])


def dark(count: int, size: tuple[int, int]) -> Tensor:
    return torch.stack([torch.from_numpy(frame).permute(2, 0, 1).float() / 255 for frame in dark_frames(count, size)])


def weights(shared: Path, name: str) -> FoldedExdNet:
    loaded = load_weights(name if name == "default" else str(shared / "golden" / "exdnet_random.safetensors"))
    return fold(loaded.network().eval().requires_grad_(False), loaded.constants)


def on(net: FoldedExdNet, device: str) -> Any:
    """The fused local part of a network that is on the CPU."""
    from exdnet_plugin.exdnet.fused import FusedLocal

    def moved(part: Any) -> Any:
        if isinstance(part, Tensor):
            return part.to(device)
        if isinstance(part, tuple):
            return tuple(map(moved, part))
        inside = vars(part).items() if hasattr(part, "__dataclass_fields__") else ()
        return type(part)(**{key: moved(value) for key, value in inside}) if inside else part

    return FusedLocal(moved(net))


def continued(net: FoldedExdNet, frames: Tensor, range_: Tensor) -> Tensor:
    """The local part in float32, with edges continued."""
    padded = F.pad(frames, (HALO,) * 4, mode="replicate")
    return before_calibration(net, padded, range_)[:, :, HALO:-HALO, HALO:-HALO]


@pytest.mark.skipif(INTERPRETED, reason="is in it")
def test_the_kernels_run_in_the_interpreter() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__]
    run = subprocess.run(command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:]
    assert "passed" in run.stdout


@device
@pytest.mark.parametrize(("name", "within"), [("default", 0.001), ("random", 0.02)])
@pytest.mark.parametrize(("count", "size"), [(2, (6, 5)), (1, (1, 1)), (1, (9, 22))])
def test_they_are_the_operators_to_float16(
    shared: Path, device: str, name: str, within: float, count: int, size: tuple[int, int]
) -> None:
    net, frames = weights(shared, name), dark(count, size)
    range_ = exposure_range(frames)
    found = on(net, device)(frames.to(device), range_.to(device)).cpu()
    error = found - continued(net, frames, range_)
    assert error.abs().max() < within
    assert -10 * error.square().mean().log10() > (70 if name == "default" else 50)


@device
def test_a_batch_of_frames_with_other_ranges_is_those_frames(shared: Path, device: str) -> None:
    net, frames = weights(shared, "random"), dark(3, (40, 48))[:, :, 8:14, 8:13]
    range_ = torch.tensor([[0.0, 0.1], [0.2, 0.2], [0.1, 1.0]], device=device)  # the second is flat
    fused, frames = on(net, device), frames.to(device)
    alone = torch.cat([fused(frame[None], own[None]) for frame, own in zip(frames, range_, strict=True)])
    assert (fused(frames, range_) - alone).abs().max() < (1e-3 if device == "cuda" else 1e-9)
    assert (alone.cpu() - continued(net, frames.cpu(), range_.cpu())).abs().max() < 0.02


@device
def test_calibration_is_the_matrix_with_a_shoulder_or_without_clamped(device: str) -> None:
    from exdnet_plugin.exdnet.fused import calibrate

    generator = torch.Generator().manual_seed(0)
    before, matrix = torch.randn(2, 3, 37, 31, generator=generator), torch.randn(2, 3, 3, generator=generator)
    made = torch.einsum("nij,njhw->nihw", matrix, before)
    frames, curvature = torch.rand(before.shape, generator=generator), torch.tensor([0.0, 1.3])
    found = calibrate(before.clone().to(device), matrix.to(device)).cpu()
    assert torch.allclose(found, made.clamp(1e-8, 1), atol=1e-6)
    for fits in (False, True):
        there = Shoulder(frames.to(device), curvature.to(device), fits)
        with_shoulders = calibrate(before.clone().to(device), matrix.to(device), there).cpu()
        expected = rolled_off(made, Shoulder(frames, curvature, fits)).clamp(1e-8, 1)
        assert torch.allclose(with_shoulders, expected, atol=1e-5 if fits else 1e-6)


@device
def test_what_engine_auto_tries_agrees(device: str) -> None:
    from exdnet_plugin.exdnet.fused import AGREES, largest_difference

    state = torch.get_rng_state()
    assert 0 < largest_difference(device) < AGREES / 2
    assert torch.equal(torch.get_rng_state(), state)


POINTERS = {"packed": "*fp16", "weight": "*fp16", "first": "*fp16", "x": "*fp16", "kept": "*fp16", "mixable": "*fp16"}
POINTERS |= {f"{name}_w": "*fp16" for name in ("into", "out", "up", "down")} | {"position_w": "*fp32", "mix_w": "*fp32"}
POINTERS |= dict.fromkeys(("frames", "ranges", "bias", "before", "matrix", "curvature", "scale", "shift"), "*fp32")
POINTERS |= {f"{name}_b": "*fp32" for name in ("position", "into", "mix", "out", "up", "down")}


def compiled(name: str, capability: int, constants: dict[str, Any]) -> str:
    """A kernel's PTX, made without a GPU."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from exdnet_plugin.exdnet import fused_calibration, fused_kernels

    # All but one choose among tiles.
    kernel = fused_calibration.calibrate if name == "calibrate" else getattr(fused_kernels, name).fn
    names = kernel.arg_names
    known = {key: value for key, value in constants.items() if key in names}
    signature = {key: "constexpr" if key in known else POINTERS.get(key, "i32") for key in names}
    source = ASTSource(kernel, signature, {(names.index(key),): value for key, value in known.items()})
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 4})
    return str(made.asm["ptx"])


@pytest.mark.skipif(INTERPRETED, reason="an interpreter compiles nothing")
@pytest.mark.skipif(not Path(triton.__file__).with_name("backends").joinpath("nvidia").is_dir(), reason="no backend")
@pytest.mark.parametrize(("capability", "images"), [(80, None), (90, None), (90, 1)])
def test_they_compile_for_ampere_and_hopper(capability: int, images: int | None) -> None:
    """Without a GPU too. A 1 is a constant to Triton, so one frame is a case of its own."""
    constants = {"ROWS": 4, "COLUMNS": 32, "LAST": True, "SIZE": 1024, "SHOULDER": True, "FITS": True} | (
        {"images": images} if images else {}
    )
    made = {
        name: compiled(name, capability, constants) for name in ("pack", "begin", "position", "mix", "end", "calibrate")
    }
    assert made["calibrate"] != compiled("calibrate", capability, {**constants, "SHOULDER": False})
    for name, taps in {"position": 9, "mix": 25}.items():
        assert made[name].count("bar.sync") < taps, f"{name} moves each tap through shared memory"
