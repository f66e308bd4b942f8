"""CIEDE2000 against the pairs that its authors published for those who write it anew."""

from __future__ import annotations

import pytest
import torch

from exdnet_plugin.evaluation.color_difference import ciede2000
from exdnet_plugin.evaluation.metrics import compare

# Sharma et al. (2005), table 1.
PUBLISHED = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
    ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
    ((50, -1, 2), (50, 0, 0), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0010), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (50, 3.1736, 0.5854), 1.0),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


def lab(*values: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype).reshape(1, 3, 1, 1)


@pytest.mark.parametrize(("one", "other", "difference"), PUBLISHED)
def test_published_pairs_have_their_published_difference(
    one: tuple[float, ...], other: tuple[float, ...], difference: float
) -> None:
    assert ciede2000(lab(*one), lab(*other)).item() == pytest.approx(difference, abs=6e-5)
    assert ciede2000(lab(*other), lab(*one)).item() == pytest.approx(difference, abs=6e-5)


def test_single_precision_is_enough() -> None:
    for one, other, difference in PUBLISHED:
        found = ciede2000(lab(*one, dtype=torch.float32), lab(*other, dtype=torch.float32)).item()
        assert found == pytest.approx(difference, abs=2e-3)


def test_it_keeps_the_shape_and_is_nothing_between_equals() -> None:
    some = torch.rand(2, 3, 4, 5) * 100 - 20
    assert ciede2000(some, some).shape == (2, 4, 5)
    assert ciede2000(some, some).abs().max() == 0
    assert ciede2000(lab(0, 0, 0), lab(100, 0, 0)).item() == pytest.approx(100, abs=1e-4)


def test_a_tint_shows_as_a_difference_of_colour() -> None:
    gray = torch.full((1, 3, 16, 16), 0.5)
    warm = gray * torch.tensor([1.1, 1.0, 0.9]).reshape(1, 3, 1, 1)
    assert compare(gray, gray).delta_e == 0
    assert 5 < compare(warm, gray).delta_e < 20
