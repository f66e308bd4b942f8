"""Pictures as the page shows them: of square pixels, small enough; as JPEG, and as PNG to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from exdnet_plugin.color import resolve
from exdnet_plugin.live.feed import Picture
from exdnet_plugin.media.frames import frame_from_planes, frame_planes
from exdnet_plugin.stream_info import ColorFacts, StreamInfo

WIDEST = 1280  # pixels: exact takes more than a second for 1080p on a CPU, and a page is hardly wider
_JPEG_SCALE = "3"  # FFmpeg's quantiser scale, 2 to 31: hardly a block to be seen
_MATRICES = {
    "bt709": Colorspace.ITU709,
    "fcc": Colorspace.FCC,
    "bt470bg": Colorspace.ITU601,
    "smpte170m": Colorspace.ITU601,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020nc": Colorspace.BT2020,
}


@dataclass(frozen=True)
class Shot:
    """A picture before and after, ready for the page.

    Attributes:
        before, after: the frames, of `color`.
        jpegs: both as JPEG.
        color: what their values mean.
        source: width and height that the source has, upright.
        time: seconds of the source.
        arrived: when it came, by the monotonic clock.
        number: of the source, as the session counts them.
    """

    before: av.VideoFrame
    after: av.VideoFrame
    jpegs: tuple[bytes, bytes]
    color: ColorFacts
    source: tuple[int, int]
    time: float
    arrived: float
    number: int = 0


class Shrinker:
    """Makes pictures as they are shown, in the source's own pixel format, so that the chain sees what it will see.

    Args:
        pixel_aspect: a pixel's width by its height.
    """

    def __init__(self, pixel_aspect: float = 1.0) -> None:
        self._aspect = pixel_aspect
        self._infos: dict[tuple[object, ...], StreamInfo] = {}
        self._reformatter = VideoReformatter()  # which keeps what it has set up for a size
        self.source = (0, 0)

    def __call__(self, picture: Picture) -> Picture:
        """The picture, at most WIDEST wide; of one stream as long as size, format and colour stay.

        Raises:
            ValueError: its colours are of a matrix that is not handled.
        """
        frame = picture.frame
        size = self.source = (round(frame.width * self._aspect), frame.height)
        share = WIDEST / self.source[0]
        if share < 1:
            size = (_even(size[0] * share), _even(size[1] * share))
        frame = self._reformatter.reformat(frame, *size)
        return replace(picture, frame=frame, info=self._info(frame, picture.info))

    def _info(self, frame: av.VideoFrame, whole: StreamInfo) -> StreamInfo:
        key = (frame.width, frame.height, whole)
        if key not in self._infos:
            self._infos = {
                key: replace(whole, width=frame.width, height=frame.height, color=resolve(whole))  # as of the large one
            }
        return self._infos[key]


def _even(size: float) -> int:
    return max(2, round(size / 2) * 2)


def copied(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame of the same pixels, to be written into."""
    return frame_from_planes(frame_planes(frame), av.VideoFrame(frame.width, frame.height, frame.format.name))


class JpegEncoder:
    """Encodes frames of any format as JPEG, full-range BT.601 as browsers take it."""

    def __init__(self) -> None:
        self._context: VideoCodecContext | None = None
        self._reformatter, self._count = VideoReformatter(), 0

    def __call__(self, frame: av.VideoFrame, color: ColorFacts) -> bytes:
        """A frame whose values mean `color`, as JPEG."""
        converted = self._reformatter.reformat(
            frame,
            format="yuvj420p",
            src_colorspace=_MATRICES[color.matrix],
            dst_colorspace=Colorspace.ITU601,
            src_color_range=_range(color),
            dst_color_range=ColorRange.JPEG,
        )
        if self._context is None or (self._context.width, self._context.height) != (frame.width, frame.height):
            self._context = _encoder("mjpeg", converted, {"qmin": _JPEG_SCALE, "qmax": _JPEG_SCALE})
        self._count += 1
        return _encoded(self._context, converted, self._count)


def png(frames: Sequence[av.VideoFrame], color: ColorFacts) -> bytes:
    """Frames of one size whose values mean `color`, side by side, as PNG."""
    rgb = [
        frame.reformat(
            format="rgb24", src_colorspace=_MATRICES[color.matrix], src_color_range=_range(color)
        ).to_ndarray()
        for frame in frames
    ]
    joined = av.VideoFrame.from_ndarray(np.concatenate(rgb, axis=1).astype(np.uint8), format="rgb24")
    return _encoded(_encoder("png", joined, {}), joined, 0)


def _range(color: ColorFacts) -> ColorRange:
    return ColorRange.JPEG if color.range == "full" else ColorRange.MPEG


def _encoder(name: str, like: av.VideoFrame, options: dict[str, str]) -> VideoCodecContext:
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = like.width, like.height, like.format.name
    context.time_base, context.options = Fraction(1, 25), options
    context.thread_count = 1  # several threads would hold frames back
    return context


def _encoded(context: VideoCodecContext, frame: av.VideoFrame, number: int) -> bytes:
    frame.pts, frame.time_base = number, context.time_base  # encoders take no time twice
    return b"".join(bytes(packet) for packet in context.encode(frame))
