"""`exdnet processors`."""

from __future__ import annotations

import inspect
import json
from itertools import dropwhile, islice, takewhile
from typing import TYPE_CHECKING, Any

import click

from exdnet_plugin.cli.options import json_output
from exdnet_plugin.errors import PluginError

if TYPE_CHECKING:
    from exdnet_plugin.plugins import Plugins


@click.command(short_help="List the frame processors and their options.")
@json_output
def processors(as_json: bool) -> None:
    """List what a chain may name, and the options of each with their defaults; what is broken, with the reason."""
    from exdnet_plugin.plugins import default_plugins

    plugins = default_plugins()
    rows = [_row(name, plugins) for name in plugins.processor_names]
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    for row in rows:
        if row["broken"]:
            click.echo(f"{row['name']}   BROKEN: {row['broken']}")
            continue
        options = ":".join(f"{key}={'…' if value is None else value}" for key, value in row["options"].items())
        click.echo(f"{row['name']}{'=' if options else ''}{options}   ({row['plugin']})")
        for line in filter(None, (row["about"], *row["arguments"])):
            click.echo(f"    {line}")


def _row(name: str, plugins: Plugins) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "plugin": plugins.owner(name),
        "about": "",
        "arguments": [],
        "options": {},
        "broken": None,
    }
    try:
        return row | _facts(plugins.factory(name))
    except PluginError as error:
        return row | {"broken": str(error)}


def _facts(factory: Any) -> dict[str, Any]:
    from exdnet_plugin.chain import option_parameters

    options = {key: None if p.default is p.empty else p.default for key, p in option_parameters(factory).items()}
    about, *rest = (inspect.getdoc(factory) or "").split("\n")
    return {"about": about, "arguments": _arguments(rest), "options": options}


def _arguments(lines: list[str]) -> list[str]:
    """What a docstring of Google's style tells of the options, line by line."""
    behind = dropwhile(lambda line: line.strip() != "Args:", lines)
    return list(takewhile(lambda line: line.startswith(" "), islice(behind, 1, None)))
