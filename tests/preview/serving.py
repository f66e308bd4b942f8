"""A preview that runs while a test looks at it."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
from aiohttp import ClientSession, ClientWebSocketResponse, web

from exdnet_plugin.preview.player import open_player
from exdnet_plugin.preview.server import make_app
from exdnet_plugin.preview.session import Session, Settings


class Served:
    """Serves a source on a thread of its own."""

    def __init__(self, source: object, *, token: str | None = None, **settings: Any) -> None:
        self.session = Session(open_player(str(source)), Settings(**settings))
        self._app = make_app(self.session, str(source), token=token)
        self._started, self._token = threading.Event(), token
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def _serve(self) -> None:
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        await self._ended.wait()
        await runner.cleanup()

    def __enter__(self) -> Served:
        self.session.__enter__()
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
        self.session.__exit__()
        assert not self._thread.is_alive()

    @asynccontextmanager
    async def page(self, **options: Any) -> AsyncIterator[Page]:
        """A page's end of the WebSocket."""
        async with ClientSession() as client, client.ws_connect(f"{self.url}socket", **options) as socket:
            yield Page(socket)


class Page:
    """What a page does, without the browser."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.state: dict[str, Any] = {}

    async def say(self, name: str, value: Any = True) -> None:
        await self.socket.send_json({name: value})

    async def next(self) -> tuple[dict[str, Any], bytes]:
        """The next message: its header, and the bytes behind it."""
        message = await self.socket.receive(timeout=10)
        if isinstance(message.data, bytes):
            (length,) = struct.unpack(">I", message.data[:4])
            return json.loads(message.data[4 : 4 + length]), message.data[4 + length :]
        assert isinstance(message.data, str), f"closed: {message}"
        header = json.loads(message.data)
        if header["kind"] == "state":
            self.state = header
        return header, b""

    async def picture(self) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
        """The next picture's header, before and after, drawn at once."""
        while True:
            header, data = await self.next()
            if header["kind"] == "picture":
                await self.say("drawn")
                return header, decoded(data[: header["before"]]), decoded(data[header["before"] :])

    async def picture_of(self, suits: Callable[[np.ndarray, np.ndarray], object]) -> dict[str, Any]:
        """The header of the next picture whose before and after suit."""
        while True:
            header, before, after = await self.picture()
            if suits(before, after):
                return header

    async def until(self, **wanted: Any) -> dict[str, Any]:
        """The session's state, once each of these has a value, or one that suits."""
        tests = {name: value if callable(value) else value.__eq__ for name, value in wanted.items()}
        while not self.state or not all(test(self.state[name]) for name, test in tests.items()):
            header, _ = await self.next()
            if header["kind"] == "picture":
                await self.say("drawn")
        return self.state


def decoded(image: bytes) -> np.ndarray:
    """JPEG or PNG to (H, W, 3) RGB."""
    context = av.CodecContext.create("png" if image.startswith(b"\x89PNG") else "mjpeg", "r")
    (frame,) = context.decode(av.Packet(image)) or context.decode(None)
    return frame.to_ndarray(format="rgb24")


def run(look: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(look(), 30))
