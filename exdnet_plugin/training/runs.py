"""What a run of each kind trains and is validated on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.inference import exact_inference
from exdnet_plugin.pairs import Picture
from exdnet_plugin.training.batches import BatchSource
from exdnet_plugin.training.loop import Source, Trainer, Validate, evaluate_pairs
from exdnet_plugin.training.small import SmallSource, evaluate_small, make_small

Pairs = Sequence[tuple[Picture, Picture]]


def full_source(trainer: Trainer, pairs: Pairs, bright: Sequence[Picture], unseen: Pairs) -> tuple[Source, Validate]:
    """Crops of made-up pictures against their bright ones; validated on whole unseen pictures."""
    recipe = trainer.recipe
    source = BatchSource(pairs, bright, recipe.mix, recipe.size, recipe.batch, recipe.seed, crops=recipe.crops)
    return source, lambda network: evaluate_pairs(network, unseen, trainer.device)


def small_source(trainer: Trainer, weights: str, pairs: Pairs, unseen: Pairs) -> tuple[Source, Validate]:
    """Small whole pictures against what `weights` give at full size, shrunk; validated on unseen pictures."""
    teacher = exact_inference(load_weights(weights))
    recipe = trainer.recipe
    pictures = [make_small(low.astype(np.float32) / np.float32(255), teacher) for low, _ in unseen]
    source = SmallSource(pairs, teacher, recipe.mix, recipe.batch, recipe.seed)
    return source, lambda network: evaluate_small(network, pictures, trainer.device)
