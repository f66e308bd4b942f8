"""A host program with a PyAV loop of its own: it opens a filter and hands planes to it, frame by frame.

python filter_in_your_own_loop.py night.mp4 bright.mp4

It writes pictures alone, to be short: sound and colour tags are kept by `exdnet_plugin.enhance_video`.
"""

import sys
from fractions import Fraction

import av
import numpy as np

import exdnet_plugin


def as_planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """The planes of an 8-bit 4:2:0 frame, without their row padding."""
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: plane.height, : plane.width])
    return planes


if len(sys.argv) != 3:
    sys.exit(__doc__)
with av.open(sys.argv[1]) as source, av.open(sys.argv[2], "w") as sink:
    video = source.streams.video[0]
    encoded = sink.add_stream("libx264", rate=video.average_rate or Fraction(25))
    encoded.width, encoded.height, encoded.pix_fmt = video.width, video.height, "yuv420p"
    encoded.time_base = encoded.codec_context.time_base = video.time_base

    stream = exdnet_plugin.StreamInfo(video.width, video.height, "yuv420p", rate=video.average_rate)
    with exdnet_plugin.open_filter(stream, chain="exdnet") as bright:
        for frame in source.decode(video):
            frame = frame.reformat(format="yuv420p")
            result = av.VideoFrame(frame.width, frame.height, "yuv420p")
            for plane, values in zip(as_planes(result), bright(as_planes(frame), frame.time), strict=True):
                plane[...] = values
            result.pts, result.time_base = frame.pts, frame.time_base
            sink.mux(encoded.encode(result))
    sink.mux(encoded.encode(None))
print(f"{bright.cuts} cuts")
