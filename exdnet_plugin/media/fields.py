"""Fields of interlaced frames: each is a picture of its own moment, so each is processed by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from exdnet_plugin.media.frames import Plane
from exdnet_plugin.pixel_format import pixel_format


def has_fields(format_name: str, height: int) -> bool:
    """Whether frames split into two fields of one size, chroma too."""
    return height % (2 << pixel_format(format_name).log2_chroma[1]) == 0


def split(planes: Sequence[Plane]) -> tuple[list[Any], list[Any]]:
    """The upper and the lower field, without a copy."""
    return [plane[0::2] for plane in planes], [plane[1::2] for plane in planes]


def woven(upper: Sequence[Plane], lower: Sequence[Plane]) -> list[Any]:
    """Frames of two fields, line by line."""
    return [
        np.stack([top, bottom], axis=1).reshape(-1, *top.shape[1:]) for top, bottom in zip(upper, lower, strict=True)
    ]
