"""What a run is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from exdnet_plugin.exdnet.exposures import LOL_CONSTANTS, RELLISUR_CONSTANTS, ExposureConstants
from exdnet_plugin.exdnet.fade import Fade
from exdnet_plugin.training.losses import LossWeights
from exdnet_plugin.training.samples import PLAIN, SampleMix

# What a run that goes on cannot change without being another one.
_LASTING = ("data", "batch", "size", "crops", "seed", "exposures", "mix", "losses", "global_rate", "remembered", "fade")
PLAIN_WHOLES, PLAIN_RATE = 16, 3.0  # of plain pairs: `remembered` and `global_rate`
CONSTANTS = {"lol": LOL_CONSTANTS, "rellisur": RELLISUR_CONSTANTS}


def _differing(name: str, was: Any, now: Any) -> str:
    """A value that differs or, of several by name, as losses are, those that do."""
    if not (isinstance(was, Mapping) and isinstance(now, Mapping)):
        return f"{name} {was} instead of {now}"
    return ", ".join(
        f"{name} {key} {was.get(key)} instead of {value}" for key, value in now.items() if was.get(key) != value
    )


@dataclass(frozen=True)
class Recipe:
    """Two runs of one recipe on one machine give the same weights. Learning rates warm up, then fall by a cosine.

    `global_rate` is how many times the local part's learning rate the global branch has. `remembered` is from how many
    whole pictures a step the matrix is learnt as they are remembered, see `remembered`; 0 runs those of the crops.
    `data` tells one set of pairs from another, see `runs.told`.
    """

    steps: int = 12000
    batch: int = 8
    size: int = 96
    learning_rate: float = 5e-4
    final_learning_rate: float = 1e-5
    warmup: int = 200
    ema: float = 0.999
    clip: float = 1.0
    seed: int = 0
    crops: int = 2
    global_rate: float = 1.0
    remembered: int = 0
    exposures: str = "lol"
    data: str = ""
    mix: SampleMix = field(default_factory=SampleMix)
    losses: LossWeights = field(default_factory=LossWeights)
    checkpoint_every: int = 200
    validate_every: int = 500
    log_every: int = 50

    def check_same(self, was: Mapping[str, Any]) -> None:
        """ValueError when a run that goes on was another one; how long it is and what it reports may change."""
        now = self.facts()
        refreshes = ("checkpoint_every",) if self.remembered else ()  # then pictures are remembered anew
        other = [name for name in (*_LASTING, *refreshes) if name in was and was[name] != now[name]]
        if other:
            values = ", ".join(_differing(name, was[name], now[name]) for name in other)
            raise ValueError(
                f"the run that is there was started with {values}; give the same, or another --run, which may start "
                "from its weights by --from last.safetensors of this one"
            )

    def facts(self) -> dict[str, Any]:
        """All that it is, the fade that follows from it included."""
        return asdict(self) | {"fade": asdict(self.fade) if self.fade else None}

    @property
    def constants(self) -> ExposureConstants:
        """The exposure constants by their name."""
        return CONSTANTS[self.exposures]

    @property
    def fade(self) -> Fade | None:
        """What the weights get; of plain pairs none, since those are for a benchmark's pictures alone."""
        return None if self.mix == PLAIN else Fade()

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(self.steps - self.warmup, 1)
        cosine = (1 + math.cos(math.pi * min(progress, 1))) / 2
        return self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * cosine
