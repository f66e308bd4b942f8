"""Exported files give what PyTorch gives, say whose weights they hold, and are whole or not there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_cli import Run, refused

from exdnet_plugin import ExdnetError, ExdNetModule
from exdnet_plugin.exdnet import export as exporting
from exdnet_plugin.exdnet.checkpoint import load_weights, weights_path
from exdnet_plugin.exdnet.export import LIBRARIES, SUFFIXES, Exported, export, frames_of_all_kinds

FORMATS = ["onnx", "openvino", "torch"]


def needs(format: str) -> None:
    for library in LIBRARIES[format]:
        pytest.importorskip(library)


@pytest.fixture(scope="module", params=FORMATS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    needs(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    made = export(folder / f"night{SUFFIXES[request.param]}", format=request.param)
    beside = {"night.bin"} if request.param == "openvino" else set()
    assert {path.name for path in folder.iterdir()} == {made.path.name} | beside
    return made


def opened(path: Path) -> tuple[Callable[[torch.Tensor], Any], dict[str, str]]:
    """How a user runs such a file, and what it tells of itself."""
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        facts = session.get_modelmeta().custom_metadata_map
        return lambda frames: session.run(["output"], {"input": frames.numpy()})[0], facts
    if path.suffix == ".xml":
        import openvino

        model = openvino.Core().read_model(path)
        facts = {key: model.get_rt_info(key).astype(str) for key in model.get_rt_info() if key.startswith("exdnet")}
        compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda frames: compiled({"input": frames.numpy()})["output"], facts
    files = {"exdnet.json": ""}
    program = torch.export.load(path, extra_files=files).module()
    return lambda frames: program(frames).detach().numpy(), json.loads(files["exdnet.json"])


@pytest.mark.slow
def test_a_file_gives_what_pytorch_gives_at_any_size_and_content(exported: Exported) -> None:
    run, _ = opened(exported.path)
    assert exported.difference < 1e-4
    for shape, scale in [((1, 3, 16, 16), 1.0), ((1, 3, 90, 160), 0.2), ((2, 3, 33, 57), 0.05), ((1, 3, 24, 24), 0.0)]:
        frames = torch.rand(shape, generator=torch.Generator().manual_seed(3)) * scale
        assert abs(run(frames) - ExdNetModule(blocks="keep")(frames).numpy()).max() < 1e-4, shape


def test_what_is_compared_before_a_file_is_kept_has_a_fade_and_a_shoulder() -> None:
    noise = torch.rand(1, 3, 64, 112, generator=torch.Generator().manual_seed(0))
    dark, between, even, lit, lamp = frames_of_all_kinds(noise)
    module, other = ExdNetModule(), ExdNetModule(well_lit="enhance")
    assert torch.equal(module(dark), other(dark))
    assert 0 < (module(between) - other(between)).abs().mean() < (module(even) - other(even)).abs().mean()
    assert (module(even) - other(even)).abs().mean() > 0.02
    assert torch.allclose(module(lit), lit)
    assert (module(lamp) - ExdNetModule(highlights="clip")(lamp)).abs().max() > 0.02


@pytest.mark.slow
def test_a_file_says_whose_weights_it_holds(exported: Exported) -> None:
    _, facts = opened(exported.path)
    assert facts["exdnet_weights"] == "default"
    assert facts["exdnet_sha256"] == exported.sha256 == load_weights().sha256
    assert facts["exdnet_model_card"] == weights_path("default").with_suffix(".md").read_text()


@pytest.mark.slow
def test_a_fixed_size_can_be_asked_for_and_openvino_can_change_it(tmp_path: Path) -> None:
    needs("openvino")
    import openvino

    export(tmp_path / "a.xml", format="openvino", size=(48, 64))
    model = openvino.Core().read_model(tmp_path / "a.xml")
    assert list(model.inputs[0].shape) == list(model.outputs[0].shape) == [1, 3, 48, 64]
    model.reshape([1, 3, 50, 30])
    assert list(model.outputs[0].shape) == [1, 3, 50, 30]


def test_the_command_says_how_near_the_file_is_and_where(exdnet: Run, tmp_path: Path) -> None:
    out = tmp_path / "night.pt2"
    code, said, _ = exdnet("export", "--format", "torch", "--weights", "small", "--size", "40x24", out)
    assert code == 0
    assert load_weights("small").sha256 in said
    assert "largest difference from PyTorch" in said
    assert "1 of 40x24" in said
    assert said.rstrip().endswith(str(out))
    refused(exdnet("export", "--format", "torch", out), "is there already", "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "torch", "a.onnx"], "has the extension '.onnx', but format torch needs .pt2"),
        (["--format", "torch", "nowhere/a.pt2"], "does not exist; make it first"),
        (["--format", "torch", "folder.pt2"], "is a folder"),
        (["--format", "openvino", "there.xml"], "there.bin is there already"),
        (["--format", "torch", "--weights", "gone", "a.pt2"], "no weights 'gone'; give default"),
        (["--format", "torch", "--size", "big", "a.pt2"], "--size 'big': write WIDTHxHEIGHT"),
        (["--format", "torch", "--size", "8x720", "a.pt2"], "size 8x720: each side must be between 16 and 16384"),
        (["--format", "tflite", "a.tflite"], "'tflite' is not one of 'onnx', 'openvino', 'torch'"),
    ],
)
def test_what_cannot_be_written_is_refused(
    exdnet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.pt2").mkdir()
    (tmp_path / "there.bin").write_text("precious")
    refused(exdnet("export", *arguments), said)
    assert {path.name for path in tmp_path.iterdir()} == {"folder.pt2", "there.bin"}


@pytest.mark.parametrize("library", ["onnx", "onnxscript", "onnxruntime", "openvino"])
def test_a_missing_library_is_named_with_the_remedy(
    exdnet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    format = "openvino" if library == "openvino" else "onnx"
    for one in LIBRARIES[format]:
        monkeypatch.setitem(sys.modules, one, None if one == library else object())
    result = exdnet("export", "--format", format, tmp_path / f"a{SUFFIXES[format]}")
    refused(result, f"{library} is needed", "pip install 'exdnet-plugin[export]'")


@pytest.mark.parametrize("difference", [2e-4, float("nan")])
def test_a_file_that_gives_something_else_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, difference: float
) -> None:
    monkeypatch.setattr(exporting, "_difference", lambda *_: difference)
    (tmp_path / "a.pt2").write_text("precious")
    with pytest.raises(ExdnetError, match="is not written: its results differ from PyTorch's by"):
        export(tmp_path / "a.pt2", format="torch", size=(24, 24), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt2"]
    assert (tmp_path / "a.pt2").read_text() == "precious"


def test_an_exporter_that_fails_is_one_line(exdnet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Constraints violated\nand much more")

    monkeypatch.setattr(torch.export, "export", fail)
    refused(exdnet("export", "--format", "torch", tmp_path / "a.pt2"), "failed: RuntimeError: Constraints violated and")
    assert not list(tmp_path.iterdir())
