"""How a live stream ends: by signals, by readers and sinks that go, and what its exit code says."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import signal
import subprocess
import time
from pathlib import Path

import av
from conftest import MakeClip, decode
from peers import COMMAND, CURVE, free_port, until
from rich.console import Console

from exdnet_plugin.cli.live_log import _OnConsole


def test_a_reader_of_the_pipe_that_goes_ends_the_stream(make_clip: MakeClip) -> None:
    source = make_clip("in.mp4", frames=250)
    command = [*COMMAND, str(source), "-", "--chain", CURVE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    process.stdout.read(2000)
    process.stdout.close()
    assert process.stderr
    said = process.stderr.read().decode()
    assert process.wait(20) == 2
    assert "standard output has closed the connection" in said


def test_sigterm_ends_with_a_recording_that_plays(tmp_path: Path) -> None:
    sink = tmp_path / "cam.mp4"
    command = [*COMMAND, "lavfi:testsrc2=size=320x180:rate=25", str(sink), "--chain", CURVE, "--log", "json"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until(lambda: sink.exists() and sink.stat().st_size > 1000, "no recording")
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert len(decode(sink)) > 25
    assert "frames in" in said


def test_a_signal_to_all_processes_leaves_a_recording_that_is_whole(tmp_path: Path) -> None:
    """As service managers send it."""
    sink = tmp_path / "cam.mkv"
    command = [*COMMAND, "lavfi:testsrc2=size=320x180:rate=25", str(sink), "--chain", "null", "--log", "json"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until(lambda: sink.exists() and sink.stat().st_size > 20_000, "no recording")
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    for child in " ".join(task.read_text() for task in tasks).split():
        os.kill(int(child), signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert [json.loads(line)["message"] for line in said.splitlines()][-1].startswith(f"{len(decode(sink))} frames in")
    with av.open(str(sink)) as container:
        assert container.duration, "only a file that was ended tells its length"


def test_a_terminal_that_goes_ends_no_thread() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

    handler = _OnConsole(Console(file=Gone()))
    handler.handle(logging.LogRecord("exdnet.live", logging.WARNING, "", 0, "a sink is away", (), None))


def test_a_sink_away_at_the_end_is_an_error(make_clip: MakeClip, tmp_path: Path) -> None:
    away, whole = f"tcp://127.0.0.1:{free_port()}", tmp_path / "out.mkv"
    command = [*COMMAND, str(make_clip("in.mp4", frames=30)), away, str(whole), "--drop", "never", "--no-sound"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert f"exdnet: {away}" in done.stderr.strip().splitlines()[-1]
    assert len(decode(whole)) == 30


def test_a_reader_that_ctrl_c_ends_too_is_no_error(make_clip: MakeClip) -> None:
    command = [*COMMAND, str(make_clip("in.mp4", frames=200)), "-", "--pipe-format", "y4m", "--drop", "never"]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout
    assert writer.stderr
    writer.stdout.read(1000)
    writer.send_signal(signal.SIGINT)
    time.sleep(0.05)
    writer.stdout.close()
    said = writer.stderr.read().decode()
    assert writer.wait(30) == 0, said
