"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

LEAST_BITS = 1000  # a second: less is a unit that was left out
F = TypeVar("F", bound=Callable[..., Any])
_EMPTY = "the name is empty; is a variable of a script not set?"
ENGINES = ("auto", "native", "torch", "triton")  # as `exdnet.engines`, which is not imported for `--help`


class _FilePath(click.Path):
    """A path; an empty one is not the folder that one is in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self.fail(_EMPTY, param, ctx) if value == "" else super().convert(value, param, ctx)


class _Name(click.types.StringParamType):
    """A file's name or an address."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value or self.fail(_EMPTY, param, ctx)


PATH, NAME = _FilePath(path_type=Path), _Name()


def chain_and_device(command: F) -> F:
    """`--chain` and `--device`; and `--engine`, which the command gets as an option in its chain."""

    @wraps(command)
    def with_engine(*args: Any, chain: str, engine: str, **options: Any) -> Any:
        if engine != "auto":
            from exdnet_plugin.chain import with_option

            chain = with_option(chain, "exdnet", "engine", engine)
        return command(*args, chain=chain, **options)

    decorated: Any = click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default="auto",
        show_default=True,
        help="What runs ExdNet: compiled for the CPU, PyTorch, fused for NVIDIA GPUs; auto: the fastest there is.",
    )(with_engine)
    complete: F = _chain_and_device(decorated)
    return complete


def _chain_and_device(command: Any) -> Any:
    command = click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="auto|cpu|cuda[:N]",
        help="Where frames are processed; cuda is all GPUs.",
    )(command)
    return click.option(
        "--chain",
        default="exdnet",
        show_default=True,
        metavar="TEXT",
        help="Processors and options, as exdnet=strength=0.8:smoothing=0.5,null. See exdnet processors.",
    )(command)


def quality_option(default: str) -> Callable[[F], F]:
    """`--quality`."""
    return click.option(
        "--quality",
        type=click.Choice(["exact", "realtime"]),
        default=default,
        show_default=True,
        help="exact: every frame at full size. realtime: small frames, transferred; many times as fast.",
    )


json_output = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def key_values(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Options of `KEY=VALUE` each."""
    pairs = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise ValueError(f"{option} {text!r}: write KEY=VALUE, as preset=slow")
        pairs[key] = value
    return pairs


def parse_time(option: str, text: str) -> Fraction:
    """Seconds of `12.5`, `1:02` or `1:02:03.5`."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", text):
        raise ValueError(f"{option} {text!r}: write seconds, as 12.5, or a time, as 1:02:03.5")
    seconds = Fraction(0)
    for part in text.split(":"):
        seconds = seconds * 60 + Fraction(part)
    return seconds


def parse_rate(option: str, text: str) -> Fraction:
    """Frames a second of `25`, `23.976` or `24000/1001`."""
    if not re.fullmatch(r"\d+(\.\d+)?|\d+/0*[1-9]\d*", text) or not 0 < (rate := Fraction(text)) <= 1000:
        raise ValueError(f"{option} {text!r}: write frames a second up to 1000, as 25 or 30000/1001")
    return rate


def parse_bits(text: str) -> int:
    """Bits a second of `8M`, `800k` or `800000`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKM]?)", text)
    if not match or not (bits := round(float(match[1]) * {"": 1, "k": 1e3, "K": 1e3, "M": 1e6}[match[2]])):
        raise ValueError(f"--bitrate {text!r}: write bits a second, as 8M, 800k or 800000")
    if bits < LEAST_BITS:
        raise ValueError(f"--bitrate {text!r} is {bits} bits a second; write {text}M or {text}k")
    return bits


def from_environment(address: str) -> str:
    """The address itself or, of `env:NAME`, that in the environment: arguments are seen by everyone."""
    if not address.startswith("env:"):
        return address
    name = address.removeprefix("env:")
    if name not in os.environ:
        raise ValueError(f"{address}: there is no variable {name} in the environment; set it to the address")
    return os.environ[name]
