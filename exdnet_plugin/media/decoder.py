"""One video stream of a file, decoded from its beginning or from a time, into frames that are alike."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from exdnet_plugin.hdr import is_hdr
from exdnet_plugin.media.discontinuity import JUMP, Join, Rising, mended
from exdnet_plugin.media.facts import ColorTags
from exdnet_plugin.media.ffmpeg_filter import DEINTERLACE, through, tone_mapped
from exdnet_plugin.media.frames import reformatted, workable_format
from exdnet_plugin.media.opening import choose_stream, demuxed, open_media, stream_facts
from exdnet_plugin.media.runs import note_once

log = logging.getLogger(__name__)
MISSING = Fraction(1, 2)  # seconds that a video may be shorter than it tells
_WITHOUT_TIMES = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo"})  # behind a seek, frames have other times


class Decoder:
    """Opens a file. Frames have strictly rising pts, and the first one's size and a format that colours are known of.

    Args:
        path: the file.
        stream: which video stream, counted from 0 among them; None is the file's default one.
        whole: whether all frames will be asked for, so that announced ones that do not come are lost.
        deinterlace, to_sdr: see `VideoSource`.

    Raises:
        MediaError: the file is missing, empty, no media, or has no such video.

    Attributes:
        container, stream: the opened file, and what is decoded of it.
        facts: what is known of the stream; the first frame's size and format, once there was one.
        until: frames at or behind this time, in seconds of the file's own, are not noted; None notes all.
        to_sdr: whether frames are tone-mapped.
        counted: whether a frame's time was made up, so that frames are found again by counting alone.
        lost: frames that were announced and could not be decoded, once frames have ended.
        notes: what was not as it should be, a line each.
        changes: when frames changed size so far, in seconds of the file's own times.
    """

    def __init__(
        self,
        path: Path,
        stream: int | None = None,
        *,
        whole: bool = True,
        deinterlace: bool = False,
        to_sdr: bool = False,
    ) -> None:
        self.path, self.deinterlace, self._whole = path, deinterlace, whole
        self.until: Fraction | None = None
        self.lost, self.notes = 0, list[str]()
        self.container = open_media(path)
        self.counted, self._sought_once = self.container.format.name in _WITHOUT_TIMES, False
        self._mended = False
        try:
            self.stream = choose_stream(self.container, path, stream)
            self.stream.thread_type = "AUTO"
            self.facts = stream_facts(self.stream, path)
        except BaseException:
            self.container.close()
            raise
        self.to_sdr = to_sdr and is_hdr(self.facts.tags.names().transfer)
        self.take_facts_from(Fraction(-(1 << 62)))
        self._forget()
        self._reached = True

    def take_facts_from(self, time: Fraction) -> None:
        """Frames before a time, in seconds of the file's own, are as they are; the first behind tells how all are."""
        self._first_tags: ColorTags | None = None
        self._facts_from = time

    def frames(self) -> Iterator[av.VideoFrame]:
        """Frames from where the file stands. Packets that cannot be decoded are passed over and counted."""
        frames = self._all_frames()
        if self.deinterlace:
            frames = through(frames, *DEINTERLACE)
        if self.to_sdr:
            frames = (tone_mapped(frame) for frame in frames)  # which is closed, as a map is not
        return frames

    def sought(self, pts: int) -> Iterator[av.VideoFrame]:
        """Frames from a key frame about a pts (containers seek by decoding times, or roughly); none if they cannot."""
        try:
            self.container.seek(pts, stream=self.stream, backward=True)
        except (FFmpegError, OSError) as error:
            log.debug("%s cannot be sought in: %s", self.path, error)
            return iter(())
        self._forget()
        self._sought_once = True
        return self.frames()

    def restarted(self) -> Iterator[av.VideoFrame]:
        """Frames from the beginning, of a container of its own: some cannot go back."""
        index = self.stream.index
        self.container.close()
        self.container = open_media(self.path)
        stream = self.container.streams[index]
        assert isinstance(stream, VideoStream)
        self.stream, self._sought_once = stream, False
        self.stream.thread_type = "AUTO"
        self._forget()
        return self.frames()

    def alike(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A frame with a pts behind the last one's, of the first one's size, in a format that colours are known of."""
        self._set_time(frame)
        moment = (frame.pts or 0) * self.facts.time_base
        if self._first_tags is None:
            self._reached = self._reached or moment <= self._facts_from  # else a seek has gone beyond, and is given up
            if moment < self._facts_from or not self._reached:
                return frame
            self._take_facts(frame)
        elif moment >= self._facts_from:
            self._look_for_changes(frame, moment, self._first_tags)
        return reformatted(frame, self.facts.pixel_format, (self.facts.width, self.facts.height))

    def _look_for_changes(self, frame: av.VideoFrame, moment: Fraction, first: ColorTags) -> None:
        if (frame.width, frame.height) != self._size:
            self._change_size(frame, moment)
        elif ColorTags.of(frame) != first:
            self.note_once("colour tags change on the way; the first ones are taken for all frames")
        if frame.interlaced_frame != self._first_interlaced and not self.deinterlace:
            self.note_once(
                "some frames are interlaced and some are not; all are taken for what the first one is. "
                "--deinterlace makes whole frames of all"
            )

    def note_once(self, note: str) -> None:
        """Take a note that is not there yet."""
        note_once(self.notes, note)

    def _forget(self) -> None:
        """Be where frames are read anew: at another place, so that what changes is told of what comes from here on."""
        self.changes, self._size = list[Fraction](), (self.facts.width, self.facts.height)
        self._reached = False
        self._decoded = self._broken = self._hidden = 0
        self._rising, self._end = Rising(self.facts.time_base), Fraction(0)
        self.joins, self._places = list[Join](), list[tuple[int, int | None]]()  # of a jump: decoding time, and where
        self._packets = Rising(self.facts.time_base)

    def _all_frames(self) -> Iterator[av.VideoFrame]:
        try:
            yield from map(self.alike, self._in_order())
            self._note_missing()
        finally:
            # AVI counts what repeats a picture as one, too.
            told = 0 if self.container.format.name == "avi" else self.stream.frames
            announced = (told or self._decoded + self._broken + self._hidden) - self._hidden
            self.lost = max(announced - self._decoded, 0) if self._whole and not self._sought_once else self._broken

    def _in_order(self) -> Iterator[av.VideoFrame]:
        """Decoded frames; one whose time is far from those around it is shown between them."""
        before: int | None = None
        held: av.VideoFrame | None = None
        for frame in self._all_decoded():
            if held is not None:
                self._mend(held, before, frame.pts)
                before = held.pts
                yield held
            held = frame
        if held is not None:
            yield held

    def _mend(self, frame: av.VideoFrame, before: int | None, after: int | None) -> None:
        own = mended(before, frame.pts, after, self.facts.time_base)
        if own is None or after is None or frame.pts is None:
            return
        for noted, _ in self._places[len(self.joins) : len(self.joins) + 1]:
            if min(abs(noted - after), abs(noted - frame.pts)) * self.facts.time_base < JUMP:
                del self._places[len(self.joins)]  # that was no jump
        if not self._mended:
            told = float(frame.pts * self.facts.time_base)
            self.note_once(f"a frame's time of {told:.2f} s is far from those around it; such are shown between them")
        frame.pts, self.counted, self._mended = own, True, True

    def _all_decoded(self) -> Iterator[av.VideoFrame]:
        damaged: Packet[Any] | None = None
        for packet in self._demux():
            if damaged is not None:
                yield from self._decode(damaged)
                damaged = None
            if packet.is_corrupt:
                damaged = packet  # as the last one it is cut off, and its error would take frames before it along
            else:
                yield from self._decode(packet)
        self._broken += damaged is not None
        yield from self._decode(None)

    def _note_missing(self) -> None:
        """Say what Matroska tells of a video's length and does not hold; others tell how many frames there are."""
        told = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", self.stream.metadata.get("DURATION", ""))
        if not told or not self._whole or self._sought_once or self._mended:
            return  # a broken time is in what it tells
        length = (int(told[1]) * 60 + int(told[2])) * 60 + Fraction(told[3])
        if length - self._end > MISSING:
            there = f"it tells {float(length):.1f} s of video, and ends at {float(self._end):.1f} s"
            self.note_once(f"{self.path.name} is cut off: {there}")

    def _demux(self) -> Iterator[Packet[Any]]:
        try:
            for packet in demuxed(self.container, [self.stream], self.note_once):
                self._hidden += packet.is_discard  # an edit list's run-up: decoded, never shown
                if packet.size:
                    self._note_jump(packet)
                    yield packet
        except FFmpegError as error:
            self.note_once(f"{self.path.name} is cut off or broken: {error.strerror}")

    def _note_jump(self, packet: Packet[Any]) -> None:
        """Keep where in the file times jump back: frames, which come later, do not tell."""
        if packet.dts is not None:
            if self._packets.jumps_at(packet.dts):
                self._places.append((packet.dts, packet.pos))
            self._packets.next(packet.dts, packet.duration or 0)

    def _decode(self, packet: Packet[Any] | None) -> Iterator[av.VideoFrame]:
        try:
            frames = self.stream.codec_context.decode(packet)
        except FFmpegError as error:
            self._broken += 1
            log.debug("packet at %s cannot be decoded: %s", packet and packet.pts, error)
            return
        yield from frames

    def _set_time(self, frame: av.VideoFrame) -> None:
        facts = self.facts
        frame.time_base = frame.time_base or facts.time_base  # frames flushed at the end come without
        own = frame.pts
        if own is None:
            own = round(self._decoded / ((facts.rate or 25) * facts.time_base))
            self.counted = True
            self.note_once("frames carry no time; they are spaced by the stream's rate")
        frame.pts = self._rising.next(own, frame.duration or 0)
        if self._rising.jumps > len(self.joins):
            place = self._places[len(self.joins)][1] if len(self._places) > len(self.joins) else None
            self.joins.append(Join(place, self._rising.offset * facts.time_base))
        if self._rising.jumps:
            self.note_once("times jump back on the way, as in files put together; what follows is joined on")
        elif frame.pts != own:
            self.note_once("frames share a time or run backwards; each is shown a tick behind the one before")
        self.counted = self.counted or frame.pts != own or self._rising.jumps > 0
        self._decoded += 1
        self._end = (frame.pts + (frame.duration or 0)) * facts.time_base

    def _take_facts(self, frame: av.VideoFrame) -> None:
        """The first frame's own size and format: a container may tell those of a later one."""
        self._first_tags, self._size = ColorTags.of(frame), (frame.width, frame.height)
        self._first_interlaced = frame.interlaced_frame
        kind = workable_format(frame.format.name)
        if any(plane.line_size < 0 for plane in frame.planes):
            kind = "gbrp"  # bottom-up, as raw AVI is: to be laid out anew
        self.facts = replace(self.facts, width=frame.width, height=frame.height, pixel_format=kind)

    def _change_size(self, frame: av.VideoFrame, moment: Fraction) -> None:
        self._size = (frame.width, frame.height)
        self.changes.append(moment)
        facts, (width, height) = self.facts, self._size
        if self._size != (facts.width, facts.height) and (self.until is None or moment < self.until):
            self.note_once(f"frames change size to {width}x{height}; they are scaled to {facts.width}x{facts.height}")
