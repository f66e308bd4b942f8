"""Pictures and sound encoded once for all sinks, with little delay; keyframes when a sink asks for one."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, cast

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType
from av.video.stream import VideoStream

from exdnet_plugin.live.feed import Start
from exdnet_plugin.live.sinks import Carried
from exdnet_plugin.media.choosing import choose_encoding
from exdnet_plugin.media.encoding import NVENC, Encoding, EncodingOptions, check_opened, refused
from exdnet_plugin.media.facts import ColorTags, VideoFacts
from exdnet_plugin.media.ffmpeg_filter import linked
from exdnet_plugin.media.priority import usual_priority
from exdnet_plugin.media.sound import Resampled

log = logging.getLogger("exdnet.live")
TIME_BASE = Fraction(1, 90000)
SOUND_RATE, SOUND_LAYOUT, SOUND_BITS = 48000, "stereo", 128_000
SLACK = 0.1  # seconds by which sound may stray from its samples' count: more is a gap
KEYFRAME_SECONDS = 2
# Without forced-idr, a keyframe that is asked for would be no IDR, where nobody can join.
_NVENC_LIVE = {"preset": "p4", "tune": "ull", "delay": "0", "forced-idr": "1"}
_DEFAULTS = {
    "libx264": {"preset": "superfast", "tune": "zerolatency"},
    "libx265": {"tune": "zerolatency", "forced-idr": "1"},
    **dict.fromkeys(NVENC, _NVENC_LIVE),
}
Take = Callable[["Packet[Any]"], None]


@dataclass(frozen=True)
class LiveEncoding:
    """How live video is encoded: as :class:`EncodingOptions`, for streams; with `g` or `keyint`, keyframes by count."""

    codec: str = "libx264"
    bitrate: int | None = None
    crf: float | None = None
    preset: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    def of(self, facts: VideoFacts) -> Encoding:
        """Settings for a stream: no frame waits for a later one, a keyframe every two seconds at least."""
        rate = facts.rate or Fraction(30)
        at_last = str(round(2 * rate * KEYFRAME_SECONDS))  # pictures, some of which may be missing: the clock asks
        options = {"g": at_last, "bf": "0", **_DEFAULTS.get(self.codec, {}), **self.options}
        by_default = options.pop("preset", None)
        preset = self.preset or by_default
        crf = self.crf if self.crf is not None or self.bitrate else 23
        if self.codec not in ("libx264", "libx265", "libsvtav1"):
            crf = self.crf
        odd = facts.width % 2 or facts.height % 2  # which has no 4:2:0: then what else the encoder takes
        pixel_format = "yuv420p" if self.codec in ("libx264", "libx265") and not odd else None
        asked = EncodingOptions(self.codec, crf, self.bitrate, preset, pixel_format, options=options)
        return choose_encoding(".mkv", facts, asked)


class Nothing:
    """Where the container writes that only holds the encoders."""

    def write(self, data: bytes) -> int:
        """Take all, keep nothing."""
        return len(data)


class Encoder:
    """The encoders of one stream.

    Args:
        start: what the first connection told; its size stays that of the sinks.
        carried: `encoded` video and sound, or `raw` frames.
        how: settings of `encoded` video.
        sound: whether sound goes along.
        take: given each packet; its stream is one of `streams`.

    Raises:
        MediaError: a codec or option that there is not.
    """

    def __init__(self, start: Start, carried: Carried, how: LiveEncoding, *, sound: bool, take: Take) -> None:
        self._take, self._info, self._raw = take, start.info, carried == "raw"
        self._hub: OutputContainer = av.open(Nothing(), "w", format="nut")
        self._key, self._last_key = threading.Event(), -math.inf
        own = "g" in how.options or any("keyint" in value for value in how.options.values())
        self._key_seconds = math.inf if own else KEYFRAME_SECONDS
        self._box: tuple[tuple[int, int, str], Graph] | None = None
        facts = _facts(start)
        steady = replace(facts, rate=facts.rate or Fraction(30))
        encoding = Encoding("rawvideo", facts.pixel_format, {}, steady) if self._raw else how.of(facts)
        self._converted = encoding.converted
        self.video = self._add_video(encoding)
        self.sound = self._add_sound() if sound and not self._raw else None
        try:
            with usual_priority():
                self._hub.start_encoding()
        except FFmpegError as error:
            raise refused(self.video.codec_context, error) from None
        check_opened(self.video.codec_context)
        self._resampled = Resampled(self.sound.codec_context, SLACK) if self.sound else None

    @property
    def streams(self) -> list[Stream]:
        """Video first, then sound where there is some."""
        return [stream for stream in (self.video, self.sound) if stream]

    def _add_video(self, encoding: Encoding) -> VideoStream:
        for note in encoding.notes:
            log.info(note)
        stream = cast(VideoStream, self._hub.add_stream(encoding.codec, rate=encoding.rate))
        encoding.configure(stream.codec_context)
        self._format = encoding.pixel_format
        return stream

    def _add_sound(self) -> AudioStream:
        stream = self._hub.add_stream("aac", rate=SOUND_RATE, layout=SOUND_LAYOUT)
        stream.codec_context.bit_rate = SOUND_BITS
        return stream

    def ask_for_key(self) -> None:
        """Make the next picture a keyframe: from any thread."""
        self._key.set()

    def picture(self, frame: av.VideoFrame, time: float) -> None:
        """Encode a picture that is shown at a time, in seconds of the session."""
        fitted = self._fitted(frame)
        fitted.pts, fitted.time_base = round(time / TIME_BASE), TIME_BASE
        fitted.pict_type = PictureType.I if self._is_key_due(time) else PictureType.NONE  # the source's are not ours
        for packet in self.video.codec_context.encode(fitted):
            packet.stream = self.video
            self._take(packet)

    def _is_key_due(self, time: float) -> bool:
        """Whether one was asked for, or the last is long ago."""
        if not self._key.is_set() and time + TIME_BASE / 2 - self._last_key < self._key_seconds:
            return False
        self._key.clear()
        self._last_key = time
        return True

    def _fitted(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A picture of the sinks' size: one of another shape gets black bars."""
        frame = self._converted(frame)
        if (frame.width, frame.height) == (self._info.width, self._info.height):
            return frame
        kind = frame.width, frame.height, frame.format.name
        if self._box is None or self._box[0] != kind:
            self._box = kind, _letterbox(frame, self._info.width, self._info.height, self._format)
        self._box[1].push(frame)
        return cast(av.VideoFrame, self._box[1].pull())

    def hear(self, frame: av.AudioFrame, time: float) -> None:
        """Encode a piece of sound that is heard at a time, in seconds of the session. From the reader's thread."""
        if self.sound is None or self._resampled is None:
            return
        for piece in self._resampled.of(frame, Fraction(time)):
            for packet in self.sound.codec_context.encode(piece):
                packet.stream = self.sound
                self._take(packet)

    def finish(self) -> None:
        """Give out what the encoders still hold."""
        for stream in self.streams:
            with suppress(FFmpegError):  # sound that never came has nothing to give
                for packet in cast(Any, stream).codec_context.encode(None):
                    packet.stream = stream
                    self._take(packet)

    def close(self) -> None:
        """Release the encoders."""
        with suppress(FFmpegError, ValueError):
            self._hub.close()


def _facts(start: Start) -> VideoFacts:
    info, tags = start.info, ColorTags.named(start.info.color)
    return VideoFacts(info.width, info.height, info.pixel_format, TIME_BASE, info.rate, start.pixel_aspect, tags)


def _letterbox(like: av.VideoFrame, width: int, height: int, name: str) -> Graph:
    size = f"{width}:{height}"
    fit = f"{size}:force_original_aspect_ratio=decrease:force_divisible_by=2"
    return linked(like, TIME_BASE, ("scale", fit), ("pad", f"{size}:-1:-1"), ("format", name))
