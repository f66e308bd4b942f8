"""The page over HTTP, and pictures and controls over one WebSocket a page."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from exdnet_plugin.errors import MediaError
from exdnet_plugin.preview.guard import Guard, is_loopback
from exdnet_plugin.preview.hub import Hub
from exdnet_plugin.preview.session import Session

PAGE = Path(__file__).parent / "page"
_FILES = ("page.css", "page.js", "icon.svg")


def make_app(session: Session, source: str, *, token: str | None = None) -> web.Application:
    """The page of a session, for an event loop of the caller's.

    Args:
        session: what is shown; it is open while the application runs.
        source: as it was given, for the command line that the page offers.
        token: what requests must carry; None takes requests that name this machine by a loopback name, and no others.
    """
    app = web.Application(middlewares=[Guard(token).middleware])
    hub = Hub(session, source)

    async def connected(_: web.Application) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        session.changed = lambda: _call(loop, hub.wake)
        yield
        session.changed = lambda: None

    async def closed(_: web.Application) -> None:
        await hub.close()

    app.cleanup_ctx.append(connected)
    app.on_shutdown.append(closed)
    app.router.add_get("/", _sender("index.html"))
    for name in _FILES:
        app.router.add_get(f"/{name}", _sender(name))
    app.router.add_get("/socket", hub.connect)
    return app


def _call(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    if not loop.is_closed():  # the filter may finish a picture after the page has gone
        loop.call_soon_threadsafe(what)


def _sender(name: str) -> Handler:
    async def send(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / name)

    return send


async def serve(
    session: Session,
    source: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    certificate: Path | None = None,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve a session's page until Ctrl-C or SIGTERM. To be run on the main thread.

    Args:
        session: what is shown, open.
        source: as it was given.
        host: where it is served; other than loopback, a token is made, and requests without it are refused.
        port: 0 is any that is free.
        certificate: a PEM file with certificate and key, to serve HTTPS.
        ready: told the address of the page, with the token where there is one, once it answers.

    Raises:
        MediaError: host and port cannot be taken, or the certificate is none.
    """
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    context = _tls(certificate) if certificate else None
    runner = web.AppRunner(make_app(session, source, token=token), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        taken = await _listen(runner, host, port, context)
        address = f"{'https' if context else 'http'}://{_reachable(host)}:{taken}/{f'?token={token}' if token else ''}"
        with _asked_to_end() as ended:
            await asyncio.to_thread(ready, address)  # a browser that is opened may take its time
            await ended.wait()
    finally:
        await runner.cleanup()


@contextmanager
def _asked_to_end() -> Iterator[asyncio.Event]:
    """Set at Ctrl-C or SIGTERM; the handlers of before are put back."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    before = {
        number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(ended.set))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _listen(runner: web.AppRunner, host: str, port: int, context: ssl.SSLContext | None) -> int:
    """Open the port; which one it is."""
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
    except OSError as error:
        raise MediaError(
            f"the page cannot be served at {host}:{port}: {error.strerror}; choose another --port, 0 for any free one"
        ) from None
    return int(runner.addresses[0][1])


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate)
    except (OSError, ssl.SSLError) as error:
        raise MediaError(f"{certificate} is no PEM file of a certificate and its key: {error.strerror}") from None
    return context


def _reachable(host: str) -> str:
    """A host as others write it in an address: for all interfaces, the one that leads out."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        host = _own_address(address.version)
    return f"[{host}]" if ":" in host else host


def _own_address(version: int) -> str:
    """This machine's address in its network; a datagram socket that is connected sends nothing."""
    family, nobody = (socket.AF_INET6, "2001:db8::1") if version == 6 else (socket.AF_INET, "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((nobody, 9))  # RFC 3849, RFC 5737
        except OSError:  # no network
            return socket.gethostname()
        return str(probe.getsockname()[0])
