"""Before and after of a camera in the browser, from a program of your own.

python camera_to_browser.py                          the first V4L2 camera
python camera_to_browser.py rtsp://camera/main       any source that `exdnet stream` takes, or a file
python camera_to_browser.py /dev/video2 8080         at a port of your choice
"""

import asyncio
import logging
import sys

from exdnet_plugin import ExdnetError
from exdnet_plugin.live.sources import read_source
from exdnet_plugin.preview.player import LivePlayer, open_player
from exdnet_plugin.preview.server import serve
from exdnet_plugin.preview.session import Session, Settings

source = sys.argv[1] if len(sys.argv) > 1 else "/dev/video0"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 0

logging.basicConfig(format="%(message)s", level=logging.INFO)  # says when the camera goes away and comes back

# What the page begins with; who looks at it may set something else. Realtime keeps up with a camera on a CPU.
settings = Settings(chain="exdnet=strength=0.9:smoothing=1", quality="realtime")

try:
    if source.startswith("/dev/video"):
        # FFmpeg's own options of a source: a size and a rate that the camera has, and few bytes of look-ahead.
        options = {"video_size": "1280x720", "framerate": "30", "probesize": "32768"}
        player = LivePlayer(read_source(source, options=options))
    else:
        player = open_player(source)

    # A session filters what the player plays on a thread of its own, and holds the newest picture before and after.
    # The server shows it, on this machine alone, until Ctrl-C. With another host it would ask for a token.
    with Session(player, settings) as session:
        asyncio.run(serve(session, source, port=port, ready=lambda address: print("open", address, flush=True)))
        shot = session.shot
except (ExdnetError, ValueError) as error:
    sys.exit(f"camera_to_browser: {error}")

if shot:
    print(f"the last picture, {shot.after.width}x{shot.after.height}, was taken {shot.time:.1f} s after the first")
