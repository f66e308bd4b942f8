"""A video file to be enhanced: what was asked for, and its run from opening to the sink's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from exdnet_plugin.choices import check_choice
from exdnet_plugin.frame_filter import FrameFilter, Quality
from exdnet_plugin.media.choosing import choose_encoding
from exdnet_plugin.media.encoding import Encoding, EncodingOptions
from exdnet_plugin.media.sink import CONTAINERS, VideoSink, check_sink
from exdnet_plugin.media.source import Excerpt, VideoSource
from exdnet_plugin.pipeline.run import OnStop, partial_path, run
from exdnet_plugin.pipeline.trace import Trace
from exdnet_plugin.pipeline.work import Work
from exdnet_plugin.plugins import Plugins
from exdnet_plugin.processor import FrameProcessor
from exdnet_plugin.report import Report

Hdr = Literal["keep", "sdr"]
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Job:
    """One sink to be made of one source, as :func:`exdnet_plugin.enhance_video` takes it.

    Attributes:
        processors, chain: the processors and what they are called.
        device: resolved.
    """

    source: Path
    sink: Path
    processors: Sequence[FrameProcessor]
    chain: str
    quality: Quality
    device: str
    encoding: EncodingOptions
    excerpt: Excerpt
    video_stream: int | None
    hdr: Hdr
    deinterlace: bool
    overwrite: bool
    resume: bool
    on_stop: OnStop
    plugins: Plugins
    profile: Path | None = None
    counted: bool = False

    def __post_init__(self) -> None:
        check_choice("hdr", self.hdr, get_args(Hdr))
        check_choice("on_stop", self.on_stop, get_args(OnStop))

    def parts(self) -> list[Job]:
        """A job for each size that frames have, one behind the other."""
        with VideoSource(self.source, stream=self.video_stream, excerpt=self.excerpt) as source:
            for _ in source.frames():
                pass
            end = self.excerpt.end
            counted = source.counted
            starts = [self.excerpt.start, *(change for change in source.changes if end is None or change < end)]
        parts = []
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], self.excerpt.end], strict=True), 1):
            sink, profile = _numbered(self.sink, number), self.profile and _numbered(self.profile, number)
            part = replace(self, sink=sink, profile=profile, excerpt=Excerpt(start, end), counted=counted)
            parts.append(part)
        return parts

    def run(self, progress: Progress | None) -> Report:
        """Make the sink."""
        with VideoSource(
            self.source,
            device=self.device,
            stream=self.video_stream,
            excerpt=self.excerpt,
            deinterlace=self.deinterlace,
            to_sdr=self.hdr == "sdr",
            counted=self.counted,
        ) as source:
            trace = Trace(self.profile, [self.source, self.sink]) if self.profile else None
            check_sink(self.sink, self.source, CONTAINERS, overwrite=self.overwrite)
            if self.on_stop == "partial":
                check_sink(partial_path(self.sink), self.source, CONTAINERS, overwrite=self.overwrite)
            encoding = choose_encoding(self.sink.suffix.lower(), source.facts, self.encoding)
            work = Work(self.sink, self._identity(source, encoding), resume=self.resume, overwrite=self.overwrite)
            try:
                sink = VideoSink(self.sink, work.hidden, source, encoding)
                frame_filter = FrameFilter(source.info, self.processors, self.plugins, quality=self.quality)
            except BaseException:
                work.close() if work.started else work.remove()
                raise
            expected, rate = source.expected_frames, source.facts.rate
            if expected and encoding.cfr and rate:
                expected = round(expected * encoding.cfr / rate)
            tell = (lambda done: progress(done, expected)) if progress else None
            return run(source, frame_filter, sink, work, tell=tell, on_stop=self.on_stop, trace=trace)

    def _identity(self, source: VideoSource, encoding: Encoding) -> dict[str, str]:
        """What must be the same for a job to be gone on with, by names that a person knows."""
        from exdnet_plugin import __version__

        stat = self.source.stat()
        return {
            "version": __version__,
            "source": f"{self.source.resolve()}, {stat.st_size} bytes of {stat.st_mtime_ns}",
            "video stream": str(source.stream.index),
            "part": f"{self.excerpt.start} to {self.excerpt.end}",
            "codec": encoding.codec,
            "pixel format": encoding.pixel_format,
            "encoder options": ", ".join(f"{key}={value}" for key, value in sorted(encoding.options.items())),
            "rate": str(encoding.cfr),
            "chain": self.chain,
            "quality": self.quality,
            "device": self.device,
            "hdr": self.hdr,
            "deinterlace": str(self.deinterlace),
        }


def run_parts(jobs: Sequence[Job], progress: Progress | None) -> Report:
    """Run jobs one behind the other, what is finished of a resumed one left as it is; the report is of all."""
    whole: Report | None = None
    for job in jobs:
        if len(jobs) > 1 and job.resume and job.sink.exists():
            report = Report(sink=job.sink, notes=[f"{job.sink} is there already and taken for done"])
        else:
            report = job.run(progress)
        whole = report if whole is None else whole.joined(report)
    assert whole is not None
    return whole


def _numbered(path: Path, number: int) -> Path:
    """A path of a further part."""
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
