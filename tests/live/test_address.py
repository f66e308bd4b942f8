"""What users write for sources and sinks, and what is never shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from exdnet_plugin import MediaError
from exdnet_plugin.live import srt
from exdnet_plugin.live.address import hidden
from exdnet_plugin.live.sinks import read_sink
from exdnet_plugin.live.sources import read_source


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:s3cret@cam:554/main", "rtsp://***@cam:554/main"),
        ("rtmp://host/live2/abcd-key", "rtmp://host/live2/***"),
        ("srt://host:9000?passphrase=s3cret&mode=caller", "srt://host:9000?passphrase=***&mode=caller"),
        ("https://host/live.m3u8?token=s3cret", "https://host/live.m3u8?token=***"),
        ("rtsp://a@b:p@ss@cam/x", "rtsp://***@cam/x"),
        ("rtsp://admin:s3cret/#?@cam/x", "rtsp://***@cam/x"),
        ("https://host/x?access_token=s3cret&n=1", "https://host/x?access_token=***&n=1"),
        ("https://host/x?api_key=s3cret", "https://host/x?api_key=***"),
        ("rtsp:/admin:s3cret@cam/x", "***@cam/x"),
        ("udp://@239.0.0.1:5000", "udp://@239.0.0.1:5000"),
        ("udp://@:5000", "udp://@:5000"),
        ("udp://127.0.0.1:5000?pkt_size=1316", "udp://127.0.0.1:5000?pkt_size=1316"),
    ],
)
def test_secrets_of_an_address_are_hidden(url: str, shown: str) -> None:
    assert hidden(url) == shown
    assert "s3cret" not in hidden(url)


def test_the_screen_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":7")
    assert read_source("screen").url == ":7"
    assert read_source("screen::1.0").url == ":1.0"
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(MediaError, match="DISPLAY is not set; name an X display, as screen::"):
        read_source("screen")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gopher://host/x", "gopher:// is no kind of source; there are http"),
        ("no_such_file.mp4", "is no file, and no URL"),
        ("rtsp:/admin:s3cret@cam/x", r"^\*\*\*@cam/x is no file"),
        ("/dev/video99", "there is no such device"),
        ("udp://@:99999", "there is no port 99999; take one of 1 to 65535"),
        ("rtsp://admin:s3cret@cam:0/x", r"^rtsp://\*\*\*@cam:0/x: there is no port 0"),
        (".", "is a folder"),
    ],
)
def test_a_wrong_source_is_refused(text: str, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        read_source(text)


@pytest.mark.parametrize(
    "url",
    ["http://host/live?t=a@12:00", "http://h/x?mail=a@b.c&from=00:00:00", "https://host/@user:70000/a.m3u8", "udp://[::0]",
     "rtsp://user:99999@cam/x", "udp://@:5000"],
)  # fmt: skip
def test_what_looks_like_a_port_elsewhere_is_none(url: str) -> None:
    assert read_source(url).url == url


def test_a_format_that_there_is_not_is_refused() -> None:
    with pytest.raises(MediaError, match="no format 'nosuch'"):
        read_source("udp://@:5000", form="nosuch")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gopher://u:s3cret@host/x", r"gopher://\*\*\*@host/x: gopher:// is no kind of sink; there are rtmp"),
        ("out.xyz", "no video file's name"),
        ("out.mpg", "no video file's name"),
        ("nowhere/out.mkv", "the folder nowhere does not exist"),
        ("nowhere/live.m3u8", "the folder nowhere does not exist"),
    ],
)
def test_a_wrong_sink_is_refused(text: str, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        read_sink(text)


def test_a_recording_that_is_there_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"x")
    with pytest.raises(MediaError, match="is there already"):
        read_sink(str(tmp_path / "a.mkv"))
    assert read_sink(str(tmp_path / "a.mkv"), overwrite=True).format == "matroska"


def test_segments_are_named_by_their_time(tmp_path: Path) -> None:
    sink = read_sink(str(tmp_path / "cam.mp4"), segment=60)
    assert sink.url.endswith("cam-%Y%m%d-%H%M%S.mp4")
    assert sink.options["segment_time"] == "60"


def test_rtsp_is_read_over_the_transport_asked_for() -> None:
    assert read_source("rtsp://cam/x").options["rtsp_transport"] == "tcp"
    assert read_source("rtsp://cam/x", transport="udp").options["rtsp_transport"] == "udp"


def test_own_options_go_before_ours() -> None:
    assert read_source("udp://@:5000", options={"probesize": "5000000"}).options["probesize"] == "5000000"


def test_srt_goes_through_a_command_or_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srt.shutil, "which", lambda name: name if name == "gst-launch-1.0" else None)
    assert read_source("srt://host:1").command[0] == "gst-launch-1.0"
    monkeypatch.setattr(srt.shutil, "which", lambda name: None)
    with pytest.raises(MediaError, match="install ffmpeg"):
        read_sink("srt://host:1")
