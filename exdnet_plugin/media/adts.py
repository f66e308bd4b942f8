"""AAC as broadcasts have it, each packet behind a header (ISO/IEC 13818-7, 6.2), which other containers drop."""

from __future__ import annotations

from typing import Any

from av.packet import Packet
from av.stream import Stream

from exdnet_plugin.media.taking import codec_name

_KEEPING = frozenset({"mpegts", "adts"})


class Headers:
    """What a stream's headers tell on the way, for a copy whose container tells it once.

    Attributes:
        changed: whether rate or channels were other ones than at first.
        others: packets of another codec, which nothing could decode there.
    """

    def __init__(self, source: Stream, copy: Stream) -> None:
        within = source.container.format.name in _KEEPING and copy.container.format.name not in _KEEPING
        self._matters = within and codec_name(source) == codec_name(copy) == "aac"
        self._first: tuple[int, int] | None = None
        self.changed, self.others = False, 0

    def take(self, packet: Packet[Any]) -> bool:
        """Whether a packet can be decoded behind the first one's header."""
        if not self._matters:
            return True
        told = _told(bytes(memoryview(packet)[:4]))
        if self._first is None:
            self._first, self._matters = told, told is not None
        elif told is None:
            self.others += 1
            return False
        self.changed = self.changed or told != self._first
        return True

    def notes(self, index: int) -> list[str]:
        """What is to be said of the source's stream of an index."""
        found = []
        if self.changed:
            what = "its rate or channels change on the way, and it is heard wrong from there"
            found.append(f"of audio stream {index}, {what}; .ts tells them")
        if self.others:
            found.append(f"{self.others} packets of stream {index} are left out: they are damaged, or no AAC")
        return found


def _told(data: bytes) -> tuple[int, int] | None:
    """Sampling frequency index and channel configuration of a header; None where there is none."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        return None
    return data[2] >> 2 & 15, (data[2] & 1) << 2 | data[3] >> 6
