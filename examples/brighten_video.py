"""Brighten a video from Python and say what happened: python brighten_video.py night.mp4 bright.mp4"""

import sys

import exdnet_plugin

if len(sys.argv) != 3:
    sys.exit(__doc__)
source, sink = sys.argv[1:]


def progress(done: int, total: int | None) -> None:
    if done % 50 == 0:
        print(f"{done} of {total or '?'} frames", file=sys.stderr)


report = exdnet_plugin.enhance_video(
    source,
    sink,
    chain="exdnet=strength=0.9:smoothing=0.5,kornia=op=enhance.adjust_saturation:factor=1.1",
    progress=progress,
    overwrite=True,
)
print(f"{report.frames} frames, {report.cuts} cuts, {report.wall:.1f} s; the slowest stage was {report.slowest_stage}")
for note in report.notes:
    print("note:", note)
