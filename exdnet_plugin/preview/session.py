"""One source, one chain, and the newest picture before and after: what every open page shows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import av

from exdnet_plugin.api import check_filter, open_filter
from exdnet_plugin.errors import ExdnetError
from exdnet_plugin.frame_filter import FrameFilter, Quality
from exdnet_plugin.live.feed import Picture
from exdnet_plugin.live.figures import Figures
from exdnet_plugin.live.filtering import LiveFilter
from exdnet_plugin.plugins import Plugins
from exdnet_plugin.preview.inbox import Inbox
from exdnet_plugin.preview.pictures import JpegEncoder, Shot, Shrinker, copied
from exdnet_plugin.preview.player import Player
from exdnet_plugin.stream_info import StreamInfo

log = logging.getLogger("exdnet.preview")


@dataclass(frozen=True)
class Settings:
    """What a page sets; as for :func:`exdnet_plugin.open_filter`."""

    chain: str = "exdnet"
    quality: Quality = "realtime"
    device: str = "auto"
    plugins: Plugins | None = None

    def open(self, info: StreamInfo, quality: Quality) -> FrameFilter:
        """The chain, opened over a stream."""
        return open_filter(info, chain=self.chain, device=self.device, quality=quality, plugins=self.plugins)

    def check(self) -> None:
        """Raise what cannot be."""
        how: Any = {"device": self.device, "quality": self.quality, "plugins": self.plugins}
        check_filter(StreamInfo(1920, 1080), chain=self.chain, **how)


@dataclass(frozen=True)
class Refusal:
    """A chain that cannot be, and why in one line; both empty when all is well."""

    chain: str = ""
    why: str = ""


class Session:
    """Filters what a player plays, on a thread of its own. Every method may be called from any thread.

    Args:
        player: the source; None where it is the visitor's camera, which comes later.
        settings: what is set at the start.

    Raises:
        ValueError, CheckpointError: settings that cannot be.

    Attributes:
        home: the source that was given.
        player: what is played now.
        number: counts what was played, so that a picture can be told from those of another source.
        settings: what pictures are filtered with now.
        shot: the newest picture.
        paused: whether the picture stands.
        refused: what was asked for last and cannot be; the old settings go on.
        changed: called, from any thread, when any of it has changed.
    """

    def __init__(self, player: Player | None, settings: Settings | None = None) -> None:
        self.home, self.settings = player, settings or Settings()
        self.settings.check()
        self.player: Player | None = None
        self.number = 0
        self.shot: Shot | None = None
        self.paused = False
        self.changed: Callable[[], None] = _nobody
        self._broken = self._ended = ""
        self.refused = Refusal()
        self._wanted = self._tried = self.settings
        self._inbox, self._jpeg, self._switching = Inbox(), JpegEncoder(), threading.Lock()
        self._shrinker, self._filter = self._fresh()
        self._worker = threading.Thread(target=self._work, name="exdnet-preview", daemon=True)

    @property
    def trouble(self) -> str:
        """One line of what is wrong; empty when all is well."""
        return self._broken or self._ended or (self.player.away if self.player else "")

    def change(self, settings: Settings) -> None:
        """Filter with other settings, if they can be; else `refused` tells why, and the old ones stay."""
        self._wanted = settings
        self._inbox.again()

    def pause(self, paused: bool) -> None:
        """Let the picture stand, or go on."""
        self.paused = paused
        if self.player:
            self.player.pause(paused)
        self.changed()

    def seek(self, seconds: float) -> None:
        """Show the picture at a time of a file."""
        if self.player:
            self.player.seek(seconds)

    def show(self, player: Player | None) -> None:
        """Play another source. It waits until the old one has stopped."""
        with self._switching:
            old, self.player = self.player, None
            if old:
                old.stop()
            self._inbox.put(None)
            self.shot, self.paused = None, False
            self._broken = self._ended = ""
            self.player, self.number = player, self.number + 1
            if player:
                player.pause(False)
                player.start(lambda picture: self._take(player, picture), lambda why: self._end(player, why))
        self.changed()

    def _take(self, player: Player, picture: Picture) -> None:
        held = self.paused and player.duration is None and self.shot
        if player is self.player and not held:
            self._inbox.put(picture)

    def _end(self, player: Player, why: str) -> None:
        if player is self.player:
            self._ended = why
            log.warning(why)
            self.changed()

    def _work(self) -> None:
        played = 0
        for picture in self._inbox:
            player, number = self.player, self.number
            try:
                if player and number != played:
                    played, before = number, self._filter
                    self._shrinker, self._filter = self._fresh(player.pixel_aspect)
                    before.close()
                shot = self._shot(picture)
                self._broken = ""
            except Exception as error:  # noqa: BLE001 - a plugin's processor may raise anything; the page tells it
                shot, self._broken = None, _line(error)
            with self._switching:
                if shot and number == self.number:
                    self.shot = replace(shot, number=number)
            self.changed()
        self._filter.close()

    def _fresh(self, pixel_aspect: float = 1.0) -> tuple[Shrinker, LiveFilter]:
        """What remembers nothing of another source."""
        return Shrinker(pixel_aspect), LiveFilter(self.settings.open, Figures(), strict=True)

    def _shot(self, picture: Picture | None) -> Shot | None:
        """The picture before and after, with what is wanted now."""
        wanted, before = self._wanted, self._shrinker(picture) if picture else None
        after = None
        if wanted is not self._tried:
            self._tried = wanted
            after = self._tried_on(before, wanted)
        if before is None:
            return None
        after, color = after or self._filtered(before, self._filter, self.settings), before.info.color
        jpegs = self._jpeg(before.frame, color), self._jpeg(after, color)
        return Shot(before.frame, after, jpegs, color, self._shrinker.source, before.time, before.arrived)

    @staticmethod
    def _filtered(picture: Picture, through: LiveFilter, settings: Settings) -> av.VideoFrame:
        after = replace(picture, frame=copied(picture.frame))
        through(after, settings.quality)
        return after.frame

    def _tried_on(self, picture: Picture | None, wanted: Settings) -> av.VideoFrame | None:
        """Take other settings once they have filtered a picture, and that picture; else the old ones stay, and None."""
        same_chain = wanted.chain == self.settings.chain
        fresh = self._filter if same_chain else LiveFilter(wanted.open, Figures(), strict=True)
        try:
            wanted.check()
            after = self._filtered(picture, fresh, wanted) if picture else None
        except Exception as error:  # noqa: BLE001 - a plugin's processor may raise anything; the page tells it
            self.refused = Refusal(wanted.chain, _line(error))
            if not same_chain:
                fresh.close()
            return None
        if not same_chain:
            self._filter.close()
        self._filter, self.settings, self.refused = fresh, wanted, Refusal()
        return after

    def __enter__(self) -> Session:
        self._worker.start()
        self.show(self.home)
        return self

    def __exit__(self, *_: object) -> None:
        self.show(None)
        self._inbox.end()
        self._worker.join()


def _nobody() -> None:
    """Nobody listens."""


def _line(error: Exception) -> str:
    """An error as one line: ours and wrong arguments as they say, others by their kind."""
    said = " ".join(str(error).split())
    return said if isinstance(error, ValueError | ExdnetError) else f"{type(error).__name__}: {said}"
