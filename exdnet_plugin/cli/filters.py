"""`exdnet filters`: our filter in host applications. Imports neither torch nor av."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from exdnet_plugin.cli.options import PATH, json_output
from exdnet_plugin.filters.hosts import HOSTS
from exdnet_plugin.filters.hosts import install as put_in
from exdnet_plugin.filters.hosts import uninstall as take_out

_host = click.argument("host", metavar="HOST")
_path = click.option("--path", type=PATH, metavar="FOLDER", help="ComfyUI's folder.")


@click.group(invoke_without_command=True, short_help="List host applications, and put our filter into them.")
@json_output
@click.pass_context
def filters(context: click.Context, as_json: bool) -> None:
    """List the host applications: which are here, whether our filter works there, and what helps if not."""
    if context.invoked_subcommand:
        return
    found = {name: (host, host.status()) for name, host in HOSTS.items()}
    if as_json:
        rows = [
            {"host": name, **asdict(status), "usable": status.usable, "use": host.use}
            for name, (host, status) in found.items()
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for name, (host, status) in found.items():
        here = "works" if status.usable else "is here, our filter is not" if status.present else "is not here"
        click.echo(f"{name}   {here}")
        lines = [host.use] if status.usable else [f"missing: {status.missing}", f"remedy: {status.remedy}"]
        for line in lines:
            click.echo(f"    {line}")


@filters.command()
@_host
@_path
def install(host: str, path: Path | None) -> None:
    """Put our filter where HOST looks, or say how it is used there. exdnet filters lists the hosts."""
    click.echo("\n".join(put_in(host, path)))


@filters.command()
@_host
@_path
@click.option("--force", is_flag=True, help="Also a file of ours that somebody changed.")
def uninstall(host: str, path: Path | None, force: bool) -> None:
    """Take away what install put; others' files stay."""
    click.echo("\n".join(take_out(host, path, force=force)))
