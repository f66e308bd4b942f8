"""The FFmpeg commands on both sides of `exdnet pipe`, for a whole file."""

from __future__ import annotations

import logging
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.audio.codeccontext import AudioCodecContext
from av.stream import Stream

from exdnet_plugin import MediaError
from exdnet_plugin.media.choosing import choose_encoding
from exdnet_plugin.media.converting import add_converted, change
from exdnet_plugin.media.encoding import Encoding, EncodingOptions
from exdnet_plugin.media.facts import MATRICES, VideoFacts
from exdnet_plugin.media.opening import ffmpeg_name
from exdnet_plugin.media.other_streams import is_made_anew
from exdnet_plugin.media.sink import CONTAINERS, check_sink, muxer
from exdnet_plugin.media.source import VideoSource
from exdnet_plugin.media.taking import takes
from exdnet_plugin.pipeline.pipe import FIELDS

log = logging.getLogger(__name__)
# It must not read the terminal. Without copyts each input is made to start at 0, and sound is not where it was.
_FFMPEG = ["ffmpeg", "-nostdin", "-v", "error", "-copyts"]


def commands(
    source: Path, sink: Path, *, chain_text: str = "exdnet", quality: str = "exact", device: str = "auto"
) -> str:
    """A shell line that brightens a file with FFmpeg's command on both sides.

    Nut keeps each frame's time; sound, subtitles, chapters and metadata are copied from the source, or converted where
    the sink needs it; colour tags are given again, since no raw form carries them; FFmpeg turns pictures upright.

    Raises:
        MediaError: the source is interlaced or no video; the sink is it, is there already, or has an unknown suffix.
    """
    check_sink(sink, source, CONTAINERS, overwrite=False)
    with VideoSource(source) as opened:
        encoding = choose_encoding(sink.suffix.lower(), opened.facts, EncodingOptions())
        video = opened.stream.index
        left_out, conversions = _others(opened, sink.suffix)
        if opened.facts.interlaced:
            raise MediaError(f"{source} is interlaced; {FIELDS}")
    for note in encoding.notes:
        log.warning("%s", note)
    names = {"matrix": "colorspace", "primaries": "color_primaries", "transfer": "color_trc", "range": "color_range"}
    codes = {"limited": "tv", "full": "pc"}
    steady = ["-fps_mode", "passthrough", "-enc_time_base", "-1"]  # each frame's time, not the nearest of a grid
    read = [*_FFMPEG, "-i", ffmpeg_name(source), "-map", f"0:{video}", *steady]
    read += ["-pix_fmt", opened.facts.pixel_format, "-c:v", "rawvideo", "-f", "nut", "-"]
    filtered = ["exdnet", "pipe", "--format", "nut", "--chain", chain_text, "--quality", quality]
    filtered += ["--device", device] if device != "auto" else []
    filtered += [part for name, value in _told(opened.facts).items() for part in (f"--{name}", value)]
    write = [*_FFMPEG, "-n", "-f", "nut", "-i", "-", "-i", ffmpeg_name(source), "-map", "0:v", "-map", "1"]
    write += [part for index in left_out for part in ("-map", f"-1:{index}")]
    write += ["-map", f"-1:{video}", "-map_metadata", "1", "-map_chapters", "1", "-c", "copy", *conversions]
    write += ["-c:v:0", encoding.codec, "-strict", "-2"]  # FLAC in MP4 is an experiment to some FFmpegs
    paced = ["-fps_mode", "cfr", "-r", str(encoding.cfr)] if encoding.cfr else steady
    write += ["-pix_fmt", encoding.pixel_format, *_filters(encoding, opened.facts), *paced]
    write += [
        part for key in ("crf", "b") if key in encoding.options for part in (f"-{key}:v:0", encoding.options[key])
    ]
    write += [
        part for name, value in _told(encoding.facts).items() for part in (f"-{names[name]}", codes.get(value, value))
    ]
    write += ["-f", form] if (form := muxer(sink.suffix)) else []
    return " | ".join(shlex.join(part) for part in (read, filtered, [*write, ffmpeg_name(sink)]))


def _others(source: VideoSource, suffix: str) -> tuple[list[int], list[str]]:
    """Which other streams a container does not take in any form, and how FFmpeg converts some; all are told in the log.

    What comes out first is the video; the others, with numbers of their own, follow in the source's order.
    """
    left_out, conversions, number = list[int](), list[str](), 1
    with (
        TemporaryDirectory() as folder,
        av.open(f"{folder}/sink{suffix}", "w", format=muxer(suffix)) as container,
    ):
        for stream in source.others:
            if is_made_anew(stream, bool(source.container.chapters())):
                left_out.append(stream.index)
                continue
            if not takes(container, stream):
                made = add_converted(container, stream)
                if made is None:
                    log.warning("%s stream %d is left out: %s does not take it", stream.type, stream.index, suffix)
                    left_out.append(stream.index)
                    continue
                if what := change(stream, made, suffix):
                    log.warning("%s stream %d %s", stream.type, stream.index, what)
                conversions += _conversion(made, number)
            number += 1
    return left_out, conversions


def _conversion(made: Stream, number: int) -> list[str]:
    """FFmpeg's options for a stream of its sink, after one that was made here."""
    context = made.codec_context
    options = [f"-c:{number}", context.name]
    if isinstance(context, AudioCodecContext):
        options += [f"-b:{number}", str(context.bit_rate), f"-channel_layout:{number}", context.layout.name]
    return options


def _told(facts: VideoFacts) -> dict[str, str]:
    """The colour tags that are not left open, by name."""
    named = facts.tags.names()
    tags = {"matrix": named.matrix, "primaries": named.primaries, "transfer": named.transfer, "range": named.range}
    return {name: value for name, value in tags.items() if value != "unspecified"}


def _filters(encoding: Encoding, facts: VideoFacts) -> list[str]:
    """FFmpeg makes RGB of YUV, or YUV of RGB, as `Encoding.converted` does, and is told the shape of pixels again."""
    filters = []
    if encoding.colors:
        matrix = MATRICES[encoding.colors[0]].removesuffix("nc")
        filters.append(f"scale=in_color_matrix={matrix}:out_color_matrix={matrix}:out_range={encoding.colors[1]}")
    if aspect := facts.sample_aspect_ratio:
        lies = facts.display_matrix and not facts.display_matrix[0]  # the FFmpeg that reads turns it by a quarter
        filters.append(f"setsar={1 / aspect if lies else aspect}")
    return ["-filter:v:0", ",".join(filters)] if filters else []
