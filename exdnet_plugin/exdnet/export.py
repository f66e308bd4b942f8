"""ExdNet in files that other runtimes read: ONNX, OpenVINO, and PyTorch's own exported programs."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from exdnet_plugin.errors import ExdnetError, MediaError
from exdnet_plugin.exdnet.checkpoint import DEFAULT, load_weights, weights_path
from exdnet_plugin.exdnet.module import ExdNetModule
from exdnet_plugin.whole_file import check_free, whole_file

Format = Literal["onnx", "openvino", "torch"]
Size = tuple[int, int]  # height, width
Shape = tuple[int, int, int, int]
Run = Callable[[Tensor], Tensor]
Passport = dict[str, str]

SUFFIXES: dict[str, str] = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
LIBRARIES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino",), "torch": ()}
SIZE_MIN = 16  # pixels a side; a smaller frame has a single pixel in the global branch, which is a case of its own
SIZE_MAX = 16384  # pixels a side; shapes need a bound, and 16K video is the largest there is
TOLERANCE = 1e-4
INPUT, OUTPUT = "input", "output"
_REMEDY = "pip install --upgrade torch 'exdnet-plugin[export]' may help"
BATCH_MAX = 1024
OPSET = 18  # of ONNX, of December 2022: what hosts bring is often old
_TRACED = 2, 3, 72, 96  # a batch of one would be taken as fixed
_CHECKED = (1, 3, 64, 112), (3, 3, 101, 77)  # even and odd, with and without a batch, and not what was traced


@dataclass(frozen=True)
class Exported:
    """What was written, and the largest difference of its results from PyTorch's on frames of those shapes."""

    path: Path
    sha256: str
    difference: float
    shapes: tuple[Shape, ...]


def export(
    path: Path,
    *,
    format: Format,
    weights: str = DEFAULT,
    size: Size | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write the inference form, run the file, and keep it only if it gives what PyTorch gives, to 1e-4.

    The file takes `input`, (N, 3, H, W), float32, RGB in [0, 1], and gives `output`, the same. Its metadata hold the
    weights' name, sha256 and model card.

    Args:
        path: the file; `.onnx`, `.xml` (with a `.bin` beside it) or `.pt2`.
        format: onnx, openvino or torch.
        weights: a name that ships with the package, or a .safetensors or .pth file.
        size: height and width, for hosts that take no others; None for any from 16x16 on
            and any number of frames at once.
        overwrite: replace a file that is there.

    Raises:
        ValueError: the size is out of range.
        MediaError: the file cannot be written under this name.
        CheckpointError: the weights are not of this network.
        ExdnetError: a library is missing, or the written file gives something else.
    """
    _check_path(path, format, overwrite)
    if size and not all(SIZE_MIN <= side <= SIZE_MAX for side in size):
        raise ValueError(f"size {size[1]}x{size[0]}: each side must be between {SIZE_MIN} and {SIZE_MAX} pixels")
    for name in LIBRARIES[format]:
        _library(name)
    passport = _passport(weights)
    shapes = ((1, 3, *size),) if size else _CHECKED
    with contextlib.ExitStack() as files, _quiet():
        hidden = files.enter_context(whole_file(path))
        for other in _beside(path, format):  # which get their names first: OUT is never there without them
            files.enter_context(whole_file(other))
        # Smoothing between blocks cannot be traced for every size.
        difference = _write_and_run(ExdNetModule(weights, blocks="keep").eval(), hidden, format, size, shapes, passport)
        if not difference <= TOLERANCE:  # not a number is no success, either
            raise ExdnetError(
                f"{path} is not written: its results differ from PyTorch's by {difference:.2g}, and at most "
                f"{TOLERANCE:g} is allowed; {_REMEDY}"
            )
    return Exported(path, passport["exdnet_sha256"], difference, shapes)


def _write_and_run(
    module: ExdNetModule, path: Path, format: Format, size: Size | None, shapes: tuple[Shape, ...], passport: Passport
) -> float:
    try:
        _WRITERS[format](module, size, path, passport)
        return _difference(_READERS[format](path), module, shapes)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ExdnetError(f"the export as {format} failed: {type(error).__name__}: {reason}; {_REMEDY}") from error


def _beside(path: Path, format: Format) -> list[Path]:
    return [path.with_suffix(".bin")] if format == "openvino" else []


def _check_path(path: Path, format: Format, overwrite: bool) -> None:
    if path.suffix != SUFFIXES[format]:
        raise MediaError(f"{path} has the extension {path.suffix!r}, but format {format} needs {SUFFIXES[format]}")
    for one in [path, *_beside(path, format)]:
        check_free(one, overwrite=overwrite)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ExdnetError(
            f"{name} is needed for this format and cannot be imported ({error}); pip install 'exdnet-plugin[export]'"
        ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporters warn of their own insides; whether the file is right, the comparison tells."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _passport(weights: str) -> Passport:
    from exdnet_plugin import __version__

    card = weights_path(weights).with_suffix(".md")
    return {
        "exdnet_plugin": __version__,
        "exdnet_weights": weights,
        "exdnet_sha256": load_weights(weights).sha256,
        "exdnet_model_card": card.read_text(encoding="utf-8") if card.is_file() else "",
    }


def _program(module: ExdNetModule, size: Size | None) -> ExportedProgram:
    batch, side = Dim.AUTO(min=1, max=BATCH_MAX), Dim.AUTO(min=SIZE_MIN, max=SIZE_MAX)
    traced = (1, 3, *size) if size else _TRACED
    with torch.enable_grad():  # without, PyTorch's operators for this CPU would be in the graph
        return torch.export.export(
            module, (torch.rand(traced),), dynamic_shapes=None if size else ({0: batch, 2: side, 3: side},)
        )


def _write_torch(module: ExdNetModule, size: Size | None, path: Path, passport: Passport) -> None:
    torch.export.save(_program(module, size), path, extra_files={"exdnet.json": json.dumps(passport)})


def _read_torch(path: Path) -> Run:
    run: Run = torch.export.load(path).module()
    return run


def _write_onnx(module: ExdNetModule, size: Size | None, path: Path, passport: Passport) -> None:
    onnx = _library("onnx")
    made = torch.onnx.export(
        _program(module, size),
        dynamo=True,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=None if size else ({0: "batch", 2: "height", 3: "width"},),
        opset_version=OPSET,
        external_data=False,
        verbose=False,
    )
    assert made is not None
    model = made.model_proto
    onnx.helper.set_model_props(model, passport)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _read_onnx(path: Path) -> Run:
    session = _library("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda frames: torch.from_numpy(session.run([OUTPUT], {INPUT: frames.numpy()})[0])


def _write_openvino(module: ExdNetModule, size: Size | None, path: Path, passport: Passport) -> None:
    openvino = _library("openvino")
    # Whatever the size, from a program of any: so hosts can still give the model another (FFmpeg's input_resizable).
    model = openvino.convert_model(_program(module, None))
    model.reshape([1, 3, *size] if size else [-1, 3, -1, -1])
    model.inputs[0].get_tensor().set_names({INPUT})
    model.outputs[0].get_tensor().set_names({OUTPUT})
    for key, value in passport.items():
        model.set_rt_info(value, [key])
    openvino.save_model(model, path, compress_to_fp16=False)


def _read_openvino(path: Path) -> Run:
    # Some CPUs would compute in bfloat16 unless told otherwise.
    model = _library("openvino").Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda frames: torch.from_numpy(model({INPUT: frames.numpy()})[OUTPUT])


_WRITERS: dict[str, Callable[[ExdNetModule, Size | None, Path, Passport], None]] = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "torch": _write_torch,
}
_READERS: dict[str, Callable[[Path], Run]] = {"onnx": _read_onnx, "openvino": _read_openvino, "torch": _read_torch}


def frames_of_all_kinds(noise: Tensor) -> tuple[Tensor, ...]:
    """(N, 3, H, W) in [0, 1] as dark, between that and evenly lit, evenly lit, well lit, dark with a light in it."""
    lit = noise**3 * 0.1
    lit[:, :, : noise.shape[2] // 8] += 0.25
    return noise**3 * 0.25, noise**3 * 0.4, noise * 0.4, noise * 0.9, lit


def _difference(run: Run, module: ExdNetModule, shapes: tuple[Shape, ...]) -> float:
    """The largest difference of a runtime's results from the module's."""
    random = torch.Generator().manual_seed(0)
    frames = [frame for shape in shapes for frame in frames_of_all_kinds(torch.rand(shape, generator=random))]
    with torch.no_grad():
        return max(float((run(frame) - module(frame)).abs().max()) for frame in frames)
