"""Encoding in segments, each with an encoder of its own, so that a job that was stopped goes on at the last one."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from exdnet_plugin.errors import MediaError
from exdnet_plugin.frame_filter import SEGMENT, State
from exdnet_plugin.media.frames import frame_planes
from exdnet_plugin.media.sink import VideoSink
from exdnet_plugin.media.timing import Stamp
from exdnet_plugin.pipeline.undisturbed import undisturbed
from exdnet_plugin.pipeline.work import Work
from exdnet_plugin.whole_file import REMEDY

log = logging.getLogger(__name__)
MAX_LOSS = 5.0  # seconds of work: a segment that takes longer keeps a journal


@dataclass(frozen=True)
class Finished:
    """A filtered frame, its time in the source, when it is shown, and what processors remember behind it, if known."""

    frame: av.VideoFrame
    pts: int
    stamps: tuple[Stamp, ...]
    state: State | None


class Segments:
    """Encodes frames into a work's log.

    Args:
        sink: whose encoders are taken.
        work: where packets, the manifest and the journal go.
        flush: whether a segment that is stopped half-way counts, too: for a partial file, not for going on.
    """

    def __init__(self, sink: VideoSink, work: Work, *, flush: bool) -> None:
        self._sink, self._work, self._flush = sink, work, flush
        self._began, self._pace = time.monotonic(), 0.0  # the last measured segment's seconds a frame

    @property
    def cfr(self) -> Fraction | None:
        """The constant rate that is asked for, in frames a second."""
        return self._sink.encoding.cfr

    def run(self, frames: Iterator[Finished]) -> Iterator[int]:
        """Encode all frames; yields how many are encoded so far. MediaError when the disk is full."""
        for first in frames:
            yield from self._segment(first, frames)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What goes wrong while writing is the sink's; what goes wrong upstream stays what it is."""
        try:
            yield
        except OSError as error:
            raise MediaError(f"{self._sink.path} cannot be written: {error.strerror or error}. {REMEDY}") from error
        except FFmpegError as error:  # those that are none of the system's
            why = f"{self._sink.encoding.codec} fails ({error.strerror})"
            raise MediaError(f"{self._sink.path} cannot be written: {why}; take another codec or options") from error

    def _segment(self, first: Finished, frames: Iterator[Finished]) -> Iterator[int]:
        """A segment of at most `SEGMENT` frames that starts with `first`."""
        encoder, progress = self._sink.encoder(), self._work.progress
        started, resumed = time.monotonic(), bool(self._work.kept())
        pace = self._pace or started - self._began  # of the first frame, where no segment was measured
        journal = resumed or pace * SEGMENT > MAX_LOSS
        durations: dict[int, int] = {}
        count, item = 0, first
        whole = False
        try:
            while True:
                journal = journal and self._keep(item, count)
                with undisturbed(), self._writing():
                    self._encode(encoder, item, durations)
                count += 1
                yield progress.encoded + len(durations)
                if count == SEGMENT or (following := next(frames, None)) is None:
                    break
                item = following
            whole = True
            if not resumed:  # frames that were kept come faster than they are made
                self._pace = (time.monotonic() - started) / count
        finally:
            if whole or self._flush:
                with undisturbed(), self._writing():
                    if durations:  # at a constant rate, there may be none of the last few
                        self._work.log.append(encoder.encode(None), durations)
                    progress.frames, progress.last_pts = progress.frames + count, item.pts
                    progress.encoded += len(durations)
                    self._work.commit(item.state or {})

    def _keep(self, item: Finished, count: int) -> bool:
        """Add a frame to the journal, which is behind so many; whether there was room for it."""
        if item.state is None:
            return True
        try:
            self._work.keep(self._work.progress.frames + count, frame_planes(item.frame), item.state)
        except MediaError as error:
            self._work.forget(count)  # the video itself may still fit
            log.warning("single frames are kept no more, and a stop may lose up to %d: %s", SEGMENT, error)
            return False
        return True

    def _encode(self, encoder: VideoCodecContext, item: Finished, durations: dict[int, int]) -> None:
        encoding = self._sink.encoding
        frame = encoding.converted(item.frame)
        for pts, duration in item.stamps:
            durations[pts] = duration
            frame.pts, frame.time_base, frame.duration = pts, encoding.time_base, duration
            self._work.log.append(encoder.encode(frame), durations)
