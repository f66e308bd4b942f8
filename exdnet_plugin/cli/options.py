"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def chain_and_device(command: F) -> F:
    """`--chain` and `--device`."""
    command = click.option(
        "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]", help="Where frames are processed."
    )(command)
    return click.option(
        "--chain",
        default="exdnet",
        show_default=True,
        metavar="TEXT",
        help="Processors and options, as exdnet=strength=0.8:smoothing=0.5,null. See exdnet processors.",
    )(command)


json_output = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
