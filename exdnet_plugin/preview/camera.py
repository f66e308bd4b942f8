"""The visitor's own camera: its track comes by WebRTC, straight from the browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import SessionDescription

from exdnet_plugin.live.feed import Picture
from exdnet_plugin.media.facts import ColorTags
from exdnet_plugin.media.frames import reformatted, workable_format
from exdnet_plugin.preview.player import Take, Told
from exdnet_plugin.stream_info import StreamInfo


class CameraPlayer:
    """Shows what a browser's camera sends. Made and closed on the event loop.

    Args:
        gone: called when it sends no more.
    """

    title, away = "camera", ""
    duration: float | None = None
    still, pixel_aspect = False, 1.0
    options: tuple[str, ...] = ()

    def __init__(self, gone: Callable[[], None]) -> None:
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))  # aiortc's own choice is a server outside
        self._connection.on("track", self._receive)
        self._gone = gone
        self._take: Take = _nowhere
        self._task: asyncio.Task[None] | None = None

    async def answer(self, offer: str) -> str:
        """The SDP that answers a browser's; ValueError for what is none, or offers no video."""
        if not any(media.kind == "video" for media in SessionDescription.parse(offer).media):
            raise ValueError("the camera's offer holds no video")
        await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._connection.localDescription.sdp

    def _receive(self, track: MediaStreamTrack) -> None:
        if track.kind == "video" and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    self._take(_picture(frame))
        except MediaStreamError:
            self._gone()

    def start(self, take: Take, failed: Told) -> None:
        self._take = take

    def stop(self) -> None:
        self._take = _nowhere

    def pause(self, paused: bool) -> None:
        """It comes as it comes: the session holds its picture."""

    def seek(self, seconds: float) -> None:
        """There is nothing to seek in."""

    async def close(self) -> None:
        """End the connection."""
        if self._task:
            self._task.cancel()
        await self._connection.close()


def _nowhere(_: Picture) -> None:
    """Nobody is looking yet."""


def _picture(frame: av.VideoFrame) -> Picture:
    frame = reformatted(frame, workable_format(frame.format.name))
    info = StreamInfo(frame.width, frame.height, frame.format.name, color=ColorTags.of(frame).names())
    return Picture(frame, info, frame.time or 0.0, time.monotonic(), run=0)
