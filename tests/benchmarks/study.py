"""What each part of the network and each loss brings: short runs from scratch that lack one, on pictures of half size.

    python tests/benchmarks/study.py LOL OUT.json [STEPS]

Short runs on small pictures say which parts carry the result, not what the last decibel hangs on.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from exdnet_plugin.allocator import keep_memory
from exdnet_plugin.benchmarks import machine
from exdnet_plugin.data_sets import DataSet, open_data_set
from exdnet_plugin.exdnet.exposures import ExposureConstants
from exdnet_plugin.exdnet.network import ExdNet
from exdnet_plugin.pairs import Pair, read_picture
from exdnet_plugin.training.loading import ahead
from exdnet_plugin.training.loop import Trainer
from exdnet_plugin.training.losses import LossWeights
from exdnet_plugin.training.recipe import CONSTANTS, Recipe
from exdnet_plugin.training.runs import full_source, split

CONSTANTS["one"] = ExposureConstants(((0.033, 0.9),) * 3)


def without_differences(network: ExdNet) -> None:
    """The second branch counts nothing: the frame alone is enhanced."""
    network.nlt_weight.data.zero_()
    network.nlt_weight.requires_grad_(False)


def without_calibration(network: ExdNet) -> None:
    """One learnt matrix for all pictures instead of one of each picture."""
    for parameter in network.global_net.color_linear.parameters():
        parameter.data.zero_()
        parameter.requires_grad_(False)


def nothing(network: ExdNet) -> None:
    """The whole network."""


ALL = LossWeights()
OTHER_SEEDS = (1, 2)  # of the whole: how far runs of one recipe are apart
VARIANTS: dict[str, tuple[Callable[[ExdNet], None], str, LossWeights]] = {
    "everything": (nothing, "lol", ALL),
    "without the branch of differences": (without_differences, "lol", ALL),
    "one exposure instead of three": (nothing, "one", ALL),
    "without a matrix of each picture": (without_calibration, "lol", ALL),
    "without SSIM": (nothing, "lol", replace(ALL, ssim=0)),
    "without the losses of colour": (nothing, "lol", replace(ALL, chroma=0, colourfulness=0)),
    "without the losses of lamps and black": (nothing, "lol", replace(ALL, highlights=0, black=0)),
    "without the whole picture's loss": (nothing, "lol", replace(ALL, whole=0)),
    "without the loss of consistency": (nothing, "lol", replace(ALL, consistency=0)),
}


def halved(data: DataSet, folder: Path) -> DataSet:
    """The data set at half size, written to a folder."""
    pairs = []
    for pair in data.pairs:
        paths = [folder / side / f"{pair.name}.png" for side in ("low", "high")]
        for source, target in zip((pair.low, pair.high), paths, strict=True):
            target.parent.mkdir(exist_ok=True)
            small = cv2.resize(read_picture(source), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(target), small[:, :, ::-1])
        pairs.append(Pair(pair.name, *paths))
    return replace(data, pairs=pairs)


def run(name: str, data: DataSet, folder: Path, steps: int, seed: int = 0) -> dict[str, float]:
    """The metrics of a variant's averaged weights on the held-out pictures."""
    change, exposures, losses = VARIANTS[name]
    recipe = Recipe(
        steps=steps, batch=6, size=96, crops=1, learning_rate=1e-3, ema=0.99, exposures=exposures, losses=losses,
        seed=seed, validate_every=steps, checkpoint_every=steps,
    )  # fmt: skip
    trainer = Trainer(recipe, folder / f"{name.replace(' ', '-')}-{seed}", "cpu")
    change(trainer.network)
    trainer.average.load_state_dict(trainer.network.state_dict())
    source, validate = full_source(trainer, data, *split(data, "views"), [])
    found: dict[str, Any] = {}
    trainer.run(ahead(source, 0), validate, lambda row: found.update(row.get("validation", {})))
    return found


def main() -> None:
    keep_memory()
    root, out, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 600
    results: dict[str, Any] = {"machine": machine.facts(), "steps": steps, "validation": {}}
    runs = [(variant, 0) for variant in VARIANTS] + [("everything", seed) for seed in OTHER_SEEDS]
    with tempfile.TemporaryDirectory() as name:
        data = halved(open_data_set(root), Path(name))
        for variant, seed in runs:
            title = f"{variant}, seed {seed}" if seed else variant
            results["validation"][title] = run(variant, data, Path(name), steps, seed)
            print(title, results["validation"][title], flush=True)
            out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
