"""One connection to a live source: opened within a time, read until it ends or falls silent."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import inf
from types import TracebackType
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from exdnet_plugin.errors import MediaError
from exdnet_plugin.hdr import is_hdr
from exdnet_plugin.live.address import meaning
from exdnet_plugin.live.reminder import Reminder
from exdnet_plugin.live.sources import Source
from exdnet_plugin.media.channel_layout import distinct
from exdnet_plugin.media.facts import ColorTags
from exdnet_plugin.media.ffmpeg_filter import DEINTERLACE, quarter_turns, through, tone_mapped, turned
from exdnet_plugin.media.frames import reformatted, workable_format
from exdnet_plugin.media.opening import demuxed, frame_rate

log = logging.getLogger("exdnet.live")
OPENING = 2  # patiences until a source is open: FFmpeg looks at some pictures first, of slow cameras for seconds
UNDECODED = 10.0  # seconds of packets of which none can be decoded
LOOK = 0.25  # seconds between two looks whether a silent pipe is still to be waited for


@dataclass(frozen=True)
class Grabbed:
    """A decoded picture or piece of sound, when its packet came by the monotonic clock, and seconds of decoding."""

    frame: av.VideoFrame | av.AudioFrame
    arrived: float
    seconds: float


class Capture:
    """Opens a source for reading.

    Args:
        source: what to open.
        patience: seconds without anything coming after which it counts as gone.
        stopped: whether a pipe is not to be waited for any longer.
        tell_broken: told of each packet of video that cannot be decoded.

    Raises:
        MediaError: it cannot be opened, or has no video.

    Attributes:
        stream: its video.
    """

    def __init__(
        self,
        source: Source,
        patience: float,
        stopped: Callable[[], bool] = bool,
        tell_broken: Callable[[], object] = bool,
    ) -> None:
        self._source, self._patience, self._stopped = source, patience, stopped
        self._tell_broken, self._decodes = tell_broken, time.monotonic()
        self._command: subprocess.Popen[bytes] | None = None
        self._container = self._open()
        videos = [stream for stream in self._container.streams.video if stream.codec_context]
        if not videos:
            kinds = ", ".join(sorted({stream.type for stream in self._container.streams})) or "nothing"
            self.close()
            raise MediaError(f"{source.shown} has no video (it holds {kinds}); give a source with video")
        self.stream: VideoStream = videos[0]
        self.stream.thread_type = "SLICE"  # frame threads hold back a frame each
        self._sound = next(iter(self._container.streams.audio), None)
        self._first_time: Fraction | None = None
        self._lies, self._reminder = False, Reminder()

    @property
    def has_sound(self) -> bool:
        """Whether there is a stream of sound."""
        return self._sound is not None

    @property
    def rate(self) -> Fraction | None:
        """Frames a second as told; None where it is not."""
        return frame_rate(self.stream)

    @property
    def pixel_aspect(self) -> Fraction | None:
        """A pixel's width by its height, upright; None where it is not told. To be asked when a picture has come."""
        told = self.stream.sample_aspect_ratio or None
        return 1 / told if told and self._lies else told

    def _open(self) -> InputContainer:
        source, options = self._source, dict(self._source.options)
        opening = OPENING * self._patience
        try:
            if source.url == "-" or source.command:
                patience = self._patience if source.command else inf  # standard input cannot be opened again
                pipe = _PatientPipe(self._descriptor(), patience, self._stopped)
                return av.open(pipe, "r", format=source.format, options=options)
            return av.open(source.url, "r", format=source.format, options=options, timeout=(opening, self._patience))
        except (FFmpegError, OSError) as error:
            self._end_command()
            hint = "; a pipe takes MPEG-TS or Matroska, an MP4 is to be given as a file" if source.url == "-" else ""
            raise MediaError(f"{source.shown} {_why(error, opening)}{hint}") from None
        except ValueError as error:
            raise MediaError(f"{source.shown}: {error}; FFmpeg's names are `ffmpeg -formats`") from None

    def _descriptor(self) -> int:
        if not self._source.command:
            return sys.stdin.fileno()
        nothing = subprocess.DEVNULL  # as its input, too: ffmpeg would set up the terminal for its keys
        self._command = subprocess.Popen(self._source.command, stdin=nothing, stdout=subprocess.PIPE, stderr=nothing)
        assert self._command.stdout
        return self._command.stdout.fileno()

    def grabbed(self) -> Iterator[Grabbed]:
        """Pictures and sound, decoded, as they come. MediaError when the source breaks off or falls silent."""
        try:
            streams = [stream for stream in (self.stream, self._sound) if stream]
            for packet in demuxed(self._container, streams, self._note):
                yield from self._decoded(packet)
        except (FFmpegError, OSError) as error:
            raise MediaError(f"{self._source.shown} {_why(error, self._patience)}") from None

    def _note(self, note: str) -> None:
        """Log what is passed over, which may come with every packet."""
        if self._reminder.is_due(note):
            log.info("%s: %s", self._source.shown, note)

    def _decoded(self, packet: Packet[Any]) -> Iterator[Grabbed]:
        if self._source.paced:
            self._wait_for(packet)
        arrived = time.monotonic()
        try:
            frames = [distinct(frame) if isinstance(frame, av.AudioFrame) else frame for frame in packet.decode()]
        except FFmpegError:
            self._count_broken(packet)
            return
        seconds = time.monotonic() - arrived
        if frames and packet.stream.type == "video":
            self._decodes = arrived
        for frame in frames:
            if isinstance(frame, av.VideoFrame):
                self._lies = quarter_turns(frame) % 2 == 1
            if isinstance(frame, av.VideoFrame | av.AudioFrame):
                yield Grabbed(frame, arrived, seconds / len(frames))

    def _count_broken(self, packet: Packet[Any]) -> None:
        if packet.stream.type != "video":
            return
        self._tell_broken()
        if time.monotonic() - self._decodes > UNDECODED:
            raise MediaError(f"{self._source.shown} sends video of which nothing can be decoded; is it encrypted?")

    def _wait_for(self, packet: Packet[Any]) -> None:
        """Hold a file back to its own rate."""
        if packet.dts is None or packet.time_base is None:
            return
        moment = packet.dts * packet.time_base
        if self._first_time is None:
            self._first_time, self._began = moment, time.monotonic()
        time.sleep(max(0.0, self._began + float(moment - self._first_time) - time.monotonic()))

    def close(self) -> None:
        """Close the connection, and end the command behind it."""
        with suppress(FFmpegError, OSError):
            self._container.close()
        self._end_command()

    def _end_command(self) -> None:
        if self._command:
            self._command.kill()
            self._command.wait()
            if self._command.stdout:
                self._command.stdout.close()

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _PatientPipe:
    """A pipe as PyAV reads it, which gives up when nothing comes."""

    def __init__(self, descriptor: int, patience: float, stopped: Callable[[], bool]) -> None:
        self._descriptor, self._patience, self._stopped = descriptor, patience, stopped

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end."""
        until = time.monotonic() + self._patience
        while not self._stopped():
            if select.select([self._descriptor], [], [], LOOK)[0]:
                return os.read(self._descriptor, size)
            if time.monotonic() > until:
                raise TimeoutError(f"silent for {self._patience:g} s")
        return b""  # so that the command behind it is ended, and does not outlive us


def _why(error: FFmpegError | OSError, patience: float) -> str:
    """What an error of FFmpeg means here. Its text may hold the address, with its password: it is not shown."""
    kinds: dict[str, str] = {
        "ExitError": f"is silent: nothing came for {patience:g} s",
        "TimeoutError": f"is silent: nothing came for {patience:g} s",
        "HTTPForbiddenError": "refuses access (403); check user, password or key",
        "HTTPNotFoundError": "is not there (404); check the path",
        "InvalidDataError": "sends nothing that is video",
        "EOFError": "has ended",
    }
    name = type(error).__name__
    return meaning(name) or kinds.get(name, f"cannot be read: {error.strerror or name}")


def prepared(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Frames as live streams go out: upright, progressive, SDR, in a format that the colour room handles. One each."""
    first = next(frames, None)
    if first is None:
        return
    frames = turned(_progressive(chain([first], frames)))
    if is_hdr(ColorTags.of(first).names().transfer):
        frames = map(tone_mapped, frames)
    for frame in frames:
        yield reformatted(frame, workable_format(frame.format.name))


def _progressive(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Frames deinterlaced from the first interlaced one on: the filter holds one back, which others need not."""
    for frame in frames:
        if frame.interlaced_frame:
            yield from through(chain([frame], frames), *DEINTERLACE)
        else:
            yield frame
