"""`exdnet train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command(short_help="Train weights on paired folders.")
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option("--low", type=click.Path(path_type=Path), help="Folder of dark pictures, instead of DATA.")
@click.option("--high", type=click.Path(path_type=Path), help="Folder of bright pictures of the same names.")
@click.option("--bright", type=click.Path(path_type=Path), help="Folder of well-lit pictures without dark partners.")
@click.option(
    "--run",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("runs/exdnet"),
    show_default=True,
    help="Where the run is; one that is there goes on.",
)
@click.option("--from", "initial", help="Weights to start from, by name or file.")
@click.option("--steps", type=click.IntRange(1), default=12000, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True)
@click.option("--size", type=click.IntRange(16), default=96, show_default=True, help="Side of a crop in pixels.")
@click.option("--learning-rate", type=float, default=5e-4, show_default=True)
@click.option("--crops", type=click.IntRange(1), default=2, show_default=True, help="Crops of one picture in a batch.")
@click.option("--freeze-statistics", is_flag=True, help="Keep the batch norms' statistics: for going on from weights.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--checkpoint-every", type=click.IntRange(1), default=200, show_default=True, help="Steps that a kill may lose."
)
@click.option("--validate-every", type=click.IntRange(1), default=500, show_default=True)
@click.option("--small", metavar="WEIGHTS", help="Teach small frames what WEIGHTS give at full size: for realtime.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]")
@click.option("--compile", is_flag=True, help="Compile the step with torch.compile; needs a C++ compiler.")
def train(
    data: Path | None,
    low: Path | None,
    high: Path | None,
    bright: Path | None,
    folder: Path,
    initial: str | None,
    small: str | None,
    device: str,
    compile: bool,
    **recipe: Any,
) -> None:
    """Train ExdNet on the paired pictures in DATA (low + high, as LOL has them) or in --low and --high.

    Whole viewpoint groups are held out for validation (viewpoint_groups.json in DATA tells them). The run's folder gets
    checkpoint.pth to go on from, best.safetensors (by validation PSNR) and last.safetensors to use as exdnet=weights=…,
    and metrics.jsonl. Killed at any time, the same command goes on from the last checkpoint.
    """
    from exdnet_plugin.allocator import keep_memory
    from exdnet_plugin.devices import resolve_device
    from exdnet_plugin.exdnet.checkpoint import load_weights
    from exdnet_plugin.pairs import split_by_group, viewpoint_groups
    from exdnet_plugin.training.loop import Recipe, Trainer
    from exdnet_plugin.training.runs import full_source, small_source
    from exdnet_plugin.training.small import SMALL_LOSSES

    keep_memory()
    pairs, root = _pairs(data, low, high)
    training, validation = split_by_group(pairs, viewpoint_groups(root, pairs))
    if not validation or not training:
        raise ValueError(
            f"{len(pairs)} pairs are too few to hold some out for validation; give at least two viewpoints"
        )
    if small:
        recipe["losses"] = SMALL_LOSSES
    trainer = Trainer(
        Recipe(**recipe),
        folder,
        resolve_device(device),
        initial=load_weights(initial).state if initial else None,
        compile=compile,
    )
    click.echo(
        f"{len(training)} pairs to train on, {len(validation)} held out; "
        f"step {trainer.step} of {recipe['steps']} in {folder}"
    )
    shown, unseen = [pair.load() for pair in training], [pair.load() for pair in validation]
    if small:
        trainer.run(*small_source(trainer, small, shown, unseen), _say)
    else:
        trainer.run(*full_source(trainer, shown, _bright(bright), unseen), _say)
    click.echo(
        f"done: {folder / 'best.safetensors'} holds the best weights; "
        f"use them as exdnet=weights={folder / 'best.safetensors'}"
    )


def _pairs(data: Path | None, low: Path | None, high: Path | None) -> tuple[list[Any], Path]:
    from exdnet_plugin.pairs import find_pairs, paired_folders

    if data is not None:
        return find_pairs(*paired_folders(data)), data
    if low is None or high is None:
        raise ValueError("no pictures to train on; give DATA, or both --low and --high")
    return find_pairs(low, high), low.parent


def _bright(folder: Path | None) -> list[Any]:
    from exdnet_plugin.pairs import find_pictures, read_picture

    return [read_picture(path) for path in find_pictures(folder)] if folder else []


def _say(row: dict[str, Any]) -> None:
    from exdnet_plugin.cli.progress import duration

    if "validation" in row:
        found = row["validation"]
        line = (
            f"step {row['step']}: validation {found['psnr']:.2f} dB, SSIM {found['ssim']:.4f}, "
            f"chroma ratio {found['chroma_ratio']:.2f}"
        )
    else:
        line = f"step {row['step']}: loss {row['loss']:.4f}, {duration(row['seconds_left'])} left"
    click.echo(line)
