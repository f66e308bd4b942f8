"""A conformance test for frame processors, which plugin authors run on their own: `check_processor(MyProcessor)`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from exdnet_plugin.contract import fault_of
from exdnet_plugin.errors import PluginError
from exdnet_plugin.processor import FrameProcessor, Resumable, lacking
from exdnet_plugin.stream_info import StreamInfo

Make = Callable[[], FrameProcessor]
SIZES = ((64, 48), (33, 17), (3, 5), (1, 1))  # (width, height): odd and tiny ones, too
FRAMES, RATE = 8, 25
TOLERANCE = 1e-4  # a hundredth of an 8-bit code is 4e-5: what sums in another order may differ by


@dataclass(frozen=True)
class Conformance:
    """What was found of a processor that keeps the contract.

    Attributes:
        resumable: whether it can tell what it remembers, so that a stopped job goes on exactly.
        temporal: whether a frame's result depends on the frames before it.
        seconds_a_megapixel: how long it took, on this device, for 640x360 frames one by one.
    """

    resumable: bool
    temporal: bool
    seconds_a_megapixel: float


def check_processor(make: Make, *, device: str = "cpu") -> Conformance:
    """Check a frame processor against the contract.

    Args:
        make: makes a new processor each time, as `lambda: Warm(amount=0.2)`.
        device: where it is checked.

    Raises:
        PluginError: what the contract asks and the processor does otherwise, a line each: what is wrong with
            one frame's result or, where nothing is, all the rest.
    """
    if lacks := lacking(make()):
        raise PluginError(f"it has no {lacks}")
    problems = [problem for size in SIZES for problem in _of_size(make, StreamInfo(*size, rate=None, device=device))]
    if problems:
        raise _broken(problems)
    stream = StreamInfo(64, 48, device=device)
    frames = _frames(stream, seed=0)
    alone = _run(make(), stream, frames, batch=1)
    problems += _same(alone, _run(make(), stream, frames, batch=4), "the result depends on the batch: 1 and 4 differ")
    problems += _of_reset(make, stream, frames, alone)
    resumable = isinstance(make(), Resumable)
    if resumable:
        problems += _of_resumption(make, stream, frames, alone)
    if problems:
        raise _broken(problems)
    backwards = _run(make(), stream, frames.flip(0), batch=1).flip(0)
    return Conformance(resumable, bool((alone - backwards).abs().max() > TOLERANCE), _seconds(make, device))


def _broken(problems: list[str]) -> PluginError:
    return PluginError("\n".join(["the processor does not keep the contract:", *dict.fromkeys(problems)]))


def _frames(stream: StreamInfo, seed: int) -> Tensor:
    """One picture in rising light: what goes on, so that nobody takes it for cuts."""
    generator = torch.Generator().manual_seed(seed)
    picture = torch.rand((1, 3, stream.height, stream.width), generator=generator)
    return (picture * torch.linspace(0.2, 0.4, FRAMES).reshape(-1, 1, 1, 1)).to(stream.device)


def _times(count: int, first: int = 0) -> Tensor:
    return torch.arange(first, first + count, dtype=torch.float64) / RATE


def _run(processor: FrameProcessor, stream: StreamInfo, frames: Tensor, batch: int) -> Tensor:
    """All frames through a new processor."""
    processor.open(stream)
    try:
        parts = enumerate(frames.split(batch))
        return torch.cat([processor.process(part, _times(len(part), n * batch)).float() for n, part in parts])
    finally:
        processor.close()


def _of_size(make: Make, stream: StreamInfo) -> Iterator[str]:
    """What is wrong with one frame's result, and whether the frame was written to."""
    processor, where = make(), f"at {stream.width}x{stream.height}"
    frames = _frames(stream, seed=1)[:1]
    given = frames.clone()
    processor.open(stream)
    result = processor.process(frames, _times(1))
    processor.close()
    if fault := fault_of(result, frames):
        yield f"{where}, process {fault}"
    elif not bool(torch.isfinite(result.float()).all()):
        yield f"{where}, the result holds values that are no numbers"
    if not torch.equal(frames, given):
        yield f"{where}, the frames were written to: return a new tensor"


def _same(expected: Tensor, found: Tensor, otherwise: str) -> list[str]:
    same = expected.shape == found.shape and bool((expected - found).abs().max() <= TOLERANCE)
    return [] if same else [otherwise]


def _of_reset(make: Make, stream: StreamInfo, frames: Tensor, alone: Tensor) -> list[str]:
    processor = make()
    processor.open(stream)
    processor.process(_frames(stream, seed=2), _times(FRAMES))
    processor.reset()
    again = torch.cat([processor.process(part, _times(1, n)).float() for n, part in enumerate(frames.split(1))])
    processor.close()
    return _same(alone, again, "reset does not forget: after it, frames come out otherwise than from a new processor")


def _of_resumption(make: Make, stream: StreamInfo, frames: Tensor, alone: Tensor) -> list[str]:
    first, second, half = make(), make(), FRAMES // 2
    first.open(stream)
    first.process(frames[:half], _times(half))
    assert isinstance(first, Resumable)
    state = first.state()
    first.close()
    second.open(stream)
    assert isinstance(second, Resumable)
    second.restore(state)
    rest = second.process(frames[half:], _times(FRAMES - half, half)).float()
    second.close()
    return _same(alone[half:], rest, "restore does not go on from what state told")


def _seconds(make: Make, device: str) -> float:
    stream = StreamInfo(640, 360, device=device)
    frames, processor = _frames(stream, seed=3), make()
    processor.open(stream)
    processor.process(frames[:1], _times(1))
    start = time.perf_counter()
    for number, frame in enumerate(frames[1:].split(1), 1):
        processor.process(frame, _times(1, number)).sum().item()  # waits for a GPU
    processor.close()
    return (time.perf_counter() - start) / (FRAMES - 1) / (640 * 360 / 1e6)
