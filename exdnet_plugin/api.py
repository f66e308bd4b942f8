"""What the public names do: enhance an image, a video; open a filter for a host application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from exdnet_plugin.chain import make_chain, parse_chain
from exdnet_plugin.choices import check_choice
from exdnet_plugin.contract import class_name, run_one
from exdnet_plugin.devices import resolve_device
from exdnet_plugin.frame_filter import FrameFilter, Quality
from exdnet_plugin.plugins import Plugins, default_plugins
from exdnet_plugin.processor import FrameProcessor
from exdnet_plugin.report import Report
from exdnet_plugin.stream_info import StreamInfo

if TYPE_CHECKING:
    from exdnet_plugin.pipeline.job import Hdr, Progress
    from exdnet_plugin.pipeline.run import OnStop

Chain = str | FrameProcessor | Sequence[FrameProcessor]
Image = TypeVar("Image", bound=NDArray[Any])
_PEAKS = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def open_filter(
    stream: StreamInfo,
    *,
    chain: Chain = "exdnet",
    device: str = "auto",
    quality: Quality = "exact",
    plugins: Plugins | None = None,
) -> FrameFilter:
    """Open a chain over the planes of a stream, for a host application.

    Args:
        stream: size, pixel format, rate and colour of the frames; its device is replaced by `device`.
        chain: the chain's text, or a processor or several that the caller made.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        quality: `exact`, every frame at full size, or `realtime`: the chain runs on small frames, and what it
            does there is done to the planes. For chains that change colours, not places.
        plugins: the host's own; the installed ones by default.

    Raises:
        ValueError: a name, option, device, pixel format or matrix that there is not; says which there are.
        CheckpointError: weights that are not of this network.
        PluginError: a processor cannot be imported, made or opened; so do its calls, from then on.
        ExdnetError: while frames are processed, when memory suffices for no way of computing them.
    """
    if not isinstance(stream, StreamInfo):
        wanted = "StreamInfo(width, height, pixel_format) is needed; enhance_video takes files"
        raise ValueError(f"stream {stream!r}: a {wanted}")  # noqa: TRY004 - as all arguments
    plugins = plugins or default_plugins()
    opened = replace(stream, device=resolve_device(device))
    return FrameFilter(opened, make_chain(chain, plugins), plugins, quality=quality)


def check_filter(
    stream: StreamInfo,
    *,
    chain: Chain = "exdnet",
    device: str = "auto",
    quality: Quality = "exact",
    plugins: Plugins | None = None,
) -> None:
    """Raise what :func:`open_filter` would, so that a wrong option is told before there are frames.

    The chain is opened and closed. No plugin is told of a stream, since there is none yet.
    """
    processors = make_chain(chain, plugins or default_plugins())
    FrameFilter(replace(stream, device=resolve_device(device)), processors, quality=quality).close()


def enhance_image(
    image: Image,
    *,
    chain: Chain = "exdnet",
    device: str = "auto",
    quality: Quality = "exact",
    plugins: Plugins | None = None,
) -> Image:
    """Enhance one image.

    Args:
        image: (H, W, 3) RGB, gamma-coded: uint8, uint16, or float in [0, 1], in either byte order.
        chain, device, quality, plugins: as for :func:`open_filter`; `realtime` takes integers.

    Returns:
        A new array of the same shape and type.

    Raises:
        ValueError: the image has another shape or type, or as for :func:`open_filter`.
    """
    if not isinstance(image, np.ndarray):
        kind = type(image).__name__
        raise ValueError(f"image is a {kind}; a numpy array is needed, (H, W, 3) RGB")  # noqa: TRY004 - as all arguments
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"image of shape {image.shape}: (H, W, 3) RGB with at least one pixel is needed")
    check_choice("quality", quality, get_args(Quality))
    native = image.dtype.newbyteorder("=")
    if native not in _PEAKS and image.dtype.kind != "f":
        raise ValueError(f"image of type {image.dtype}: uint8, uint16 or float in [0, 1] is needed")
    peak = _PEAKS.get(native, 1.0)
    if peak == 1 and not (image.min() >= 0 and image.max() <= 1):
        raise ValueError(
            f"image of floats from {image.min()!s} to {image.max()!s}: [0, 1] is needed; divide by its peak, or clip it"
        )
    if quality != "exact":
        if peak == 1:
            raise ValueError(f"image of type {image.dtype}: quality {quality} takes uint8 or uint16")
        whole = StreamInfo(image.shape[1], image.shape[0], "rgb24" if peak == 255 else "rgb48le")
        with open_filter(whole, chain=chain, device=device, quality=quality, plugins=plugins) as opened:
            return cast(Image, opened([np.ascontiguousarray(image, native)], 0.0)[0].astype(image.dtype, copy=False))
    where = resolve_device(device)
    values = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), np.float32)).to(where)[None] / peak
    processors = make_chain(chain, plugins or default_plugins())
    stream = StreamInfo(image.shape[1], image.shape[0], "rgb24" if peak == 255 else "rgb48le", device=where)
    result = _run_once(processors, stream, values.clamp_(0, 1)).mul(peak)
    array = result[0].permute(1, 2, 0).cpu().numpy()
    return cast(Image, (array if image.dtype.kind == "f" else np.round(array)).astype(image.dtype))


@torch.inference_mode()
def _run_once(processors: Sequence[FrameProcessor], stream: StreamInfo, frames: torch.Tensor) -> torch.Tensor:
    times = torch.zeros(1, dtype=torch.float64)
    for processor in processors:
        if not getattr(processor, "changes_pixels", True):
            continue
        processor.open(stream)
        try:
            processor.reset()  # the caller's processors may have seen another picture
            frames = run_one(processor, frames, times)
        finally:
            processor.close()
    return frames


def enhance_video(
    source: str | Path,
    sink: str | Path,
    *,
    chain: Chain = "exdnet",
    device: str = "auto",
    quality: Quality = "exact",
    codec: str | None = None,
    crf: float | None = None,
    bitrate: int | None = None,
    preset: str | None = None,
    pixel_format: str | None = None,
    options: Mapping[str, object] | None = None,
    cfr: Fraction | float | None = None,
    start: Fraction | float = 0,
    end: Fraction | float | None = None,
    video_stream: int | None = None,
    hdr: Hdr = "keep",
    deinterlace: bool = False,
    on_change: Literal["scale", "split"] = "scale",
    overwrite: bool = False,
    resume: bool = False,
    on_stop: OnStop = "discard",
    progress: Progress | None = None,
    profile: str | Path | None = None,
    plugins: Plugins | None = None,
) -> Report:
    """Enhance a video file; sound, subtitles and every other stream are copied, times and colour tags are kept.

    Args:
        source: a video file.
        sink: the file to write; its suffix chooses the container. It appears when it is whole.
        chain, device, quality, plugins: as for :func:`open_filter`.
        codec: an encoder of FFmpeg; by default H.264, HEVC for more than 8 bits, VP9 or AV1 in WebM.
        crf: the encoder's constant quality; lower is better and larger. Or `bitrate`, in bits a second.
        preset, pixel_format, options: the encoder's preset, what it is given, and any further option of it.
        cfr: a constant rate in frames a second; by default every frame keeps its time.
        start, end: which part, in seconds from the first frame; the whole by default.
        video_stream: which video stream to enhance, from 0; the default one of the file by default. Others are copied.
        hdr: `keep` PQ and HLG as they are, or tone-map them to `sdr`.
        deinterlace: make whole frames of fields, with FFmpeg's bwdif.
        on_change: where frames change size on the way, `scale` them to the first size, or `split`: each size gets a
            file, the second `NAME-2`. The source is decoded once more to find the changes.
        overwrite: replace a sink that is there, and drop work that was stopped.
        resume: go on with work that was stopped, where there is some, of the same source, chain and encoder; of
            processors that the caller made, the classes are compared, not what they were made with.
        on_stop: when the job is stopped by an error or from outside: `keep` its work for `resume`, leave a playable
            `partial` file under a name that says so, or `discard` it.
        progress: called after each frame with the frames done and, where the source tells, how many there are.
        profile: where to write a trace of the stages, which Perfetto and chrome://tracing open.

    Returns:
        What happened: frames, cuts, losses, `seconds` by stage, `wall` in all, notes.

    Raises:
        MediaError: the source cannot be read or the sink not written; nothing is left under the sink's name.
        ValueError: a value that is not taken.
        CheckpointError, PluginError, ExdnetError: as for :func:`open_filter`, and while frames are processed.
    """
    check_choice("on_change", on_change, ("scale", "split"))
    from exdnet_plugin.media.encoding import EncodingOptions
    from exdnet_plugin.media.source import Excerpt
    from exdnet_plugin.pipeline.job import Job, run_parts

    plugins = plugins or default_plugins()
    processors = make_chain(chain, plugins)
    rate = None if cfr is None else _number("cfr", cfr, "frames a second above 0, as 25 or Fraction(30000, 1001)")
    if rate is not None and rate <= 0:
        raise ValueError(f"cfr {cfr}: a rate above 0 is needed; None keeps every frame's time")
    quality_asked = None if crf is None else float(_number("crf", crf, "the encoder's constant quality, as 20"))
    job = Job(
        source=Path(source),
        sink=Path(sink),
        processors=processors,
        chain=_with_files(chain) if isinstance(chain, str) else ",".join(map(class_name, processors)),
        quality=quality,
        device=resolve_device(device),
        encoding=EncodingOptions(codec, quality_asked, bitrate, preset, pixel_format, rate, _texts(options or {})),
        excerpt=Excerpt(_number("start", start, _SECONDS), None if end is None else _number("end", end, _SECONDS)),
        video_stream=video_stream,
        hdr=hdr,
        deinterlace=deinterlace,
        overwrite=overwrite,
        resume=resume,
        on_stop=on_stop,
        plugins=plugins,
        profile=Path(profile) if profile else None,
    )
    return run_parts(job.parts() if on_change == "split" else [job], progress)


def _with_files(chain: str) -> str:
    """A chain's text with the state of files that it names, as weights: others of that name give other pictures."""
    told = chain
    for value in (value for link in parse_chain(chain) for value in link.options.values()):
        with suppress(OSError):  # no file, or no name of one
            stat = Path(value).expanduser().stat()
            told += f" ({value}: {stat.st_size} bytes of {stat.st_mtime_ns})"
    return told


_SECONDS = "seconds from the first frame, as 2.5"


def _number(name: str, value: Fraction | float, needed: str) -> Fraction:
    try:  # a float as it is written: 29.97 is 2997/100, not the binary number beside it
        return Fraction(value if isinstance(value, int | Fraction) else str(value))
    except (TypeError, ValueError, ZeroDivisionError):
        raise ValueError(f"{name} {value!r}: give {needed}") from None


def _texts(options: Mapping[str, object]) -> dict[str, str]:
    """An encoder's options as FFmpeg takes them."""
    if not isinstance(options, Mapping):
        given = f"options {options!r}: give a dict of the encoder's options, as {{'g': 50}}"
        raise ValueError(given)  # noqa: TRY004 - as all arguments
    return {str(name): str(value) for name, value in options.items()}
