"""`exdnet plugins`. Imports neither torch nor av."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from exdnet_plugin.cli.options import json_output


@click.command(short_help="List the plugins, and what is wrong with broken ones.")
@json_output
def plugins(as_json: bool) -> None:
    """List the installed plugins with their distribution, hooks and processors, and the broken ones with the reason."""
    from exdnet_plugin.plugins import default_plugins

    found = default_plugins()
    if as_json:
        click.echo(
            json.dumps(
                {"plugins": [asdict(e) for e in found.entries], "problems": [asdict(p) for p in found.problems]},
                indent=2,
            )
        )
        return
    for entry in found.entries:
        click.echo(f"{entry.name}   ({entry.distribution})")
        click.echo(
            f"    hooks: {', '.join(entry.hooks) or 'none'}; processors: {', '.join(entry.processors) or 'none'}"
        )
    for problem in found.problems:
        click.echo(f"{problem.name}   ({problem.distribution})   BROKEN: {problem.reason}")
