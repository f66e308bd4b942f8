"""One sink of a live stream, on a thread and in a process of its own; opened again when it dies."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from exdnet_plugin.errors import MediaError
from exdnet_plugin.live.address import meaning
from exdnet_plugin.live.feed import Pauses
from exdnet_plugin.live.figures import Figures
from exdnet_plugin.live.packet_pipe import PacketPipe
from exdnet_plugin.live.publish import RATE, READY, WRONG, Y4M
from exdnet_plugin.live.sinks import PLAYLIST, STDOUT, Carried, Sink
from exdnet_plugin.pipeline.channel import Channel, Drop

log = logging.getLogger("exdnet.live")
WAITING: dict[Carried, int] = {"encoded": 240, "raw": 8}  # packets that a sink may be behind: raw ones fill the memory
HANGS = 10.0  # seconds in which a sink takes nothing though much waits: it hangs
FASTEST = 240  # pictures a second; some files tell a clock's ticks for their rate
STEADY = 2.0  # seconds after which a process counts as one that works
ENDING = 10.0  # seconds that a sink has to write its end


class Outlet:
    """Writes packets to a sink.

    Args:
        sink: where to.
        streams: what packets are of: video first, then sound.
        ask_for_key: makes the encoder's next picture a keyframe.
        gone: told when the sink is away for good.
        figures: counts.
        drop: what is done when the sink is slow: wait (`never`), or leave out all up to the next keyframe (`oldest`).
        reconnect: whether a sink that dies is opened again.
    """

    def __init__(
        self,
        sink: Sink,
        streams: Sequence[Stream],
        ask_for_key: Callable[[], None],
        gone: Callable[[MediaError], None],
        figures: Figures,
        *,
        drop: Drop,
        reconnect: bool,
    ) -> None:
        self._gone, self._reconnect, self._where = gone, reconnect, ""
        self._sink, self._streams, self._ask_for_key, self._figures = sink, streams, ask_for_key, figures
        self._waits_for_key, self._drop = False, drop
        self._most = WAITING[sink.carried]
        self._packets = Channel["Packet[Any]"](self._most)
        self._ending, self._late = threading.Event(), False
        self._process: subprocess.Popen[bytes] | None = None
        self._opened, self._moved = 0, time.monotonic()
        figures.sinks_up[sink.shown] = False
        self._thread = threading.Thread(target=self._run, name="exdnet-sink", daemon=True)
        self._thread.start()

    def put(self, packet: Packet[Any]) -> None:
        """Take a packet; at once, unless nothing is to be dropped."""
        if self._drop == "oldest" and len(self._packets) >= self._most - 1:
            self._fall_behind()
        if packet.stream.type == "video" and self._waits_for_key:
            if not packet.is_keyframe:
                self._figures.drop("sink too slow")
                return
            self._waits_for_key = False
        self._packets.put(packet)

    def _fall_behind(self) -> None:
        """Leave out what waits; a sink that hangs is ended."""
        self._figures.drop("sink too slow", self._packets.clear())
        if self._process and self._process.returncode is None and time.monotonic() - self._moved > HANGS:
            log.warning("%s takes nothing for %g s, and is ended", self._sink.shown, HANGS)
            self._process.kill()
        self._skip_to_key()

    def _skip_to_key(self) -> None:
        self._waits_for_key = True
        self._ask_for_key()

    def end(self) -> None:
        """No more packets come: the sink writes its end."""
        self._ending.set()
        self._packets.end()

    def cut(self) -> None:
        """Take no more packets: who waits for room goes on."""
        self._packets.close()

    def stop(self, until: float) -> None:
        """Wait for its end, and end it at a moment of the monotonic clock."""
        self.end()
        self._thread.join(max(0.0, until - time.monotonic()))
        self._late = self._thread.is_alive()
        self._kill()
        self._thread.join()

    def _run(self) -> None:
        pauses, packets = Pauses(), iter(self._packets)
        while True:
            began = time.monotonic()
            reason = self._write_all(packets)
            self._figures.sinks_up[self._sink.shown] = False
            if reason is None:
                return
            if time.monotonic() - began > STEADY:
                pauses.reset()
            self._remove_empty()
            if self._ending.is_set():
                self._has_no_end(f"{reason}, and has no end")
                return
            if not self._reopens(reason):
                return
            if pauses.is_news(reason):
                log.warning("%s %s; opening it again", self._sink.shown, reason)
            self._figures.reopened[self._sink.shown] += 1
            if self._ending.wait(pauses.next()):
                self._has_no_end(f"was away when the stream ended: {reason}")
                return
            self._figures.drop("sink away", self._packets.clear())
            self._skip_to_key()

    def _has_no_end(self, reason: str) -> None:
        """The stream ended without this sink: an error, but for a pipe, whose reader Ctrl-C ends as well."""
        if self._late:
            reason = f"took no end in {ENDING:g} s"
        if self._sink.url == STDOUT:
            log.error("%s %s", self._sink.shown, reason)
        else:
            self._gone(MediaError(f"{self._sink.shown} {reason}"))

    def _reopens(self, reason: str) -> bool:
        """Whether to go on: a pipe whose reader has gone does not come back, and what is wrong stays so."""
        wrong = self._process is not None and self._process.returncode == WRONG
        if self._sink.url != STDOUT and self._reconnect and not wrong:
            return True
        self._packets.close()
        self._gone(MediaError(f"{self._sink.shown} {reason}"))
        return False

    def _remove_empty(self) -> None:
        """A recording that could not even be begun leaves no file."""
        if self._sink.file and self._sink.file.suffix != PLAYLIST:
            path = Path(self._where)
            with suppress(OSError):
                if path.is_file() and path.stat().st_size == 0:
                    path.unlink()

    def _write_all(self, packets: Any) -> str | None:
        """Write packets to one process; why it ended, or None when all is written."""
        told = deque[str](maxlen=1)
        try:
            self._process = process = self._start()
        except OSError as error:
            return f"cannot be written: no process starts ({error.strerror})"
        listener = threading.Thread(target=self._listen, args=(process, told), daemon=True)
        listener.start()
        try:
            self._copy(packets, process)
            failed = process.wait() != 0
        except (FFmpegError, OSError):
            failed = True
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)  # it is about to tell why
        finally:
            self._kill()
            listener.join()
        return (told[-1] if told else "ended") if failed else None

    def _copy(self, packets: Any, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin
        with process.stdin, PacketPipe(process.stdin, self._streams, for_us=not self._sink.command) as pipe:
            started = False
            for packet in packets:
                started = started or (packet.stream.type == "video" and packet.is_keyframe)
                if started:
                    self._moved = time.monotonic()
                    pipe.write(packet)

    def _start(self) -> subprocess.Popen[bytes]:
        self._where = self._url()
        sink, environment = self._sink, os.environ | {"EXDNET_SINK": self._where, "PYTHONPATH": _python_path()}
        told = self._streams[0].average_rate or 30
        rate = {RATE: str(told if told <= FASTEST else 30)} if sink.format == Y4M else {}
        command = sink.command or (
            sys.executable, "-P", "-m", "exdnet_plugin.live.publish", sink.format, json.dumps({**sink.options, **rate}),
        )  # fmt: skip
        self._opened, self._moved = self._opened + 1, time.monotonic()
        self._figures.sinks_up[sink.shown] = bool(sink.command)  # a stranger's command does not tell
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
        )

    def _url(self) -> str:
        """The address: a recording whose process died goes on in a further file."""
        path = self._sink.file
        if path is None or path.suffix == PLAYLIST or self._opened == 0:
            return self._sink.url
        number = next(n for n in range(2, 10**6) if not _further(path, n).exists())
        return str(_further(path, number))

    def _listen(self, process: subprocess.Popen[bytes], told: deque[str]) -> None:
        """What the process says: that it is ready, or what went wrong."""
        assert process.stderr
        with process.stderr:
            for line in process.stderr:
                text = line.decode(errors="replace").strip()
                if text == READY:
                    self._figures.sinks_up[self._sink.shown] = True
                elif text:
                    told.append(_meaning(text.replace(self._sink.url, self._sink.shown)))

    def _kill(self) -> None:
        if self._process:
            with suppress(OSError):
                self._process.kill()
            self._process.wait()


def _python_path() -> str:
    """Where the process behind a sink finds this package; not in the current folder, where modules may lie about."""
    return os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))


def _further(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix}")


def _meaning(text: str) -> str:
    name = text.partition(":")[0]
    if name in ("BrokenPipeError", "ConnectionResetError"):
        return "has closed the connection"
    if refused := re.search(r"'(\S+)' format does not support '(\S+)' codec", text):
        other = "--no-sound" if refused[2] == "aac" else "another --codec"
        return f"cannot be written: {refused[1]} takes no {refused[2]}; give {other}, or record to .mkv"
    return meaning(name) or f"cannot be written ({text})"
