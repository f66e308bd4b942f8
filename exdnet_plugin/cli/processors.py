"""`exdnet processors`."""

from __future__ import annotations

import inspect
import json
from itertools import dropwhile, islice, takewhile
from typing import Any

import click

from exdnet_plugin.cli.options import json_output


@click.command(short_help="List the frame processors and their options.")
@json_output
def processors(as_json: bool) -> None:
    """List what a chain may name, and the options of each with their defaults."""
    from exdnet_plugin.plugins import default_plugins

    plugins = default_plugins()
    rows = [_row(name, plugins.factory(name), plugins.owner(name)) for name in plugins.processor_names]
    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    for row in rows:
        options = ":".join(f"{key}={'…' if value is None else value}" for key, value in row["options"].items())
        click.echo(f"{row['name']}{'=' if options else ''}{options}   ({row['plugin']})")
        for line in filter(None, (row["about"], *row["arguments"])):
            click.echo(f"    {line}")


def _row(name: str, factory: Any, owner: str) -> dict[str, Any]:
    from exdnet_plugin.chain import option_parameters

    options = {key: None if p.default is p.empty else p.default for key, p in option_parameters(factory).items()}
    about, *rest = (inspect.getdoc(factory) or "").split("\n")
    return {"name": name, "plugin": owner, "about": about, "arguments": _arguments(rest), "options": options}


def _arguments(lines: list[str]) -> list[str]:
    """What a docstring of Google's style tells of the options, line by line."""
    behind = dropwhile(lambda line: line.strip() != "Args:", lines)
    return list(takewhile(lambda line: line.startswith(" "), islice(behind, 1, None)))
