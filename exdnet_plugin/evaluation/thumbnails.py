"""Small pictures for reports, as JPEG: a report of many keeps no large ones in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (240, 180)  # width and height at most
QUALITY = 88
Look = NDArray[Any]  # (H, W, 3) RGB, uint8 or float in [0, 1]
Pixels = NDArray[np.uint8]  # (H, W, 3) BGR, as OpenCV draws
T = TypeVar("T")


def thumbnail(picture: Look) -> bytes:
    """A picture as JPEG of 240x180 pixels at most, its proportions kept."""
    height, width = picture.shape[:2]
    scale = min(SIZE[0] / width, SIZE[1] / height, 1)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    codes = small if small.dtype == np.uint8 else np.rint(small * 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", codes[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()


def decoded(jpeg: bytes) -> Pixels:
    """The pixels of a thumbnail."""
    return cast(Pixels, cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


def evenly(items: Sequence[T], count: int) -> list[T]:
    """At most so many of the items, the first and the last among them, at even distances."""
    if len(items) <= count:
        return list(items)
    return [items[round(index * (len(items) - 1) / (count - 1))] for index in range(count)]
