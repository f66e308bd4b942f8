"""Planes of any pixel format to RGB tensors and back, on the device: the only room that knows matrices and ranges.

Source: ITU-T H.273 (07/2021), tables 2-4. What a stream leaves unspecified is resolved by one rule, :func:`resolve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from exdnet_plugin import yuv
from exdnet_plugin.pixel_format import PixelFormat, pixel_format
from exdnet_plugin.stream_info import ColorFacts, StreamInfo
from exdnet_plugin.yuv import Coding

# H.273 table 4: Kr and Kb by FFmpeg's name of the matrix.
LUMA_WEIGHTS = {
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt470bg": (0.299, 0.114),
    "smpte170m": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
}
SD_MAX_HEIGHT = 576  # unspecified matrices: lines up to which video is taken for standard definition


def resolve(stream: StreamInfo) -> ColorFacts:
    """The facts to convert by: as tagged and, where unspecified, by this rule.

    Matrix: BT.601 up to 576 lines and 1024 columns, else BT.709. Range: full where the format says so, else limited.
    Chroma site: left. ValueError for a matrix that is not a linear map of RGB (ICtCp, BT.2020-CL).
    """
    facts, layout = stream.color, pixel_format(stream.pixel_format)
    matrix, range_, site = facts.matrix, facts.range, facts.chroma_site
    if matrix in ("unspecified", "rgb"):
        matrix = "smpte170m" if stream.height <= SD_MAX_HEIGHT and stream.width <= 1024 else "bt709"
    if matrix not in LUMA_WEIGHTS:
        raise ValueError(
            f"matrix {matrix!r} is not handled; there are {', '.join(LUMA_WEIGHTS)}. "
            "Convert the source to one of them first"
        )
    if layout.full_range and (layout.family != "gray" or range_ == "unspecified"):
        range_ = "full"
    return replace(
        facts,
        matrix=matrix,
        range="limited" if range_ == "unspecified" else range_,
        chroma_site="left" if site == "unspecified" else site,
    )


def assumed(stream: StreamInfo) -> list[str]:
    """What :func:`resolve` took for granted about YUV that is not tagged, a line each."""
    if pixel_format(stream.pixel_format).family != "yuv":
        return []
    tagged, used = stream.color, resolve(stream)
    untagged = [name for name in ("matrix", "range") if getattr(tagged, name) == "unspecified"]
    taken = ", ".join(f"{name} {getattr(used, name)}" for name in untagged)
    return [f"the file does not tag its colour's {' and '.join(untagged)}; taken for {taken}"] if untagged else []


class ColorConverter:
    """Converts frames of one stream between planes and RGB."""

    def __init__(self, stream: StreamInfo) -> None:
        self.layout: PixelFormat = pixel_format(stream.pixel_format)
        self.facts = resolve(stream)
        self._size = stream.height, stream.width
        self._coding = self._told()

    def to_rgb(self, planes: Sequence[Tensor]) -> Tensor:
        """Planes in the stream's format, integers as they lie in memory, to (1, 3, H, W) float32 RGB.

        [0, 1] is black to white; what lies beyond (super-white, colours outside RGB) is not clipped here.
        """
        split = self._split(planes)
        if self._compiled(split):
            return yuv.to_rgb([split[name] for name in "yuv"], self._coding)
        channels = {name: self._values(plane) for name, plane in split.items() if name != "a"}
        if self.layout.family == "yuv":
            return self._yuv_to_rgb(*(channels[name] for name in "yuv"))
        if self.layout.family == "gray":
            return self._luma(channels["y"]).expand(1, 3, *self._size)
        return torch.cat([channels[name] for name in "rgb"], dim=1) / self.peak

    def from_rgb(self, rgb: Tensor, original: Sequence[Tensor]) -> list[Tensor]:
        """(1, 3, H, W) float RGB to planes of the stream's pixel format. Alpha is taken from the original planes."""
        split = self._split(original)
        if self._compiled(split):
            words = dict(zip("yuv", yuv.from_rgb(rgb, [split[name] for name in "yuv"], self._coding), strict=True))
        else:
            between = self._between_samples(split) if self.layout.family == "yuv" else None
            words = {name: self._words(value) for name, value in self.to_channels(rgb, between).items()}
        if "a" in split:
            words["a"] = split["a"]
        return self._join(words)

    def _compiled(self, channels: dict[str, Tensor]) -> bool:
        """Whether the compiled engine takes them."""
        return self.layout.family == "yuv" and not self.layout.shift and yuv.takes([channels[name] for name in "yuv"])

    def to_channels(self, rgb: Tensor, between: Tensor | None = None) -> dict[str, Tensor]:
        """(1, 3, H, W) float RGB to each channel's codes, (1, 1, h, w), not rounded; `between` is added to chroma."""
        rgb = rgb.float()
        if self.layout.family == "yuv":
            return dict(zip("yuv", self._rgb_to_yuv(rgb, torch.zeros(()) if between is None else between), strict=True))
        if self.layout.family == "gray":
            return {"y": self._codes(self._weigh(rgb), luma=True)}
        return dict(zip("rgb", (rgb * self.peak).split(1, dim=1), strict=True))

    def channels(self, planes: Sequence[Tensor]) -> dict[str, Tensor]:
        """Each channel's codes as they are, (h, w) integers, a row's side by side."""
        shift = self.layout.shift
        found = self._split(planes)
        if shift:
            found = {name: (value.to(torch.int32) >> shift).to(value.dtype) for name, value in found.items()}
        return {name: value if value.stride(1) == 1 else value.contiguous() for name, value in found.items()}

    def planes(self, channels: dict[str, Tensor]) -> list[Tensor]:
        """Planes of codes from :meth:`channels`."""
        shift = self.layout.shift
        if shift:
            channels = {name: (value.to(torch.int32) << shift).to(value.dtype) for name, value in channels.items()}
        return self._join(channels)

    def _told(self) -> Coding:
        """What the facts say, in codes."""
        step, full = float(1 << (self.layout.depth - 8)), self.facts.range == "full"
        luma = (0.0, float(self.peak)) if full else (16 * step, 219 * step)
        chroma = (128 * step, float(self.peak) if full else 224 * step)
        site = self.facts.chroma_site
        cosited = site in ("left", "topleft"), site in ("top", "topleft")
        return Coding(*LUMA_WEIGHTS[self.facts.matrix], *luma, *chroma, self.peak, *cosited)

    @property
    def peak(self) -> int:
        """The highest code."""
        return (1 << self.layout.depth) - 1

    def _split(self, planes: Sequence[Tensor]) -> dict[str, Tensor]:
        """Each channel by its letter, (h, w)."""
        channels: dict[str, Tensor] = {}
        for names, plane in zip(self.layout.planes, planes, strict=True):
            channels |= dict(zip(names, plane.unbind(2) if len(names) > 1 else [plane], strict=True))
        return channels

    def _join(self, channels: dict[str, Tensor]) -> list[Tensor]:
        return [
            torch.stack([channels[n] for n in names], dim=2) if len(names) > 1 else channels[names]
            for names in self.layout.planes
        ]

    def _values(self, channel: Tensor) -> Tensor:
        """A channel's codes as float32, (1, 1, h, w), shift undone."""
        if channel.dtype == torch.uint16:  # torch has few operations on uint16
            channel = channel.to(torch.int32)
        return (channel >> self.layout.shift if self.layout.shift else channel).to(torch.float32)[None, None]

    def _words(self, codes: Tensor) -> Tensor:
        """Codes, (1, 1, h, w) float, rounded and clipped to words as they lie in memory, (h, w)."""
        codes = codes[0, 0].round().clamp_(0, self.peak)
        if self.layout.depth == 8:
            return codes.to(torch.uint8)
        return (codes.to(torch.int32) << self.layout.shift).to(torch.uint16)

    def _luma(self, y: Tensor) -> Tensor:
        return (y - self._coding.luma_offset).div_(self._coding.luma_span)

    def _codes(self, value: Tensor, *, luma: bool) -> Tensor:
        by = self._coding
        offset, span = (by.luma_offset, by.luma_span) if luma else (by.chroma_offset, by.chroma_span)
        return (value * span).add_(offset)

    def _weigh(self, rgb: Tensor) -> Tensor:
        r, g, b = rgb.split(1, dim=1)
        kr, kb = self._coding.kr, self._coding.kb
        luma: Tensor = kr * r + (1 - kr - kb) * g + kb * b
        return luma

    def _yuv_to_rgb(self, y: Tensor, u: Tensor, v: Tensor) -> Tensor:
        by, luma = self._coding, self._luma(y)
        chroma = torch.cat([u, v], dim=1).sub_(by.chroma_offset).div_(by.chroma_span)
        cb, cr = self._upsample(chroma).split(1, dim=1)
        kr, kb = by.kr, by.kb
        kg = 1 - kr - kb
        green = luma - (2 * kb * (1 - kb) / kg) * cb - (2 * kr * (1 - kr) / kg) * cr
        return torch.cat([luma + 2 * (1 - kr) * cr, green, luma + 2 * (1 - kb) * cb], dim=1)

    def _between_samples(self, channels: dict[str, Tensor]) -> Tensor:
        """Chroma detail, in codes, that going to full size and back smooths away: (1, 2, h, w), or 0 for 4:4:4.

        It is added back, so that what is not changed comes back as it was, whatever the filters. The 0 stays on the
        CPU, where it counts as a number: a copy to the device would be waited for.
        """
        if self.layout.log2_chroma == (0, 0):
            return torch.zeros(())
        chroma = torch.cat([self._values(channels["u"]), self._values(channels["v"])], dim=1)
        return chroma - self._downsample(self._upsample(chroma))

    def _rgb_to_yuv(self, rgb: Tensor, between: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        luma, by = self._weigh(rgb), self._coding
        blue, red = (rgb[:, 2:] - luma) / (2 * (1 - by.kb)), (rgb[:, :1] - luma) / (2 * (1 - by.kr))
        differences = torch.cat([blue, red], dim=1)
        codes = self._codes(self._downsample(differences), luma=False) + between
        cb, cr = codes.split(1, dim=1)
        return self._codes(luma, luma=True), cb, cr

    def _upsample(self, chroma: Tensor) -> Tensor:
        height, width = self._size
        for dim, subsampled, cosited in zip((3, 2), self.layout.log2_chroma, self._coding.cosited, strict=True):
            if subsampled:
                chroma = double(chroma, dim, cosited)
        return chroma[:, :, :height, :width]

    def _downsample(self, chroma: Tensor) -> Tensor:
        for dim, subsampled, cosited in zip((3, 2), self.layout.log2_chroma, self._coding.cosited, strict=True):
            if subsampled:
                chroma = halve(chroma, dim, cosited)
        return chroma


def double(x: Tensor, dim: int, cosited: bool) -> Tensor:
    """Twice the samples along a dimension, linearly interpolated at the chroma site, edges repeated."""
    size = x.shape[dim]
    after = torch.cat([x.narrow(dim, 1, size - 1), x.narrow(dim, size - 1, 1)], dim)
    if cosited:
        even, odd = x, (x + after) / 2
    else:
        before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, size - 1)], dim)
        even, odd = x.lerp(before, 0.25), x.lerp(after, 0.25)
    return torch.stack([even, odd], dim + 1).flatten(dim, dim + 1)


def halve(x: Tensor, dim: int, cosited: bool) -> Tensor:
    """Half the samples along a dimension: [1 2 1]/4 around a sample it lies on, the mean of the two it lies between."""
    if x.shape[dim] % 2:
        x = torch.cat([x, x.narrow(dim, x.shape[dim] - 1, 1)], dim)
    pairs: Tensor = x.unflatten(dim, (-1, 2))
    even, odd = pairs.unbind(dim + 1)
    if not cosited:
        return (even + odd).div_(2)
    before = torch.cat([even.narrow(dim, 0, 1), odd.narrow(dim, 0, odd.shape[dim] - 1)], dim)
    return (before + odd).div_(4).add_(even, alpha=0.5)
