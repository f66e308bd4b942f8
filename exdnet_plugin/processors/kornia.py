"""Any kornia operation as a frame processor, by its dotted name."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from exdnet_plugin.stream_info import StreamInfo

# (height, width) of the frames that an operation is tried on until it takes one: a large kernel refuses small frames.
PROBES = ((32, 48), (96, 144), (288, 432))


class KorniaProcessor:
    """A kornia operation on each frame: `kornia=op=enhance.adjust_saturation:factor=1.2`.

    Args:
        op: dotted name below `kornia`, of a function whose first parameter is the image, or of a module class.
        options: the operation's own parameters, as Python literals: `kernel_size='(5, 5)'`.

    Raises:
        ValueError: there is no such operation or option, or it does not turn (N, 3, H, W) into the same shape; from
            `open`, frames are too small for it.
    """

    def __init__(self, op: str, **options: str) -> None:
        self._name = op
        given = ", ".join(f"{key}={text}" for key, text in options.items())
        try:
            self._run = _operation(op, {key: _literal(text) for key, text in options.items()})
            self._probed = self._probe_any()
        except _RefusedError as error:
            raise ValueError(f"kornia operation {op} refuses its options {given}: {error}") from error.__cause__

    def _probe_any(self) -> tuple[int, int]:
        """The first of the sizes that the operation takes frames of."""
        for size in PROBES[:-1]:
            with suppress(_RefusedError):
                return self._probe(size)
        return self._probe(PROBES[-1])

    def _probe(self, size: tuple[int, int], device: str = "cpu") -> tuple[int, int]:
        """Try the operation on a frame of a size, (height, width), which is given back."""
        probe = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(0)).to(device)
        with _refusing():
            result = self._run(probe)
        if not isinstance(result, Tensor) or result.shape != probe.shape:
            shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise ValueError(
                f"kornia operation {self._name} turns {tuple(probe.shape)} into {shape}; a frame processor must keep "
                "the shape"
            )
        return size

    def open(self, stream: StreamInfo) -> None:
        if isinstance(self._run, nn.Module):
            self._run.to(stream.device)
        size = min(stream.height, self._probed[0]), min(stream.width, self._probed[1])
        if size == self._probed:
            return
        try:
            self._probe(size, stream.device)
        except _RefusedError as error:
            raise ValueError(
                f"kornia operation {self._name} refuses frames of {stream.width}x{stream.height}: {error}. It takes "
                f"those of {self._probed[1]}x{self._probed[0]} and larger"
            ) from error.__cause__

    def process(self, frames: Tensor, times: Tensor) -> Tensor:
        result: Tensor = self._run(frames)
        return result

    def reset(self) -> None:
        """Each frame is by itself: nothing to forget."""

    def state(self) -> dict[str, Tensor]:
        """Nothing is remembered."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing to remember."""

    def close(self) -> None:
        """Nothing to release."""


class _RefusedError(Exception):
    """What an operation says of its options, or of a frame."""


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # kornia raises of every kind for a wrong value; the remedy is the same
        raise _RefusedError(" ".join(str(error).split())) from error


def _literal(text: str) -> Any:
    if text.count("(") != text.count(")"):
        raise ValueError(f"{text!r} is cut off at a comma: put it between single quotes, as kernel_size='(5, 5)'")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _operation(name: str, options: dict[str, Any]) -> Callable[[Tensor], Any]:
    found = _find(name)
    parameters = list(inspect.signature(found).parameters.values())
    own = parameters if inspect.isclass(found) else parameters[1:]
    known = {p.name for p in own}
    unknown = sorted(options.keys() - known)
    if unknown:
        raise ValueError(
            f"kornia operation {name} has no option {unknown[0]!r}; there are {', '.join(p.name for p in own)}"
        )
    missing = [p.name for p in own if p.default is p.empty and p.name not in options and p.kind is not p.VAR_KEYWORD]
    if missing:
        raise ValueError(f"kornia operation {name} needs option {', '.join(missing)}")
    options |= {p.name: _floats(options[p.name]) for p in own if p.name in options and _asks_for_floats(p)}
    if inspect.isclass(found):
        with _refusing():
            module = found(**options)
        assert isinstance(module, nn.Module)
        return module.eval()
    return lambda frames: found(frames, **options)


def _asks_for_floats(parameter: inspect.Parameter) -> bool:
    """Whether it is annotated with floats alone: kornia refuses whole numbers there."""
    kinds = set(re.findall(r"\w+", str(parameter.annotation)))
    return "float" in kinds and "int" not in kinds


def _floats(value: Any) -> Any:
    """A whole number as a float, also within a tuple or list; all else as it is."""
    if isinstance(value, tuple | list):
        return type(value)(map(_floats, value))
    return float(value) if type(value) is int else value


def _find(name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.rpartition(".")
    try:
        module = importlib.import_module(f"kornia.{module_name}" if module_name else "kornia")
        found = getattr(module, attribute)
    except (ImportError, AttributeError):
        raise ValueError(
            f"kornia has no operation {name!r}; write its dotted name, as enhance.adjust_gamma or filters.median_blur"
        ) from None
    if not callable(found) or (inspect.isclass(found) and not issubclass(found, nn.Module)):
        raise ValueError(
            f"kornia.{name} is no operation on images; write one as enhance.adjust_gamma or filters.median_blur"
        )
    operation: Callable[..., Any] = found
    return operation
