"""Figures of a live stream over HTTP: /metrics for Prometheus, /health for whoever restarts things."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from exdnet_plugin.errors import MediaError
from exdnet_plugin.live.figures import Figures

SILENT_MOST = 10.0  # seconds without a picture after which a stream is not healthy


class _Collector:
    """Reads the figures when Prometheus asks."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        for name, what, value in (
            ("frames_in", "Pictures that came.", figures.frames_in),
            ("frames_out", "Pictures handed to the sinks.", figures.frames_out),
            ("frames_unfiltered", "Pictures that passed as they were because a processor failed.", figures.unfiltered),
            ("packets_broken", "Packets that could not be decoded.", figures.broken),
            ("source_reconnects", "Connections to the source after the first.", figures.reconnects),
        ):
            yield CounterMetricFamily(f"exdnet_{name}", what, value=value)
        for name, what, label, values in (
            ("dropped", "Pictures and packets left out.", "reason", figures.dropped),
            ("sink_reopened", "Times that a sink was opened again.", "sink", figures.reopened),
            ("quality_changes", "Changes of quality.", "level", figures.changes),
            ("stage_seconds", "Busy seconds of each stage.", "stage", figures.seconds),
        ):
            counter = CounterMetricFamily(f"exdnet_{name}", what, labels=[label])
            for key, count in dict(values).items():
                counter.add_metric([key], count)
            yield counter
        yield from self._gauges()
        buckets = [(bound, float(count)) for bound, count in figures.cumulative()]
        yield HistogramMetricFamily(
            "exdnet_latency_seconds",
            "From a picture's arrival to its packet.",
            buckets=buckets,
            sum_value=figures.latency_sum,
        )

    def _gauges(self) -> Iterator[Metric]:
        figures = self._figures
        up = GaugeMetricFamily("exdnet_source_up", "Whether the source is connected.", value=figures.source_up)
        level = GaugeMetricFamily("exdnet_quality_level", "The quality now.", labels=["level"])
        level.add_metric([figures.level], 1)
        sinks = GaugeMetricFamily("exdnet_sink_up", "Whether a sink takes what is sent.", labels=["sink"])
        for name, takes in dict(figures.sinks_up).items():
            sinks.add_metric([name], takes)
        yield from (up, level, sinks)


@contextmanager
def watched(figures: Figures, port: int | None, host: str = "127.0.0.1") -> Iterator[int | None]:
    """Serve the figures while within; the port, or None where none is asked for. MediaError when it is taken."""
    if port is None:
        yield None
        return
    registry = CollectorRegistry()
    registry.register(_Collector(figures))
    try:
        server = _Server((host, port), _handler(registry, figures))
    except OSError as error:
        raise MediaError(f"metrics cannot be served at {host}:{port}: {error.strerror}; choose another port") from None
    thread = threading.Thread(target=server.serve_forever, name="exdnet-metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, *_: object) -> None:
        """Who leaves before the answer is no news."""


def _handler(registry: CollectorRegistry, figures: Figures) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = SILENT_MOST  # who connects and asks nothing holds no thread for ever

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path == "/health":
                healthy = figures.silent < SILENT_MOST
                self._answer(200 if healthy else 503, "application/json", json.dumps(figures.as_dict()).encode())
            else:
                self._answer(404, "text/plain", b"there are /metrics and /health\n")

        def _answer(self, code: int, kind: str, content: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 - probes ask by it

        def log_message(self, *_: object) -> None:
            """Requests are no news."""

    return Handler
