"""Half precision is far below what anybody sees, and is where it ought to be."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
import torch
from torch import Tensor

from exdnet_plugin.exdnet.checkpoint import Weights, load_weights
from exdnet_plugin.exdnet.inference import Inference
from exdnet_plugin.processors.exdnet import ExdNetProcessor
from exdnet_plugin.stream_info import StreamInfo

DB_MIN = 50
random_weights = "golden/exdnet_random.safetensors"


def decibels(found: Tensor, expected: Tensor) -> float:
    return float(-10 * (found - expected).square().mean().log10())


def infer(weights: Weights, dtype: torch.dtype, device: str = "cpu", engine: str = "torch") -> Inference:
    return Inference(
        weights.network(), weights.constants, continue_edges=True, engine=engine, dtype=dtype, device=device
    )


def pictures(shared: Path, size: tuple[int, int]) -> list[Tensor]:
    """The middles of a few dark pictures of LOL."""
    found = []
    for path in sorted((shared / "data" / "lol" / "low").iterdir())[::121]:
        image = cv2.imread(str(path))[:, :, ::-1]
        top, left = ((have - want) // 2 for have, want in zip(image.shape, size, strict=False))
        part = image[top : top + size[0], left : left + size[1]].copy()
        found.append(torch.from_numpy(part).permute(2, 0, 1)[None].float() / 255)
    return found


@pytest.mark.parametrize("name", ["default", random_weights])
def test_float16_is_at_least_50_db_from_float32_on_real_pictures(shared: Path, name: str) -> None:
    weights = load_weights(name if name == "default" else str(shared / name))
    single, half = infer(weights, torch.float32), infer(weights, torch.float16)
    for frames in pictures(shared, (64, 96)):
        result = half(frames)
        assert result.dtype == torch.float32
        assert decibels(result, single(frames)) > DB_MIN


def test_statistics_and_the_matrix_stay_float32() -> None:
    inference = infer(load_weights(), torch.float16)
    assert {parameter.dtype for parameter in inference._global.parameters()} == {torch.float32}
    before, matrix = inference.measure(torch.rand(1, 3, 16, 16), torch.tensor([[0.0, 1.0]]))
    assert before.dtype == matrix.dtype == torch.float32


def test_a_cpu_computes_in_float32_and_a_gpu_in_float16() -> None:
    from exdnet_plugin.exdnet.engines import default_dtype

    assert infer(load_weights(), None).dtype == default_dtype("cpu") == torch.float32
    assert default_dtype("cuda:0") == torch.float16


@pytest.mark.parametrize(("precision", "dtype"), [("auto", torch.float32), ("float16", torch.float16)])
def test_a_chain_says_the_precision(precision: str, dtype: torch.dtype) -> None:
    processor = ExdNetProcessor(precision=precision)
    processor.open(StreamInfo(32, 24, "rgb24"))
    assert processor._inference.dtype == dtype
    result = processor.process(torch.rand(1, 3, 24, 32), torch.zeros(1, dtype=torch.float64))
    assert result.dtype == torch.float32


def test_a_precision_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="precision 'int8' is not there; there are auto, float16, float32"):
        ExdNetProcessor(precision="int8")


@pytest.mark.needs_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU is here")
@pytest.mark.parametrize("engine", ["torch", "triton"])
@pytest.mark.parametrize("name", ["default", random_weights])
def test_a_gpu_is_at_least_50_db_from_the_cpu_on_whole_pictures(shared: Path, engine: str, name: str) -> None:
    weights = load_weights(name if name == "default" else str(shared / name))
    single, half = infer(weights, torch.float32), infer(weights, torch.float16, "cuda", engine)
    assert half.engine == engine
    for frames in pictures(shared, (400, 600)):
        for _ in range(3):  # as it is, recorded, replayed
            found = decibels(half(frames.cuda()).cpu(), single(frames))
            assert found > DB_MIN
        print(f"\n{engine}, {Path(name).stem}: {found:.1f} dB from float32")
