"""Jobs that are stopped: killed, interrupted, out of disk. What was done is kept, and going on gives the same file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from conftest import MakeClip, dark_frames, decode, journaled, packets

import exdnet_plugin
from exdnet_plugin import MediaError, enhance_video
from exdnet_plugin.pipeline import segments, work
from exdnet_plugin.pipeline.segments import SEGMENT
from exdnet_plugin.pipeline.work import work_folder

WEIGHTS = Path(exdnet_plugin.__file__).parent / "exdnet" / "weights"

FRAMES = SEGMENT + 40
Run = Callable[..., tuple[int, str, str]]

CHILD = """
import os, signal, sys, time
import torch
from exdnet_plugin import enhance_video

class Slow:
    '''Adds up what it has seen; slow enough that a journal is kept.'''
    def __init__(self, seconds): self.seconds, self.sum = seconds, torch.zeros(1)
    def open(self, stream): pass
    def process(self, frames, times):
        time.sleep(self.seconds)
        self.sum = self.sum * 0.9 + frames.mean()
        return (frames * 0.5 + self.sum * 0.5).clamp(0, 1)
    def state(self): return {"sum": self.sum}
    def restore(self, state): self.sum = state["sum"]
    def reset(self): self.sum = torch.zeros(1)
    def close(self): pass

def enhance(source, sink, chain, stop_at, **options):
    def progress(done, total):
        if done == stop_at:
            os.kill(os.getpid(), signal.SIGKILL)
    chain = [Slow(float(chain))] if chain[0] in "0." else chain
    report = enhance_video(source, sink, chain=chain, progress=progress, resume=True, on_stop="keep", **options)
    print(report.frames, report.resumed)

if __name__ == "__main__":
    enhance(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
"""


def child(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CHILD, *map(str, arguments)], capture_output=True, text=True)


def end(path: Path, kind: str) -> float:
    """When a stream ends, in seconds."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return max(float((p.pts + p.duration) * stream.time_base) for p in container.demux(stream) if p.size)


def pictures(path: Path) -> list[tuple[int | None, bytes]]:
    return [(frame.pts, frame.to_ndarray().tobytes()) for frame in decode(path)]


@pytest.mark.parametrize(("suffix", "chain"), [(".mp4", "exdnet"), (".mkv", "denoise,exdnet")])
def test_a_killed_job_goes_on_and_gives_the_file_of_an_uninterrupted_one(
    make_clip: MakeClip, tmp_path: Path, suffix: str, chain: str
) -> None:
    source, sink, whole = (
        make_clip("in.mp4", frames=FRAMES, audio=True),
        tmp_path / f"a{suffix}",
        tmp_path / f"b{suffix}",
    )
    assert child(source, sink, chain, SEGMENT + 20).returncode == -signal.SIGKILL
    assert not sink.exists()
    kept = journaled(sink)
    done = child(source, sink, chain, -1)
    assert done.stdout.split() == [str(FRAMES), str(SEGMENT + kept)], done.stderr
    child(source, whole, chain, -1)  # a fresh process, as theirs were
    assert pictures(sink) == pictures(whole)
    assert packets(sink, "audio") == packets(whole, "audio") != []
    assert not work_folder(sink).exists()


def test_where_frames_are_slow_a_kill_loses_a_frame_or_two(make_clip: MakeClip, tmp_path: Path) -> None:
    source, sink, whole = make_clip("in.mp4", frames=40), tmp_path / "a.mp4", tmp_path / "b.mp4"
    assert child(source, sink, "0.05", 25).returncode == -signal.SIGKILL
    kept = journaled(sink)
    assert kept >= 24
    assert child(source, sink, "0.05", -1).stdout.split() == ["40", str(kept)], "frames of the journal count as done"
    child(source, whole, "0.0", -1)
    assert pictures(sink) == pictures(whole)


def interrupted(source: Path, sink: Path, at: int, **options: object) -> BaseException:
    def stop(done: int, _: int | None) -> None:
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        enhance_video(source, sink, progress=stop, **{"chain": "null", **options})  # type: ignore[arg-type]
    return caught.value


def test_a_stopped_job_leaves_a_playable_partial_file_when_asked(make_clip: MakeClip, tmp_path: Path) -> None:
    source, sink = make_clip("in.mp4", frames=FRAMES, audio=True), tmp_path / "out.mp4"
    error = interrupted(source, sink, SEGMENT + 10, on_stop="partial")
    assert f"the first {SEGMENT + 10} frames are in {tmp_path / 'out.partial.mp4'}" in error.__notes__[0]
    assert len(decode(tmp_path / "out.partial.mp4")) == SEGMENT + 10
    ends = [end(tmp_path / "out.partial.mp4", kind) for kind in ("video", "audio")]
    assert ends[1] == pytest.approx(ends[0], abs=0.05)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.partial.mp4"]


def test_a_partial_file_that_is_there_is_not_replaced(make_clip: MakeClip, tmp_path: Path, exdnet: Run) -> None:
    source = make_clip("in.mp4")
    (tmp_path / "out.partial.mp4").write_text("precious")
    code, _, said = exdnet("enhance", source, tmp_path / "out.mp4", "--chain", "null", "--on-stop", "partial")
    assert (code, "out.partial.mp4 is there already" in said) == (2, True)
    assert (tmp_path / "out.partial.mp4").read_text() == "precious"


def test_a_stopped_job_leaves_nothing_when_asked(make_clip: MakeClip, tmp_path: Path) -> None:
    interrupted(make_clip("in.mp4", frames=FRAMES), tmp_path / "out.mp4", SEGMENT + 10, on_stop="discard")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_unfinished_work_is_told_and_not_lost_by_starting_again(
    make_clip: MakeClip, tmp_path: Path, exdnet: Run
) -> None:
    source, sink = make_clip("in.mp4", frames=FRAMES), tmp_path / "out.mp4"
    error = interrupted(source, sink, SEGMENT + 10, on_stop="keep")
    done = SEGMENT + journaled(sink)
    assert f"{done} frames are done and kept; --resume goes on" in error.__notes__[0]
    code, _, said = exdnet("enhance", source, sink, "--chain", "null")
    assert (code, "--resume goes on with it, --overwrite starts anew" in said) == (2, True)
    code, _, said = exdnet("enhance", source, sink, "--chain", "null", "--crf", "30", "--resume")
    assert (code, "had encoder options" in said, "crf=18" in said) == (2, True, True)
    code, out, said = exdnet("enhance", source, sink, "--chain", "null", "--resume")
    assert code == 0, said
    assert f"{done} frames were done before" in out
    assert len(decode(sink)) == FRAMES


def test_a_full_disk_is_said_and_what_was_done_is_kept(make_clip: MakeClip, tmp_path: Path) -> None:
    """Files may not grow past a limit: the system's own way to fail a write that anyone may set."""
    noise = [np.random.default_rng(i).integers(0, 255, (64, 96, 3)).astype(np.uint8) for i in range(FRAMES)]
    source, sink = make_clip("in.mkv", frames=noise, codec="ffv1"), tmp_path / "out.mkv"
    command = [sys.executable, "-m", "exdnet_plugin", "enhance", source, sink, "--chain", "null"]
    command += ["--codec", "ffv1"]
    size = source.stat().st_size * 9 // 10
    limited = "import resource, signal, os; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    limited += f"; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    limited += f"; os.execv({sys.executable!r}, {list(map(str, command))!r})"
    failed = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True)
    assert failed.returncode == 2, failed.stderr
    assert "out.mkv cannot be written: File too large" in failed.stderr
    assert not sink.exists()
    resumed = subprocess.run([*map(str, command), "--resume"], capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert pictures(sink) == pictures(source)


def test_a_damaged_manifest_is_refused(make_clip: MakeClip, tmp_path: Path) -> None:
    source, sink = make_clip("in.mp4", frames=FRAMES), tmp_path / "out.mp4"
    interrupted(source, sink, SEGMENT + 10, on_stop="keep")
    manifest = work_folder(sink) / "manifest.safetensors"
    content = manifest.read_bytes()
    for broken in (b"", content[:20], content.replace(b"frames", b"fromes"), b"\xff" * 400):
        manifest.write_bytes(broken)
        with pytest.raises(MediaError, match=r"is damaged .*--overwrite starts anew"):
            enhance_video(source, sink, chain="null", resume=True)
    enhance_video(source, sink, chain="null", overwrite=True)
    assert len(decode(sink)) == FRAMES


def test_a_source_that_vanishes_ends_the_job_with_what_there_was(make_clip: MakeClip, tmp_path: Path) -> None:
    source, sink = make_clip("in.mkv", frames=FRAMES), tmp_path / "out.mkv"

    def truncate(done: int, _: int | None) -> None:
        if done == 1:
            os.truncate(source, 2000)

    report = enhance_video(source, sink, chain="null", progress=truncate)
    assert 1 <= report.frames <= FRAMES


def test_states_of_the_network_come_back(make_clip: MakeClip) -> None:
    """What `state` tells is enough: a fresh processor goes on as the first one would."""
    from exdnet_plugin.processors.exdnet import ExdNetProcessor
    from exdnet_plugin.stream_info import StreamInfo

    frames = [torch.from_numpy(f.transpose(2, 0, 1)[None] / 255).float() for f in dark_frames(8, (48, 64))]
    first, second = ExdNetProcessor(), ExdNetProcessor()
    for processor in (first, second):
        processor.open(StreamInfo(64, 48))
    for index in range(4):
        first.process(frames[index], torch.tensor([index / 25]))
    second.restore(first.state())
    for index in range(4, 8):
        moment = torch.tensor([index / 25])
        assert torch.equal(first.process(frames[index], moment), second.process(frames[index], moment))


def test_two_processes_do_not_write_one_sink(make_clip: MakeClip, tmp_path: Path) -> None:
    source, sink = make_clip("in.mp4", frames=30), tmp_path / "out.mp4"

    def again(done: int, _: int | None) -> None:
        if done == 3:
            for options in ({}, {"resume": True}, {"overwrite": True}):
                with pytest.raises(MediaError, match="is being written by another process"):
                    enhance_video(source, sink, chain="null", **options)

    assert enhance_video(source, sink, chain="null", progress=again).frames == 30
    assert len(decode(sink)) == 30


def test_a_job_killed_while_its_sink_is_joined_goes_on(make_clip: MakeClip, tmp_path: Path, monkeypatch) -> None:
    from exdnet_plugin.media.sink import VideoSink

    source, sink = make_clip("in.mp4", frames=30, audio=True), tmp_path / "out.mp4"
    finish = VideoSink.finish
    monkeypatch.setattr(VideoSink, "finish", lambda self, log: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        enhance_video(source, sink, chain="null", on_stop="keep")
    monkeypatch.setattr(VideoSink, "finish", finish)
    assert enhance_video(source, sink, chain="null", resume=True).resumed == 30
    assert len(decode(sink)) == 30


def test_a_journal_of_another_job_is_not_taken(make_clip: MakeClip, tmp_path: Path) -> None:
    source, sink = make_clip("in.mp4", frames=40), tmp_path / "a.mp4"
    assert child(source, sink, "0.05", 25).returncode == -signal.SIGKILL
    with pytest.raises(MediaError, match="had chain 'Slow', not 'null'"):
        enhance_video(source, sink, chain="null", resume=True)
    assert journaled(sink) >= 24, "a mistake drops nothing"


def test_weights_that_were_trained_on_meanwhile_are_another_chain(make_clip: MakeClip, tmp_path: Path) -> None:
    source, sink, own = make_clip("in.mp4", frames=FRAMES), tmp_path / "out.mp4", tmp_path / "own.safetensors"
    shutil.copy(WEIGHTS / "small.safetensors", own)
    how: dict[str, Any] = {"chain": f"exdnet=weights={own},null", "quality": "realtime"}
    interrupted(source, sink, SEGMENT + 10, on_stop="keep", **how)
    shutil.copy(WEIGHTS / "default.safetensors", own)
    with pytest.raises(MediaError, match="had chain"):
        enhance_video(source, sink, resume=True, **how)
    assert enhance_video(source, sink, overwrite=True, **how).frames == FRAMES


def test_a_full_disk_for_single_frames_stops_nothing(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal is larger than the video, which may still fit."""
    save, kept, forgotten = work.save_file, list[Path](), list[int]()

    def fails(tensors: dict[str, np.ndarray], path: Path, metadata: dict[str, str] | None = None) -> None:
        if metadata is None and len(kept) == 3:
            raise work.SafetensorError("No space left on device (os error 28)")
        save(tensors, path, metadata)
        if metadata is None:
            kept.append(path)

    monkeypatch.setattr(work, "save_file", fails)
    monkeypatch.setattr(segments, "MAX_LOSS", 0.0)
    forget = work.Work.forget
    monkeypatch.setattr(
        work.Work, "forget", lambda self, count: (forget(self, count), forgotten.append(len(self.kept())))
    )
    source, sink = make_clip("in.mkv", frames=20), tmp_path / "out.mkv"
    report = enhance_video(source, sink, chain="null")
    assert (report.frames, len(decode(sink)), len(kept)) == (20, 20, 3)
    assert "No space left on device" in caplog.text
    assert forgotten == [0], "what they took is free for the video"
