"""A live stream from its source through the filter to its sinks, each stage on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from exdnet_plugin.api import check_filter, open_filter
from exdnet_plugin.errors import MediaError
from exdnet_plugin.frame_filter import FrameFilter, Quality
from exdnet_plugin.live.budget import Budget
from exdnet_plugin.live.encoder import Encoder, LiveEncoding
from exdnet_plugin.live.feed import Feed, Picture, Start, age
from exdnet_plugin.live.figures import LATE, Figures
from exdnet_plugin.live.filtering import LiveFilter
from exdnet_plugin.live.outlet import ENDING, Outlet
from exdnet_plugin.live.sinks import Carried, Sink
from exdnet_plugin.live.sources import Source
from exdnet_plugin.pipeline.channel import Channel, Drop
from exdnet_plugin.pipeline.prefetch import prefetch
from exdnet_plugin.pipeline.trace import LIVE, Trace
from exdnet_plugin.plugins import Plugins
from exdnet_plugin.report import Report
from exdnet_plugin.stream_info import StreamInfo
from exdnet_plugin.whole_file import check_not_source

log = logging.getLogger("exdnet.live")
QUEUE = 2  # pictures that wait for a stage: each is a frame's time of latency
STOPPING = 1.0  # seconds to wait for the reader, which may be waiting for a silent source


@dataclass(frozen=True)
class LiveOptions:
    """How a stream is run.

    Attributes:
        chain, device, quality, plugins: as for :func:`exdnet_plugin.open_filter`.
        drop: `oldest`: pictures are left out when a stage falls behind; `never`: the reader waits.
        latency: a budget in seconds, from a picture's arrival to its packet; None is no budget.
        patience: seconds of silence after which a source counts as gone.
        reconnect: whether source and sinks are opened again when they go away.
        strict: end when a processor raises, instead of passing pictures as they are.
        sound: whether sound goes along.
        encoding: how video is encoded.
        profile: where a trace of the stages is written at the end.
    """

    chain: str = "exdnet"
    device: str = "auto"
    quality: Quality = "realtime"
    drop: Drop = "oldest"
    latency: float | None = None
    patience: float = 5.0
    reconnect: bool = True
    strict: bool = False
    sound: bool = True
    encoding: LiveEncoding = field(default_factory=LiveEncoding)
    plugins: Plugins | None = None
    profile: Path | None = None


class LiveStream:
    """One stream; :meth:`run` once.

    Raises:
        ValueError: a chain, quality, device or budget that there is not.

    Attributes:
        source, sinks: where it comes from and goes to.
        figures: what is counted, at any time.
    """

    def __init__(self, source: Source, sinks: Sequence[Sink], options: LiveOptions) -> None:
        self.source, self.sinks, self._options = source, _told_apart(sinks), options
        files = [Path(source.url), *(sink.file for sink in sinks if sink.file)]
        for file in files[1:]:
            check_not_source(file, files[0])
        self._trace = Trace(options.profile, files, kept=LIVE) if options.profile else None
        self.figures = Figures(self._trace)
        self._budget = Budget(options.latency, options.quality, self.figures)
        self._pictures = Channel[Picture](QUEUE, options.drop)
        self._filter = LiveFilter(self._open_filter, self.figures, strict=options.strict)
        how: Any = {name: getattr(options, name) for name in ("chain", "device", "quality", "plugins")}
        check_filter(StreamInfo(1920, 1080), **how)  # wrong options are told before anything is opened
        self._feed = Feed(
            source,
            self._pictures,
            self._hear,
            self._start,
            self.figures,
            patience=options.patience,
            reconnect=options.reconnect,
        )
        self._encoders: dict[Carried, Encoder] = {}
        self._outlets: dict[Carried, list[Outlet]] = {}
        self._gone: MediaError | None = None
        self._ends, self._last = threading.Lock(), threading.Timer(ENDING, self._cut)
        self._last.daemon = True

    def _open_filter(self, info: StreamInfo, quality: Quality) -> FrameFilter:
        options = self._options
        return open_filter(info, chain=options.chain, device=options.device, quality=quality, plugins=options.plugins)

    def stop(self) -> None:
        """Let what is under way go out, and end. From any thread, or a signal's handler."""
        self._feed.stop()
        self._pictures.end()
        if self._ends.acquire(blocking=False):  # the first call's work, also where a signal interrupts another call
            self._last.start()

    def _cut(self) -> None:
        """Go on without the sinks that others still wait for: with `--drop never`, one that hangs holds up all."""
        for outlets in list(self._outlets.values()):
            for outlet in outlets:
                outlet.cut()

    def run(self) -> Report:
        """Run until the source ends, a sink is away for good, or :meth:`stop`.

        Raises:
            MediaError: source or sink cannot be opened or went away, and is not to be opened again; a sink was away at
                the end; a wrong encoder.
        """
        reader = threading.Thread(target=self._feed.run, name="exdnet-reader", daemon=True)
        reader.start()
        try:
            self._encode_all(reader)
            for encoder in self._encoders.values():
                encoder.finish()
        finally:
            self._close()
            self._last.cancel()
            self._write_trace()
        if self._gone:
            raise self._gone
        return self.report()

    def _write_trace(self) -> None:
        if self._trace:
            try:
                self._trace.write()
            except MediaError as error:  # what ended the stream counts, not this
                log.error("the profile: %s", error)

    def _encode_all(self, reader: threading.Thread) -> None:
        try:
            with closing(prefetch(self._filtered(), QUEUE, name="filter")) as filtered:  # type: ignore[type-var]
                for picture in filtered:
                    self._encode(picture)
        finally:
            self.stop()
            self._pictures.close()  # with `--drop never`, the reader may be waiting for room
            reader.join(STOPPING)  # it opens sinks and encodes sound: not while they are closed

    def report(self) -> Report:
        """What happened so far."""
        figures = self.figures
        return Report(
            frames=figures.frames_out,
            dropped=figures.left_out,
            lost=figures.broken,
            seconds=dict(figures.seconds),
            wall=time.monotonic() - figures.started,
        )

    def _start(self, start: Start) -> None:
        """Open encoders and sinks for what the first connection told."""
        options, info = self._options, start.info
        log.info(
            "%s: %dx%d, %s a second, %s sound, to %s",
            *(
                self.source.shown,
                info.width,
                info.height,
                f"{float(info.rate):.4g}" if info.rate else "no steady rate",
            ),
            *(
                "with" if start.has_sound and options.sound else "without",
                ", ".join(sink.shown for sink in self.sinks),
            ),
        )
        for carried in dict.fromkeys(sink.carried for sink in self.sinks):
            outlets = self._outlets[carried] = list[Outlet]()
            take = partial(_hand_to, outlets)
            encoder = Encoder(start, carried, options.encoding, sound=options.sound and start.has_sound, take=take)
            self._encoders[carried] = encoder
            how: Any = {"drop": options.drop, "reconnect": options.reconnect}
            outlets += [
                Outlet(sink, encoder.streams, encoder.ask_for_key, self._sink_gone, self.figures, **how)
                for sink in self.sinks
                if sink.carried == carried
            ]

    def _sink_gone(self, error: MediaError) -> None:
        if self._gone:
            log.error("%s", error)  # the first is what `run` raises
        self._gone = self._gone or error
        self.stop()

    def _hear(self, frame: av.AudioFrame, moment: float) -> None:
        for encoder in self._encoders.values():
            encoder.hear(frame, moment)

    def _filtered(self) -> Iterator[Picture]:
        try:
            for picture in self._pictures:
                if self._is_late(picture):
                    self.figures.drop(LATE)
                else:
                    self._filter(picture, self._budget.level)
                    yield picture
        finally:
            self._filter.close()

    def _is_late(self, picture: Picture) -> bool:
        """Over the budget, with a newer one there."""
        budget = self._options.latency
        return budget is not None and age(picture) > budget and len(self._pictures) > 0

    def _encode(self, picture: Picture) -> None:
        start = time.perf_counter()
        for encoder in self._encoders.values():
            encoder.picture(picture.frame, picture.time)
        self.figures.spent("encode", start)
        latency = age(picture)
        self.figures.out(latency)
        if picture.arrived > self._filter.opened:  # those that waited for the network to load tell nothing
            self._budget.spent(latency)

    def _close(self) -> None:
        outlets = [outlet for some in self._outlets.values() for outlet in some]
        for outlet in outlets:
            outlet.end()
        until = time.monotonic() + ENDING
        for outlet in outlets:
            outlet.stop(until)
        for encoder in self._encoders.values():
            encoder.close()


def _told_apart(sinks: Sequence[Sink]) -> list[Sink]:
    """Sinks whose addresses are shown alike, as two of one server with other keys, are numbered."""
    counts, result = Counter[str](), []
    for sink in sinks:
        counts[sink.shown] += 1
        number = counts[sink.shown]
        result.append(sink if number == 1 else replace(sink, shown=f"{sink.shown} (the {number}. of these)"))
    return result


def _hand_to(outlets: Sequence[Outlet], packet: Packet[Any]) -> None:
    for outlet in outlets:
        outlet.put(packet)
