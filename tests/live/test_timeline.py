"""The session's clock: rising and in step, whatever the source's clock does."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exdnet_plugin.live.timeline import Timeline


def test_a_source_keeps_its_own_distances_whatever_the_network_does() -> None:
    timeline = Timeline()
    shown = [timeline.picture(100 + n / 30, 5 + n / 30 + jitter) for n, jitter in enumerate((0, 0.2, 0.01, 0.3))]
    assert [round(time * 30) for time in shown] == [0, 1, 2, 3]


def test_a_clock_that_starts_anew_is_joined_on_at_its_arrival() -> None:
    timeline = Timeline()
    timeline.picture(1000.0, 10.0)
    timeline.picture(1000.04, 10.04)
    assert round(timeline.picture(0.0, 12.0), 3) == 2.0
    assert timeline.runs == 2
    assert round(timeline.picture(0.04, 12.1), 3) == 2.04


def test_a_new_connection_goes_on_even_with_the_same_times() -> None:
    timeline = Timeline()
    timeline.picture(5.0, 0.0)
    timeline.interrupt()
    assert round(timeline.picture(5.0, 3.0), 3) == 3.0


def test_sound_goes_with_its_pictures() -> None:
    timeline = Timeline()
    assert timeline.sound(99.9) is None, "before a picture nothing tells when it is heard"
    timeline.picture(100.0, 7.0)
    heard = timeline.sound(100.5)
    assert heard is not None
    assert round(heard, 6) == 0.5
    assert timeline.sound(3.0) is None, "its clock jumped before the pictures' did"


def test_pictures_without_times_are_shown_as_they_come() -> None:
    timeline = Timeline()
    assert [round(timeline.picture(None, arrived), 3) for arrived in (4.0, 4.5, 5.0)] == [0.0, 0.5, 1.0]


moments = st.floats(0, 1e6, allow_nan=False)


@given(st.lists(st.tuples(st.one_of(st.none(), moments), st.floats(0, 2), st.booleans()), min_size=1, max_size=50))
def test_times_always_rise(steps: list[tuple[float | None, float, bool]]) -> None:
    timeline, arrived, shown = Timeline(), 0.0, []
    for source, later, interrupted in steps:
        arrived += later
        if interrupted:
            timeline.interrupt()
        shown.append(timeline.picture(source, arrived))
    assert all(after > before for before, after in pairwise(shown))
