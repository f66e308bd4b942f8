"""A chain's text says what it means, and an error in it lists what there is."""

from __future__ import annotations

from typing import Literal

import pytest

from exdnet_plugin.chain import Link, make_chain, parse_chain, with_option
from exdnet_plugin.plugins import Plugins


class Recorder:
    """A processor that keeps its options."""

    def __init__(
        self,
        amount: float = 1.0,
        times: int = 1,
        on: bool = False,
        mode: Literal["soft", "hard"] = "soft",
        name: str | None = None,
    ) -> None:
        self.options = (amount, times, on, mode, name)


class Offer:
    """A stranger's plugin."""

    from exdnet_plugin.hookspecs import hookimpl

    @hookimpl
    def register_frame_processors(self, register):
        register("recorder", Recorder)
        register("needs", lambda must: must)


@pytest.fixture
def plugins() -> Plugins:
    found = Plugins(discover=False)
    found.add(Offer(), "offer")
    return found


def test_options_are_read_by_the_factorys_signature(plugins: Plugins) -> None:
    (processor,) = make_chain("recorder=amount=0.5:times=3:on=true:mode=hard:name=x", plugins)
    assert processor.options == (0.5, 3, True, "hard", "x")


def test_links_keep_their_order_and_defaults(plugins: Plugins) -> None:
    first, second = make_chain("recorder=times=2,recorder", plugins)
    assert first.options[1] == 2
    assert second.options == (1.0, 1, False, "soft", None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"a=b=c\,d", "c,d"),
        ("a=b='c,d:e'", "c,d:e"),
        (r"a=b=c\:\\d", r"c:\d"),
        ("a=b=c=d", "c=d"),
        (r"a=b='C:\x'", r"C:\x"),
    ],
)
def test_quotes_and_backslashes_keep_separators(text: str, value: str) -> None:
    assert parse_chain(text) == [Link("a", {"b": value})]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("exdnot", "there are denoise, exdnet, kornia, needs, null, recorder"),
        ("recorder=amuont=1", "did you mean amount"),
        ("recorder=amount=much", "it must be a number"),
        ("recorder=times=1.5", "a whole number"),
        ("recorder=on=maybe", "true or false"),
        ("recorder=mode=firm", "allowed are soft, hard"),
        ("recorder=amount", "has no value"),
        ("recorder:", "options stand behind =, as recorder=…"),
        ("recorder:amount=2", "options stand behind =, as recorder=amount=…"),
        ("recorder=amount=1:amount=2", "given twice"),
        ("recorder=name='x", "not closed"),
        ("needs", "needs option 'must'"),
        ("null=x=1", "it has none"),
        (",exdnet", "name is missing"),
        ("exdnet=strength=2", "between 0 and 1"),
        ("exdnet=smoothing=-1", "0 (off) or more"),
        ("exdnet=weights=nowhere.pth", "nowhere.pth"),
        ("kornia=op=enhance.adjust_hueue:factor=1", "no operation 'enhance.adjust_hueue'"),
        ("kornia=op=enhance.adjust_saturation:fraction=1", "there are factor"),
        ("kornia=op=enhance.adjust_saturation", "needs option factor"),
        ("kornia=op=enhance.adjust_gamma:gamma=much", "refuses its options gamma=much"),
        ("kornia=op=color.rgb_to_grayscale", "must keep the shape"),
    ],
)
def test_a_wrong_chain_is_refused_with_what_there_is(plugins: Plugins, text: str, said: str) -> None:
    with pytest.raises(Exception, match=r".") as raised:
        make_chain(text, plugins)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("exdnet", "exdnet=engine=torch"),
        ("exdnet=strength=0.5,null", "exdnet=strength=0.5:engine=torch,null"),
        ("null,exdnet=engine=native", "null,exdnet=engine=native"),
        ("kornia=op='a,b',exdnet", "kornia=op='a,b',exdnet=engine=torch"),
    ],
)
def test_an_option_is_given_to_each_processor_of_a_name_that_has_it_not(chain: str, expected: str) -> None:
    assert with_option(chain, "exdnet", "engine", "torch") == expected


def test_an_option_for_a_processor_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="engine torch is for processor exdnet, which chain 'null' has not"):
        with_option("null", "exdnet", "engine", "torch")
