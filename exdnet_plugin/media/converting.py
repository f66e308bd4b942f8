"""Sound and text subtitles that a container does not take as they are, in a form that it takes."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from exdnet_plugin.media.copying import stream_metadata
from exdnet_plugin.media.cues import Cue, Cues
from exdnet_plugin.media.sound import Resampled

_SOUND = {"mp4": "aac", "mov": "aac", "mpegts": "aac", "matroska": "aac", "webm": "libopus"}
_SOUND |= {"avi": "libmp3lame", "flv": "aac", "mpeg": "mp2", "mxf": "pcm_s16le"}
_WITHOUT_GAPS = frozenset({"avi"})
_TEXT = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_TEXTS = frozenset({"subrip", "mov_text", "webvtt", "ass", "text"})  # subtitles that are text, not pictures
_BIT_RATE = 96_000  # of a channel, at which the encoders above are held to be transparent
_USUAL_RATE = 48_000
_SLACK = 0.015  # seconds: less than a packet lasts, so that what is behind a damaged one is heard when it was
_MILLISECOND = Fraction(1, 1000)
_LATEST = 3000  # milliseconds by which a cue may lie in the file behind other streams' packets of its time
_STYLE, _BEFORE_TEXT = 2, 8  # an ASS event's field, and its commas in front of its text
_DRAWING = re.compile(r"\{[^}]*\\p[1-9]")  # a shape, in letters and numbers


def add_converted(container: OutputContainer, stream: Stream) -> Stream | None:
    """A stream of the same facts in a container, of a codec that it takes; None where nothing is known to do it.

    Sound that the encoder does not take with its channels becomes stereo.
    """
    kind, decoder = container.format.name, stream.codec_context
    ways: list[Callable[[OutputContainer], Stream]] = []
    if isinstance(decoder, AudioCodecContext) and kind in _SOUND:
        usual = f"{decoder.layout.nb_channels}c"  # where only a number of channels is told
        ways = [partial(_add_sound, decoder, layout) for layout in (decoder.layout.name, usual, "stereo")]
    elif isinstance(decoder, SubtitleCodecContext) and kind in _TEXT and decoder.codec.canonical_name in _TEXTS:
        ways = [partial(_add_text, decoder)]
    for add in ways:
        if _works(add, kind):
            made = add(container)
            made.metadata.update(stream_metadata(stream))
            made.disposition = stream.disposition
            return made
    return None


def _works(add: Callable[[OutputContainer], Stream], kind: str) -> bool:
    """Whether the encoder opens, and the container's writer takes what it tells."""
    try:
        with av.open(io.BytesIO(), "w", format=kind) as trial:
            add(trial)
            trial.start_encoding()
    except (FFmpegError, ValueError):
        return False
    return True


def _add_text(decoder: SubtitleCodecContext, container: OutputContainer) -> Stream:
    if not decoder.is_open:
        decoder.open()  # which makes the header
    made = container.add_stream(_TEXT[container.format.name])
    assert isinstance(made, SubtitleStream)
    made.codec_context.subtitle_header = decoder.subtitle_header
    made.codec_context.time_base = made.time_base = _MILLISECOND
    return made


def _add_sound(decoder: AudioCodecContext, layout: str, container: OutputContainer) -> Stream:
    codec = _SOUND[container.format.name]
    rates = Codec(codec, "w").audio_rates or []
    rate = decoder.sample_rate if decoder.sample_rate in rates else _USUAL_RATE
    made = container.add_stream(codec, rate=rate, layout=layout)
    assert isinstance(made, AudioStream)
    made.codec_context.bit_rate = _BIT_RATE * made.codec_context.layout.nb_channels
    made.time_base = Fraction(1, rate)
    return made


def converted(
    packets: Iterator[Packet[Any]], sources: Mapping[Stream, Stream], start: Fraction, notes: list[str]
) -> Iterator[Packet[Any]]:
    """Packets of copied streams, those of some converted.

    Args:
        packets: of streams of the sink.
        sources: by a stream of the sink that :func:`add_converted` made, that of the source, freshly opened.
        start: when video begins, in seconds.
        notes: takes how many packets of a stream are damaged and left out, a line each.
    """
    damaged = Counter[Stream]()
    conversions: dict[Stream, _Sound | _Text] = {}
    for made, source in sources.items():
        filled = start if made.container.format.name in _WITHOUT_GAPS else None
        conversions[made] = _Sound(made, source, filled) if made.type == "audio" else _Text(made, source)
    texts = [conversion for conversion in conversions.values() if isinstance(conversion, _Text)]
    for packet in packets:
        made = packet.stream
        if made not in sources:
            for text in texts:
                text.reached(packet)
                yield from text.ready()
            yield packet
            continue
        try:
            conversions[made].take(packet)
        except FFmpegError:
            damaged[made] += 1
        yield from conversions[made].ready()
    for conversion in conversions.values():
        conversion.end()
        yield from conversion.ready()
    notes += [
        f"{count} packets of {made.type} stream {sources[made].index} are damaged and left out"
        for made, count in damaged.items()
    ]


class _Sound:
    """Sound, decoded and encoded."""

    def __init__(self, made: Stream, source: Stream, filled_from: Fraction | None) -> None:
        decoder, encoder = source.codec_context, made.codec_context
        assert isinstance(decoder, AudioCodecContext)
        assert isinstance(encoder, AudioCodecContext)
        self._made, self._decoder, self._encoder = made, decoder, encoder
        self._resampled = Resampled(encoder, _SLACK, filled_from)
        self._pieces: list[AudioFrame | None] = []  # None: no more comes

    def take(self, packet: Packet[Any]) -> None:
        """Decode a packet. FFmpegError where it is damaged."""
        self._resample(self._decoder.decode(packet))

    def end(self) -> None:
        """No more comes."""
        self._resample(self._decoder.decode(None))
        self._pieces += [*self._resampled.rest(), None]

    def _resample(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            told = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
            self._pieces += self._resampled.of(frame, told)

    def ready(self) -> Iterator[Packet[Any]]:
        """What is encoded so far."""
        for piece in self._pieces:
            for packet in self._encoder.encode(piece):
                packet.stream = self._made
                yield packet
        self._pieces.clear()


class _Text:
    """Subtitles in other words; for MP4, one at a time."""

    def __init__(self, made: Stream, source: Stream) -> None:
        decoder, encoder = source.codec_context, made.codec_context
        assert isinstance(decoder, SubtitleCodecContext)
        assert isinstance(encoder, SubtitleCodecContext)
        self._made, self._decoder, self._encoder = made, decoder, encoder
        self._one_at_a_time = Cues() if encoder.name == "mov_text" else None
        self._told: list[Cue] = []

    def take(self, packet: Packet[Any]) -> None:
        """Decode a packet. FFmpegError where it is damaged."""
        decoded = self._decoder.decode2(packet)
        if decoded is None:  # MP4 tells that nothing is shown by an empty one
            return
        start = _milliseconds(packet.pts, packet)
        end = start + _milliseconds(packet.duration, packet)
        for rect in decoded.rects:
            if isinstance(rect, AssSubtitle) and not _DRAWING.search(event := rect.ass.decode(errors="replace")):
                fields = event.split(",", _BEFORE_TEXT)
                cue = Cue(start, end, fields[-1].replace(r"\h", " "), fields[_STYLE])
                self._told += self._one_at_a_time.add(cue) if self._one_at_a_time else [cue]

    def reached(self, packet: Packet[Any]) -> None:
        """A packet of another stream comes: what is over long before need not wait for the next cue."""
        if self._one_at_a_time and packet.dts is not None:
            self._told += self._one_at_a_time.over(_milliseconds(packet.dts, packet) - _LATEST)

    def end(self) -> None:
        """No more comes."""
        if self._one_at_a_time:
            self._told += self._one_at_a_time.until()

    def ready(self) -> Iterator[Packet[Any]]:
        """What is told so far."""
        for cue in self._told:
            event = f"0,0,{cue.style},,0,0,0,,{cue.text}"
            packet = self._encoder.encode_subtitle(SubtitleSet.create(event.encode(), 0, cue.end - cue.start))
            packet.stream, packet.time_base = self._made, _MILLISECOND
            packet.pts = packet.dts = cue.start
            packet.duration = cue.end - cue.start
            yield packet
        self._told.clear()


def _milliseconds(time: int | None, packet: Packet[Any]) -> int:
    return round((time or 0) * (packet.time_base or _MILLISECOND) / _MILLISECOND)
