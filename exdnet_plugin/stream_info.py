"""What a stream is: size, rate, pixel format, colour facts. Frame processors and host filters are opened with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Integral
from typing import Literal, get_args

Range = Literal["limited", "full", "unspecified"]
ChromaSite = Literal["left", "center", "topleft", "top", "unspecified"]


@dataclass(frozen=True)
class ColorFacts:
    """How a stream's values mean colours, by FFmpeg's names for the code points of ITU-T H.273."""

    matrix: str = "unspecified"
    primaries: str = "unspecified"
    transfer: str = "unspecified"
    range: Range = "unspecified"
    chroma_site: ChromaSite = "unspecified"

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("range", self.range, get_args(Range)),
            ("chroma_site", self.chroma_site, get_args(ChromaSite)),
        ):
            if value not in allowed:
                raise ValueError(f"{name} {value!r}: it must be one of {', '.join(allowed)}")


@dataclass(frozen=True)
class StreamInfo:
    """A stream of frames of one size and pixel format.

    Args:
        width, height: in pixels, at least 1.
        pixel_format: FFmpeg's name, as `yuv420p`, `p010le`, `rgb24`.
        rate: frames a second where the stream has a steady rate.
        color: the colour facts as tagged; what is unspecified is resolved by `exdnet_plugin.color`.
        device: where frames are processed, as torch names it: `cpu`, `cuda:0`; `cuda` is all GPUs.
        fields: 2 where frames are the fields of interlaced ones, in turn, whose lines lie between each other's; else 1.
        shrunk: how many times smaller these frames are than the video's, for quality `realtime`; 1 is as large.
    """

    width: int
    height: int
    pixel_format: str = "rgb24"
    rate: Fraction | None = None
    color: ColorFacts = field(default_factory=ColorFacts)
    device: str = "cpu"
    shrunk: float = 1.0
    fields: int = 1

    def __post_init__(self) -> None:
        if not (isinstance(self.width, Integral) and isinstance(self.height, Integral)):
            raise TypeError(f"stream size {self.width}x{self.height}: whole numbers of pixels are needed")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"stream size {self.width}x{self.height}: both must be at least 1 pixel")
