"""A video file as a source: decoded frames of one stream, and packets of all others."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.copying import told
from exdnet_plugin.media.decoder import Decoder
from exdnet_plugin.media.discontinuity import Join
from exdnet_plugin.media.facts import SDR_TAGS, VideoFacts
from exdnet_plugin.media.fields import has_fields
from exdnet_plugin.media.opening import is_cover
from exdnet_plugin.media.timecode import advanced
from exdnet_plugin.pixel_format import pixel_format
from exdnet_plugin.stream_info import StreamInfo

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
        steady: the rate at which the sink counts frames, so that it begins when the file does; None where it does not.
        notes: what was not as it should be, a line each.
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
        counted: bool = False,
    ) -> None:
        self.path, self.excerpt = path, excerpt or Excerpt()
        self._rest: Iterator[av.VideoFrame] = iter(())
        self.steady: Fraction | None = None
        whole = self.excerpt == Excerpt()
        self._decoder = Decoder(path, stream, whole=whole, deinterlace=deinterlace, to_sdr=to_sdr)
        self.notes = self._decoder.notes
        self.counted = self.counted or counted
        try:
            self._rest = self._decoder.frames()
            first = self._first_frame()
        except BaseException:
            self.close()
            raise
        self._ahead = [first]
        if self.zero < 0 and not self.excerpt.start:
            self.notes.append(f"times begin {float(-self.zero):.2f} s before 0, and are put off by that")
        self.facts = self._told(self._decoder.facts.with_first_frame(first))
        self.info = StreamInfo(
            self.facts.width,
            self.facts.height // self.fields,
            self.facts.pixel_format,
            self.facts.rate and self.facts.rate * self.fields,
            self.facts.tags.names(self.facts.chroma_site),
            device,
            fields=self.fields,
        )

    def _first_frame(self) -> av.VideoFrame:
        """The excerpt's first frame, which tells what the container does not."""
        frame = next(self._rest, None)
        if frame is None:
            raise MediaError(f"{self.path} holds no video frame that can be decoded; the file is cut off or broken")
        self.origin = Fraction(frame.pts or 0) * self._decoder.facts.time_base + self.excerpt.start
        self._decoder.until = self.until
        if not self.excerpt.start:
            return frame
        self._decoder.take_facts_from(self.origin)  # whatever size and format those before have
        frame = next(self._from_start(), None)
        if frame is None:
            raise self._too_short()
        return frame

    def _told(self, facts: VideoFacts) -> VideoFacts:
        """What remains true of the pictures when they were filtered; what does not is noted."""
        if self._decoder.to_sdr:
            self.notes.append(f"HDR ({facts.tags.names().transfer}) is tone-mapped to SDR, BT.709")
            facts = replace(facts, tags=SDR_TAGS, light=None)
        if told(self.stream.metadata, "alpha_mode") == "1" and "a" not in pixel_format(facts.pixel_format).planes[-1]:
            self.notes.append("transparency is left out: WebM keeps it in a picture of its own, which is not read")
        self.notes += [f"{what} is left out: it describes the pictures as they were" for what in facts.dropped]
        return facts

    def _too_short(self) -> MediaError:
        return MediaError(f"{self.path} has no frame at {float(self.excerpt.start):g} s or behind; it is shorter")

    @property
    def container(self) -> InputContainer:
        """The opened file; another one when it had to be read anew from the beginning."""
        return self._decoder.container

    @property
    def stream(self) -> VideoStream:
        """The stream that is decoded."""
        return self._decoder.stream

    @property
    def others(self) -> list[Stream]:
        """Every stream but the one that is decoded."""
        return [stream for stream in self.container.streams if stream.index != self.stream.index]

    @property
    def untouched(self) -> list[int]:
        """The other streams that are videos, no covers, by their index."""
        return [s.index for s in self.others if s.type == "video" and not is_cover(s)]

    @property
    def counted(self) -> bool:
        """Whether a frame's time was made up, so that frames are found again by counting alone."""
        return self._decoder.counted

    @counted.setter
    def counted(self, counted: bool) -> None:
        self._decoder.counted = counted

    @property
    def lost(self) -> int:
        """Frames that were announced and could not be decoded, once `frames` has ended."""
        return self._decoder.lost

    @property
    def changes(self) -> list[Fraction]:
        """When frames changed size so far, in seconds from the file's first one."""
        return [moment - self.origin + self.excerpt.start for moment in self._decoder.changes]

    @property
    def joins(self) -> list[Join]:
        """Where times jumped back so far."""
        return self._decoder.joins

    @property
    def fields(self) -> int:
        """How many pictures a frame holds: 2 where it is interlaced and splits into fields, else 1."""
        return 2 if self.facts.interlaced and has_fields(self.facts.pixel_format, self.facts.height) else 1

    @property
    def zero(self) -> Fraction:
        """The time that is 0 in the sink: an excerpt's start; the first where frames are counted or begin before 0.

        MP4's writer would hide what is shown before 0. A broadcast's clock starts over every 26.5 hours.
        """
        if self.excerpt.start or (self.origin >= 0 and not self.steady):
            return self.origin if self.excerpt.start else Fraction(0)
        sound = [Fraction((s.start_time or 0) * (s.time_base or 0)) for s in self.container.streams.audio]
        first = min([self.origin, *sound])
        # Whole frames before the first one, so that all lie where frames are counted, whatever the sound's start.
        return self.origin - ceil((self.origin - first) * self.steady) / self.steady if self.steady else first

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
            if self.until is not None and self._time(frame) >= self.until:
                if not found:
                    part = f"{float(self.excerpt.start):g} s to {float(self.excerpt.end or 0):g} s"
                    raise MediaError(f"{self.path} has no frame that begins from {part}; take a longer part")
                break
            found = True
            yield frame
        if not found:
            raise self._too_short()

    def _time(self, frame: av.VideoFrame) -> Fraction:
        """A frame's time in seconds of the file's own."""
        return (frame.pts or 0) * self._decoder.facts.time_base

    def _from_start(self) -> Iterator[av.VideoFrame]:
        if self.excerpt.start:
            first = int(self.origin / self._decoder.facts.time_base)
            yield from (frame for frame in self._from_before(first) if self._time(frame) >= self.origin)
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
            frames = self._decoder.sought(pts - round(seconds / self._decoder.facts.time_base))
            first = next(frames, None)
            # bwdif needs the frame before, too
            if first is not None and (first.pts or 0) <= pts - self._decoder.deinterlace:
                yield first
                yield from frames
                return
        self._restart()
        yield from self._rest

    def _restart(self) -> None:
        self._end()
        self._ahead, self._rest = [], self._decoder.restarted()

    def _end(self) -> None:
        """Let the frames under way end, which look at the container once more, before it is given up."""
        if isinstance(self._rest, Generator):
            self._rest.close()

    def close(self) -> None:
        """Close the file."""
        self._end()
        self.container.close()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
