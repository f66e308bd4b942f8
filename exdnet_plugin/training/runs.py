"""What a run of each kind trains and is validated on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from exdnet_plugin.data_sets import DataSet
from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.inference import exact_inference
from exdnet_plugin.pairs import Pair, Picture, find_pictures, split_by_group
from exdnet_plugin.training.batches import BatchSource
from exdnet_plugin.training.loading import LoadedPairs, Source
from exdnet_plugin.training.loop import Trainer, Validate
from exdnet_plugin.training.plain import PlainSource
from exdnet_plugin.training.remembered import Remembered
from exdnet_plugin.training.small import FACTORS, SmallSource, evaluate_small, make_small
from exdnet_plugin.training.validation import Validation

HELD = 32  # pictures


def told(training: Sequence[Pair], unseen: Sequence[Pair], bright: Path | None = None) -> str:
    """How many pairs are trained on and held out, and a digest of names and files' sizes, wherever they lie.

    The well-lit pictures of a folder `bright` are in the digest, too; ValueError when it is none.
    """
    pairs = [(pair.name, pair.low.stat().st_size, pair.high.stat().st_size) for pair in (*training, *unseen)]
    facts = [*pairs, *((path.name, path.stat().st_size) for path in (find_pictures(bright) if bright else []))]
    return f"{len(training)} + {len(unseen)} pairs {sha256(repr(facts).encode()).hexdigest()[:12]}"


def prepare(
    trainer: Trainer,
    data: DataSet,
    training: Sequence[Pair],
    unseen: Sequence[Pair],
    *,
    small: str | None = None,
    bright: Sequence[Picture] = (),
) -> tuple[Source, Validate, Remembered | None]:
    """What a run takes: for small frames of the weights `small`, for plain pairs remembered, or for made-up ones."""
    if small:
        return *small_source(trainer, small, training, unseen), None
    if not trainer.recipe.remembered:
        return *full_source(trainer, data, training, unseen, bright), None
    source, validate = plain_source(trainer, training, unseen)
    return source, validate, Remembered(source, trainer.recipe.constants, trainer.device)


def full_source(
    trainer: Trainer, data: DataSet, training: Sequence[Pair], unseen: Sequence[Pair], bright: Sequence[Picture]
) -> tuple[Source, Validate]:
    """Crops of made-up pictures against their bright ones; validated on whole unseen pictures."""
    recipe = trainer.recipe
    source = BatchSource(
        LoadedPairs(training, smallest=recipe.size),
        bright,
        recipe.mix,
        recipe.size,
        recipe.batch,
        recipe.seed,
        crops=recipe.crops,
        bursts=_bursts(data, training) if recipe.losses.consistency else None,
    )
    return source, Validation(LoadedPairs(unseen), recipe.constants, recipe.fade, trainer.device, trainer.folder)


def plain_source(trainer: Trainer, training: Sequence[Pair], unseen: Sequence[Pair]) -> tuple[PlainSource, Validate]:
    """Crops of plain pairs, and many whole ones as they are remembered; validated on whole unseen pictures."""
    recipe = trainer.recipe
    source = PlainSource(
        LoadedPairs(training, smallest=recipe.size),
        recipe.size,
        recipe.batch,
        recipe.remembered,
        recipe.checkpoint_every,
        recipe.seed,
    )
    return source, Validation(LoadedPairs(unseen), recipe.constants, recipe.fade, trainer.device, trainer.folder)


def _bursts(data: DataSet, training: Sequence[Pair]) -> dict[int, list[int]]:
    """The other pictures of its burst by a picture's index."""
    index = {pair.name: position for position, pair in enumerate(training)}
    bursts = [[index[name] for name in burst if name in index] for burst in data.bursts]
    return {one: [other for other in burst if other != one] for burst in bursts for one in burst}


def small_source(
    trainer: Trainer, weights: str, training: Sequence[Pair], unseen: Sequence[Pair]
) -> tuple[Source, Validate]:
    """Small whole pictures against what `weights` give at full size, shrunk; validated on unseen pictures."""
    loaded = LoadedPairs(training, smallest=max(FACTORS))
    _check_one_size(training, loaded)
    teacher = exact_inference(load_weights(weights))
    recipe = trainer.recipe
    pictures = [make_small(low.astype(np.float32) / np.float32(255), teacher) for low, _ in LoadedPairs(unseen)]
    source = SmallSource(loaded, teacher, recipe.mix, recipe.batch, recipe.seed)
    return source, lambda network: evaluate_small(network, pictures, recipe.constants, trainer.device)


def _check_one_size(pairs: Sequence[Pair], loaded: LoadedPairs) -> None:
    """Whole pictures go into one batch; ValueError names one that is not of the first one's size."""
    first = loaded[0][0].shape
    for pair, (low, _) in zip(pairs, loaded, strict=True):
        if low.shape != first:
            raise ValueError(
                f"{pair.low} is {low.shape[1]}x{low.shape[0]}, {pairs[0].low} {first[1]}x{first[0]}; --small takes "
                "pictures of one size: scale them, or train on one size at a time"
            )


def split(data: DataSet, hold_out: str) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs: whole viewpoints are held out, or one picture of some.

    Args:
        data: the data set.
        hold_out: `views` for about a tenth of the viewpoints; `pictures` for one picture of 32 viewpoints that have
            more, as LOL's official split does: it asks less.

    Raises:
        ValueError: there is nothing to hold out, or nothing left.
    """
    training, unseen = split_by_group(data.pairs, data.groups)
    if hold_out == "pictures":
        several = sorted(sorted(group) for group in data.groups if len(group) > 1)
        random.Random(20240).shuffle(several)
        held = {group[0] for group in several[:HELD]}
        training = [pair for pair in data.pairs if pair.name not in held]
        unseen = [pair for pair in data.pairs if pair.name in held]
        if not held:
            raise ValueError(
                "--hold-out pictures needs viewpoints with several pictures, as viewpoint_groups.json tells them, and "
                "there are none; take --hold-out views"
            )
    if not training or not unseen:
        raise ValueError(
            f"{len(data.pairs)} pairs are too few to hold some out for validation; give at least two viewpoints"
        )
    return training, unseen
