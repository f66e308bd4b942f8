"""The training loop: resumable to the step, the same on CPU and CUDA, weights averaged, metrics as JSON lines."""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from exdnet_plugin.errors import CheckpointError, ExdnetError
from exdnet_plugin.exdnet.checkpoint import weights_bytes
from exdnet_plugin.exdnet.fade import Blend
from exdnet_plugin.exdnet.inference import calibration_matrix
from exdnet_plugin.exdnet.network import ExdNet, apply_matrix
from exdnet_plugin.lock import lock
from exdnet_plugin.training.batches import Batch
from exdnet_plugin.training.forward import local_part, whole_matrices
from exdnet_plugin.training.losses import Compared
from exdnet_plugin.training.objective import Objective
from exdnet_plugin.training.recipe import Recipe
from exdnet_plugin.training.remembered import Remembered
from exdnet_plugin.whole_file import whole_file

CHECKPOINT = "checkpoint.pth"
BEST = "best.safetensors"
LAST = "last.safetensors"
METRICS = "metrics.jsonl"

Validate = Callable[[ExdNet], dict[str, float]]
Report = Callable[[dict[str, Any]], None]
Batches = Callable[[int, int], Iterable[Batch]]  # of the steps from the first to before the last, in order


class TrainingStoppedError(ExdnetError):
    """The loss is not a number any more. The last good checkpoint is kept."""


class Trainer:
    """One run in one folder.

    It holds `checkpoint.pth` to go on from, the averaged weights as `best.safetensors` (by validation PSNR) and as
    `last.safetensors`, and `metrics.jsonl`.

    Attributes:
        step: how many are done.
        stop_asked: set while it runs, from a signal's handler, the step under way is its last; it is saved.

    Raises:
        CheckpointError: the folder's checkpoint cannot be read.
        ValueError: it is of another recipe, or another process trains there.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        device: str,
        *,
        initial: dict[str, Tensor] | None = None,
        vgg: Path | None = None,
        compile: bool = False,
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = lock(folder / "lock", forked=True)
        except BlockingIOError:
            raise ValueError(f"--run {folder}: another process trains there; give another, or stop it") from None
        torch.manual_seed(recipe.seed)
        self.network = ExdNet().to(device)
        if initial is not None:
            self.network.load_state_dict(initial)
        self.average = ExdNet().to(device).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.Adam(_groups(self.network, recipe), betas=(0.9, 0.99))
        self._objective = Objective(recipe.losses, device, vgg)
        self._blend = Blend(1.0, "keep", recipe.fade)
        self.step, self.best = 0, -math.inf
        self.stop_asked = False
        if (folder / CHECKPOINT).exists():
            self._resume()
        # Sizes of crops are fixed in a run; with dynamic sizes, some versions of the compiler fail.
        self._local = torch.compile(local_part, dynamic=False) if compile else local_part

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self._objective.restore(state.get("objective", {}))
            self.step, self.best = state["step"], state["best"]
            was = state["recipe"]
        except Exception as error:
            raise CheckpointError(
                f"{path} cannot be gone on from: {' '.join(str(error).split())[:200]}. Give another --run, or remove it"
            ) from error
        self.recipe.check_same(was)

    def run(self, batches: Batches, validate: Validate, report: Report, remembered: Remembered | None = None) -> None:
        """Train from the current step to the recipe's last.

        Args:
            batches: gives the batches of a span of steps.
            validate: metrics of a network, `psnr` among them.
            report: takes every line that goes to `metrics.jsonl`.
            remembered: the pictures that batches name by number.

        Raises:
            TrainingStoppedError: loss or gradient is not finite; what is saved is of the last good step saved.
        """
        recipe = self.recipe
        first, started = self.step, time.monotonic()
        for batch in batches(first, recipe.steps):
            if remembered and (self.step == first or self.step % recipe.checkpoint_every == 0):
                remembered.refresh(self.network, self.step)  # where a resumed run would
            terms = self._train_step(batch, remembered)
            self.step += 1
            if self.step % recipe.log_every == 0:
                left = (time.monotonic() - started) / (self.step - first) * (recipe.steps - self.step)
                found = {name: round(float(term), 5) for name, term in terms.items()}
                self._record({"step": self.step, "seconds_left": round(left), **found}, report)
            if self.step % recipe.validate_every == 0 or self.step == recipe.steps:
                self._validate(validate, report)
            if self.step % recipe.checkpoint_every == 0 or self.step == recipe.steps or self.stop_asked:
                self._save()
            if self.stop_asked:
                return

    def _train_step(self, batch: Batch, remembered: Remembered | None) -> dict[str, Tensor]:
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)  # drop path, the same after a resume
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.step) * group["rate"]
        self.network.train()
        # What a picture becomes must not depend on what else is in the batch: the statistics stay what they are.
        self.network.global_net.conv_large.eval()
        loss, terms = self._losses(batch.to(self.device), remembered)
        if not torch.isfinite(loss):
            raise TrainingStoppedError(self._how_it_stopped("loss", float(loss.detach())))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        if not torch.isfinite(norm):
            raise TrainingStoppedError(self._how_it_stopped("the gradient", float(norm)))
        self.optimizer.step()
        self._update_average()
        return {"loss": loss.detach(), **{name: term.detach() for name, term in terms.items()}}

    def _how_it_stopped(self, what: str, value: float) -> str:
        path = self.folder / CHECKPOINT
        kept = (
            f"{path} holds the last good step, and it goes on from there" if path.exists() else "nothing was saved yet"
        )
        return f"{what} is {value} at step {self.step}; {kept}. Lower the learning rate and start again"

    def _losses(self, batch: Batch, remembered: Remembered | None) -> tuple[Tensor, dict[str, Tensor]]:
        constants, whole = self.recipe.constants, None
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.startswith("cuda")):
            before = self._local(self.network, batch.frames, batch.ranges, constants)
        before = before.float()
        if batch.wholes:
            matrices, looks, whole = whole_matrices(self.network, batch.wholes, constants, self.device, self._blend)
            result = apply_matrix(matrices[batch.owner], before)
            result = self._blend(batch.frames, result, looks[batch.owner])
        elif remembered and batch.remembered:
            matrices, whole = remembered.matrices(self.network, batch.remembered, self.step)
            result = apply_matrix(matrices[batch.owner], before)
        else:
            result = apply_matrix(calibration_matrix(self.network.global_net, before), before)
        compared = Compared(result, batch.targets, batch.frames, batch.twins)
        return self._objective(compared, whole)

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
        row = {"step": self.step, "validation": {name: round(value, 4) for name, value in found.items()}}
        self._record(row, report)
        if found["psnr"] > self.best:
            self.best = found["psnr"]
            self._write(BEST, self._weights())

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "objective": self._objective.state(),
            "step": self.step,
            "best": self.best,
            "recipe": self.recipe.facts(),
        }
        content = io.BytesIO()  # written by Python, whose error on a full disk says so
        torch.save(state, content)
        self._write(CHECKPOINT, content.getvalue())
        self._write(LAST, self._weights())

    def _weights(self) -> bytes:
        return weights_bytes(self.average.state_dict(), self.recipe.constants, self.recipe.fade)

    def _write(self, name: str, content: bytes) -> None:
        with whole_file(self.folder / name) as path:
            path.write_bytes(content)

    def _record(self, row: dict[str, Any], report: Report) -> None:
        with (self.folder / METRICS).open("a") as file:
            file.write(json.dumps(row) + "\n")
        report(row)


def _groups(network: ExdNet, recipe: Recipe) -> list[dict[str, Any]]:
    """The local part's parameters and the global branch's, each with how many times the learning rate it has."""
    whole, branch = list(network.named_parameters()), "global_net."
    local = [parameter for name, parameter in whole if not name.startswith(branch)]
    calibration = [parameter for name, parameter in whole if name.startswith(branch)]
    return [
        {"params": local, "rate": 1.0, "lr": 0.0},
        {"params": calibration, "rate": recipe.global_rate, "lr": 0.0},
    ]
