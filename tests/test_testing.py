"""The conformance test passes what keeps the contract, and names what does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from conftest import Identity

from exdnet_plugin import PluginError
from exdnet_plugin.plugins import default_plugins
from exdnet_plugin.testing import check_processor


def test_the_built_in_processors_keep_the_contract() -> None:
    exdnet = check_processor(default_plugins().factory("exdnet"))
    assert (exdnet.resumable, exdnet.temporal) == (True, True)
    assert exdnet.seconds_a_megapixel > 0
    null = check_processor(default_plugins().factory("null"))
    assert not null.temporal


class OnlyProcess:
    def process(self, frames, times):
        return frames


class Shrinking(Identity):
    def process(self, frames, times):
        return frames[..., ::2]


class Nothing(Identity):
    def process(self, frames, times):
        return None


class Writing(Identity):
    def process(self, frames, times):
        return frames.mul_(0.5)


class OfBatch(Identity):
    def process(self, frames, times):
        return frames / frames.mean()


class Remembering(Identity):
    before = None

    def process(self, frames, times):
        out = []
        for frame in frames:
            self.before = frame if self.before is None else (self.before + frame) / 2
            out.append(self.before)
        return torch.stack(out)


class Forgetful(Remembering):
    """Tells what it remembers, and does not take it back."""

    def reset(self):
        self.before = None

    def state(self):
        return {"before": self.before}

    def restore(self, state):
        self.reset()


class Dividing(Identity):
    def process(self, frames, times):
        return frames / 0


class OnlyLarge(Identity):
    def process(self, frames, times):
        return torch.nn.functional.pad(frames[..., 2:-2], (2, 2), mode="reflect")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (OnlyProcess, "it has no open, reset, close"),
        (Shrinking, "it must keep the shape"),
        (Nothing, "gave NoneType"),
        (Writing, "the frames were written to"),
        (OfBatch, "1 and 4 differ"),
        (Remembering, "reset does not forget"),
        (Forgetful, "restore does not go on from what state told"),
        (Dividing, "no numbers"),
    ],
)
def test_what_breaks_the_contract_is_named(make: Callable[[], Identity], said: str) -> None:
    with pytest.raises(PluginError, match=said):
        check_processor(make)


def test_an_error_at_an_odd_size_comes_as_it_is() -> None:
    with pytest.raises(RuntimeError):
        check_processor(OnlyLarge)
