"""Sound and text subtitles that a container does not take as they are, in a form that it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec import CodecContext
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from exdnet_plugin.media.channel_layout import are_told, distinct, layout_of, nearest
from exdnet_plugin.media.copying import stream_metadata
from exdnet_plugin.media.cues import Cue, Cues
from exdnet_plugin.media.sound import Resampled
from exdnet_plugin.media.taking import accepted, codec_name

_SOUND = {"mp4": "aac", "mov": "aac", "mpegts": "aac", "matroska": "aac", "webm": "libopus"}
_SOUND |= {"avi": "libmp3lame", "flv": "aac", "mpeg": "mp2", "mxf": "pcm_s16le", "nut": "aac"}
_PCM = frozenset({"mp4", "mov", "matroska", "avi", "mxf"})  # where PCM is at home, if its channels are told
_WITHOUT_GAPS = frozenset({"avi", "mxf"})
_TEXT = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_TEXTS = frozenset({"subrip", "mov_text", "webvtt", "ass", "text"})  # subtitles that are text, not pictures
_BIT_RATE = 96_000  # of a channel, at which the encoders above are held to be transparent
_USUAL_RATE = 48_000
_SLACK = 0.1  # seconds: recordings by the clock stray by some hundredths
_UNTOLD = 3000  # milliseconds for which a cue is shown whose length is not told
_MILLISECOND = Fraction(1, 1000)
_LATEST = 3000  # milliseconds by which a cue may lie in the file behind other streams' packets of its time
_STYLE, _BEFORE_TEXT = 2, 8  # an ASS event's field, and its commas in front of its text
_SHAPE = re.compile(r"\{[^}]*\\p[1-9][^}]*\}.*?(?=\{[^}]*\\p0|$)")  # letters and numbers that draw
_TAGS = re.compile(r"\{[^}]*\}")


def add_converted(container: OutputContainer, stream: Stream) -> Stream | None:
    """A stream of the same facts in a container, of a codec that it takes; None where nothing is known to do it.

    Sound that the encoder does not take with its channels becomes stereo.
    """
    kind, decoder = container.format.name, stream.codec_context
    ways: list[Callable[[OutputContainer], Stream]] = []
    if isinstance(decoder, AudioCodecContext) and kind in _SOUND:
        codecs = [decoder.name, _SOUND[kind]] if decoder.name.startswith("pcm_") and kind in _PCM else [_SOUND[kind]]
        rates = [rate for rate in (decoder.sample_rate, _USUAL_RATE) if rate]
        kinds = product(codecs, nearest(layout_of(decoder)), rates)
        ways = [partial(_add_sound, *kind) for kind in kinds]
    elif isinstance(decoder, SubtitleCodecContext) and kind in _TEXT and decoder.codec.canonical_name in _TEXTS:
        ways = [partial(_add_text, decoder)]
    for add in ways:
        if accepted(kind, add):
            made = add(container)
            made.metadata.update(stream_metadata(stream))
            made.disposition = stream.disposition
            return made
    return None


def change(stream: Stream, made: Stream, suffix: str) -> str:
    """What becomes of a stream in a container, in words; empty where it is what it was: PCM whose gaps are filled."""
    others = _other_sound(stream.codec_context, made.codec_context)
    if codec_name(stream) == codec_name(made):
        return f"is written anew{others}" if others else ""
    codecs = f"from {codec_name(stream)} to {codec_name(made)}"
    return f"is converted {codecs}{others}: {suffix} does not take it as it is"


def _other_sound(before: CodecContext, after: CodecContext) -> str:
    """Channels and rate, where they are others."""
    if not (isinstance(before, AudioCodecContext) and isinstance(after, AudioCodecContext)):
        return ""
    layout, words = layout_of(before), ""
    usual = not are_told(layout) and layout.nb_channels == after.layout.nb_channels
    if not usual and after.layout.name not in (layout.name, layout.name.replace("(side)", "")):
        words += f", {layout.name} to {after.layout.name}"
    return words if before.sample_rate == after.sample_rate else f"{words} of {after.sample_rate} Hz"


def _add_text(decoder: SubtitleCodecContext, container: OutputContainer) -> Stream:
    if not decoder.is_open:
        decoder.open()  # which makes the header
    made = container.add_stream(_TEXT[container.format.name])
    assert isinstance(made, SubtitleStream)
    made.codec_context.subtitle_header = decoder.subtitle_header
    made.codec_context.time_base = made.time_base = _MILLISECOND
    return made


def _add_sound(codec: str, layout: str, rate: int, container: OutputContainer) -> Stream:
    made = container.add_stream(codec, rate=rate, layout=layout)
    assert isinstance(made, AudioStream)
    made.codec_context.bit_rate = _BIT_RATE * made.codec_context.layout.nb_channels
    made.time_base = Fraction(1, rate)
    return made


def converted(
    packets: Iterator[Packet[Any]], sources: Mapping[Stream, Stream], notes: list[str]
) -> Iterator[Packet[Any]]:
    """Packets of copied streams, those of some converted.

    Args:
        packets: of streams of the sink.
        sources: by a stream of the sink that :func:`add_converted` made, that of the source, freshly opened.
        notes: takes what of a stream could not be converted, a line each.
    """
    conversions = {made: (_Sound if made.type == "audio" else _Text)(made, source) for made, source in sources.items()}
    texts = [conversion for conversion in conversions.values() if isinstance(conversion, _Text)]
    for packet in packets:
        if conversion := conversions.get(packet.stream):
            yield from conversion.of(packet)
            continue
        for text in texts:
            yield from text.reached(packet)
        yield packet
    for made, conversion in conversions.items():
        yield from conversion.rest()
        what = f"of {made.type} stream {sources[made].index}"
        if conversion.damaged:
            notes.append(f"{conversion.damaged} packets {what} are left out: they are damaged, or too long")
        if conversion.shapes:
            notes.append(f"{conversion.shapes} shapes drawn {what} are left out: text alone is kept")


class _Sound:
    """Sound, decoded and encoded."""

    shapes = 0

    def __init__(self, made: Stream, source: Stream) -> None:
        decoder, encoder = source.codec_context, made.codec_context
        assert isinstance(decoder, AudioCodecContext)
        assert isinstance(encoder, AudioCodecContext)
        self._made, self._decoder, self._encoder = made, decoder, encoder
        bare = made.container.format.name in _WITHOUT_GAPS
        fills = bare or encoder.name.startswith("pcm_")
        self._resampled = Resampled(encoder, _SLACK, fills=fills, since=0 if bare else None)
        self.damaged = 0

    def of(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        """What a packet becomes; with None, what the decoder holds back."""
        try:
            frames = [distinct(frame) for frame in self._decoder.decode(packet)]
        except FFmpegError:
            self.damaged += 1
            self._resampled.lost()
            return
        for frame in frames:
            told = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
            yield from self._encoded(self._resampled.of(frame, told))

    def rest(self) -> Iterator[Packet[Any]]:
        """What is held back at the end."""
        yield from self.of(None)
        yield from self._encoded(self._resampled.rest())
        yield from self._encoded([None])

    def _encoded(self, pieces: Iterable[AudioFrame | None]) -> Iterator[Packet[Any]]:
        for piece in pieces:
            for packet in self._encoder.encode(piece):
                packet.stream = self._made
                yield packet


class _Text:
    """Subtitles in other words; for MP4, one at a time."""

    def __init__(self, made: Stream, source: Stream) -> None:
        decoder, encoder = source.codec_context, made.codec_context
        assert isinstance(decoder, SubtitleCodecContext)
        assert isinstance(encoder, SubtitleCodecContext)
        self._made, self._decoder, self._encoder = made, decoder, encoder
        self._one_at_a_time = Cues() if encoder.name == "mov_text" else None
        self.damaged = self.shapes = 0

    def of(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What is known to be shown once a packet has come."""
        try:
            decoded = self._decoder.decode2(packet)
        except FFmpegError:
            self.damaged += 1
            return
        for rect in decoded.rects if decoded else ():  # MP4 tells that nothing is shown by an empty one
            if isinstance(rect, AssSubtitle) and (cue := self._cue(rect.ass.decode(errors="replace"), packet)):
                yield from self._encoded(self._one_at_a_time.add(cue) if self._one_at_a_time else [cue])

    def _cue(self, event: str, packet: Packet[Any]) -> Cue | None:
        fields = event.split(",", _BEFORE_TEXT)
        text, shapes = _SHAPE.subn("", fields[-1].replace(r"\h", " "))
        self.shapes += shapes
        if shapes and not _TAGS.sub("", text).strip():
            return None
        start, length = (_milliseconds(time, packet) for time in (packet.pts, packet.duration))
        if self._one_at_a_time:
            length = length or _UNTOLD
        return Cue(start, start + length, text, fields[_STYLE])

    def reached(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """A packet of another stream comes: what is over long before need not wait for the next cue."""
        if self._one_at_a_time and packet.dts is not None:
            yield from self._encoded(self._one_at_a_time.over(_milliseconds(packet.dts, packet) - _LATEST))

    def rest(self) -> Iterator[Packet[Any]]:
        """What is held back at the end."""
        if self._one_at_a_time:
            yield from self._encoded(self._one_at_a_time.until())

    def _encoded(self, cues: Iterable[Cue]) -> Iterator[Packet[Any]]:
        for cue in cues:
            event = f"0,0,{cue.style},,0,0,0,,{cue.text}"
            try:
                packet = self._encoder.encode_subtitle(SubtitleSet.create(event.encode(), 0, cue.end - cue.start))
            except FFmpegError:  # MP4 takes 64 KiB
                self.damaged += 1
                continue
            packet.stream, packet.time_base = self._made, _MILLISECOND
            packet.pts = packet.dts = cue.start
            packet.duration = cue.end - cue.start
            yield packet


def _milliseconds(time: int | None, packet: Packet[Any]) -> int:
    return round((time or 0) * (packet.time_base or _MILLISECOND) / _MILLISECOND)
