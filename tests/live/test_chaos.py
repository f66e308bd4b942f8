"""Peers that die, again and again: output resumes, and nothing grows."""

from __future__ import annotations

import os
import socket
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
from peers import Peer, Running, free_port, until

from exdnet_plugin.live.address import read_sink, read_source

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


def test_a_peer_that_takes_nothing_holds_nobody_up(tmp_path: Path) -> None:
    """A sink that accepts and never reads: the other sink and the process go on, and it is ended in the end."""
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    source = read_source("lavfi:testsrc2=size=640x360:rate=50")
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
