"""What an encoding becomes where it is left open: codec, pixel format and options by container, source and encoder."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import cast

from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.video.format import VideoFormat

from exdnet_plugin.color import resolve
from exdnet_plugin.errors import MediaError
from exdnet_plugin.hdr import is_hdr
from exdnet_plugin.media.encoding import INTERLACED, NVENC, NVENC_DEEP, Encoding, EncodingOptions
from exdnet_plugin.media.facts import ColorTags, VideoFacts
from exdnet_plugin.media.frames import workable_format
from exdnet_plugin.pixel_format import pixel_format
from exdnet_plugin.stream_info import StreamInfo

_DEFAULT_QUALITY = {
    **{"libx264": "18", "libx265": "20", "libvpx-vp9": "30", "libsvtav1": "28"},
    **{"h264_nvenc": "19", "hevc_nvenc": "21", "av1_nvenc": "27"},
}
_DEFAULT_OPTIONS = {
    "libx264": {"preset": "medium"},
    "libx265": {"preset": "medium"},
    "libvpx-vp9": {"b": "0", "cpu-used": "4", "row-mt": "1"},
    "libsvtav1": {"preset": "8"},
    "prores_ks": {"profile": "hq"},
    "mpeg2video": {"b": "12000000"},
    "ffv1": {"level": "3", "slicecrc": "1"},
    **{name: {"preset": "p5", "rc": "vbr"} for name in NVENC},
}
_QUIET = {"libx265": ("x265-params", "log-level=error"), "libsvtav1": ("svtav1-params", "")}
_SUGGESTED = "libx264, libx265, libsvtav1, libvpx-vp9, ffv1 or prores_ks"
_MOST_CRF = {"libx264": 51, "libx265": 51, "libsvtav1": 63, "libaom-av1": 63, "libvpx": 63, "libvpx-vp9": 63}
_X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
_NUMBERS = tuple(map(str, range(10)))  # the same, counted
_PRESETS = {**dict.fromkeys(("libx264", "libx265"), (*_X26X, *_NUMBERS)), "libsvtav1": tuple(map(str, range(-1, 14)))}
_STEADY = frozenset({"mpeg1video", "mpeg2video", ".avi", ".mxf", ".mpg"})


def choose_encoding(suffix: str, facts: VideoFacts, asked: EncodingOptions) -> Encoding:
    """What the options, the container and the source's facts come to.

    Raises:
        MediaError: an encoder or pixel format that there is not.
    """
    name = asked.codec or _default_codec(suffix, facts)
    try:
        codec = Codec(name, "w")
    except UnknownCodecError:
        raise MediaError(f"codec {name!r} is not in this build of FFmpeg; try {_SUGGESTED}") from None
    if codec.type != "video":
        raise MediaError(f"codec {name!r} is for {codec.type}; try {_SUGGESTED}")
    notes: list[str] = []
    cfr = asked.cfr
    if (codec.name in _STEADY or suffix in _STEADY) and cfr is None:
        wanted = facts.rate or Fraction(25)
        rates = cast("list[Fraction]", codec.frame_rates or [])
        cfr = min(rates, key=lambda rate: abs(rate - wanted), default=wanted)
        what = codec.name if codec.name in _STEADY else suffix
        notes.append(f"{what} knows steady rates alone: frames are shown {cfr} times a second")
    chosen = _asked_format(codec, asked.pixel_format) if asked.pixel_format else _nearest_format(codec, facts, notes)
    if is_hdr(facts.tags.names().transfer) and pixel_format(workable_format(chosen)).depth < 10:
        raise MediaError(
            f"{facts.tags.names().transfer} in {chosen} would show bands: HDR needs 10 bits. "
            "Choose --codec libx265 or libsvtav1, or --hdr sdr"
        )
    if facts.interlaced and codec.name not in INTERLACED:
        notes.append(f"interlaced frames stay so, but {codec.name} cannot say it in the stream; libx264 can")
    options, (facts, colors) = _options(codec.name, chosen, facts, asked), _between_families(facts, chosen)
    return Encoding(codec.name, chosen, options, facts, cfr, tuple(notes), colors)


def _between_families(facts: VideoFacts, chosen: str) -> tuple[VideoFacts, tuple[int, int] | None]:
    """Facts with matrix and range of what is encoded, and what the conversion needs; None where there is none."""
    after, before = pixel_format(workable_format(chosen)), pixel_format(facts.pixel_format)
    if {before.family, after.family} != {"rgb", "yuv"}:
        return facts, None
    info = StreamInfo(facts.width, facts.height, facts.pixel_format, color=facts.tags.names())
    matrix = ColorTags.named(resolve(info)).matrix
    range_ = 2 if after.full_range or after.family == "rgb" else 1
    tags = replace(facts.tags, matrix=0 if after.family == "rgb" else matrix, range=range_)
    return replace(facts, tags=tags), (matrix, range_)


def _default_codec(suffix: str, facts: VideoFacts) -> str:
    deep = pixel_format(facts.pixel_format).depth > 8
    if suffix == ".webm":
        return "libsvtav1" if deep else "libvpx-vp9"
    if suffix in (".mpg", ".mxf"):
        return "mpeg2video"
    return {".ogv": "libtheora", ".avi": "libx264"}.get(suffix, "libx265" if deep else "libx264")


def _options(codec: str, chosen: str, facts: VideoFacts, asked: EncodingOptions) -> dict[str, str]:
    options = dict(_DEFAULT_OPTIONS.get(codec, {}))
    if asked.bitrate is not None:
        options["b"] = str(asked.bitrate)
    elif asked.crf is not None:
        most = _MOST_CRF.get(codec)
        if most is not None and not 0 <= asked.crf <= most:
            raise ValueError(f"crf {asked.crf:g}: {codec} takes 0 to {most}; lower is better and larger")
        options[_quality_option(codec)] = f"{asked.crf:g}"
    elif codec in _DEFAULT_QUALITY:
        options[_quality_option(codec)] = _DEFAULT_QUALITY[codec]
    if asked.preset is not None:
        if asked.preset not in _PRESETS.get(codec, (asked.preset,)):
            raise ValueError(f"preset {asked.preset!r}: {codec} has {', '.join(_PRESETS[codec])}")
        options["preset"] = asked.preset
    if facts.chroma_site != "unspecified" and pixel_format(workable_format(chosen)).log2_chroma != (0, 0):
        options["chroma_sample_location"] = facts.chroma_site
    options |= asked.options
    if codec in _QUIET:  # the encoder's own parameters in one option: ours and the user's, joined
        key, quiet = _QUIET[codec]
        parameters = [quiet, facts.light.parameters(codec) if facts.light else "", asked.options.get(key, "")]
        options[key] = ":".join(filter(None, parameters))
    return {key: value for key, value in options.items() if value}


def _quality_option(codec: str) -> str:
    return "cq" if codec in NVENC else "crf"


def _asked_format(codec: Codec, name: str) -> str:
    taken = [video_format.name for video_format in codec.video_formats or []]
    try:
        VideoFormat(name)
    except ValueError:
        raise MediaError(f"pixel format {name!r} is unknown to FFmpeg; {codec.name} takes {', '.join(taken)}") from None
    if taken and name not in taken:
        raise MediaError(f"{codec.name} does not take pixel format {name!r}; it takes {', '.join(taken)}")
    return name


def _nearest_format(codec: Codec, facts: VideoFacts, notes: list[str]) -> str:
    """The source's format where the encoder takes it, else the nearest that it does."""
    taken = [video_format.name for video_format in codec.video_formats or []]
    wanted = pixel_format(facts.pixel_format)
    if codec.name == "libvpx-vp9" and any("a" in names for names in wanted.planes):
        taken = [name for name in taken if not name.startswith("yuva")]  # its alpha travels beside the packets
    odd = codec.name in ("libx264", "libx265") and bool(facts.width % 2 or facts.height % 2)
    if (wanted.name in taken or not taken) and not (odd and wanted.log2_chroma != (0, 0)):
        return wanted.name
    if codec.name in NVENC_DEEP and wanted.depth > 8:
        if (wanted.depth, wanted.log2_chroma) != (10, (1, 1)):  # else the same in another order
            notes.append(f"{wanted.name} is encoded as p010le, 10 bits with 4:2:0 chroma")
        return "p010le"
    suffixes = ("10le", "12le", "") if wanted.depth > 8 else ("", "10le")
    chroma = {(1, 1): "420", (1, 0): "422", (0, 1): "440", (0, 0): "444"}[wanted.log2_chroma]
    lossless_rgb = wanted.family == "rgb" and codec.name == "ffv1"
    order = (
        ["444"] if odd or lossless_rgb else [chroma, "420", "422", "444"] if wanted.family == "yuv" else ["420", "422"]
    )
    names = [f"yuv{sub}p{suffix}" for sub in order for suffix in suffixes]
    choice = next((name for name in names if name in taken), taken[0])
    notes.append(f"{wanted.name} is encoded as {choice}: {codec.name} does not take it at {facts.width}x{facts.height}")
    return choice
