"""Which packets of a copied stream belong to a part of a file."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from av.packet import Packet

from exdnet_plugin.media.copying import shown


class Part:
    """What is shown between two times: video from its first keyframe on, subtitles cut to it.

    Args:
        start, end: in seconds of the source's own times; None is that of the file.

    Attributes:
        notes: which streams begin late, a line each.
    """

    def __init__(self, start: Fraction | None, end: Fraction | None) -> None:
        self._start, self._end = start, end
        self._begun = set[int]()
        self.notes: list[str] = []

    def takes(self, packet: Packet[Any]) -> bool:
        """Whether a packet belongs to it; a subtitle is given the times at which it is shown within."""
        if packet.stream.type == "subtitle":
            self._clip(packet)
        moment = shown(packet)
        if (self._start is not None and moment < self._start) or (self._end is not None and moment >= self._end):
            return False
        return packet.stream.type != "video" or self._has_begun(packet, moment)

    def _clip(self, packet: Packet[Any]) -> None:
        base, begin, length = packet.time_base or Fraction(1), shown(packet), packet.duration or 0
        if not length:
            return
        end = begin + length * base
        first = begin if self._start is None or end <= self._start else max(begin, self._start)
        last = end if self._end is None else max(min(end, self._end), first)
        packet.pts, packet.duration = round(first / base), round((last - first) / base)
        packet.dts = packet.pts

    def _has_begun(self, packet: Packet[Any], moment: Fraction) -> bool:
        """Whether a video can be decoded here: pictures before its first keyframe cannot."""
        index = packet.stream.index
        if index in self._begun or self._start is None:
            return True
        if not packet.is_keyframe:
            return False
        self._begun.add(index)
        late = float(moment - self._start)
        if late > 0:
            self.notes.append(f"video stream {index} is copied, and begins {late:.2f} s late, with its first keyframe")
        return True
