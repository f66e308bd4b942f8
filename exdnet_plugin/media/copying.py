"""Streams that are not enhanced, copied packet for packet, and with what times."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import Any

from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from exdnet_plugin.media.adts import Headers
from exdnet_plugin.media.discontinuity import Join, Rising, nearest
from exdnet_plugin.media.opening import is_cover
from exdnet_plugin.media.runs import in_order
from exdnet_plugin.media.taking import codec_name, first_packet, takes

_HOMES = {"mov_text": ".mp4"}  # containers that take what .mkv does not
_STREAM_KEYS = frozenset({"encoder", "vendor_id", "DURATION", "BPS", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES"})


def stream_metadata(stream: Stream) -> dict[str, str]:
    """A stream's metadata but for what a writer makes anew."""
    return {key: value for key, value in stream.metadata.items() if key not in _STREAM_KEYS}


def told(metadata: Mapping[str, str], name: str) -> str | None:
    """A value by its name; Matroska writes names in capitals."""
    return next((value for key, value in metadata.items() if key.lower() == name), None)


def add_copy(container: OutputContainer, stream: Stream) -> Stream | str:
    """A stream of the same codec and facts in a container, or why it is left out."""
    what = f"{stream.type} stream {stream.index} ({codec_name(stream)})"
    if is_cover(stream) and container.format.name == "matroska":
        return _add_cover(container, stream)
    if not takes(container, stream):
        home = _HOMES.get(codec_name(stream), ".mkv")
        return f"{what} is left out: the container does not take it; {home} would"
    copy = container.add_stream_from_template(stream)
    copy.metadata.update(stream_metadata(stream))
    copy.disposition = stream.disposition
    copy.time_base = stream.time_base
    return copy


def _add_cover(container: OutputContainer, stream: Stream) -> Stream | str:
    """A cover picture as Matroska has them: an attachment."""
    picture = first_packet(stream)
    kind = {"png": "png", "mjpeg": "jpeg", "webp": "webp"}.get(codec_name(stream))
    if picture is None or kind is None:
        return f"cover picture {stream.index} ({codec_name(stream)}) is left out: .mkv takes PNG, JPEG and WebP"
    return container.add_attachment(f"cover.{kind}", f"image/{kind}", bytes(picture))


def copied_packets(
    container: InputContainer,
    copies: dict[int, Stream],
    joins: Sequence[Join],
    notes: list[str],
    converted: Collection[int],
) -> Iterator[Packet[Any]]:
    """Packets of the streams by index, for their copies, with decoding times that rise.

    A source that is cut off ends early: the reader of its frames has told so.

    Args:
        container: the source, opened for this.
        copies: the sink's streams by the source's index.
        joins: where the video's times jump back; the others' are put off alike, so that they stay in step.
        notes: take what is not as it was, a line each.
        converted: which streams are decoded, not copied: their packets may share a time, as rounding makes them.
    """
    clocks: dict[int, _Joined] = {}
    headers = {i: Headers(container.streams[i], copy) for i, copy in copies.items() if i not in converted}
    for packet in in_order(container, copies, notes):
        index = packet.stream.index
        if index not in clocks:
            clocks[index] = _Joined(packet, copies[index], joins, copied=index not in converted)
        clocks[index].rescale(packet)
        if copies[index].type == "attachment" or not packet.size or not _with_times(packet, clocks[index].last):
            continue
        if (index in converted or headers[index].take(packet)) and clocks[index].takes(packet):
            packet.stream = copies[index]
            yield packet
    notes += [
        f"{clock.left_out} packets of stream {index} are left out: they overlap, where files were put together"
        for index, clock in clocks.items()
        if clock.left_out
    ]
    notes += [note for index, header in headers.items() for note in header.notes(index)]


class _Joined(Rising):
    """The clock of a stream that is copied, or else decoded.

    Attributes:
        left_out: packets that overlap what came in front of a join, or cannot be decoded without them.
    """

    def __init__(self, first: Packet[Any], copy: Stream, joins: Sequence[Join], *, copied: bool) -> None:
        told = first.time_base or Fraction(1)
        # Matroska rounds to 1 ms, and packets of TrueHD last less: raised by one each, they would be stretched.
        self._base = min(told, copy.time_base or told) if copied and first.stream.type == "audio" else told
        super().__init__(self._base, self._step(first, copy) if copied else 0)
        self._joins, self._cut, self.left_out = joins, False, 0

    def _step(self, first: Packet[Any], copy: Stream) -> int:
        """Ticks between packets: none between events, and in Matroska; else one of the sink's, if they last so long."""
        if first.stream.type in ("subtitle", "data") or copy.container.format.name in ("matroska", "webm"):
            return 0
        return max(1, min(ceil((copy.time_base or self._base) / self._base), first.duration or 1))

    def rescale(self, packet: Packet[Any]) -> None:
        """Count a packet's times in this clock's ticks."""
        if packet.time_base and packet.time_base != self._base:
            ticks = packet.time_base / self._base
            packet.pts = None if packet.pts is None else round(packet.pts * ticks)
            packet.dts = None if packet.dts is None else round(packet.dts * ticks)
            packet.duration = round((packet.duration or 0) * ticks)
            packet.time_base = self._base

    def takes(self, packet: Packet[Any]) -> bool:
        """Give a packet its times; False if it is to be left out."""
        told = packet.dts or 0
        if self.jumps_at(told) and (join := nearest(self._joins, packet.pos)):
            self.join(told, round(join.offset / self._base), told=True)
        self._cut = self.overlaps(told) or (self._cut and packet.stream.type == "video" and not packet.is_keyframe)
        if self._cut:
            self.left_out += 1
            return False
        packet.dts = self.next(told, packet.duration or 0)
        packet.pts = max((told if packet.pts is None else packet.pts) + self.offset, packet.dts)
        return True


def _with_times(packet: Packet[Any], last: int | None) -> bool:
    """Give a packet the times that its container did not tell; False where there is nothing to go by."""
    if packet.dts is None:
        if packet.pts is None:
            if not is_cover(packet.stream):
                return False
            packet.pts = 0  # a cover is a stream of one picture without a time
        delay = getattr(packet.stream.codec_context, "reorder_depth", 0) * (packet.duration or 1)
        packet.dts = packet.pts - delay if last is None else last + 1
    return True


def shown(packet: Packet[Any]) -> Fraction:
    """When a packet is shown, or where that is not told, decoded, in seconds."""
    return ((packet.dts if packet.pts is None else packet.pts) or 0) * (packet.time_base or Fraction(1))
