"""How a sink's video is encoded: what is asked for, and settings that any number of equal encoders are opened with."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from typing import cast

import av
from av.codec import CodecContext
from av.codec.context import Flags
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.facts import VideoFacts
from exdnet_plugin.media.frames import reformatted
from exdnet_plugin.media.priority import usual_priority

NVENC_DEEP = frozenset({"hevc_nvenc", "av1_nvenc"})  # FFmpeg lists deep formats of h264_nvenc, but cards refuse them
NVENC = NVENC_DEEP | {"h264_nvenc"}
INTERLACED = frozenset({"libx264", "mpeg2video", "prores_ks", "prores_aw", "prores", "ffv1"})  # tell it in the stream


@dataclass(frozen=True)
class EncodingOptions:
    """How the sink's video is encoded. None leaves the choice to the container and the source's depth.

    Attributes:
        codec: an encoder of FFmpeg.
        crf: constant quality; lower is better and larger; NVIDIA's encoders call it cq. Not together with `bitrate`.
        bitrate: bits a second.
        preset: the encoder's own name or number of a preset.
        pixel_format: what the encoder is given; converted to by swscale.
        cfr: a constant rate, in frames a second, that frames are repeated or left out for; None keeps every time.
        options: any other option of the encoder.
    """

    codec: str | None = None
    crf: float | None = None
    bitrate: int | None = None
    preset: str | None = None
    pixel_format: str | None = None
    cfr: Fraction | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.crf == 0 and self.codec in NVENC:
            raise ValueError(
                f"crf 0: {self.codec} takes 0 as a choice of its own; give 1 to 51, or --option tune=lossless"
            )
        if self.crf is not None and self.bitrate is not None:
            raise ValueError(f"crf {self.crf:g} and bitrate {self.bitrate}: give one of them")


@dataclass(frozen=True)
class Encoding:
    """Settings that any number of equal encoders are opened with.

    Attributes:
        facts: of the pictures as they are encoded.
        colors: as :func:`reformatted` needs them, where YUV is made of RGB, or RGB of YUV.
    """

    codec: str
    pixel_format: str
    options: Mapping[str, str]
    facts: VideoFacts
    cfr: Fraction | None = None
    notes: tuple[str, ...] = ()
    colors: tuple[int, int] | None = None

    def converted(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A frame in the pixel format that the encoders take."""
        return reformatted(frame, self.pixel_format, colors=self.colors)

    @property
    def rate(self) -> Fraction:
        """Frames a second, for rate control; 25 where the source tells none."""
        return self.cfr or self.facts.rate or Fraction(25)

    @property
    def time_base(self) -> Fraction:
        """Seconds a tick of the frames given to the encoders."""
        return 1 / self.cfr if self.cfr else self.facts.time_base

    def configure(self, context: VideoCodecContext) -> None:
        """Give all settings to an encoder that is not open yet."""
        facts = self.facts
        context.width, context.height, context.pix_fmt = facts.width, facts.height, self.pixel_format
        context.time_base, context.framerate = self.time_base, self.rate
        context.bit_rate = 0  # FFmpeg's default of 200 kbit/s would win over constant quality
        if facts.sample_aspect_ratio:
            context.sample_aspect_ratio = facts.sample_aspect_ratio
        facts.tags.put_on(context)
        if facts.interlaced and self.codec in INTERLACED:
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me
            context.field_order = facts.field_order
        context.options = dict(self.options)

    def encoder(self, like: VideoCodecContext) -> VideoCodecContext:
        """A new encoder, whose stream can follow that of `like` under the same header."""
        context = cast(VideoCodecContext, CodecContext.create(self.codec, "w"))
        self.configure(context)
        context.flags = like.flags
        with usual_priority():
            context.open()
        return context


def check_opened(context: VideoCodecContext) -> None:
    """Refuse options that an encoder, just opened, does not know: FFmpeg leaves them without a word."""
    for unused in context.options:
        known = {option.name for kind in ("generic", "private") for option in getattr(context.supported_options, kind)}
        near = get_close_matches(unused, known, 3, 0.5)
        raise MediaError(
            f"encoder {context.name} has no option {unused!r}; "
            + (f"near it are {', '.join(near)}" if near else f"`ffmpeg -h encoder={context.name}` lists them")
        )


def refused(context: VideoCodecContext, error: FFmpegError) -> MediaError:
    """The error for settings that an encoder does not take, or for one whose hardware is not there."""
    if context.name in NVENC and error.errno not in (errno.EINVAL, errno.ERANGE):
        remedy = "it needs an NVIDIA GPU that encodes (A100 and H100 do not) and its driver; libx264 needs neither"
    else:
        remedy = "check crf, preset and options, and the size"
    given = ", ".join(f"{name}={value}" for name, value in context.options.items())
    settings = f"settings {given}" if given else "settings"
    size = f"{context.width}x{context.height}"
    return MediaError(f"encoder {context.name} refuses its {settings} at {size} ({error.strerror}); {remedy}")
