"""A chain's text says what it means, and an error in it lists what there is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import kornia
import pytest
import torch

from exdnet_plugin import CheckpointError, StreamInfo, open_filter
from exdnet_plugin.chain import Link, make_chain, parse_chain, with_option
from exdnet_plugin.exdnet.checkpoint import weights_path
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
        ("recorder=amount=1:", "chain 'recorder=amount=1:': an option of recorder is missing beside a colon"),
        ("recorder=:", "an option of recorder is missing beside a colon"),
        ("recorder=amount=1: :times=2", "an option of recorder is missing beside a colon"),
        ("recorder==engine=torch", "an option of recorder is missing before '=engine=torch'"),
        ("kornia=op=enhance.adjust_gamma:gamma=2.0:self=1", "kornia has no option 'self'"),
        ("denoise=frames=99999999999999999999", "frames 99999999999999999999: 1, which is each frame by itself, to"),
        ("denoise=frames=0", "frames 0: 1, which is each frame by itself, to 16777216 is needed"),
        ("kornia=op=filters.gaussian_blur2d:kernel_size=5:sigma=2", "refuses its options kernel_size=5, sigma=2"),
        ("kornia=op=filters.BoxBlur:kernel_size=wide", "refuses its options kernel_size=wide"),
        ("kornia=op=filters.box_blur:kernel_size=9001", "refuses its options kernel_size=9001"),
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
        ("exdnet=", "exdnet=engine=torch"),
        ("null,exdnet = ", "null,exdnet = engine=torch"),
        ("exdnet=strength=0.5,null", "exdnet=strength=0.5:engine=torch,null"),
        ("null,exdnet=engine=native", "null,exdnet=engine=native"),
        ("kornia=op='a,b',exdnet", "kornia=op='a,b',exdnet=engine=torch"),
    ],
)
def test_an_option_is_given_to_each_processor_of_a_name_that_has_it_not(chain: str, expected: str) -> None:
    assert with_option(chain, "exdnet", "engine", "torch") == expected


@pytest.mark.parametrize(
    "op",
    [
        "enhance.adjust_gamma:gamma=2",
        "enhance.adjust_saturation:factor=2",
        "enhance.AdjustSaturation:saturation_factor=2",
        "filters.gaussian_blur2d:kernel_size=5:sigma='(2, 2)'",
        "filters.box_blur:kernel_size=5",
        "filters.box_blur:kernel_size=71",
        "filters.median_blur:kernel_size='(65, 65)'",
        "filters.gaussian_blur2d:kernel_size='(101,101)':sigma='(20,20)'",
    ],
)
def test_kornia_takes_whole_numbers_and_large_kernels(plugins: Plugins, op: str) -> None:
    (processor,) = make_chain(f"kornia=op={op}", plugins)
    processor.open(StreamInfo(640, 360))


def test_kornia_gives_floats_where_they_are_asked_for_and_whole_numbers_elsewhere(plugins: Plugins) -> None:
    frames = torch.rand(1, 3, 20, 30)
    made = [
        make_chain(f"kornia=op={op}", plugins)[0].process(frames, torch.zeros(1))
        for op in ("enhance.adjust_gamma:gamma=2", "enhance.adjust_gamma:gamma=2.0", "enhance.posterize:bits=3")
    ]
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[2], kornia.enhance.posterize(frames, 3))


def test_frames_that_are_too_small_for_an_operation_are_refused_when_it_is_opened() -> None:
    wide = StreamInfo(640, 40)
    open_filter(wide, chain="kornia=op=filters.box_blur:kernel_size=31").close()
    with pytest.raises(ValueError, match=r"filters.box_blur refuses frames of 166x10: .*It takes those of 48x32 and"):
        open_filter(wide, chain="kornia=op=filters.box_blur:kernel_size=31", quality="realtime")
    with pytest.raises(ValueError, match=r"refuses frames of 640x40"):
        open_filter(wide, chain="kornia=op=filters.BoxBlur:kernel_size=101")


def test_weights_lie_below_the_home_folder(plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(weights_path("small"), tmp_path / "x.safetensors")
    assert make_chain("exdnet=weights=~/x.safetensors", plugins)
    with pytest.raises(CheckpointError, match=r"no weights '~/gone\.pth'"):
        make_chain("exdnet=weights=~/gone.pth", plugins)


def test_an_option_for_a_processor_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="engine torch is for processor exdnet, which chain 'null' has not"):
        with_option("null", "exdnet", "engine", "torch")
