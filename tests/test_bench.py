"""What measurements say when they cannot be had."""

from __future__ import annotations

import os

import pytest

from exdnet_plugin.benchmarks.machine import alone
from exdnet_plugin.errors import ExdnetError


def test_a_measurement_that_the_system_ends_is_told_and_not_waited_for() -> None:
    with pytest.raises(ExdnetError, match=r"measured exit 9 was ended by the system.*smaller --size"):
        alone(os._exit, 9)
