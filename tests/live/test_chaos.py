"""Peers that die, again and again: output resumes, and nothing grows."""

from __future__ import annotations

import os
import socket
import threading
import time
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import decode
from peers import Peer, Running, free_port, until

from exdnet_plugin.live import outlet, reminder, stream
from exdnet_plugin.live.encoder import Nothing
from exdnet_plugin.live.feed import Pauses
from exdnet_plugin.live.packet_pipe import NUT
from exdnet_plugin.live.sinks import read_sink
from exdnet_plugin.live.sources import Source, read_source

SMALL = ("--size", "320x180", "--rate", "25", "--listen")
KILLS, WITHIN = 10, 3.0  # seconds after the peer is back


def more_than(receiver: Peer, count: int) -> bool:
    return len(receiver.pictures) > count


def held() -> tuple[int, int, int]:
    """Threads, descriptors, and children of this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return threading.active_count(), len(os.listdir("/proc/self/fd")), len(children)


def resident() -> float:
    """MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def test_either_peer_killed_ten_times_and_output_resumes() -> None:
    come, go = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
    options = ("--seconds", "60", *SMALL)
    sender, receiver = Peer("send", come, "--sound", *options), Peer("receive", go, "--listen")
    sizes, waited = [], []
    try:
        with Running(read_source(come), [read_sink(go)]):
            until(lambda: len(receiver.pictures) > 10, "nothing comes out at first")
            for kill in range(KILLS):
                if kill % 2:
                    receiver.kill()
                    time.sleep(0.5)
                    receiver = back = Peer("receive", go, "--listen")
                else:
                    sender.kill()
                    time.sleep(0.5)
                    sender = back = Peer("send", come, "--sound", *options)
                seen = len(receiver.pictures)
                until(partial(more_than, receiver, seen), f"nothing after kill {kill}")
                waited.append(receiver.pictures[seen]["at"] - back.opened)
                until(partial(more_than, receiver, seen + 3), f"it stops again after kill {kill}")
                if kill % 2:
                    sizes.append((*held(), resident()))
            times = [row["time"] for row in receiver.pictures]
    finally:
        sender.kill()
        receiver.kill()
    print("seconds until output resumed:", [round(wait, 2) for wait in waited])
    assert max(waited) < WITHIN, f"seconds until output resumed: {[round(wait, 1) for wait in waited]}"
    assert np.diff(times).min() > 0, "times rise across reconnections"
    threads, descriptors, children, memory = (list(column) for column in zip(*sizes, strict=True))
    assert max(threads[1:]) <= threads[0] + 1
    assert max(descriptors[1:]) <= descriptors[0] + 2
    assert max(children[1:]) <= children[0]
    assert memory[-1] < memory[0] + 40, f"MiB: {memory}"


def test_a_peer_that_takes_nothing_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that accepts and never reads: the other sink and the process go on, and it is ended in the end."""
    monkeypatch.setattr(outlet, "HANGS", 2.0)
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    source = read_source("lavfi:testsrc2=size=1280x720:rate=50")
    sinks = [read_sink(f"tcp://127.0.0.1:{port}"), read_sink(str(tmp_path / "out.mkv"))]
    with silent, Running(source, sinks, chain="null") as running:
        figures = running.live.figures
        until(lambda: figures.reopened[f"tcp://127.0.0.1:{port}"] > 0, "the silent sink is not given up", 60)
        before = figures.frames_out
        until(lambda: figures.frames_out > before + 25, "pictures wait for a sink that takes nothing", 3)


def test_a_source_that_says_nothing_holds_nobody_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        source = read_source(f"rtmp://127.0.0.1:{port}/live/key")
        with Running(source, [read_sink(str(tmp_path / "out.mkv"))], patience=2.0):
            gaps, last = [], time.monotonic()
            while len(gaps) < 250:
                time.sleep(0.01)
                now = time.monotonic()
                gaps.append(now - last)
                last = now
        assert max(gaps) < 0.5, "this thread waited for the peer of another"


def test_a_sink_that_takes_nothing_holds_up_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is to be dropped, all wait for such a sink, but not once the stream is stopped."""
    monkeypatch.setattr(stream, "ENDING", 2.0)
    sink = tmp_path / "out.mkv"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sinks = [read_sink(f"tcp://127.0.0.1:{silent.getsockname()[1]}"), read_sink(str(sink))]
        with Running(
            read_source("lavfi:testsrc2=size=1280x720:rate=100"), sinks, chain="null", drop="never"
        ) as running:
            until(lambda: running.live.figures.silent > 1 and running.live.figures.frames_out, "the sink takes all", 60)
            running.live.stop()
            running.wait(15)
    assert decode(sink)


def test_no_command_outlives_the_stream(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    command = ("sh", "-c", f"echo $$ > {told}; exec sleep 60")
    with Running(Source("-", "silent", "mpegts", command=command), [read_sink(str(tmp_path / "out.mkv"))], patience=30):
        until(lambda: told.exists() and told.read_text(), "the command is not started")
    assert not Path(f"/proc/{told.read_text().strip()}").exists()


def test_memory_does_not_grow_with_what_was_written() -> None:
    with av.open(Nothing(), "w", format="nut") as hub, av.open(Nothing(), "w", format="nut", options=NUT) as writer:
        like = hub.add_stream("mpeg4", rate=30)
        like.width, like.height, like.pix_fmt = 64, 48, "yuv420p"
        hub.start_encoding()
        copy, content, before = writer.add_stream_from_template(like), bytes(32768), 0.0
        for number in range(60_000):
            packet: av.Packet[Any] = av.Packet(content)
            packet.pts = packet.dts = number
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 30), copy, True
            writer.mux(packet)
            before = before or (number == 1000 and resident()) or 0.0
    assert resident() - before < 2, "MiB"


def test_what_fails_again_and_again_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Pauses()
    assert [pauses.is_news(reason) for reason in ("full", "full", "gone", "gone")] == [True, False, True, False]
    pauses.reset()
    assert pauses.is_news("gone")
    monkeypatch.setattr(reminder, "EVERY", 0.0)
    assert pauses.is_news("gone")
