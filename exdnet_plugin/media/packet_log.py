"""Encoded packets in one file that only grows: what is whole in it survives a kill, what is torn is cut off."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

_HEADER = struct.Struct("<qqIB")  # pts, duration, size, whether a keyframe


class PacketLog:
    """Packets of one video stream in decoding order, with times in ticks of its time base.

    Args:
        path: the file; made where there is none.
        length: bytes that are known to be whole; what is behind them is cut off.
    """

    def __init__(self, path: Path, length: int = 0) -> None:
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(length)
        self._file.seek(length)

    def append(self, packets: Iterable[Packet[Any]], durations: dict[int, int]) -> None:
        """Add packets; `durations` in ticks by pts, for encoders that do not pass them on."""
        for packet in packets:
            pts = packet.pts or 0
            header = _HEADER.pack(pts, durations.get(pts, packet.duration or 0), packet.size, packet.is_keyframe)
            self._file.write(header)
            self._file.write(bytes(packet))

    def commit(self) -> int:
        """Bring everything to the disk; the length to go on from."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def packets(self, stream: Stream, time_base: Fraction) -> Iterator[Packet[Any]]:
        """All packets, for muxing into a stream.

        Decoding times are made anew, since each encoder of a segment counts its own: in decoding order, packet i gets
        the i-th of all presentation times, put off by as many places as any packet is reordered.
        """
        headers = list(self._headers())
        times = decoding_times(np.array([pts for pts, *_ in headers], np.int64))
        self._file.seek(0)
        for (pts, duration, size, key), dts in zip(headers, times.tolist(), strict=True):
            self._file.seek(_HEADER.size, os.SEEK_CUR)
            packet: Packet[Any] = Packet(self._file.read(size))
            packet.stream, packet.time_base = stream, time_base
            packet.pts, packet.dts, packet.duration = pts, dts, duration
            packet.is_keyframe = bool(key)
            yield packet

    @property
    def end(self) -> int:
        """When the last frame ends, in ticks; 0 without frames."""
        return max((pts + duration for pts, duration, *_ in self._headers()), default=0)

    def _headers(self) -> Iterator[tuple[int, int, int, int]]:
        self._file.flush()
        self._file.seek(0)
        while header := self._file.read(_HEADER.size):
            pts, duration, size, key = _HEADER.unpack(header)
            self._file.seek(size, os.SEEK_CUR)
            yield pts, duration, size, key

    def close(self) -> None:
        """Close the file; what was not committed may be lost."""
        with suppress(OSError):  # a full disk, which has been told
            self._file.close()


def decoding_times(pts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rising decoding times, none behind its packet's presentation time, for packets in decoding order."""
    if not pts.size:
        return pts
    shown = np.sort(pts)
    places = np.searchsorted(shown, pts)
    delay = int(max((np.arange(pts.size) - places).max(), 0))
    step = max(int(np.median(np.diff(shown))), 1) if pts.size > 1 else 1
    before = shown[0] - step * np.arange(delay, 0, -1)
    return np.concatenate([before, shown])[: pts.size]
