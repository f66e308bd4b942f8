"""`exdnet bench`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from exdnet_plugin.cli.options import PATH

CASES = ("network", "pipeline", "memory", "flicker", "live", "weights")
How = dict[str, Any]


@click.command(short_help="Measure speed, memory and flicker on this machine.")
@click.argument("cases", nargs=-1, type=click.Choice(CASES), metavar="[CASE]...")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    default=("480p", "1080p"),
    show_default=True,
    help="480p, 720p, 1080p, 4K; 8K, without the plain form.",
)
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]")
@click.option(
    "--runs", type=click.IntRange(1), default=3, show_default=True, help="Timed runs of each network case, at least."
)
@click.option("--bursts", type=PATH, help="LOL's folder, for flicker on its static bursts, and for weights.")
@click.option("--bright", type=PATH, help="Well-lit photos, which `weights` looks at, too, if given.")
@click.option("--weights", default="default", show_default=True, help="Which weights `weights` is about.")
@click.option("--seconds", type=click.FloatRange(5), default=30, show_default=True, help="How long `live` is measured.")
@click.option("--json", "report", type=PATH, help="Write the results here.")
def bench(cases: tuple[str, ...], sizes: tuple[str, ...], device: str, report: Path | None, **how: Any) -> None:
    """Measure CASEs, all by default: network, pipeline, memory, flicker, live, and with --bursts weights.

    network: the plain training form, as any program runs it and with this one's settings of memory and threads,
    against `--quality exact` by each engine, and `realtime`. pipeline: a file's wall time against its slowest stage
    alone. memory: peak at 1080p to 8K, and early and late in a long file. flicker: luma change on static noisy
    footage. live: latency of `exdnet stream` from a sender's picture to a receiver's. weights: well-lit, darkened,
    small pictures, lamps and bars, made of the pairs that training holds out, and realtime.

    --size is for network alone. On two cores, network takes minutes at 1080p and pipeline some six.
    """
    from exdnet_plugin.allocator import keep_memory
    from exdnet_plugin.benchmarks import machine
    from exdnet_plugin.benchmarks.network import SIZES
    from exdnet_plugin.devices import resolve_device

    unknown = sorted(set(sizes) - SIZES.keys())
    if unknown:
        raise ValueError(f"size {unknown[0]!r}: there are {', '.join(SIZES)}")
    keep_memory()
    results: dict[str, Any] = {"machine": machine.facts()}
    where = resolve_device(device)
    for case in cases or (CASES if how["bursts"] else CASES[:-1]):
        click.echo(f"measuring {case}", err=True)
        results[case] = _MEASURES[case](sizes, where, how)
        click.echo(json.dumps({case: results[case]}, indent=2))
    if report:
        report.write_text(json.dumps(results, indent=2) + "\n")
        click.echo(f"{report}")


def _network(sizes: tuple[str, ...], device: str, how: How) -> list[dict[str, Any]]:
    from exdnet_plugin.benchmarks.network import speed
    from exdnet_plugin.exdnet.engines import Engine, choose_engine

    engines: list[Engine] = list(dict.fromkeys((choose_engine("auto", device), "torch")))
    found = []
    for size in sizes:  # the plain form takes minutes at 4K
        click.echo(f"measuring network at {size}", err=True)
        found.append(speed(size, device, how["runs"], engines))
    return found


def _pipeline(_: tuple[str, ...], device: str, __: How) -> list[dict[str, Any]]:
    from exdnet_plugin.benchmarks.pipeline import WAIT, Waiting, overlap

    light = "kornia=op=enhance.adjust_gamma:gamma=0.5"
    cases: list[tuple[tuple[int, int], float, Any, str]] = [
        ((640, 360), 20, "exdnet", "exdnet"),
        ((1280, 720), 40, [Waiting()], f"a processor that waits {WAIT} s a frame, as for a GPU"),
        ((1280, 720), 3, light, f"{light} (each stage alone takes every core)"),
    ]
    found = []
    for number, (size, seconds, chain, name) in enumerate(cases, 1):
        click.echo(f"measuring pipeline, {number} of {len(cases)}, in minutes: {name}", err=True)
        found.append(overlap(size, seconds, device, chain, name))
    return found


def _memory(_: tuple[str, ...], __: str, ___: How) -> dict[str, Any]:
    from exdnet_plugin.benchmarks.machine import alone
    from exdnet_plugin.benchmarks.network import peak_memory
    from exdnet_plugin.benchmarks.pipeline import memory

    return {"long file": alone(memory, 2000), "one frame": [peak_memory(size) for size in ("1080p", "4K", "8K")]}


def _flicker(_: tuple[str, ...], __: str, how: How) -> dict[str, Any]:
    from exdnet_plugin.benchmarks import flicker

    bursts = how["bursts"]
    found = {"generated static clip": flicker.table([flicker.generated()])}
    return found | ({"LOL static bursts": flicker.table(flicker.bursts(bursts))} if bursts else {})


def _live(_: tuple[str, ...], __: str, how: How) -> list[dict[str, Any]]:
    from exdnet_plugin.benchmarks.live import glass_to_glass

    return [
        glass_to_glass((1280, 720), how["seconds"]),
        glass_to_glass((1280, 720), how["seconds"], sound=True),
        glass_to_glass((1280, 720), how["seconds"], "--chain", "null"),
    ]


def _weights(_: tuple[str, ...], device: str, how: How) -> dict[str, Any]:
    from exdnet_plugin.benchmarks.weights import table

    if not how["bursts"]:
        raise ValueError("bench weights needs pairs; give LOL's folder by --bursts")
    return table(how["bursts"], how["weights"], device, photos=how["bright"])


_MEASURES: dict[str, Callable[[tuple[str, ...], str, How], Any]] = {
    "network": _network,
    "pipeline": _pipeline,
    "memory": _memory,
    "flicker": _flicker,
    "live": _live,
    "weights": _weights,
}
