"""Packets of a file in its order, those of sound whose times are broken with others."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from typing import Any

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from exdnet_plugin.media.discontinuity import JUMP
from exdnet_plugin.media.opening import demuxed

_MOST = 64  # packets that wait: MPEG-TS has one time for some 16 of AAC


def in_order(container: InputContainer, indices: Collection[int], notes: list[str]) -> Iterator[Packet[Any]]:
    """Packets of streams as they lie in a file, but for a few of sound that wait until it is known when they are heard.

    A file that is cut off ends early.

    Args:
        container: the file.
        indices: of its streams.
        notes: take what is not as it was, a line each.
    """
    runs: dict[int, _Run] = {}
    with suppress(FFmpegError):
        for packet in demuxed(container, [container.streams[index] for index in indices], partial(note_once, notes)):
            index = packet.stream.index
            for other, run in runs.items():
                if other != index and run.reached_by(packet):
                    yield from run.released()
            if packet.stream.type == "audio" and packet.size:
                yield from runs.setdefault(index, _Run(notes)).take(packet)
            else:
                yield packet
    for run in runs.values():
        yield from run.released()


def note_once(notes: list[str], note: str) -> None:
    """Take a note that is not there yet."""
    if note not in notes:
        notes.append(note)


def seconds(packet: Packet[Any]) -> Fraction:
    """A packet's decoding time, in seconds."""
    return (packet.dts or 0) * (packet.time_base or Fraction(1))


class _Run:
    """Packets of sound whose times are far from what came before, and wait for what comes behind them.

    If that goes on from before, their times were broken. Sound may also be silent for a while, or of another file that
    was put behind: so they wait for no more than another stream's packet of about their time.
    """

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        self._waiting: list[Packet[Any]] = []
        self._last: int | None = None  # the time of the one before them

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What need not wait once a packet has come."""
        if self._last is None or not _far(self._last, packet):
            self._mend(packet)
            yield from self.released()
            yield self._passed(packet)
        elif self._waiting and (len(self._waiting) == _MOST or _far(self._waiting[-1].dts, packet)):
            yield from self.released()
            yield from self.take(packet)
        else:
            self._waiting.append(packet)

    def reached_by(self, packet: Packet[Any]) -> bool:
        """Whether another stream's packet is about as late as those that wait."""
        if not self._waiting or self._last is None:
            return False
        first = self._waiting[0]
        ahead = seconds(first) - seconds(packet)
        return ahead < JUMP if (first.dts or 0) > self._last else abs(ahead) < JUMP

    def released(self) -> Iterator[Packet[Any]]:
        """Those that wait, which need not any more."""
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            yield self._passed(packet)

    def _passed(self, packet: Packet[Any]) -> Packet[Any]:
        """A packet; it lasts as long as the one before, if nothing tells: MP4 ends when its last packet does."""
        if packet.dts is not None:
            if not packet.duration and self._last is not None and not _far(self._last, packet):
                packet.duration = max(packet.dts - self._last, 0)
            self._last = packet.dts
        return packet

    def _mend(self, after: Packet[Any]) -> None:
        """Put those that wait between the packet before them and one that goes on from there."""
        before, end, count = self._last, after.dts, len(self._waiting)
        if not count or before is None or end is None or end <= before or not _far(end, self._waiting[0]):
            return
        for number, packet in enumerate(self._waiting, 1):
            packet.dts = packet.pts = before + (end - before) * number // (count + 1)
        index = after.stream.index
        note_once(self._notes, f"times of packets of stream {index} are far from those around them, and put between")


def _far(time: int | None, packet: Packet[Any]) -> bool:
    """Whether a packet's time, in its ticks, is far from another; one that is not told is not."""
    if time is None or packet.dts is None:
        return False
    return abs(packet.dts - time) * (packet.time_base or Fraction(1)) >= JUMP
