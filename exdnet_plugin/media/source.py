"""A video file as a source: decoded frames of one stream, and packets of all others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path

import av
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from exdnet_plugin.errors import MediaError
from exdnet_plugin.hdr import is_hdr
from exdnet_plugin.media.copying import told
from exdnet_plugin.media.discontinuity import Rising
from exdnet_plugin.media.facts import SDR_TAGS, ColorTags
from exdnet_plugin.media.ffmpeg_filter import DEINTERLACE, TONE_MAP, through
from exdnet_plugin.media.fields import has_fields
from exdnet_plugin.media.frames import reformatted, workable_format
from exdnet_plugin.media.opening import choose_stream, open_media, stream_facts
from exdnet_plugin.media.timecode import advanced
from exdnet_plugin.stream_info import StreamInfo

log = logging.getLogger(__name__)
_WITHOUT_TIMES = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo"})  # behind a seek, frames have other times
_SEEK_BACK = (0, 1, 5, 20)  # seconds before a time, until a frame at or before it is found


@dataclass(frozen=True)
class Excerpt:
    """Which part of a file is taken: seconds from its first frame; None is to the end."""

    start: Fraction = Fraction(0)
    end: Fraction | None = None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise ValueError(
                f"from {float(self.start):g} s to {'the end' if self.end is None else f'{float(self.end):g} s'} is "
                "no part of a file; the start must be 0 or more and before the end"
            )


class VideoSource:
    """Opens a video file for reading.

    Args:
        path: the file.
        device: where frames will be processed; goes into `info`.
        stream: which video stream to decode, counted from 0 among them; None is the file's default one.
        excerpt: which part of it.
        deinterlace: make whole frames of fields, with FFmpeg's bwdif.
        to_sdr: tone-map PQ and HLG to BT.709, with FFmpeg's swscale.

    Raises:
        MediaError: the file is missing, empty, no media, has no such video, or nothing in the excerpt.

    Attributes:
        facts: what the sink must tell again.
        info: the pictures that are filtered: frames or, of interlaced video, fields.
        origin: when the excerpt starts, in seconds of the file's own times.
        counted: whether a frame's time was made up, so that frames are found again by counting alone.
        lost: frames that were announced and could not be decoded, once `frames` has ended.
        notes: what was not as it should be, a line each.
        changes: when frames changed size so far, in seconds from the file's first one.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cpu",
        stream: int | None = None,
        excerpt: Excerpt | None = None,
        deinterlace: bool = False,
        to_sdr: bool = False,
    ) -> None:
        self.path, self._deinterlace = path, deinterlace
        self.excerpt = excerpt or Excerpt()
        self.container = open_media(path)
        self.lost = 0
        self.notes: list[str] = []
        self.counted, self._sought_once = self.container.format.name in _WITHOUT_TIMES, False
        self.changes: list[Fraction] = []
        self._first_tags: ColorTags | None = None
        self._facts_from, self._size = Fraction(-(1 << 62)), (0, 0)
        try:
            self.stream = choose_stream(self.container, path, stream)
            self.stream.thread_type = "AUTO"
            self.facts = stream_facts(self.stream, path)
            self._forget()
            self._to_sdr = to_sdr and is_hdr(self.facts.tags.names().transfer)
            self._ahead, self._rest = self._first_frame()
        except BaseException:
            self.container.close()
            raise
        self.info = StreamInfo(
            self.facts.width,
            self.facts.height // self.fields,
            self.facts.pixel_format,
            self.facts.rate and self.facts.rate * self.fields,
            self.facts.tags.names(self.facts.chroma_site),
            device,
        )

    def _first_frame(self) -> tuple[list[av.VideoFrame], Iterator[av.VideoFrame]]:
        """The first frame, which tells what the container does not, and those behind it."""
        self._rest = rest = self._decoded_frames()
        frame = next(rest, None)
        if frame is None:
            raise MediaError(f"{self.path} holds no video frame that can be decoded; the file is cut off or broken")
        self.origin = Fraction(frame.pts or 0) * self.facts.time_base + self.excerpt.start
        if self.excerpt.start:
            frame = self._first_of_excerpt()
        self.facts = self.facts.with_first_frame(frame)
        if self._to_sdr:
            was = self.facts.tags.names().transfer
            self.facts = replace(self.facts, tags=SDR_TAGS, light=None)
            self.notes.append(f"HDR ({was}) is tone-mapped to SDR, BT.709")
        self.notes += [f"{what} is left out: it describes the pictures as they were" for what in self.facts.dropped]
        return [frame], rest

    def _first_of_excerpt(self) -> av.VideoFrame:
        """The excerpt's first frame: its size and format count, whatever those before have."""
        self._first_tags, self._facts_from = None, self.origin
        frame = next(self._from_start(), None)
        if frame is None:
            raise self._too_short()
        return frame

    def _too_short(self) -> MediaError:
        return MediaError(f"{self.path} has no frame at {float(self.excerpt.start):g} s or behind; it is shorter")

    @property
    def fields(self) -> int:
        """How many pictures a frame holds: 2 where it is interlaced and splits into fields, else 1."""
        return 2 if self.facts.interlaced and has_fields(self.facts.pixel_format, self.facts.height) else 1

    @property
    def zero(self) -> Fraction:
        """The time that is 0 in the sink: of an excerpt that does not begin with the file, its start."""
        return self.origin if self.excerpt.start else Fraction(0)

    @property
    def until(self) -> Fraction | None:
        """When the excerpt ends, in seconds of the file's own times; None is with the file."""
        return None if self.excerpt.end is None else self.origin - self.excerpt.start + self.excerpt.end

    @property
    def timecode(self) -> str | None:
        """The timecode of the excerpt's first frame."""
        whole, rate, start = told(self.stream.metadata, "timecode"), self.facts.rate, self.excerpt.start
        if not whole or not start:
            return whole
        return advanced(whole, ceil(start * rate), rate) if rate else None

    @property
    def _whole(self) -> bool:
        return self.excerpt == Excerpt()

    @property
    def others(self) -> list[Stream]:
        """Every stream but the one that is decoded."""
        return [stream for stream in self.container.streams if stream.index != self.stream.index]

    @property
    def expected_frames(self) -> int | None:
        """How many frames there are, as announced or by duration and rate; None where neither is told."""
        rate, stream = self.facts.rate, self.stream
        seconds = Fraction(self.container.duration, av.time_base) if self.container.duration else None
        if stream.duration and stream.time_base:
            seconds = stream.duration * stream.time_base
        end = self.excerpt.end if seconds is None else min(seconds, self.excerpt.end or seconds)
        by_time = max(1, round((end - self.excerpt.start) * rate)) if rate and end else None
        counts = [count for count in (by_time, stream.frames) if count]
        return min(counts, default=None)

    def frames(self, behind: int | None = None, skipped: int = 0) -> Iterator[av.VideoFrame]:
        """Frames of the excerpt, with strictly rising pts, of one size and format. Once only.

        Packets that cannot be decoded are passed over and counted: a truncated file yields all that can be had.

        Args:
            behind: go on behind the frame of this pts, for a job that was stopped.
            skipped: how many frames of the excerpt end with that one.
        """
        frames = self._behind(behind, skipped) if behind is not None else self._from_start()
        found = behind is not None
        for frame in frames:
            if self.until is not None and (frame.pts or 0) * self.facts.time_base >= self.until:
                break
            found = True
            yield frame
        if not found:
            raise self._too_short()

    def _from_start(self) -> Iterator[av.VideoFrame]:
        first = self.origin / self.facts.time_base
        if self.excerpt.start:
            yield from (frame for frame in self._from_before(int(first)) if (frame.pts or 0) >= first)
            return
        while self._ahead:
            yield self._ahead.pop(0)
        yield from self._rest

    def _behind(self, pts: int, skipped: int) -> Iterator[av.VideoFrame]:
        """Frames behind the one of a pts or, where times were made up or it is not found again, counted."""
        found = False
        for frame in () if self.counted else self._from_before(pts):
            if found:
                yield frame
            elif frame.pts == pts:
                found = True
            elif (frame.pts or 0) > pts:
                break
        if not found:
            self._restart()
            frames = self._from_start()
            for _ in range(skipped):
                next(frames, None)
            yield from frames

    def _from_before(self, pts: int) -> Iterator[av.VideoFrame]:
        """Frames from one at or before a pts: containers seek by decoding times, or roughly, so it is checked."""
        for seconds in () if self.counted else _SEEK_BACK:
            frames = self._sought(pts - round(seconds / self.facts.time_base))
            first = next(frames, None)
            if first is not None and (first.pts or 0) <= pts - self._deinterlace:  # bwdif needs the frame before, too
                yield first
                yield from frames
                return
        self._restart()
        yield from self._rest

    def _sought(self, pts: int) -> Iterator[av.VideoFrame]:
        try:
            self.container.seek(pts, stream=self.stream, backward=True)
        except (FFmpegError, OSError) as error:
            log.debug("%s cannot be sought in: %s", self.path, error)
            return iter(())
        self._forget()
        self._sought_once = True
        return self._decoded_frames()

    def _restart(self) -> None:
        """Read from the beginning, in a container of its own: some cannot go back."""
        index = self.stream.index
        self._rest.close()  # type: ignore[attr-defined]  # a generator
        self.container.close()
        self.container = open_media(self.path)
        stream = self.container.streams[index]
        assert isinstance(stream, VideoStream)
        self.stream, self._sought_once = stream, False
        self.stream.thread_type = "AUTO"
        self._forget()
        self._ahead, self._rest = [], self._decoded_frames()

    def _forget(self) -> None:
        self._decoded = self._broken = self._hidden = 0
        self._rising = Rising(self.facts.time_base)

    def _decoded_frames(self) -> Iterator[av.VideoFrame]:
        frames = self._all_frames()
        if self._deinterlace:
            frames = through(frames, *DEINTERLACE)
        if self._to_sdr:
            frames = through(frames, *TONE_MAP)
        return frames

    def _all_frames(self) -> Iterator[av.VideoFrame]:
        try:
            for packet in self._demux():
                yield from self._decode(packet)
            yield from self._decode(None)
        finally:
            announced = (self.stream.frames or self._decoded + self._broken + self._hidden) - self._hidden
            self.lost = max(announced - self._decoded, 0) if self._whole and not self._sought_once else self._broken

    def _demux(self) -> Iterator[Packet[VideoStream]]:
        try:
            for packet in self.container.demux(self.stream):
                self._hidden += packet.is_discard  # an edit list's run-up: decoded, never shown
                if packet.size:
                    yield packet
        except FFmpegError as error:
            self._note_once(f"{self.path.name} is cut off or broken: {error.strerror}")

    def _decode(self, packet: Packet[VideoStream] | None) -> Iterator[av.VideoFrame]:
        try:
            frames = self.stream.codec_context.decode(packet)
        except FFmpegError as error:
            if packet is not None:
                self._broken += 1
                log.debug("packet at %s cannot be decoded: %s", packet.pts, error)
            return
        for frame in frames:
            yield self._normal(frame)

    def _normal(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A frame with a pts behind the last one's, of the stream's size, in a format that our colour room handles."""
        self._set_time(frame)
        if self._first_tags is None:
            if (frame.pts or 0) * self.facts.time_base < self._facts_from:
                return frame
            self._take_facts(frame)
        facts, size = self.facts, (frame.width, frame.height)
        if size != self._size:
            self._size = size
            moment = (frame.pts or 0) * facts.time_base
            self.changes.append(moment - self.origin + self.excerpt.start)
            if self.until is None or moment < self.until:
                self._note_once(
                    f"frames change size to {size[0]}x{size[1]}; they are scaled to {facts.width}x{facts.height}"
                )
        elif self._first_tags and ColorTags.of(frame) != self._first_tags:
            self._note_once("colour tags change on the way; the first ones are taken for all frames")
        return reformatted(frame, facts.pixel_format, (facts.width, facts.height))

    def _set_time(self, frame: av.VideoFrame) -> None:
        facts = self.facts
        frame.time_base = frame.time_base or facts.time_base  # frames flushed at the end come without
        own = frame.pts
        if own is None:
            own = round(self._decoded / ((facts.rate or 25) * facts.time_base))
            self.counted = True
            self._note_once("frames carry no time; they are spaced by the stream's rate")
        frame.pts = self._rising.next(own, frame.duration or 0)
        if self._rising.jumped:
            self._note_once("times jump back on the way, as in files put together; what follows is joined on")
        elif frame.pts != own:
            self._note_once("frames share a time or run backwards; each is shown a tick behind the one before")
        self.counted = self.counted or frame.pts != own or self._rising.jumped
        self._decoded += 1

    def _take_facts(self, frame: av.VideoFrame) -> None:
        """The first frame's own size and format: a container may tell those of a later one."""
        self._first_tags, self._size = ColorTags.of(frame), (frame.width, frame.height)
        kind = workable_format(frame.format.name)
        if any(plane.line_size < 0 for plane in frame.planes):
            kind = "gbrp"  # bottom-up, as raw AVI is: to be laid out anew
        self.facts = replace(self.facts, width=frame.width, height=frame.height, pixel_format=kind)

    def _note_once(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
