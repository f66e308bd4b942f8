"""Any kornia operation as a frame processor, by its dotted name."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from exdnet_plugin.stream_info import StreamInfo

_PROBE = (1, 3, 32, 48)


class KorniaProcessor:
    """A kornia operation on each frame: `kornia=op=enhance.adjust_saturation:factor=1.2`.

    Args:
        op: dotted name below `kornia`, of a function whose first parameter is the image, or of a module class.
        options: the operation's own parameters, as Python literals: `kernel_size='(5, 5)'`.

    Raises:
        ValueError: there is no such operation or option, or it does not turn (N, 3, H, W) into the same shape.
    """

    def __init__(self, op: str, **options: str) -> None:
        self._name = op
        self._given = ", ".join(f"{key}={text}" for key, text in options.items())
        self._run = _operation(op, {key: _literal(text) for key, text in options.items()})
        self._check()

    def _check(self) -> None:
        probe = torch.rand(_PROBE, generator=torch.Generator().manual_seed(0))
        try:
            result = self._run(probe)
        except Exception as error:  # kornia raises of every kind for a wrong value; the remedy is the same
            raise ValueError(f"kornia operation {self._name} refuses its options {self._given}: {error}") from error
        if not isinstance(result, Tensor) or result.shape != probe.shape:
            shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise ValueError(
                f"kornia operation {self._name} turns {_PROBE} into {shape}; a frame processor must keep the shape"
            )

    def open(self, stream: StreamInfo) -> None:
        if isinstance(self._run, nn.Module):
            self._run.to(stream.device)

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
    if inspect.isclass(found):
        module = found(**options)
        assert isinstance(module, nn.Module)
        return module.eval()
    return lambda frames: found(frames, **options)


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
