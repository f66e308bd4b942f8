"""What an author of a plugin tests: the contract, by exdnet-plugin's own check, and what the processor is for."""

import pytest
import torch
from warm import Warm

from exdnet_plugin import StreamInfo
from exdnet_plugin.testing import check_processor


def test_warm_keeps_the_contract() -> None:
    found = check_processor(lambda: Warm(amount=0.2))
    assert not found.temporal


def test_warm_raises_red_and_lowers_blue() -> None:
    warm = Warm(amount=0.2)
    warm.open(StreamInfo(1, 1))
    grey = torch.full((1, 3, 1, 1), 0.5)
    assert warm.process(grey, torch.zeros(1)).flatten().tolist() == pytest.approx([0.6, 0.5, 0.4])


def test_an_amount_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Warm(amount=2)
