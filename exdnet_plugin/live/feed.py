"""The reader of a live source: connects, decodes, and connects again with growing pauses when the source goes away."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.error import FFmpegError

from exdnet_plugin.errors import MediaError
from exdnet_plugin.live.capture import Capture, Grabbed, prepared
from exdnet_plugin.live.figures import TOO_SLOW, Figures
from exdnet_plugin.live.reminder import Reminder
from exdnet_plugin.live.sources import Source
from exdnet_plugin.live.timeline import Timeline
from exdnet_plugin.media.facts import ColorTags
from exdnet_plugin.pipeline.channel import Channel
from exdnet_plugin.stream_info import StreamInfo

log = logging.getLogger("exdnet.live")
FIRST_PAUSE, LONGEST_PAUSE, JITTER = 0.25, 1.0, 0.2  # seconds; the jitter is a share of it


@dataclass(frozen=True)
class Picture:
    """A decoded picture on its way.

    Attributes:
        frame: the picture.
        info: what stream it is of.
        time: when it is shown, in seconds of the session.
        arrived: when its packet came, by the monotonic clock.
        run: which uninterrupted run of the source it belongs to.
    """

    frame: av.VideoFrame
    info: StreamInfo
    time: float
    arrived: float
    run: int


@dataclass(frozen=True)
class Start:
    """What the first connection told: what sinks are opened for.

    Attributes:
        info: what pictures are, upright.
        pixel_aspect: a pixel's width by its height; None for unknown.
        has_sound: whether there is sound.
    """

    info: StreamInfo
    pixel_aspect: Fraction | None
    has_sound: bool


class Pauses:
    """Seconds to wait before the next try: doubled each time, with jitter, so that many clients do not come at once."""

    def __init__(self) -> None:
        self._next, self._reminder = FIRST_PAUSE, Reminder()

    def reset(self) -> None:
        """A try went well."""
        self._next = FIRST_PAUSE
        self._reminder.forget()

    def is_news(self, reason: str) -> bool:
        """Whether why a try failed is worth a line."""
        return self._reminder.is_due(reason)

    def next(self) -> float:
        """The next pause."""
        pause, self._next = self._next, min(self._next * 2, LONGEST_PAUSE)
        return pause * random.uniform(1 - JITTER, 1 + JITTER)


class Feed:
    """Reads a source on the thread that calls :meth:`run`, and hands its pictures to a channel.

    Args:
        source: where from.
        pictures: takes each picture; drops the oldest of them, or lets the reader wait.
        sound: takes each piece of sound, with its time in seconds of the session.
        started: told once, before the first picture.
        figures: counts.
        patience: seconds of silence after which the source counts as gone.
        reconnect: whether to go on after that.
    """

    def __init__(
        self,
        source: Source,
        pictures: Channel[Picture],
        sound: Callable[[av.AudioFrame, float], None],
        started: Callable[[Start], None],
        figures: Figures,
        *,
        patience: float = 5.0,
        reconnect: bool = True,
    ) -> None:
        self._source, self._pictures, self._sound, self._started = source, pictures, sound, started
        self._figures, self._patience = figures, patience
        self._reconnect = reconnect and not source.ends
        self._timeline, self._stop = Timeline(), threading.Event()
        self._told = self._opening = self._stopped = False
        self._info: tuple[tuple[object, ...], StreamInfo] | None = None

    def stop(self) -> None:
        """End after the packet that is read now."""
        first, self._stopped = not self._stopped, True
        if first:  # an event's lock is not for a signal's handler that interrupts the one who sets it
            self._stop.set()

    def run(self) -> None:
        """Read until the source ends, or for ever. What goes wrong for good is handed on behind the pictures."""
        pauses, error = Pauses(), None
        try:
            while not self._stop.is_set():
                self._read_once(pauses)
                if self._source.ends:
                    break
                self._stop.wait(pauses.next())
        except BaseException as raised:  # noqa: BLE001 - handed to the consumer, which raises it
            error = raised
        self._pictures.end(error)

    def _read_once(self, pauses: Pauses) -> None:
        try:
            with Capture(self._source, self._patience, self._stop.is_set, self._count_broken) as capture:
                self._connected()
                for picture in self._read(capture):
                    pauses.reset()
                    if self._stop.is_set() or not self._hand_over(picture):
                        self.stop()
                        return
            if not self._source.ends:
                raise MediaError(f"{self._source.shown} has ended")
        except (MediaError, FFmpegError) as error:
            if self._stop.is_set():
                return
            if self._opening or not self._reconnect:
                raise
            reason = str(error) if isinstance(error, MediaError) else f"{self._source.shown}: {error.strerror}"
            if pauses.is_news(reason):
                log.warning("%s; connecting again", reason)
        finally:
            self._figures.source_up = False

    def _count_broken(self) -> None:
        self._figures.broken += 1

    def _connected(self) -> None:
        self._figures.source_up = True
        self._timeline.interrupt()
        if self._told:
            self._figures.reconnects += 1
            log.info("%s is back", self._source.shown)

    def _read(self, capture: Capture) -> Iterator[Picture]:
        arrivals: deque[float] = deque()
        for frame in prepared(self._frames(capture, arrivals)):
            arrived = arrivals.popleft()
            info = self._info_of(frame, capture.rate)
            if not self._told:
                self._opening = True  # a sink that cannot be opened is not the source's fault: no connection helps
                self._started(Start(info, capture.pixel_aspect, capture.has_sound))
                self._told, self._opening = True, False
            shown = self._timeline.picture(frame.time, arrived)
            yield Picture(frame, info, shown, arrived, self._timeline.runs)

    def _frames(self, capture: Capture, arrivals: deque[float]) -> Iterator[av.VideoFrame]:
        for grabbed in capture.grabbed():
            if self._stop.is_set():
                return
            self._figures.spent("decode", time.perf_counter() - grabbed.seconds, grabbed.seconds)
            if isinstance(grabbed.frame, av.VideoFrame):
                arrivals.append(grabbed.arrived)
                yield grabbed.frame
            else:
                self._hear(grabbed)

    def _hear(self, grabbed: Grabbed) -> None:
        assert isinstance(grabbed.frame, av.AudioFrame)
        heard = None if grabbed.frame.time is None else self._timeline.sound(grabbed.frame.time)
        if heard is not None:
            self._sound(grabbed.frame, heard)

    def _info_of(self, frame: av.VideoFrame, rate: Fraction | None) -> StreamInfo:
        """The stream a picture is of: the same object until something of it changes."""
        tags = ColorTags.of(frame)
        key = (frame.width, frame.height, frame.format.name, tags, rate)
        if self._info is None or self._info[0] != key:
            info = StreamInfo(frame.width, frame.height, frame.format.name, rate, tags.names())
            self._info = key, info
        return self._info[1]

    def _hand_over(self, picture: Picture) -> bool:
        self._figures.frames_in += 1
        before = self._pictures.dropped
        taken = self._pictures.put(picture)
        if self._pictures.dropped > before:
            self._figures.drop(TOO_SLOW, self._pictures.dropped - before)
        return taken


def age(picture: Picture) -> float:
    """Seconds since a picture came."""
    return time.monotonic() - picture.arrived
