"""`--quality realtime`: a chain runs on a small frame, and what it does there is done to the planes as they are.

It runs on every frame: transforms that are kept leave ghosts where a picture moves. A live stream that falls behind
may keep them for a moment all the same (`refresh`), which is better than leaving frames out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from exdnet_plugin.color import ColorConverter
from exdnet_plugin.grid import apply, fit, shrink
from exdnet_plugin.stream_info import StreamInfo

SMALL_SIDE = 166  # pixels of a small frame's longer side, at most: with its halo, whole vectors of the compiled engine
SHRUNK_MIN = 2.0
ALIKE = 0.02  # of full scale: a small frame that differs more, on average, is fitted anew at once
_FORMATS = {"yuv": "yuv444p", "rgb": "gbrp", "gray": "gray"}


def small_stream(stream: StreamInfo, converter: ColorConverter) -> StreamInfo:
    """The stream of small frames, with colour facts resolved as for the large ones."""
    shrunk = max(SHRUNK_MIN, max(stream.width, stream.height) / SMALL_SIDE)
    width, height = (max(1, round(side / shrunk)) for side in (stream.width, stream.height))
    depth = converter.layout.depth
    name = _FORMATS[converter.layout.family] + (f"{depth}le" if depth > 8 else "")
    color = replace(converter.facts, chroma_site="unspecified")
    return replace(stream, width=width, height=height, pixel_format=name, color=color, shrunk=shrunk)


class Realtime:
    """Filters frames so.

    Args:
        stream: of the large frames.
        converter: of the large frames.
        chain: what is done to small RGB frames, (1, 3, h, w), at their times.

    Attributes:
        refresh: for how many seconds transforms are kept while small frames stay alike; 0 is not at all.
    """

    def __init__(
        self, stream: StreamInfo, converter: ColorConverter, chain: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        self._converter, self._chain = converter, chain
        self.small = small_stream(stream, converter)
        self._small_converter = ColorConverter(self.small)
        self.refresh = 0.0
        self._kept: tuple[float, Tensor, Tensor] | None = None  # time, small frame, its transforms

    def __call__(self, planes: list[Tensor], time: Tensor) -> list[Tensor]:
        """One frame's planes, at its time, (1,), to what they become."""
        channels = self._converter.channels(planes)
        colours = {name: channel for name, channel in channels.items() if name != "a"}
        made = apply(list(colours.values()), self._grid(colours, time), self._converter.peak)
        return self._converter.planes({**channels, **dict(zip(colours, made, strict=True))})

    def _grid(self, colours: dict[str, Tensor], time: Tensor) -> Tensor:
        """The frame's transforms, of the channels in their order."""
        peak, size = self._converter.peak, (self.small.height, self.small.width)
        small = dict(zip(colours, shrink(list(colours.values()), size), strict=True))
        before = torch.stack(list(small.values()))[None] / peak
        if self._kept and 0 <= float(time) - self._kept[0] < self.refresh and self._is_alike(before):
            return self._kept[2]
        rgb = self._small_converter.to_rgb([small[name] for name in self._small_converter.layout.planes])
        result = self._small_converter.to_channels(self._chain(rgb, time))
        after = torch.cat([result[name] for name in colours], dim=1)
        grid = fit(before, after / peak)
        if self.refresh:
            self._kept = float(time), before, grid
        return grid

    def _is_alike(self, before: Tensor) -> bool:
        assert self._kept
        return float((before - self._kept[1]).abs().mean()) < ALIKE

    def reset(self) -> None:
        """Forget what came before."""
        self._kept = None
