"""The training loop: resumable to the step, the same on CPU and CUDA, weights averaged, metrics as JSON lines."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from exdnet_plugin.errors import ExdnetError
from exdnet_plugin.evaluation.metrics import PictureMetrics, compare, mean_metrics
from exdnet_plugin.exdnet.checkpoint import weights_bytes
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.exdnet.folded import before_calibration, fold
from exdnet_plugin.exdnet.network import ExdNet, apply_matrix, drop_path
from exdnet_plugin.pairs import Picture
from exdnet_plugin.pipeline.prefetch import prefetch
from exdnet_plugin.training.batches import Batch
from exdnet_plugin.training.losses import LossWeights, total_loss
from exdnet_plugin.training.samples import SampleMix
from exdnet_plugin.whole_file import whole_file

CHECKPOINT = "checkpoint.pth"
BEST = "best.safetensors"
LAST = "last.safetensors"
METRICS = "metrics.jsonl"
AHEAD = 4  # batches made before they are needed


Validate = Callable[[ExdNet], dict[str, float]]
Report = Callable[[dict[str, Any]], None]


class Source(Protocol):
    """Where batches come from."""

    def at(self, step: int) -> Batch:
        """The batch of a step."""


@dataclass(frozen=True)
class Recipe:
    """What a run is. Two runs of one recipe on one machine give the same weights."""

    steps: int = 12000
    batch: int = 8
    size: int = 112
    learning_rate: float = 5e-4
    final_learning_rate: float = 1e-5
    warmup: int = 200
    ema: float = 0.999
    clip: float = 1.0
    seed: int = 0
    crops: int = 2
    freeze_statistics: bool = False
    mix: SampleMix = field(default_factory=SampleMix)
    losses: LossWeights = field(default_factory=LossWeights)
    checkpoint_every: int = 200
    validate_every: int = 1000
    log_every: int = 50


class TrainingStoppedError(ExdnetError):
    """The loss is not a number any more. The last good checkpoint is kept."""


class Trainer:
    """One run in one folder.

    It holds `checkpoint.pth` to go on from, the averaged weights as `best.safetensors` (by validation PSNR) and as
    `last.safetensors`, and `metrics.jsonl`.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        device: str,
        *,
        initial: dict[str, Tensor] | None = None,
        compile: bool = False,
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.network = ExdNet().to(device)
        if initial is not None:
            self.network.load_state_dict(initial)
        self.average = ExdNet().to(device).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.99))
        self.step, self.best = 0, -math.inf
        if (folder / CHECKPOINT).exists():
            self._resume()
        self._unclamped = torch.compile(unclamped) if compile else unclamped

    def _resume(self) -> None:
        state = torch.load(self.folder / CHECKPOINT, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best = state["step"], state["best"]

    def run(self, source: Source, validate: Validate, report: Report) -> None:
        """Train from the current step to the recipe's last.

        Args:
            source: gives the batches of steps.
            validate: metrics of a network, `psnr` among them.
            report: takes every line that goes to `metrics.jsonl`.
        """
        recipe = self.recipe
        first, started = self.step, time.monotonic()
        for batch in prefetch(map(source.at, range(first, recipe.steps)), AHEAD, name="batches"):
            terms = self._train_step(batch)
            self.step += 1
            if self.step % recipe.log_every == 0:
                seconds = time.monotonic() - started
                left = seconds / (self.step - first) * (recipe.steps - self.step)
                self._record(
                    {
                        "step": self.step,
                        "seconds_left": round(left),
                        **{k: round(float(v), 5) for k, v in terms.items()},
                    },
                    report,
                )
            if self.step % recipe.validate_every == 0 or self.step == recipe.steps:
                self._validate(validate, report)
            if self.step % recipe.checkpoint_every == 0 or self.step == recipe.steps:
                self._save()

    def _train_step(self, batch: Batch) -> dict[str, Tensor]:
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)  # drop path, the same after a resume
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.network.train()
        if self.recipe.freeze_statistics:
            self.network.global_net.conv_large.eval()
        frames, ranges, targets = (
            t.to(self.device, non_blocking=True) for t in (batch.frames, batch.ranges, batch.targets)
        )
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.startswith("cuda")):
            output = self._unclamped(self.network, frames, ranges)
        loss, terms = total_loss(output.float(), targets, frames, self.recipe.losses)
        if not torch.isfinite(loss):
            raise TrainingStoppedError(
                f"loss is {float(loss)} at step {self.step}; {self.folder / CHECKPOINT} holds the last good step. "
                "Lower the learning rate and start again: it goes on from there"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        self._update_average()
        return {"loss": loss.detach(), **{name: term.detach() for name, term in terms.items()}}

    def _learning_rate(self) -> float:
        recipe = self.recipe
        if self.step < recipe.warmup:
            return recipe.learning_rate * (self.step + 1) / recipe.warmup
        progress = (self.step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
        cosine = (1 + math.cos(math.pi * min(progress, 1))) / 2
        return recipe.final_learning_rate + (recipe.learning_rate - recipe.final_learning_rate) * cosine

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        for mean, value in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def _validate(self, validate: Validate, report: Report) -> None:
        found = validate(self.average)
        self._record(
            {"step": self.step, "validation": {name: round(value, 4) for name, value in found.items()}}, report
        )
        if found["psnr"] > self.best:
            self.best = found["psnr"]
            self._save_weights(BEST)

    def _save_weights(self, name: str) -> None:
        content = weights_bytes(self.average.state_dict())
        with whole_file(self.folder / name) as path:
            path.write_bytes(content)

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "best": self.best,
            "recipe": asdict(self.recipe),
        }
        with whole_file(self.folder / CHECKPOINT) as path:
            torch.save(state, path)
        self._save_weights(LAST)

    def _record(self, row: dict[str, Any], report: Report) -> None:
        with (self.folder / METRICS).open("a") as file:
            file.write(json.dumps(row) + "\n")
        report(row)


def unclamped(network: ExdNet, frames: Tensor, ranges: Tensor) -> Tensor:
    """The network's output before its clamp, through the folded form, with drop path while training."""

    def residual(x: Tensor, rate: float) -> Tensor:
        return drop_path(x, rate, network.training)

    before = before_calibration(fold(network), frames, ranges, residual=residual)
    return apply_matrix(network.global_net(F.avg_pool2d(before, 2)), before)


@torch.no_grad()
def evaluate_pairs(network: ExdNet, pairs: Sequence[tuple[Picture, Picture]], device: str) -> dict[str, float]:
    """Mean metrics of the network on whole pictures."""
    return mean_metrics([_evaluate(network, low, high, device) for low, high in pairs])


def _evaluate(network: ExdNet, low: Picture, high: Picture, device: str) -> PictureMetrics:
    frame, truth = (torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float() / 255 for image in (low, high))
    output = unclamped(network, frame, exposure_range(frame)).clamp(0, 1)
    return compare((output * 255).round() / 255, truth)
