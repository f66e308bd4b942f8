"""Planes as a caller gives them: whether they fit the stream, and as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exdnet_plugin.pixel_format import PixelFormat
from exdnet_plugin.stream_info import StreamInfo

Plane = TypeVar("Plane", bound=Tensor | NDArray[Any])


def check_planes(planes: Sequence[Plane], layout: PixelFormat, stream: StreamInfo) -> None:
    """Refuse what is no list of a frame's planes, in the layout and size of the stream.

    Raises:
        ValueError: what they are, and what is needed.
    """
    if not isinstance(planes, Sequence):
        kind = type(planes).__name__
        raise ValueError(f"planes are one {kind}; give a list of them")  # noqa: TRY004 - as all arguments
    expected = [layout.plane_shape(index, stream.width, stream.height) for index in range(len(layout.planes))]
    found = [tuple(one.shape) if isinstance(one, Tensor | np.ndarray) else type(one).__name__ for one in planes]
    if found != expected:
        raise ValueError(
            f"planes {found} do not fit {stream.width}x{stream.height} {layout.name}, which has {len(expected)}: "
            f"{expected}, numpy arrays or tensors"
        )
    kind = "uint8" if layout.bytes_per_value == 1 else "uint16"
    kinds = [str(plane.dtype) for plane in planes]
    if not set(kinds) <= {kind, f"torch.{kind}"}:
        raise ValueError(f"planes of {layout.name} must be torch.{kind}, or numpy's {kind}, not {kinds}")


def as_tensor(plane: NDArray[Any]) -> Tensor:
    """An array's tensor, which shares its memory where PyTorch can: not if it runs backwards or may not be written."""
    shared = plane.flags.writeable and all(stride >= 0 for stride in plane.strides)
    return torch.from_numpy(plane if shared else np.array(plane))
