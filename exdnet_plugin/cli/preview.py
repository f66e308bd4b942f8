"""`exdnet preview`: before and after in the browser."""

from __future__ import annotations

import asyncio
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exdnet_plugin.cli.options import NAME, chain_and_device, from_environment

if TYPE_CHECKING:
    from exdnet_plugin.frame_filter import Quality


@click.command(short_help="Before and after in the browser.")
@click.argument("source", type=NAME)
@chain_and_device
@click.option(
    "--quality",
    type=click.Choice(["exact", "realtime"]),
    help="exact: every pixel through the network. realtime: small frames, transferred. Default: exact for a photo.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it is served; not on loopback: by token.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 is any that is free.")
@click.option(
    "--certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="PEM",
    help="Serve HTTPS with this certificate and key: browsers give other machines' pages a camera only then.",
)
@click.option("--open/--no-open", "opens", default=True, help="Open the page in a browser. Default: yes.")
def preview(
    source: str,
    chain: str,
    device: str,
    quality: Quality | None,
    host: str,
    port: int,
    certificate: Path | None,
    opens: bool,
) -> None:
    """Show SOURCE before and after in the browser, with what can be set, until Ctrl-C.

    A source is a video file, a photo, `camera` (that of who opens the page), or anything live that `exdnet stream`
    takes: a URL, /dev/video0, `screen`, `-`. `env:NAME` takes an address from the environment.

    \b
    exdnet preview night.mp4
    exdnet preview rtsp://camera/main --host 0.0.0.0
    """
    missing = [name for name in ("aiohttp", "aiortc") if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"exdnet preview needs {' and '.join(missing)}; pip install 'exdnet-plugin[preview]'"
        )
    from exdnet_plugin.allocator import keep_memory
    from exdnet_plugin.cli.live_log import set_up_log
    from exdnet_plugin.devices import leave_cores
    from exdnet_plugin.media.photos import PHOTO_SUFFIXES
    from exdnet_plugin.preview.player import open_player
    from exdnet_plugin.preview.server import serve
    from exdnet_plugin.preview.session import Session, Settings

    keep_memory()
    leave_cores()
    set_up_log("text")
    usual: Quality = "exact" if Path(source).suffix.lower() in PHOTO_SUFFIXES else "realtime"
    settings = Settings(chain, quality or usual, device)

    def ready(address: str) -> None:
        click.echo(f"{address}  before and after; Ctrl-C ends")
        if opens:
            webbrowser.open(address)

    with Session(open_player(from_environment(source)), settings) as session:
        asyncio.run(serve(session, source, host=host, port=port, certificate=certificate, ready=ready))
