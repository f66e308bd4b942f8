"""The open pages: each is sent the newest picture once it has drawn the last, and what it asks for is done."""

from __future__ import annotations

import asyncio
import json
import math
import struct
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, cast, get_args

from aiohttp import ClientConnectionResetError, WSCloseCode, WSMsgType, web

from exdnet_plugin.frame_filter import Quality
from exdnet_plugin.preview.camera import CameraPlayer
from exdnet_plugin.preview.command import command_line
from exdnet_plugin.preview.pictures import Shot, png
from exdnet_plugin.preview.session import Session

LONGEST_MESSAGE = 1 << 16  # bytes: an offer of WebRTC has some thousand
LOOK_AGAIN = 1.0  # seconds until a page is told what changes without a word, as a source that is away
SNAPSHOTS = ("after", "both")


class Page:
    """One open page.

    Attributes:
        news: set when there may be something to send.
        shot: the picture it was sent last.
        drawn: whether it has drawn that.
        latency: seconds from the arrival of the one before until it was drawn.
        told: what it knows of the session.
    """

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket, self.news = socket, asyncio.Event()
        self.shot: Shot | None = None
        self.drawn, self.latency = True, 0.0
        self.told: dict[str, Any] = {}


class Hub:
    """All open pages of a session. They show one picture, and what is set in one is set in all.

    Args:
        session: what they show.
        source: as it was given to the command.
    """

    def __init__(self, session: Session, source: str) -> None:
        self._session, self._source = session, source
        self._pages: set[Page] = set()
        self._camera: tuple[Page, CameraPlayer] | None = None
        self._offering, self._switching = asyncio.Lock(), asyncio.Lock()
        self._leaving = set[asyncio.Task[None]]()

    def wake(self) -> None:
        """Something of the session has changed."""
        for page in self._pages:
            page.news.set()

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one page until it goes."""
        socket = web.WebSocketResponse(max_msg_size=LONGEST_MESSAGE, compress=False, heartbeat=20)
        await socket.prepare(request)
        page = Page(socket)
        self._pages.add(page)
        page.news.set()
        sender = asyncio.create_task(self._send(page))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._obey(page, message.data)
        except ValueError as error:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=str(error)[:120].encode())
        finally:
            self._pages.discard(page)
            sender.cancel()
            await self._drop_camera(page)
        return socket

    async def close(self) -> None:
        """Tell every page that this is the end."""
        for page in list(self._pages):
            await page.socket.close(code=WSCloseCode.GOING_AWAY)

    async def _send(self, page: Page) -> None:
        """Keep a page up to date: never more than one picture is on its way."""
        session = self._session
        with suppress(ClientConnectionResetError):  # it has gone: its reader ends, too
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(page.news.wait(), LOOK_AGAIN)
                page.news.clear()
                state = self._state(page)
                if state != page.told:
                    page.told = state
                    await page.socket.send_json(state)
                shot = session.shot
                if shot and shot is not page.shot and page.drawn:
                    page.shot, page.drawn = shot, False
                    await page.socket.send_bytes(_message(_header(shot, page.latency), *shot.jpegs))

    def _state(self, page: Page) -> dict[str, Any]:
        session = self._session
        player = session.player
        return {
            "kind": "state",
            "number": session.number,
            "title": player.title if player else "",
            "duration": player.duration if player else None,
            "still": bool(player and player.still),
            "paused": session.paused,
            "chain": session.settings.chain,
            "quality": session.settings.quality,
            "trouble": session.trouble,
            "refused": asdict(session.refused),
            "command": command_line(self._source, session.settings, session.home.options if session.home else ()),
            "camera": "" if self._camera is None else "mine" if self._camera[0] is page else "other",
            "wantsCamera": session.home is None,
        }

    async def _obey(self, page: Page, text: str) -> None:
        """Do what a page asks. ValueError for what no page of ours asks."""
        try:
            ((what, value),) = json.loads(text).items()
        except (ValueError, AttributeError):
            raise ValueError('a message is {"NAME": value}') from None
        doings: dict[str, Callable[[Page, Any], Coroutine[Any, Any, None]]] = {
            "drawn": self._drawn,
            "set": self._set,
            "pause": self._pause,
            "seek": self._seek,
            "snapshot": self._snapshot,
            "offer": self._offer,
            "camera": self._end_camera,
        }
        if what not in doings:
            raise ValueError(f"there is no {what!r}; there are {', '.join(doings)}")
        await doings[what](page, value)

    async def _drawn(self, page: Page, _: Any) -> None:
        if page.shot and not page.drawn:
            page.latency = time.monotonic() - page.shot.arrived
        page.drawn = True
        page.news.set()

    async def _set(self, _: Page, value: Any) -> None:
        known = {name: str(value.get(name, "")) for name in ("chain", "quality")} if isinstance(value, dict) else {}
        if known.get("quality") not in get_args(Quality):
            raise ValueError(f"set takes a chain and a quality, {' or '.join(get_args(Quality))}")
        self._session.change(replace(self._session.settings, **cast("dict[str, Any]", known)))

    async def _pause(self, _: Page, value: Any) -> None:
        if not isinstance(value, bool):
            raise ValueError("pause takes true or false")  # noqa: TRY004 - one error for all of a page's mistakes
        self._session.pause(value)

    async def _seek(self, _: Page, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError("seek takes seconds")
        self._session.seek(value)

    async def _snapshot(self, page: Page, value: Any) -> None:
        if value not in SNAPSHOTS:
            raise ValueError(f"there is no snapshot {value!r}; there are {', '.join(SNAPSHOTS)}")
        if shot := page.shot:
            frames = [shot.after] if value == "after" else [shot.before, shot.after]
            data = await asyncio.to_thread(png, frames, shot.color)
            await page.socket.send_bytes(_message({"kind": "snapshot", "of": value, "time": shot.time}, data))

    async def _offer(self, page: Page, value: Any) -> None:
        """Take a page's camera for the source, in place of the one before."""
        if not isinstance(value, str):
            raise ValueError("offer takes SDP")  # noqa: TRY004 - one error for all of a page's mistakes
        async with self._offering:  # one page's camera after the other's, or one of them was never closed
            await self._drop_camera(None)
            camera = CameraPlayer(lambda: self._leave(page))
            try:
                answer = await camera.answer(value)
            except Exception as error:  # whatever aiortc has against an offer: its parser asserts, too
                await camera.close()
                raise ValueError(f"the camera's offer cannot be answered: {error}") from error
            self._camera = page, camera
            async with self._switching:
                await asyncio.to_thread(self._session.show, camera)
        await page.socket.send_json({"kind": "answer", "sdp": answer})

    async def _end_camera(self, page: Page, _: Any) -> None:
        await self._drop_camera(page)

    def _leave(self, page: Page) -> None:
        """A camera has stopped sending."""
        task = asyncio.create_task(self._drop_camera(page))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _drop_camera(self, page: Page | None) -> None:
        """Go back to the source that was given; where a page is named, only if it is its camera that is shown."""
        if self._camera is None or page not in (None, self._camera[0]):
            return
        (_, camera), self._camera = self._camera, None
        async with self._switching:
            await asyncio.to_thread(self._session.show, self._session.home)
        await camera.close()


def _header(shot: Shot, latency: float) -> dict[str, Any]:
    return {
        "kind": "picture",
        "number": shot.number,
        "time": shot.time,
        "latency": latency,
        "source": shot.source,
        "before": len(shot.jpegs[0]),
    }


def _message(header: dict[str, Any], *parts: bytes) -> bytes:
    """The header's length in four bytes, the header as JSON, and what it tells of."""
    text = json.dumps(header).encode()
    return b"".join((struct.pack(">I", len(text)), text, *parts))
