"""Where a video moves: dense optical flow of its luma, what it covers up, and regions that stand still.

Flow is DIS (Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016), OpenCV's. Occlusions are found
by flow there and back, as by Lai et al., "Learning blind video temporal consistency", ECCV 2018. OpenCV is here beside
PyAV, and each brings an FFmpeg; OpenCV's is never called.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from numpy.typing import NDArray

STATIC_PIXELS = 0.5  # what moves by less stands still
SMALLEST = 16  # pixels a side
FLOW_SIDE = 960  # larger frames are shrunk to it: flow is smooth, and its time goes with the pixels
BLUR = 1.5  # standard deviation in pixels: noise of dark frames is no motion
MARGIN = 7  # pixels around what moves that are not taken for static: flow is coarse there
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Motion(NamedTuple):
    """How a frame continues the one before.

    Attributes:
        flow: (H, W, 2), from each pixel to where it was in the frame before, x and y in pixels.
        visible: (H, W), pixels that were seen in the frame before.
        static: (H, W), pixels that stand still and have nothing moving beside them.
    """

    flow: Floats
    visible: Mask
    static: Mask


class MotionFinder:
    """Finds the motion between luma planes given in order, (H, W) float in [0, 1]. Brightness does not matter."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: NDArray[np.uint8] | None = None

    def update(self, luma: Floats, *, cut: bool = False) -> Motion | None:
        """Motion since the luma before; None for the first one and at a cut."""
        now, before = normalised(luma), self._before
        self._before = now
        if before is None or cut:
            return None
        back, forth = self._between(now, before), self._between(before, now)
        visible, static = _visible(back, forth), np.hypot(*_components(back)) < STATIC_PIXELS / _shrink(luma)
        moving = cv2.dilate((~static).astype(np.uint8), np.ones((MARGIN, MARGIN), np.uint8))
        size = luma.shape[1], luma.shape[0]
        flow = cv2.resize(back, size) * np.float32(_shrink(luma))
        return Motion(cast(Floats, flow), _enlarged(visible, size), _enlarged(moving == 0, size))

    def _between(self, one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Floats:
        return cast(Floats, self._flow.calc(one, other, cast(Any, None)))


def normalised(luma: Floats) -> NDArray[np.uint8]:
    """8 bits in which flow can be found, in the dark too: small, without noise, stretched, dark parts lifted."""
    shrink = _shrink(luma)
    size = round(luma.shape[1] / shrink), round(luma.shape[0] / shrink)
    small = luma if shrink == 1 else cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(small, (0, 0), BLUR)
    low, high = np.percentile(smooth, (1, 99))
    stretched = np.clip((smooth - low) / max(high - low, 1 / 255), 0, 1)
    return cast(NDArray[np.uint8], (np.sqrt(stretched) * 255).astype(np.uint8))


def warped(frame: Floats, flow: Floats) -> Floats:
    """The frame before, (H, W, 3), brought to where its pixels are now, by bilinear interpolation."""
    return cast(Floats, cv2.remap(frame, *_origins(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _shrink(luma: Floats) -> float:
    return float(max(1.0, min(max(luma.shape) / FLOW_SIDE, min(luma.shape) / SMALLEST)))


def _components(flow: Floats) -> tuple[Floats, Floats]:
    return flow[:, :, 0], flow[:, :, 1]


def _origins(flow: Floats) -> tuple[Floats, Floats]:
    rows, columns = np.indices(flow.shape[:2], np.float32)
    return columns + flow[:, :, 0], rows + flow[:, :, 1]


def _visible(back: Floats, forth: Floats) -> Mask:
    """Pixels whose flow leads there and back again, within the frame."""
    x, y = _origins(back)
    inside = (x >= 0) & (y >= 0) & (x <= back.shape[1] - 1) & (y <= back.shape[0] - 1)
    returned = cv2.remap(forth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    missed = np.square(back + returned).sum(axis=2)
    allowed = 0.01 * (np.square(back).sum(axis=2) + np.square(returned).sum(axis=2)) + 0.5
    return np.asarray(inside & (missed <= allowed))


def _enlarged(mask: Mask, size: tuple[int, int]) -> Mask:
    return cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
