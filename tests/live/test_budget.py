"""Quality goes down when latency passes its budget, and up again when there is room for long."""

from __future__ import annotations

import pytest

from exdnet_plugin.live.budget import FIRST_WAIT, Budget
from exdnet_plugin.live.figures import Figures


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(budget: Budget, clock: Clock, seconds: float, latency: float) -> None:
    for _ in range(round(seconds * 10)):
        clock.now += 0.1
        budget.spent(latency)


def test_quality_steps_down_and_up_and_is_counted() -> None:
    clock, figures = Clock(), Figures()
    budget = Budget(0.1, "exact", figures, clock)
    run(budget, clock, 2, 0.3)
    assert budget.level != "exact"
    run(budget, clock, 2, 0.3)
    assert budget.level == "coarse"
    run(budget, clock, FIRST_WAIT + 2, 0.02)
    assert budget.level == "realtime"
    assert figures.changes == {"realtime": 2, "coarse": 1}
    assert figures.level == "realtime"


def test_a_step_up_that_does_not_hold_is_tried_less_often() -> None:
    clock, figures = Clock(), Figures()
    budget = Budget(0.1, "realtime", figures, clock)
    waits = []
    for _ in range(3):
        run(budget, clock, 1.2, 0.3)
        assert budget.level == "coarse"
        start = clock.now
        while budget.level == "coarse":
            run(budget, clock, 0.1, 0.02)
        waits.append(clock.now - start)
    assert waits[1] > waits[0] * 1.5
    assert waits[2] > waits[1] * 1.5


def test_latency_near_the_budget_changes_nothing() -> None:
    clock, figures = Clock(), Figures()
    budget = Budget(0.1, "realtime", figures, clock)
    run(budget, clock, 60, 0.08)
    assert budget.level == "realtime"
    run(budget, clock, 1.2, 0.2)
    run(budget, clock, 60, 0.08)
    assert budget.level == "coarse", "there is no room to go up"


def test_without_a_budget_quality_stays() -> None:
    budget = Budget(None, "exact", Figures())
    budget.spent(100.0)
    assert budget.level == "exact"


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Budget(0, "exact", Figures())
