"""Pixel formats by FFmpeg's names: how planes lie in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

Family = Literal["yuv", "rgb", "gray"]

_PLANAR_YUV = re.compile(r"yuv(?P<flag>[ja]?)(?P<sub>420|422|444|440)p(?P<depth>9|10|12|14|16)?(?:le)?")
_PLANAR_RGB = re.compile(r"gbr(?P<alpha>a?)p(?P<depth>9|10|12|14|16)?(?:le)?")
_GRAY = re.compile(r"gray(?P<depth>9|10|12|14|16)?(?:le)?")
_SUBSAMPLING = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "440": (0, 1)}
_SEMI_PLANAR = {
    "nv12": ("420", 8, 0, "uv"),
    "nv21": ("420", 8, 0, "vu"),
    "nv16": ("422", 8, 0, "uv"),
    "nv24": ("444", 8, 0, "uv"),
    "p010le": ("420", 10, 6, "uv"),
    "p012le": ("420", 12, 4, "uv"),
    "p016le": ("420", 16, 0, "uv"),
    "p210le": ("422", 10, 6, "uv"),
    "p410le": ("444", 10, 6, "uv"),
}
_PACKED_RGB = {
    "rgb24": ("rgb", 8),
    "bgr24": ("bgr", 8),
    "rgba": ("rgba", 8),
    "bgra": ("bgra", 8),
    "argb": ("argb", 8),
    "abgr": ("abgr", 8),
    "rgb48le": ("rgb", 16),
    "bgr48le": ("bgr", 16),
    "rgba64le": ("rgba", 16),
    "bgra64le": ("bgra", 16),
}
EXAMPLES = "yuv420p, yuv422p10le, nv12, p010le, gray, gbrp, rgb24, rgba64le"


@dataclass(frozen=True)
class PixelFormat:
    """How frames of a format lie in memory.

    Attributes:
        name: FFmpeg's name.
        family: `yuv`, `rgb` or `gray`.
        depth: significant bits of a value, 8 to 16.
        shift: how far the value is shifted up in its word (P010: 6).
        log2_chroma: chroma subsampling, (horizontal, vertical), 0 or 1 each.
        planes: a string a plane, naming its interleaved channels: `("y", "u", "v")`, `("y", "uv")`, `("rgb",)`.
        full_range: whether the name itself says full range (`yuvj…`, and RGB and gray always).
    """

    name: str
    family: Family
    depth: int
    shift: int
    log2_chroma: tuple[int, int]
    planes: tuple[str, ...]
    full_range: bool

    @property
    def bytes_per_value(self) -> int:
        """1 for 8 bits, 2 above."""
        return 1 if self.depth == 8 else 2

    def plane_shape(self, plane: int, width: int, height: int) -> tuple[int, ...]:
        """Shape of a plane's array: (h, w), or (h, w, channels) when interleaved."""
        channels = self.planes[plane]
        if set(channels) <= set("uv"):
            width = -(-width >> self.log2_chroma[0])
            height = -(-height >> self.log2_chroma[1])
        return (height, width, len(channels)) if len(channels) > 1 else (height, width)


@cache
def pixel_format(name: str) -> PixelFormat:
    """The format of a name; ValueError for one that is not handled here (media converts those with swscale)."""
    if name in _SEMI_PLANAR:
        sub, depth, shift, order = _SEMI_PLANAR[name]
        return PixelFormat(name, "yuv", depth, shift, _SUBSAMPLING[sub], ("y", order), False)
    if name in _PACKED_RGB:
        order, depth = _PACKED_RGB[name]
        return PixelFormat(name, "rgb", depth, 0, (0, 0), (order,), True)
    if match := _PLANAR_YUV.fullmatch(name):
        planes = ("y", "u", "v", "a") if match["flag"] == "a" else ("y", "u", "v")
        return PixelFormat(
            name, "yuv", int(match["depth"] or 8), 0, _SUBSAMPLING[match["sub"]], planes, match["flag"] == "j"
        )
    if match := _PLANAR_RGB.fullmatch(name):
        planes = ("g", "b", "r", "a") if match["alpha"] else ("g", "b", "r")
        return PixelFormat(name, "rgb", int(match["depth"] or 8), 0, (0, 0), planes, True)
    if match := _GRAY.fullmatch(name):
        return PixelFormat(name, "gray", int(match["depth"] or 8), 0, (0, 0), ("y",), True)
    raise ValueError(f"pixel format {name!r} is not handled; use one as {EXAMPLES}")
