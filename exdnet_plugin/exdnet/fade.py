"""Which frames get a network's result, which only more light, and which stay what they are.

A network that is taught to leave well-lit pictures alone still changes them by a dozen codes, and it lifts the shadows
of pictures that are evenly lit and lack nothing but light. A camera that gets less light gives smaller codes, all by
one factor as far as they are a power of light; so a gain brings such a picture back. How bright a frame is, and how
bright beside its own highlights, tells these from dark ones, and needs no teaching.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

WellLit = Literal["keep", "enhance"]
Ramp = tuple[float, float]
_CODE = 1 / 255
ROWS = 64  # of a frame at a time, so that what a gain makes of it takes little memory beside it


@dataclass(frozen=True)
class Fade:
    """They belong to the weights; the published network has none. All are of full scale, in [0, 1].

    Attributes:
        dim: between these mean levels, frames that are evenly lit fade from the network's result into a gain,
        even: and so they do between these ratios of the mean level to the exposure range's upper end.
        white: where the gain brings the exposure range's upper end,
        light: unless the mean level would be above this then, which it brings there.
        lit, bright: between these mean levels, or these upper ends of the exposure range, whichever is further, the
            gain fades into none: what is well lit stays.
    """

    dim: Ramp = (0.08, 0.12)  # nine of ten dark pictures of LOL are below 0.09
    even: Ramp = (0.25, 0.4)  # photos by night, with lamps, are mostly below 0.25, well-lit ones above 0.33
    lit: Ramp = (0.3, 0.45)  # well-lit photos have 0.45 on average, with a quarter of their light 0.23
    bright: Ramp = (0.7, 0.9)  # well-lit photos are mostly above 0.85, with half of their light below 0.74
    white: float = 0.95  # the upper end of well-lit photos, mostly
    light: float = 0.55  # nine of ten well-lit photos are below 0.6

    def __post_init__(self) -> None:
        for name in ("dim", "even", "lit", "bright"):
            begin, end = getattr(self, name)
            if not 0 <= begin < end <= 1:
                raise ValueError(f"fade {name} {begin} to {end}: 0 <= begin < end <= 1 is needed, as 0.3 to 0.45")
        for name in ("white", "light"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"fade {name} {getattr(self, name)}: it must be over 0 and at most 1")

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Fade:
        """From what a weights file tells of it. TypeError or ValueError: there is no such fade."""
        read: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in facts.items()}
        return cls(**read)

    def share(self, levels: Tensor, ranges: Tensor) -> Tensor:
        """How far frames of mean levels (N,) and exposure ranges (N, 2) get a gain instead of the result: (N,)."""
        return _rise(levels, self.dim) * _rise(levels / _upper(ranges), self.even)

    def gain(self, levels: Tensor, ranges: Tensor) -> Tensor:
        """The factor by which such frames become as bright as well-lit ones: (N,), at least 1."""
        factors = torch.minimum(self.white / _upper(ranges), self.light / levels.clamp(min=_CODE)).clamp(min=1.0)
        return 1 + (factors - 1) * (1 - self._well_lit(levels, ranges))

    def kept(self, levels: Tensor, ranges: Tensor) -> Tensor:
        """Which of such frames are well lit, and stay, in part or wholly, what they are: (N,), bool."""
        return self.share(levels, ranges) * self._well_lit(levels, ranges) > 0

    def _well_lit(self, levels: Tensor, ranges: Tensor) -> Tensor:
        return torch.maximum(_rise(levels, self.lit), _rise(_upper(ranges), self.bright))


def _upper(ranges: Tensor) -> Tensor:
    return ranges[:, 1].clamp(min=_CODE)


def _rise(values: Tensor, ramp: Ramp) -> Tensor:
    begin, end = ramp
    return ((values - begin) / (end - begin)).clamp(0.0, 1.0)


def mean_levels(frames: Tensor) -> Tensor:
    """The mean of all values of each of (N, 3, H, W) frames: (N,), float32. Rows first, which is exact enough."""
    return frames.mean(dim=3, dtype=torch.float32).mean(dim=(1, 2))


class Blend:
    """What frames take of the network's results.

    Args:
        strength: 0 leaves a frame, 1 is the result, between is a blend.
        well_lit: `keep`, then the fade counts, or `enhance`, all frames get the network's result.
        fade: that of the weights.

    Raises:
        ValueError: strength is out of range, or well_lit is neither.
    """

    def __init__(self, strength: float, well_lit: WellLit, fade: Fade | None) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength {strength}: it must be between 0 and 1")
        if well_lit not in get_args(WellLit):
            raise ValueError(f"well_lit {well_lit!r} is not there; there are {', '.join(get_args(WellLit))}")
        self.strength = strength
        self.fade = fade if well_lit == "keep" else None

    def __call__(self, frames: Tensor, results: Tensor, levels: Tensor | None, ranges: Tensor) -> Tensor:
        """What comes out, of the same shape and dtype; gradients flow to frames and results.

        Args:
            frames, results: (N, 3, H, W), float, in [0, 1].
            levels: mean levels of the frames, (N,), which a fade needs.
            ranges: exposure ranges of the frames, (N, 2).
        """
        if self.fade is not None and levels is not None:
            shares = self.fade.gain(levels, ranges), self.fade.share(levels, ranges)
            gain, share = (one.to(frames.dtype)[:, None, None, None] for one in shares)
            results = torch.lerp(results, (frames * gain).clamp(max=1.0), share)
        return results if self.strength == 1 else torch.lerp(frames, results, self.strength)

    def over(self, frames: Tensor, results: Tensor, levels: Tensor | None, ranges: Tensor) -> Tensor:
        """The same, written over the results, a part at a time, so that no further frame is held."""
        if self.fade is None and self.strength == 1:
            return results
        rows = ROWS if frames.device.type == "cpu" else frames.shape[2]  # on a GPU, launches would cost more
        for some, made in zip(frames.split(rows, dim=2), results.split(rows, dim=2), strict=True):
            made.copy_(self(some, made, levels, ranges))
        return results
