"""A dark camera as a bright HLS stream that any browser's player opens.

python rtsp_to_hls.py rtsp://user:password@camera/main www/live.m3u8
"""

import signal
import sys
import threading

from exdnet_plugin.live.sinks import read_sink
from exdnet_plugin.live.sources import read_source
from exdnet_plugin.live.stream import LiveOptions, LiveStream

if len(sys.argv) != 3:
    sys.exit(__doc__)
address, playlist = sys.argv[1:]
source, sink = read_source(address), read_sink(playlist)
live = LiveStream(source, [sink], LiveOptions(chain="exdnet=strength=0.9", latency=0.3))


def tell() -> None:
    """Every ten seconds, how it is."""
    while not ended.wait(10):
        print(live.figures.line())


ended = threading.Event()
threading.Thread(target=tell, daemon=True).start()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: live.stop())

print(f"{source.shown} to {sink.shown}; Ctrl-C ends it")
report = live.run()
ended.set()
print(f"{report.frames} frames, {report.dropped} left out, in {report.wall:.0f} s")
