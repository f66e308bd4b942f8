"""What can be watched of a live stream from outside."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import MakeClip
from prometheus_client.parser import text_string_to_metric_families

from exdnet_plugin import MediaError
from exdnet_plugin.live import watch
from exdnet_plugin.live.figures import Figures
from exdnet_plugin.live.sinks import read_sink
from exdnet_plugin.live.sources import read_source
from exdnet_plugin.live.stream import LiveOptions, LiveStream
from exdnet_plugin.live.watch import watched


def figures() -> Figures:
    made = Figures()
    made.frames_in, made.level, made.source_up = 12, "realtime", True
    made.sinks_up["udp://x"] = False
    made.drop("late", 3)
    made.drop("sink away", 40)
    for latency in (0.01, 0.05, 0.05, 3.0):
        made.out(latency)
    return made


def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_prometheus_reads_the_figures() -> None:
    with watched(figures(), 0) as port:
        code, text = get(port, "/metrics")
    assert code == 200
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["exdnet_frames_in_total",] == 12
    assert samples["exdnet_frames_out_total",] == 4
    assert samples["exdnet_dropped_total", "late"] == 3
    assert samples["exdnet_latency_seconds_bucket", "0.06"] == 3
    assert samples["exdnet_latency_seconds_count",] == 4
    assert samples["exdnet_quality_level", "realtime"] == 1
    assert samples["exdnet_sink_up", "udp://x"] == 0


def test_health_tells_a_stream_that_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = figures()
    with watched(made, 0) as port:
        code, text = get(port, "/health")
        assert code == 200
        assert json.loads(text)["latency_p50_ms"] == 50
        monkeypatch.setattr(watch, "SILENT_MOST", 0.0)
        assert get(port, "/health")[0] == 503
        assert get(port, "/health", "HEAD") == (503, ""), "as probes ask"
        assert get(port, "/other")[0] == 404


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MediaError, match=f"127.0.0.1:{port}.*choose another port"), watched(figures(), port):
            pass


def test_without_a_port_nothing_is_served() -> None:
    with watched(figures(), None) as port:
        assert port is None


def test_the_line_tells_who_is_away() -> None:
    line = figures().line()
    assert "udp://x is away" in line
    assert "3 left out" in line, "what a sink that is away misses is no picture left out"
    assert line.index("away") < 20, "a narrow terminal cuts the end"


def test_a_profile_tells_each_pictures_time_in_each_stage(make_clip: MakeClip, tmp_path: Path) -> None:
    source, trace = make_clip("in.mp4", frames=20, rate=25), tmp_path / "trace.json"
    sinks = [read_sink(str(tmp_path / "out.mkv"))]
    options = LiveOptions(chain="null", drop="never", reconnect=False, profile=trace)
    live = LiveStream(read_source(str(source)), sinks, options)
    report = live.run()
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["ph"] == "X"]
    assert report.frames == 20
    for stage in ("decode", "filter", "encode"):
        spans = [event["dur"] for event in events if event["name"] == stage]
        assert len(spans) >= 20
        assert sum(spans) / 1e6 == pytest.approx(live.figures.seconds[stage], rel=0.01, abs=1e-3)


def test_a_profile_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="does not exist; make it first"):
        LiveStream(read_source("lavfi:testsrc2"), [], LiveOptions(profile=tmp_path / "nowhere" / "trace.json"))


def test_figures_are_served_over_ipv6() -> None:
    with watched(figures(), 0, "::1") as port, urllib.request.urlopen(f"http://[::1]:{port}/health") as answer:
        assert answer.status == 200


def test_sinks_that_are_shown_alike_are_counted_apart() -> None:
    sinks = [read_sink(f"rtmp://server/app/key{number}") for number in (1, 2)]
    live = LiveStream(read_source("lavfi:testsrc2"), sinks, LiveOptions(chain="null"))
    shown = [sink.shown for sink in live.sinks]
    assert shown == ["rtmp://server/app/***", "rtmp://server/app/*** (the 2. of these)"]
