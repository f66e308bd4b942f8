"""A source through a filter into a sink: decode, filter and encode each on a thread of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from exdnet_plugin.errors import MediaError
from exdnet_plugin.frame_filter import FrameFilter, State
from exdnet_plugin.media.fields import split, woven
from exdnet_plugin.media.frames import frame_from_planes, frame_planes
from exdnet_plugin.media.sink import VideoSink
from exdnet_plugin.media.source import VideoSource
from exdnet_plugin.media.timing import Shown, at_constant_rate, at_own_times
from exdnet_plugin.pipeline.prefetch import prefetch
from exdnet_plugin.pipeline.segments import Finished, Segments
from exdnet_plugin.pipeline.stages import StageClock
from exdnet_plugin.pipeline.trace import Trace
from exdnet_plugin.pipeline.work import Work, read_frame
from exdnet_plugin.report import Report

QUEUE = 4  # frames between two stages: what memory follows
# At a segment's end its encoder gives what it held back, 40 frames' time or so: small frames go on being filtered then.
DRAINED, DRAINED_BYTES = 24, 1 << 27
OnStop = Literal["keep", "partial", "discard"]
Tell = Callable[[int], None]


def run(
    source: VideoSource,
    frame_filter: FrameFilter,
    sink: VideoSink,
    work: Work,
    *,
    tell: Tell | None = None,
    on_stop: OnStop = "keep",
    trace: Trace | None = None,
) -> Report:
    """Run a whole file, or what is left of it; the sink gets its name when all went well.

    Args:
        source, frame_filter, sink, work: opened; all but the source are closed here.
        tell: told the number of frames done, after each.
        on_stop: what becomes of an unfinished job: `keep` its work to be resumed, write a playable `partial` file
            under a name that says so, or `discard` it.
        trace: gets what each stage did when, and is written at the end.

    Raises:
        MediaError: the sink cannot be written.
        PluginError: a processor broke the contract, or one that the chain's text named raised.
        Whatever a processor that the caller made raises, as it is.
    """
    clock, started = StageClock("decode", "filter", "encode", "write", trace=trace), time.perf_counter()
    progress = work.progress
    resumed = progress.encoded + len(work.kept())
    report = Report(frames=progress.encoded, resumed=resumed, sink=sink.path)
    finished = finishing = False
    source.counted = source.counted or progress.counted
    try:
        segments = Segments(sink, work, flush=on_stop == "partial")
        with closing(_stages(source, frame_filter, segments, work, clock)) as done:  # type: ignore[type-var]  # a generator
            for number in done:
                report.frames = number
                progress.counted = source.counted
                if tell:
                    tell(number)
        finishing = True
        _write(sink, work, clock)
        finished = True
    except BaseException as error:
        # A sink that could not be joined cannot be joined as a partial one either.
        error.add_note(_stopped(sink, work, "keep" if finishing and on_stop == "partial" else on_stop))
        raise
    finally:
        sink.abort() if not finished else work.remove()
        report.seconds = clock.seconds
        report.lost = source.lost
        report.wall = time.perf_counter() - started
        report.untouched = [index for index in source.untouched if index not in sink.empty]
        report.notes = list(dict.fromkeys([*source.notes, *frame_filter.notes, *sink.notes]))
        if trace:
            _write_trace(trace, report)
        frame_filter.close(report)
    return report


def _write_trace(trace: Trace, report: Report) -> None:
    """The video is done, or its error is on its way: a trace that cannot be written is a note."""
    try:
        trace.write()
    except MediaError as error:
        report.notes.append(f"the profile: {error}")


def _stages(
    source: VideoSource, frame_filter: FrameFilter, segments: Segments, work: Work, clock: StageClock
) -> Iterator[int]:
    """Numbers of encoded frames, as they get into the work's log."""
    frames, cfr = source.frames(work.progress.last_pts, work.progress.frames), segments.cfr
    shown = at_constant_rate(frames, cfr, source) if cfr else at_own_times(frames)
    decoded = clock.stage("decode", lambda _: shown, ())
    filtered = clock.stage(
        "filter", lambda items: _filtered(frame_filter, items, source, work), prefetch(decoded, QUEUE, name="decode")
    )
    fit = DRAINED_BYTES // (source.facts.width * source.facts.height * 3)
    waiting = max(QUEUE, min(DRAINED, fit))
    return clock.stage("encode", segments.run, prefetch(filtered, waiting, name="filter"))


def _filtered(frame_filter: FrameFilter, items: Iterator[Shown], source: VideoSource, work: Work) -> Iterator[Finished]:
    """Frames through the filter, behind those that the journal holds filtered already."""
    step = frame_filter.step
    state: State = work.state
    for path in work.kept() if step == 1 else ():
        shown = next(items, None)
        if shown is None:
            return
        planes, state = read_frame(path)
        yield Finished(frame_from_planes(planes, shown.frame), shown.pts, shown.stamps, state)
    if state:
        frame_filter.restore(state)
    if work.progress.frames and frame_filter.forgetful:
        source.notes.append(f"{', '.join(frame_filter.forgetful)} cannot tell what it remembers: it starts anew")
    in_flight: deque[Shown] = deque()
    fields = source.fields
    results = frame_filter.run(_planes(items, in_flight, source), snapshots=step * fields)
    for planes in results:
        if fields == 2:
            second = next(results)
            planes = woven(second, planes) if source.facts.bottom_first else woven(planes, second)
        shown = in_flight.popleft()
        yield Finished(frame_from_planes(planes, shown.frame), shown.pts, shown.stamps, frame_filter.snapshot)


def _planes(items: Iterator[Shown], in_flight: deque[Shown], source: VideoSource) -> Iterator[tuple[list[Any], float]]:
    """What the filter is given: frames or, of interlaced video, fields."""
    for shown in items:
        in_flight.append(shown)
        planes, moment = frame_planes(shown.frame), float(shown.pts * source.facts.time_base)
        if source.fields == 1:
            yield planes, moment
        else:
            upper, lower = split(planes)
            first, second = (lower, upper) if source.facts.bottom_first else (upper, lower)
            yield first, moment
            yield second, moment + 0.5 / float(source.facts.rate or 25)


def partial_path(sink: Path) -> Path:
    """The name under which what is done of a stopped job can be played."""
    return sink.with_name(f"{sink.stem}.partial{sink.suffix}")


def _write(sink: VideoSink, work: Work, clock: StageClock) -> None:
    start = time.perf_counter()
    sink.finish(work.log)
    clock.seconds["write"] = time.perf_counter() - start


def _stopped(sink: VideoSink, work: Work, on_stop: OnStop) -> str:
    """Do with an unfinished job what is asked; the line that tells of it."""
    done = work.progress.encoded
    if on_stop == "partial" and done:
        sink.path = partial_path(sink.path)
        sink.finish(work.log, partial=True)
        work.remove()
        return f"the first {done} frames are in {sink.path}"
    if on_stop == "keep" and work.started:
        work.close()
        return f"{work.progress.frames + len(work.kept())} frames are done and kept; --resume goes on behind them"
    work.remove()
    return "nothing is kept"
