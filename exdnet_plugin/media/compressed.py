"""What lossy video does to a picture: one picture through an encoder and back, in memory."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray


def through_h264(picture: NDArray[np.uint8], crf: float) -> NDArray[np.uint8]:
    """A picture as an H.264 stream shows it: 8 bits, 4:2:0, blocks and quantisation of a quality.

    Args:
        picture: (H, W, 3) uint8 RGB, of any size.
        crf: x264's constant rate factor, 0 to 51: 23 is its default, above 35 blocks are plainly seen.

    Returns:
        The same shape and dtype.
    """
    height, width = picture.shape[:2]
    even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = even.shape[1], even.shape[0]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 25)
    encoder.thread_count = 1  # a thread costs more than a small picture
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": str(crf)}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24").reformat(format="yuv420p")
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoded = [shown for packet in [*packets, None] for shown in decoder.decode(packet)]
    return np.asarray(decoded[0].to_ndarray(format="rgb24")[:height, :width], np.uint8)
