"""Glass to glass: stamped pictures from a sender through `exdnet stream` to a receiver, three processes on loopback."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any

RATE = 30
LOADED = 2.0  # seconds from the first answer of the command until it reads
PATIENCE = 18.0  # seconds that the receiver waits for pictures
SETTLING = 5.0  # seconds of video that do not count: the network loads, receivers join
_PEERS = (sys.executable, "-m", "exdnet_plugin.benchmarks.live_peers")
_STREAM = (sys.executable, "-m", "exdnet_plugin", "stream")


def glass_to_glass(size: tuple[int, int], seconds: float, *options: str, sound: bool = False) -> dict[str, Any]:
    """Latency of MPEG-TS over UDP, in and out, with quality `realtime` unless options say otherwise.

    Args:
        size: width and height of the pictures, 30 a second.
        seconds: how long it is measured.
        options: further ones of `exdnet stream`.
        sound: whether sound goes along, which costs some frames' time: receivers and muxers wait for it.

    Returns:
        Milliseconds of the whole way and of the part within `exdnet stream`, growth a minute, and what was left out.
    """
    come, go, metrics = (_free_port(kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_DGRAM, socket.SOCK_STREAM))
    urls = f"udp://127.0.0.1:{come}", f"udp://127.0.0.1:{go}"
    length = seconds + SETTLING
    with tempfile.TemporaryFile("w+") as rows:
        receiver = subprocess.Popen(
            [*_PEERS, "receive", urls[1], "--seconds", str(PATIENCE)], stdout=rows, stderr=subprocess.DEVNULL
        )
        told = (*options, "--metrics", str(metrics), *(() if sound else ("--no-sound",)))
        stream = subprocess.Popen([*_STREAM, *urls, *told], stderr=subprocess.DEVNULL)
        _wait_for(metrics)
        quiet = subprocess.DEVNULL
        send = [*_PEERS, "send", f"{urls[0]}?pkt_size=1316", "--seconds", str(length), "--rate", str(RATE)]
        subprocess.run(
            [*send, "--size", "{}x{}".format(*size), *(["--sound"] if sound else [])], stdout=quiet, check=True
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/health") as answer:
            health = json.load(answer)
        stream.terminate()
        stream.wait(20)
        receiver.wait(PATIENCE + 10)
        rows.seek(0)
        read = [json.loads(line) for line in rows]
    pictures = [row for row in read if "luma" in row][round(SETTLING * RATE) : -RATE]  # the last ones wait for the end
    case = {"size": "{}x{}".format(*size), "rate": RATE, "seconds": seconds, "sound": sound, "options": list(options)}
    return case | _figures(pictures, health, seconds)


def _figures(pictures: list[dict[str, Any]], health: dict[str, Any], seconds: float) -> dict[str, Any]:
    late = sorted(row["latency"] * 1000 for row in pictures if row["latency"] is not None)
    return {
        "glass to glass ms": {
            "p50": round(statistics.median(late)),
            "p95": round(late[int(0.95 * len(late))]),
            "largest": round(late[-1]),
        },
        "of which exdnet stream": {"p50": health["latency_p50_ms"], "p95": health["latency_p95_ms"]},
        "growth ms a minute": _growth(pictures),
        "pictures received": f"{len(pictures)} of {round((seconds - 1) * RATE)}",
        "dropped": health["dropped"],
        "quality at the end": health["quality"],
    }


def _growth(pictures: list[dict[str, Any]]) -> float:
    """The slope of the median latency of each second."""
    began = pictures[0]["at"]
    by_second: dict[int, list[float]] = {}
    for row in pictures:
        if row["latency"] is not None:
            by_second.setdefault(int(row["at"] - began), []).append(row["latency"] * 1000)
    medians = [statistics.median(values) for values in by_second.values()]
    slope = statistics.linear_regression(list(by_second), medians).slope if len(medians) > 1 else 0.0
    return round(slope * 60, 2)


def _free_port(kind: int) -> int:
    with socket.socket(type=kind) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(port: int) -> None:
    """Until the stream answers, and the network is loaded with it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                time.sleep(LOADED)
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("exdnet stream does not start; run it by hand to see why")
