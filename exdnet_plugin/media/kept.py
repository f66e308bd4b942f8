"""What a written file does not tell of its source: a container that leaves a fact out without a word is found here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from av.error import FFmpegError
from av.stream import Stream

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.copying import told
from exdnet_plugin.media.facts import VideoFacts
from exdnet_plugin.media.source import VideoSource
from exdnet_plugin.pixel_format import pixel_format

_UNTOLD = ("left", "unspecified")  # where nothing is told, left is taken
_USUAL_RANGE = ("limited", "unspecified")  # of YCbCr: x264 does not write it by itself
_LIGHT_TOLERANCE = 1e-3  # AV1 counts primaries in 1/65536


def left_out(source: VideoSource, facts: VideoFacts, sink: Path, copies: Mapping[int, int]) -> list[str]:
    """Facts that the sink should have and has not, a line each.

    Args:
        source: what was read.
        facts: what the sink's video was to be told.
        sink: the written file.
        copies: indices of the sink's copied streams by those of the source's.
    """
    try:
        with VideoSource(sink) as written:
            return [
                f"{what} is left out: {sink.suffix} as written does not tell it"
                for what in [*_of_video(source, facts, written), *_of_file(source, written, copies)]
            ]
    except (MediaError, FFmpegError) as error:
        return [f"the written file could not be checked: {error}"]


def _of_video(source: VideoSource, facts: VideoFacts, written: VideoSource) -> list[str]:
    found = written.facts
    missing = {
        "rotation or mirroring": facts.display_matrix != found.display_matrix,
        "sample aspect ratio": (facts.sample_aspect_ratio or 1) != (found.sample_aspect_ratio or 1),
        "interlaced fields": facts.interlaced and not found.interlaced,
        "timecode": told(source.stream.metadata, "timecode") and (source.timecode or "") != written.timecode,
        f"chroma site {facts.chroma_site}": facts.chroma_site not in _UNTOLD and found.chroma_site != facts.chroma_site,
        "mastering display and light levels": not _same_light(facts, found),
    }
    missing |= {mark: mark not in found.marks for mark in facts.marks}
    tags, in_yuv = ("matrix", "primaries", "transfer", "range"), pixel_format(found.pixel_format).family == "yuv"
    names, read = facts.tags.names(), found.tags.names()
    for tag in tags:
        wanted, told_now = getattr(names, tag), getattr(read, tag)
        same = wanted in ("unspecified", told_now) or ((wanted, told_now) == _USUAL_RANGE and in_yuv)
        missing[f"colour {tag} {wanted}"] = not same
    return [what for what, gone in missing.items() if gone]


def _same_light(facts: VideoFacts, found: VideoFacts) -> bool:
    if facts.light is None or found.light is None:
        return facts.light is None
    display, read = facts.light.display or (), found.light.display or ()
    close = len(display) == len(read) and all(
        abs(float(a) - float(b)) <= _LIGHT_TOLERANCE * max(1.0, float(a)) for a, b in zip(display, read, strict=True)
    )
    return close and facts.light.content == found.light.content


def _of_file(source: VideoSource, written: VideoSource, copies: Mapping[int, int]) -> list[str]:
    titles = [title for title in ("title", "artist", "comment") if told(source.container.metadata, title)]
    missing = [f"metadata {title}" for title in titles if not told(written.container.metadata, title)]
    if source.container.chapters() and not written.container.chapters():
        missing.append("the list of chapters")
    streams = {stream.index: stream for stream in written.container.streams}
    for stream in source.others:
        copy = streams.get(copies.get(stream.index, -1))
        if stream.index in copies:
            missing += [f"{stream.type} stream {stream.index}"] if copy is None else _of_copy(stream, copy)
    return missing


def _of_copy(stream: Stream, copy: Stream) -> list[str]:
    what = f"of {stream.type} stream {stream.index}"
    lost = stream.disposition & ~copy.disposition
    missing: list[Any] = [f"disposition {lost.name} {what}"] if lost else []
    language = told(stream.metadata, "language")
    if language not in (None, "und") and language != told(copy.metadata, "language"):
        missing.append(f"language {language} {what}")
    return missing
