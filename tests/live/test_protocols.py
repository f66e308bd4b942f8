"""Live streams over the protocols of cameras and servers, with others' programs at the other end."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import decode, luma
from peers import Peer, Running, free_port, until

from exdnet_plugin.live.sinks import read_sink
from exdnet_plugin.live.sources import read_source

SYSTEM_PYTHON = "/usr/bin/python3"
FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(not FFMPEG, reason="ffmpeg's command is not installed")

# An RTSP server of GStreamer's that gives a dark picture, behind a password.
SERVER = """
import gi, sys
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer as Rtsp
Gst.init(None)
server = Rtsp.RTSPServer(service=sys.argv[1])
auth, token = Rtsp.RTSPAuth(), Rtsp.RTSPToken()
token.set_string("media.factory.role", "user")
auth.add_basic(Rtsp.RTSPAuth.make_basic("user", "s3cret"), token)
server.set_auth(auth)
factory = Rtsp.RTSPMediaFactory()
factory.set_launch("( videotestsrc is-live=true pattern=ball background-color=0xff303030 foreground-color=0xff505050 "
    "! video/x-raw,width=320,height=180,framerate=25/1 ! x264enc tune=zerolatency key-int-max=25 "
    "! rtph264pay name=pay0 pt=96 )")
permissions = Rtsp.RTSPPermissions()
permissions.add_permission_for_role("user", "media.factory.access", True)
permissions.add_permission_for_role("user", "media.factory.construct", True)
factory.set_permissions(permissions)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    """The address of an RTSP camera, without user and password."""
    if not Path(SYSTEM_PYTHON).exists():
        pytest.skip("there is no system Python with GStreamer's bindings")
    port = str(free_port())
    server = subprocess.Popen(
        [SYSTEM_PYTHON, "-c", SERVER, port], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout
    if server.stdout.readline().strip() != "ready":
        server.wait()
        pytest.skip("gir1.2-gst-rtsp-server-1.0 or GStreamer's encoders are not installed")
    yield f"127.0.0.1:{port}/cam"
    server.kill()
    server.wait()
    server.stdout.close()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_an_rtsp_camera_is_recorded(camera: str, transport: str, tmp_path: Path) -> None:
    sink = tmp_path / "cam.mkv"
    source = read_source(f"rtsp://user:s3cret@{camera}", transport=transport)
    with Running(source, [read_sink(str(sink))]) as running:
        until(lambda: running.live.figures.frames_out > 40, "the camera gives no pictures")
    assert len(decode(sink)) > 30
    assert np.mean(luma(sink)) > 80, "of about 55"


def test_a_wrong_password_is_one_line_without_it(camera: str, tmp_path: Path) -> None:
    source = read_source(f"rtsp://user:wr0ng@{camera}")
    with Running(source, [read_sink(str(tmp_path / "cam.mkv"))], reconnect=False) as running:
        running.wait()
    assert str(running.error) == f"rtsp://***@{camera} refuses the user or password (401)"


@needs_ffmpeg
def test_rtmp_in_and_out(tmp_path: Path) -> None:
    come, go = (f"rtmp://127.0.0.1:{free_port()}/live/k3y" for _ in range(2))
    received = tmp_path / "received.flv"
    listen = (str(FFMPEG), "-v", "error", "-listen", "1", "-i", go, "-c", "copy", "-t", "2", "-y", str(received))
    with Running(read_source(come, options={"listen": "1"}), [read_sink(go)], patience=10.0) as running:
        with process(*listen) as receiver, Peer("send", come, "--format", "flv", "--sound", "--size", "320x180"):
            until(lambda: running.live.figures.frames_out > 30, "nothing comes over RTMP")
            receiver.wait(20)
        assert not any("k3y" in name for name in running.live.figures.sinks_up)
    assert len(decode(received)) > 20
    assert np.mean(luma(received)[5:]) > 60
    with av.open(str(received)) as container:
        assert container.streams.audio, "sound is there"


@needs_ffmpeg
def test_srt_in_and_out_through_a_command(tmp_path: Path) -> None:
    if b" srt" not in subprocess.run([str(FFMPEG), "-v", "0", "-protocols"], capture_output=True, check=True).stdout:
        pytest.skip("this ffmpeg speaks no SRT")
    come, go = free_port(), free_port()
    received = tmp_path / "received.ts"
    made = "testsrc2=size=320x180:rate=25,eq=brightness=-0.4"
    encoded = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-pix_fmt", "yuv420p")
    send = (str(FFMPEG), "-v", "error", "-re", "-f", "lavfi", "-i", made, *encoded, "-f", "mpegts")
    receive = (str(FFMPEG), "-v", "error", "-i", f"srt://127.0.0.1:{go}?mode=listener", "-c", "copy", "-t", "2", "-y")
    with (
        process(*receive, str(received)) as receiver,
        process(*send, f"srt://127.0.0.1:{come}?mode=listener"),
        Running(read_source(f"srt://127.0.0.1:{come}"), [read_sink(f"srt://127.0.0.1:{go}")], patience=5.0),
    ):
        receiver.wait(30)
    assert len(decode(received)) > 20


def test_hls_is_a_source(tmp_path: Path) -> None:
    """What one stream writes as HLS another reads over HTTP."""
    port, first = free_port(), tmp_path / "first.mkv"
    serve = textwrap.dedent(
        f"""
        from functools import partial
        from http.server import SimpleHTTPRequestHandler as Handler, ThreadingHTTPServer as Server
        Server(("127.0.0.1", {port}), partial(Handler, directory={str(tmp_path)!r})).serve_forever()
        """
    )
    made = read_source("lavfi:testsrc2=size=320x180:rate=25")
    playlist = tmp_path / "live.m3u8"
    with process(sys.executable, "-c", serve), Running(made, [read_sink(str(playlist))]):
        until(lambda: playlist.exists() and playlist.read_text().count("#EXTINF") > 1, "no playlist")
        source = read_source(f"http://127.0.0.1:{port}/live.m3u8")
        with Running(source, [read_sink(str(first))], patience=10.0) as running:
            until(lambda: running.live.figures.frames_out > 40, "nothing comes from HLS")
    assert len(decode(first)) > 30


def test_rtsp_is_pushed_to_a_server(tmp_path: Path) -> None:
    """FFmpeg's command stands for the server where it can: its RTSP input listens."""
    if not FFMPEG:
        pytest.skip("ffmpeg's command is not installed")
    url, received = f"rtsp://127.0.0.1:{free_port()}/live", tmp_path / "received.mkv"
    listen = (
        str(FFMPEG),
        "-v",
        "error",
        "-rtsp_flags",
        "listen",
        "-i",
        url,
        "-c",
        "copy",
        "-t",
        "2",
        "-y",
        str(received),
    )
    source = read_source("lavfi:testsrc2=size=320x180:rate=25")
    with process(*listen) as server, Running(source, [read_sink(url)]), suppress(subprocess.TimeoutExpired):
        server.wait(30)
    assert len(decode(received)) > 20
