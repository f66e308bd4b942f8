"""A source's other streams in a sink: copied packet for packet, or converted where the container does not take them."""

from __future__ import annotations

from collections.abc import Container, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from exdnet_plugin.media.converting import add_converted, change, converted
from exdnet_plugin.media.copying import add_copy, copied_packets, shown
from exdnet_plugin.media.opening import is_cover, open_media
from exdnet_plugin.media.part import Part
from exdnet_plugin.media.quicktime import is_quicktime
from exdnet_plugin.media.source import VideoSource

_RUN_UP = Fraction(1, 10)  # seconds that an audio decoder is given before what is heard


class OtherStreams:
    """All but the video that is enhanced, and what a muxer writes itself.

    Args:
        container: of the sink, to which they are added here.
        path: of the sink.
        source: whose they are.
        notes: get what could not be kept, a line each.
        chapters: whether the container is given chapters.

    Attributes:
        empty: the source's streams, by index, of which nothing was copied; known once they are written.
    """

    def __init__(
        self, container: OutputContainer, path: Path, source: VideoSource, notes: list[str], *, chapters: bool
    ) -> None:
        self._container, self._path, self._source, self._notes = container, path, source, notes
        self.empty: list[int] = []
        self._copied: dict[int, Stream] = {}
        self._converted = set[int]()
        for stream in source.others:
            if not is_made_anew(stream, chapters):
                self._add(stream)

    def _add(self, stream: Stream) -> None:
        """Add another of the source's streams, as it is or converted, or note why it is left out."""
        copy = add_copy(self._container, stream)
        if isinstance(copy, str) and (made := add_converted(self._container, stream)):
            self._converted.add(stream.index)
            if what := change(stream, made, self._path.suffix):
                self._notes.append(f"{stream.type} stream {stream.index} {what}")
            copy = made
        if isinstance(copy, str):
            self._notes.append(copy)
        else:
            self._copied[stream.index] = copy

    def packets(self, until: Fraction | None) -> Iterator[Packet[Any]]:
        """Theirs, by time, of what is shown before a time of the source's, in seconds."""
        with open_media(self._source.path) as container:
            sources = {self._copied[index]: container.streams[index] for index in self._converted}
            yield from converted(self._within(container, until), sources, self._notes)

    def _within(self, container: InputContainer, until: Fraction | None) -> Iterator[Packet[Any]]:
        """Packets as they are, within the excerpt, whose start is their new 0 where one was asked for."""
        if not self._copied:
            return
        zero = self._source.zero
        part = Part(zero if self._source.excerpt.start else None, until)
        for packet in copied_packets(container, self._copied, self._source.joins, self._notes, self._converted):
            cover = is_cover(packet.stream)
            if cover or (not self._is_hidden(packet) and part.takes(packet)):
                yield packet if cover else shifted(packet, round(zero / (packet.time_base or Fraction(1))))
        self._notes += part.notes

    def _is_hidden(self, packet: Packet[Any]) -> bool:
        """Whether an edit list hides a packet that would be heard here."""
        if not packet.is_discard or is_quicktime(self._path) or packet.stream.type == "video":
            return False
        return shown(packet) < -_RUN_UP

    def written(self, filled: Container[int]) -> dict[int, int]:
        """Where they lie in the file, by the source's index; one that is not among the `filled` is noted."""
        bare = {
            index: stream
            for index, stream in self._copied.items()
            if stream.index not in filled and stream.type != "attachment"
        }
        self.empty = sorted(bare)
        self._notes += [
            f"{bare[i].type} stream {i} is left out: none of it can be shown in this part" for i in self.empty
        ]
        gone = [stream.index for stream in bare.values()] if is_quicktime(self._path) else []  # its writer drops them
        return {
            index: stream.index - sum(other < stream.index for other in gone)
            for index, stream in self._copied.items()
            if index not in bare
        }


def shifted(packet: Packet[Any], ticks: int) -> Packet[Any]:
    """The packet, so many ticks earlier."""
    if ticks:
        packet.pts = None if packet.pts is None else packet.pts - ticks
        packet.dts = None if packet.dts is None else packet.dts - ticks
    return packet


def is_made_anew(stream: Stream, chapters: bool) -> bool:
    """Whether a data stream is one that the muxer writes itself: MP4's chapter titles, a timecode track."""
    if stream.type != "data":
        return False
    return (chapters and getattr(stream, "name", None) == "bin_data") or "timecode" in stream.metadata
