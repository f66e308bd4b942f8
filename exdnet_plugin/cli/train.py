"""`exdnet train`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exdnet_plugin.cli.options import PATH

if TYPE_CHECKING:
    from exdnet_plugin.training.loop import Trainer


@click.command(short_help="Train weights on paired folders.")
@click.argument("data", type=PATH, required=False)
@click.option("--low", type=PATH, help="Folder of dark pictures, instead of DATA.")
@click.option("--high", type=PATH, help="Folder of bright pictures of the same names.")
@click.option("--bright", type=PATH, help="Folder of well-lit pictures without dark partners.")
@click.option(
    "--run",
    "folder",
    type=PATH,
    default=Path("runs/exdnet"),
    show_default=True,
    help="Where the run is; one that is there goes on.",
)
@click.option("--from", "initial", help="Weights to start from, by name or file.")
@click.option("--steps", type=click.IntRange(1), default=12000, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True)
@click.option("--size", type=click.IntRange(16), default=96, show_default=True, help="Side of a crop in pixels.")
@click.option("--learning-rate", type=click.FloatRange(0, 1, min_open=True), default=5e-4, show_default=True)
@click.option(
    "--crops",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Crops of one picture in a batch; one with --plain.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--checkpoint-every", type=click.IntRange(1), default=200, show_default=True, help="Steps that a kill may lose."
)
@click.option("--validate-every", type=click.IntRange(1), default=500, show_default=True)
@click.option("--small", metavar="WEIGHTS", help="Teach small frames what WEIGHTS give at full size: for realtime.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]")
@click.option("--plain", is_flag=True, help="Pairs as they are: for a benchmark, not for real video.")
@click.option(
    "--losses", type=click.Choice(["default", "paper"]), default="default", show_default=True, help="Which to lessen."
)
@click.option("--vgg", type=PATH, help="Torchvision's VGG file, for the paper's perceptual losses.")
@click.option(
    "--exposures", type=click.Choice(["lol", "rellisur"]), help="Exposure constants. Default: by the data set."
)
@click.option(
    "--hold-out",
    type=click.Choice(["views", "pictures"]),
    default="views",
    show_default=True,
    help="For validation: whole viewpoints, or one picture of 32 of them (easier: others of its view are trained on).",
)
@click.option("--workers", type=click.IntRange(0), default=0, show_default=True, help="Processes that make samples.")
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
    vgg: Path | None,
    hold_out: str,
    workers: int,
    compile: bool,
    **options: Any,
) -> None:
    """Train ExdNet on the paired pictures in DATA (as LOL, LSRW and RELLISUR come) or in --low and --high.

    Whole viewpoint groups are held out for validation (viewpoint_groups.json in DATA tells them). The run's folder gets
    checkpoint.pth to go on from, best.safetensors (by validation PSNR) and last.safetensors to use as exdnet=weights=…,
    metrics.jsonl, curve.png, and samples.jpg: held-out pictures, dark, enhanced, and true. Stopped by Ctrl-C, the same
    command goes on; killed, it goes on from the last checkpoint.
    """
    from exdnet_plugin.allocator import keep_memory
    from exdnet_plugin.devices import resolve_device
    from exdnet_plugin.exdnet.checkpoint import load_weights
    from exdnet_plugin.training.loading import ahead, load_bright
    from exdnet_plugin.training.loop import Trainer
    from exdnet_plugin.training.runs import prepare, split, told

    _refuse_idle(options, vgg, small, bright)
    keep_memory()
    pictures = _data_set(data, low, high)
    training, unseen = split(pictures, hold_out)
    options["data"] = told(training, unseen, bright)
    recipe = _recipe(pictures.exposures, options, vgg, small)
    start = load_weights(initial).state if initial else None
    trainer = Trainer(recipe, folder, resolve_device(device), initial=start, vgg=vgg, compile=compile)
    if trainer.step > recipe.steps:
        raise ValueError(f"--steps {recipe.steps}: {folder} is at step {trainer.step}; give more, or another --run")
    if initial and trainer.step:
        click.echo(f"{folder} goes on from its checkpoint; --from {initial} is where it started")
    lit = load_bright(bright, recipe.size) if bright else []
    source, validate, remembered = prepare(trainer, pictures, training, unseen, small=small, bright=lit)
    click.echo(
        f"{pictures.name}: {len(training)} pairs to train on, {len(unseen)} held out; "
        f"step {trainer.step} of {recipe.steps} in {folder}; a line every {recipe.log_every} steps"
    )
    with _stopped_by_interrupt(trainer):
        trainer.run(ahead(source, workers), validate, _Told(folder), remembered)
    if trainer.step < recipe.steps:
        stopped = KeyboardInterrupt()
        stopped.add_note(f"step {trainer.step} of {recipe.steps} is saved in {folder}, and the same command goes on")
        raise stopped
    click.echo(
        f"done: {folder / 'best.safetensors'} holds the best weights; "
        f"use them as exdnet=weights={folder / 'best.safetensors'}"
    )


@contextmanager
def _stopped_by_interrupt(trainer: Trainer) -> Iterator[None]:
    """Ctrl-C ends the run behind the step under way; a second one ends it at once."""

    def stop(*_: object) -> None:
        trainer.stop_asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _refuse_idle(options: dict[str, Any], vgg: Path | None, small: str | None, bright: Path | None) -> None:
    """Options that would do nothing."""
    if vgg and options["losses"] != "paper":
        raise ValueError(f"--vgg {vgg} is for the paper's losses; add --losses paper, or leave it out")
    if small and bright:
        raise ValueError(
            f"--bright {bright} is not for --small, which learns from the weights it is given; leave it out"
        )
    if options["plain"] and bright:
        raise ValueError(f"--bright {bright} is not for --plain, which takes pairs as they are; leave one of them out")


def _recipe(exposures: str, options: dict[str, Any], vgg: Path | None, small: str | None) -> Any:
    from dataclasses import replace

    from exdnet_plugin.training.losses import PAPER_LOSSES, PLAIN_LOSSES, LossWeights
    from exdnet_plugin.training.recipe import PLAIN_RATE, PLAIN_WHOLES, Recipe
    from exdnet_plugin.training.samples import PLAIN, SampleMix
    from exdnet_plugin.training.small import SMALL_LOSSES

    plain, paper = options.pop("plain"), options.pop("losses") == "paper"
    remembers = plain and not paper and not small
    losses = PAPER_LOSSES if paper else SMALL_LOSSES if small else PLAIN_LOSSES if remembers else LossWeights()
    if losses.perceptual and vgg is None:
        click.echo("the perceptual and style losses are left out: they need torchvision's VGG file, by --vgg", err=True)
        losses = replace(losses, perceptual=0, style=0)
    options["exposures"] = options["exposures"] or exposures
    if remembers:
        options |= {"crops": 1, "remembered": PLAIN_WHOLES, "global_rate": PLAIN_RATE}
    return Recipe(**options, losses=losses, mix=PLAIN if plain else SampleMix())


def _data_set(data: Path | None, low: Path | None, high: Path | None) -> Any:
    from exdnet_plugin.data_sets import open_data_set, paired_data_set

    if data is not None:
        return open_data_set(data)
    if low is None or high is None:
        missing = "--high" if low else "--low" if high else "DATA, or --low and --high"
        raise ValueError(f"no pictures to train on: {missing} is missing")
    return paired_data_set(low, high)


class _Told:
    """What a run tells, line by line; at each validation its curve is drawn."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._draws = folder, True

    def __call__(self, row: dict[str, Any]) -> None:
        from exdnet_plugin.cli.progress import duration

        if "validation" not in row:
            click.echo(f"step {row['step']}: loss {row['loss']:.4f}, {duration(row['seconds_left'])} left")
            return
        found = row["validation"]
        click.echo(
            f"step {row['step']}: validation {found['psnr']:.2f} dB, SSIM {found['ssim']:.4f}, "
            f"chroma ratio {found['chroma_ratio']:.2f}"
        )
        if self._draws:
            self._draw()

    def _draw(self) -> None:
        from exdnet_plugin.training.curve import draw_curve

        try:
            draw_curve(self._folder)
        except ImportError:
            self._draws = False
            click.echo("no curve.png: matplotlib is not installed; pip install exdnet-plugin[train]", err=True)
