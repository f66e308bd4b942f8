"""Sources at a pace: a file that is played, paused and sought in, and a live stream that is read as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Protocol

from exdnet_plugin.errors import MediaError, in_a_line
from exdnet_plugin.hdr import is_hdr
from exdnet_plugin.live.feed import Feed, Picture, Start
from exdnet_plugin.live.figures import Figures
from exdnet_plugin.live.sources import Source, read_source
from exdnet_plugin.media.ffmpeg_filter import quarter_turns, turned
from exdnet_plugin.media.source import Excerpt, VideoSource
from exdnet_plugin.pipeline.channel import Channel

Take = Callable[[Picture], None]
Told = Callable[[str], None]
CAMERA = "camera"  # the source that is the visitor's own camera
BEHIND = 0.25  # seconds that decoding may be late; later, the clock waits for it
ENDING = 1.0  # seconds to wait for a reader, which may be waiting for a silent source


class Player(Protocol):
    """What plays a source. It may be started again once it is stopped.

    Attributes:
        title: the source's name, without what is secret in it.
        duration: in seconds; None for what cannot be sought in.
        still: whether it is one picture, so that there is nothing to pause.
        pixel_aspect: a pixel's width by its height.
        away: what is to be told while nothing comes; empty when all is well.
        options: of `exdnet enhance`, to do what is done to pictures before they are shown.
    """

    title: str
    duration: float | None
    still: bool
    pixel_aspect: float
    options: tuple[str, ...]

    @property
    def away(self) -> str: ...

    def start(self, take: Take, failed: Told) -> None:
        """Hand each picture to `take` when it is due, from a thread; what goes wrong for good, to `failed`."""

    def stop(self) -> None:
        """Read no more."""

    def pause(self, paused: bool) -> None:
        """Hold the clock."""

    def seek(self, seconds: float) -> None:
        """Show the picture at a time, at once, and go on from there."""


def open_player(text: str) -> Player | None:
    """The player of what a user wrote: a file, a photo, or a live source; None for `camera`, the visitor's own.

    Raises:
        MediaError: there is no such source, or it holds no video.
    """
    if text == CAMERA and not Path(text).exists():
        return None
    if Path(text).is_file():
        return FilePlayer(Path(text))
    return LivePlayer(read_source(text, sound=False))


class FilePlayer:
    """Plays a video file in a loop at its own pace; of a photo, the one picture.

    Args:
        path: the file.

    Raises:
        MediaError: it is missing or holds no video.
    """

    away = ""

    def __init__(self, path: Path) -> None:
        self.title, self._path = path.name, path
        with VideoSource(path) as probe:
            facts, stream = probe.facts, probe.stream
            begin = list(islice(probe.frames(), 2))
            self.still = len(begin) < 2  # photos do not tell how many they are
            self._deinterlace = facts.interlaced
            sdr = ("--hdr", "sdr") if is_hdr(facts.tags.names().transfer) else ()
            self.options = (*sdr, *(("--deinterlace",) if facts.interlaced else ()))
            self._frame_seconds = float(1 / (facts.rate or 25))
            seconds = stream.duration * facts.time_base if stream.duration else (probe.container.duration or 0) / 1e6
        self.duration = None if self.still or not seconds else float(seconds)
        aspect = facts.sample_aspect_ratio or Fraction(1)
        self.pixel_aspect = float(1 / aspect if any(quarter_turns(frame) % 2 for frame in begin) else aspect)
        self._changed = threading.Condition()
        self._paused = self._stopped = False
        self._sought: float | None = None
        self._zero: float | None = None  # when time 0 is due, by the monotonic clock; None: the next picture sets it
        self._run, self._thread = 0, threading.Thread()

    def start(self, take: Take, failed: Told) -> None:
        self._stopped = False
        self._thread = threading.Thread(target=self._play, args=(take, failed), name="exdnet-player", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def pause(self, paused: bool) -> None:
        with self._changed:
            self._paused = paused
            self._changed.notify_all()

    def seek(self, seconds: float) -> None:
        """As in :class:`Player`; a time behind the last picture is that picture's."""
        with self._changed:
            self._sought = max(0.0, min(seconds, (self.duration or 0.0) - 1.5 * self._frame_seconds))
            self._changed.notify_all()

    def _play(self, take: Take, failed: Told) -> None:
        try:
            while not self._stopped:
                with self._changed:
                    start, self._sought, self._zero = self._sought or 0.0, None, None
                self._play_from(start, take)
        except Exception as error:  # noqa: BLE001 - a thread's own end: the page tells it
            failed(str(error) if isinstance(error, MediaError) else f"{self.title}: {in_a_line(error)}")

    def _play_from(self, start: float, take: Take) -> None:
        """Play to the end, or until another time is sought; behind the last picture's beginning, the end is reached."""
        self._run += 1
        shown = start
        try:
            source = VideoSource(
                self._path, excerpt=Excerpt(Fraction(start)), deinterlace=self._deinterlace, to_sdr=True
            )
        except MediaError:
            if start:
                return
            raise
        with source:
            for frame in turned(source.frames()):
                shown = start + float((frame.pts or 0) * source.facts.time_base - source.origin)
                if not self._is_due(shown):
                    return
                take(Picture(frame, source.info, shown, time.monotonic(), self._run))
        if self.still:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped)
        self._is_due(shown + self._frame_seconds)  # the last picture stays for as long as the others

    def _is_due(self, moment: float) -> bool:
        """Wait until a time of the file is due; the first behind a seek is at once. False: it is no longer wanted."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                if self._zero is None:
                    self._zero = now - moment
                    return True
                if self._sought is not None:
                    return False
                if self._paused:
                    self._changed.wait()
                    self._zero = time.monotonic() - moment
                elif self._zero + moment <= now:
                    self._zero = max(self._zero, now - moment - BEHIND)
                    return True
                else:
                    self._changed.wait(self._zero + moment - now)
            return False


class LivePlayer:
    """Shows a live source as it comes, and connects again when it goes away.

    Args:
        source: as :func:`exdnet_plugin.live.sources.read_source` gives it.
    """

    duration: float | None = None
    still = False
    options: tuple[str, ...] = ()

    def __init__(self, source: Source) -> None:
        self.title, self._source, self.pixel_aspect = source.shown, source, 1.0
        self._figures = Figures()
        self._feed: Feed | None = None
        self._reader = threading.Thread()

    @property
    def away(self) -> str:
        if self._figures.source_up or not self._reader.is_alive():
            return ""
        return f"{self.title} is not there yet, or has gone: connecting. The terminal says more."

    def start(self, take: Take, failed: Told) -> None:
        self._pictures = Channel[Picture](1, "oldest")
        self._feed = Feed(self._source, self._pictures, lambda *_: None, self._started, self._figures)
        self._reader = threading.Thread(target=self._feed.run, name="exdnet-reader", daemon=True)
        self._reader.start()
        arguments = (self._pictures, take, failed)
        threading.Thread(target=self._pass_on, args=arguments, name="exdnet-player", daemon=True).start()

    def _started(self, told: Start) -> None:
        self.pixel_aspect = float(told.pixel_aspect or 1)

    def _pass_on(self, pictures: Channel[Picture], take: Take, failed: Told) -> None:
        try:
            for picture in pictures:
                take(picture)
        except MediaError as error:
            failed(str(error))
        else:
            failed(f"{self.title} has ended")

    def stop(self) -> None:
        if self._feed:
            self._feed.stop()
            self._pictures.end()
            self._reader.join(ENDING)

    def pause(self, paused: bool) -> None:
        """It comes as it comes: the session holds its picture."""

    def seek(self, seconds: float) -> None:
        """There is nothing to seek in."""
