"""Which frames get a network's result, which only more light, and which stay what they are.

A network that is taught to leave well-lit pictures alone still changes them by a dozen codes, and it lifts the shadows
of pictures that are evenly lit and lack nothing but light. A camera that gets less light gives smaller codes, all by
one factor as far as they are a power of light; so a gain brings such a picture back. How bright a frame looks, and how
bright beside its own highlights, tells these from dark ones, and needs no teaching.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from exdnet_plugin.choices import check_choice
from exdnet_plugin.exdnet.look import look
from exdnet_plugin.exdnet.memory import some_rows

WellLit = Literal["keep", "enhance"]
Ramp = tuple[float, float]
_CODE = 1 / 255


@dataclass(frozen=True)
class Fade:
    """They belong to the weights; the published network has none. All are of full scale, in [0, 1].

    Attributes:
        dim: between these mean levels, frames that are evenly lit fade from the network's result into a gain,
        even: and so they do between these ratios of the mean level to the upper end.
        black: below these upper ends, in which there is nothing to be seen, frames fade from the network's result into
            what they are: it makes grey of black.
        white: where the gain brings the upper end,
        light: unless the mean level would be above this then, which it brings there.
        lit, bright: between these mean levels, or these upper ends, whichever is further, the gain fades into none:
            what is well lit stays.
    """

    dim: Ramp = (0.08, 0.12)  # nine of ten dark pictures of LOL are below 0.09
    even: Ramp = (0.25, 0.4)  # photos by night, with lamps, are mostly below 0.25, well-lit ones above 0.33
    lit: Ramp = (0.3, 0.45)  # well-lit photos have 0.45 on average, with a quarter of their light 0.23
    bright: Ramp = (0.7, 0.9)  # well-lit photos are mostly above 0.82, with half of their light below 0.74
    black: Ramp = (2 * _CODE, 5 * _CODE)  # the darkest picture of LOL has 10 codes
    white: float = 0.98  # the upper end of most well-lit photos, or nearly
    light: float = 0.55  # nine of ten well-lit photos are below 0.6

    def __post_init__(self) -> None:
        for name in ("dim", "even", "lit", "bright", "black"):
            begin, end = getattr(self, name)
            if not 0 <= begin < end <= 1:
                raise ValueError(f"fade {name} {begin} to {end}: 0 <= begin < end <= 1 is needed, as 0.3 to 0.45")
        for name in ("white", "light"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"fade {name} {getattr(self, name)}: it must be over 0 and at most 1")

    @classmethod
    def of(cls, facts: Any) -> Fade:
        """From what a weights file tells of it; ValueError or TypeError: it is none."""
        if not isinstance(facts, dict):
            raise TypeError(f"fade {facts!r}: ramps by name are needed; train or export these weights anew")
        read: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in facts.items()}
        return cls(**read)

    def share(self, looks: Tensor) -> Tensor:
        """How far frames that look so, (N, 2), get a gain instead of the network's result: (N,), in [0, 1]."""
        return torch.maximum(self._evenly_lit(looks), self._empty(looks))

    def gain(self, looks: Tensor) -> Tensor:
        """The factor by which such frames become as bright as well-lit ones: (N,), at least 1; of black ones, 1."""
        level, upper = _parts(looks)
        factors = torch.minimum(self.white / upper, self.light / level).clamp(min=1.0)
        return 1 + (factors - 1) * (1 - self.well_lit(looks)) * (self._empty(looks) == 0)

    def _evenly_lit(self, looks: Tensor) -> Tensor:
        level, upper = _parts(looks)
        return _rise(level, self.dim) * _rise(level / upper, self.even)

    def _empty(self, looks: Tensor) -> Tensor:
        return 1 - _rise(_parts(looks)[1], self.black)

    def well_lit(self, looks: Tensor) -> Tensor:
        """How far such frames need no gain: (N,), in [0, 1]."""
        level, upper = _parts(looks)
        return torch.maximum(_rise(level, self.lit), _rise(upper, self.bright))

    def kept(self, looks: Tensor) -> Tensor:
        """Which of such frames are well lit, and stay mostly or wholly what they are: (N,), bool."""
        return self._evenly_lit(looks) * self.well_lit(looks) > 0.5


def _parts(looks: Tensor) -> tuple[Tensor, Tensor]:
    level, upper = looks.clamp(min=_CODE).unbind(1)
    return level, upper


def _rise(values: Tensor, ramp: Ramp) -> Tensor:
    begin, end = ramp
    return ((values - begin) / (end - begin)).clamp(0.0, 1.0)


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
        check_choice("well_lit", well_lit, get_args(WellLit))
        self.strength = strength
        self.fade = fade if well_lit == "keep" else None

    def __call__(self, frames: Tensor, results: Tensor, looks: Tensor | None = None) -> Tensor:
        """What comes out, of the same shape and dtype; gradients flow to frames and results.

        Args:
            frames, results: (N, 3, H, W), float, in [0, 1].
            looks: how bright the frames look, (N, 2), where it is not to be told from them.
        """
        return self._mix(frames, results, self._shares(frames, looks))

    def over(self, frames: Tensor, results: Tensor, looks: Tensor | None = None) -> Tensor:
        """The same, without a gradient, written over the results some rows at a time, so that little more is held."""
        shares = self._shares(frames, looks)
        for some, made in some_rows(frames, results):
            self._mix(some, made, shares, out=made)
        return results

    def _shares(self, frames: Tensor, looks: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """The gain of each frame and how far it counts, to be broadcast."""
        if self.fade is None:
            return None
        looks = look(frames.detach()) if looks is None else looks
        gain, share = (
            part.to(frames.dtype)[:, None, None, None] for part in (self.fade.gain(looks), self.fade.share(looks))
        )
        return gain, share

    def _mix(
        self, frames: Tensor, results: Tensor, shares: tuple[Tensor, Tensor] | None, out: Tensor | None = None
    ) -> Tensor:
        if shares:
            gain, share = shares
            results = torch.lerp(results, (frames * gain).clamp_(max=1.0), share, out=out)
        return results if self.strength == 1 else torch.lerp(frames, results, self.strength, out=out)
