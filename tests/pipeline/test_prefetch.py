"""Prefetch keeps order and errors, bounds what waits, and leaves no thread behind, whichever side ends first."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MakeClip

from exdnet_plugin import MediaError, enhance_video
from exdnet_plugin.pipeline.prefetch import prefetch
from exdnet_plugin.pipeline.stages import StageClock
from exdnet_plugin.pipeline.trace import Trace


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("exdnet-")]


def test_items_keep_their_order() -> None:
    assert list(prefetch(range(1000), 3)) == list(range(1000))
    assert not workers()


def test_no_more_than_the_queue_runs_ahead() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    ahead = prefetch(items(), 3)
    next(ahead)
    time.sleep(0.2)
    assert len(made) <= 1 + 3 + 1
    ahead.close()


def test_an_error_upstream_comes_behind_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise RuntimeError("broken")

    ahead = prefetch(items(), 2)
    assert [next(ahead) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="broken"):
        next(ahead)
    assert not workers()


def test_a_consumer_that_ends_closes_what_is_upstream() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    outer = prefetch(prefetch(items(), 2), 2)
    next(outer)
    outer.close()
    assert closed.wait(1)
    assert not workers()


def test_one_that_is_never_started_makes_no_thread() -> None:
    prefetch(range(3))
    assert not workers()


def test_a_queue_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        prefetch([], 0)


def test_a_stages_seconds_are_its_own() -> None:
    """Waiting for upstream and for the consumer does not count."""
    clock = StageClock()

    def slow(_: object) -> Iterator[int]:
        for number in range(5):
            time.sleep(0.02)
            yield number

    def quick(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            yield item + 1

    for _ in clock.stage("quick", quick, clock.stage("slow", slow, ())):
        time.sleep(0.02)
    assert clock.seconds["slow"] >= 0.1
    assert 0 <= clock.seconds["quick"] < 0.05


def test_a_trace_tells_what_each_stage_did_and_waited_for(make_clip: MakeClip, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    report = enhance_video(make_clip("in.mp4"), tmp_path / "out.mkv", chain="null", profile=trace)
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["ph"] == "X"]
    for stage in ("decode", "filter", "encode"):
        busy = sum(e["dur"] for e in events if e["name"] == stage)
        waiting = sum(e["dur"] for e in events if e["name"] == f"{stage} waits")
        assert (busy - waiting) / 1e6 == pytest.approx(report.seconds[stage], abs=0.01)
    assert len({event["tid"] for event in events}) == 3, "decode, filter and encode have threads of their own"


@pytest.mark.parametrize("taken", ["in.mp4", "out.mkv"])
def test_a_trace_never_replaces_the_source_or_the_sink(make_clip: MakeClip, tmp_path: Path, taken: str) -> None:
    source = make_clip("in.mp4")
    before = source.read_bytes()
    with pytest.raises(ValueError, match="is the name of a source or a sink"):
        enhance_video(source, tmp_path / "out.mkv", chain="null", profile=source.parent / taken)
    assert source.read_bytes() == before


def test_a_trace_that_cannot_be_written_at_the_end_is_a_note(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Trace) -> None:
        raise MediaError("trace.json cannot be written: No space left on device")

    monkeypatch.setattr(Trace, "write", full)
    report = enhance_video(make_clip("in.mp4"), tmp_path / "out.mkv", chain="null", profile=tmp_path / "trace.json")
    assert any("the profile: trace.json cannot be written" in note for note in report.notes)
    assert (tmp_path / "out.mkv").exists()
