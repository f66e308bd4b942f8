"""Strangers' plugins and ours alike; a broken one is named and hurts nobody; finding them is quick."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from exdnet_plugin import PluginError, hookspecs
from exdnet_plugin.chain import option_parameters
from exdnet_plugin.hookspecs import hookimpl
from exdnet_plugin.plugins import Plugins
from exdnet_plugin.report import Report
from exdnet_plugin.stream_info import StreamInfo


class Good:
    def __init__(self) -> None:
        self.seen: list[object] = []

    @hookimpl
    def register_frame_processors(self, register):
        register("good", "nowhere:Good")

    @hookimpl
    def stream_opened(self, stream):
        self.seen.append(stream)

    @hookimpl
    def stream_closed(self, report):
        self.seen.append(report)


class RaisesLate:
    @hookimpl
    def register_frame_processors(self, register):
        register("late", Good)
        raise RuntimeError("no such camera")


class WrongSignature:
    @hookimpl
    def register_frame_processors(self, registrar):
        """The hook has no `registrar`."""


class TakenName:
    @hookimpl
    def register_frame_processors(self, register):
        register("exdnet", Good)


class RaisesInStream:
    @hookimpl
    def stream_opened(self, stream):
        raise OSError("disk gone")


def test_built_ins_come_through_the_same_hook() -> None:
    plugins = Plugins(discover=False)
    assert plugins.entries[0].processors == ("exdnet", "denoise", "kornia", "null")
    assert plugins.entries[0].hooks == ("register_frame_processors",)


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [(RaisesLate(), "no such camera"), (WrongSignature(), "registrar"), (TakenName(), "is taken by built-in")],
)
def test_a_broken_plugin_is_listed_and_offers_nothing(plugin: object, reason: str) -> None:
    plugins = Plugins(discover=False)
    plugins.add(plugin, "broken", "broken-dist 1.0")
    plugins.add(Good(), "good")
    (problem,) = plugins.problems
    assert (problem.name, problem.distribution) == ("broken", "broken-dist 1.0")
    assert reason in problem.reason
    assert plugins.processor_names == ["denoise", "exdnet", "good", "kornia", "null"]


def test_strict_raises() -> None:
    with pytest.raises(PluginError, match="no such camera"):
        Plugins(discover=False, strict=True).add(RaisesLate(), "broken")


def test_a_processor_that_cannot_be_imported_is_named_when_it_is_used() -> None:
    plugins = Plugins(discover=False)
    plugins.add(Good(), "good")
    with pytest.raises(PluginError, match=r"'good' of plugin good cannot be imported from 'nowhere:Good'"):
        plugins.factory("good")


class Several:
    """A fine processor, and others that break when they are imported."""

    @hookimpl
    def register_frame_processors(self, register):
        register("fine", Good)
        register("gone", "missing_module:X")
        register("raises", "raising_module:X")
        register("leaves", "leaving_module:X")
        register("number", "math:pi")


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plugins:
    (tmp_path / "raising_module.py").write_text("raise RuntimeError('no licence')")
    (tmp_path / "leaving_module.py").write_text("raise SystemExit('needs a display')")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = Plugins(discover=False)
    plugins.add(Several(), "several", "several-dist 1.0")
    monkeypatch.setattr("exdnet_plugin.plugins.default_plugins", lambda: plugins)
    return plugins


BROKEN = {
    "gone": "ModuleNotFoundError: No module named 'missing_module'",
    "raises": "RuntimeError: no licence",
    "leaves": "SystemExit: needs a display",
    "number": "pi is a float; a class or a function is needed",
}


@pytest.mark.parametrize("name", BROKEN)
def test_whatever_an_import_raises_names_processor_plugin_and_distribution(several: Plugins, name: str) -> None:
    with pytest.raises(PluginError) as raised:
        several.factory(name)
    for said in (f"'{name}' of plugin several", BROKEN[name], "several-dist 1.0"):
        assert said in str(raised.value)


@pytest.mark.usefixtures("several")
def test_processors_lists_the_others_beside_broken_ones(exdnet: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = exdnet("processors")
    assert code == 0
    lines = out.splitlines()
    assert "fine   (several)" in lines
    assert any(line.startswith("exdnet=strength=") for line in lines)
    for name, reason in BROKEN.items():
        assert any(line.startswith(f"{name}   BROKEN: ") and reason in line for line in lines)
    rows = {row["name"]: row["broken"] for row in json.loads(exdnet("processors", "--json")[1])}
    assert rows["fine"] is None
    assert "no licence" in rows["raises"]


@pytest.mark.parametrize("factory", [None, 3, "warm", "Warm()"])
def test_what_is_no_factory_is_refused_when_it_is_offered(factory: object) -> None:
    class Offers:
        @hookimpl
        def register_frame_processors(self, register):
            register("x", factory)

    plugins = Plugins(discover=False)
    plugins.add(Offers(), "offers")
    (problem,) = plugins.problems
    assert f"'x' is offered as {factory!r}; give a class, a function, or text as" in problem.reason


@pytest.mark.parametrize("annotation", ["(height, width)", "np.gone", "H W 3", "1 / 0"])
def test_annotations_that_cannot_be_evaluated_leave_options_as_text(annotation: str) -> None:
    def make(size="1x1"):
        """Make nothing."""

    make.__annotations__["size"] = annotation
    assert list(option_parameters(make)) == ["size"]


def test_plugins_are_told_of_streams_and_a_failing_one_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    plugins, good = Plugins(discover=False), Good()
    plugins.add(RaisesInStream(), "failing")
    plugins.add(good, "good")
    stream, report = StreamInfo(8, 8), Report(frames=3)
    plugins.stream_opened(stream)
    plugins.stream_closed(stream, report)
    assert good.seen == [stream, report]
    assert "failing failed in stream_opened" in caplog.text


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two installed distributions, one of them broken at import."""
    for name, body in {"fine_plug": FINE, "bad_plug": "raise ImportError('no module named lens')"}.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(body))
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[exdnet_plugin]\n{name} = {name}\n")
    monkeypatch.syspath_prepend(str(tmp_path))


FINE = """
    from exdnet_plugin import hookimpl

    class Invert:
        def open(self, stream): pass
        def process(self, frames, times): return 1 - frames
        def reset(self): pass
        def close(self): pass

    @hookimpl
    def register_frame_processors(register):
        register("invert", Invert)
"""


@pytest.mark.usefixtures("installed")
def test_installed_plugins_are_found_by_entry_point() -> None:
    import numpy as np

    import exdnet_plugin

    plugins = Plugins()
    assert "invert" in plugins.processor_names
    assert any(e.name == "fine_plug" and e.distribution == "fine_plug 1.2" for e in plugins.entries)
    assert any(p.name == "bad_plug" and "no module named lens" in p.reason for p in plugins.problems)
    image = np.full((4, 4, 3), 55, np.uint8)
    assert (exdnet_plugin.enhance_image(image, chain="invert", plugins=plugins) == 200).all()


@pytest.mark.parametrize("arguments", [["--help"], ["plugins"], ["--version"]])
def test_help_and_plugins_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from exdnet_plugin.cli.main import main; sys.argv = ['exdnet', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('heavy:', sorted({'torch', 'av', 'cv2', 'kornia', 'numpy', 'rich'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert "heavy: []" in ended.stdout


def test_the_documentation_shows_every_hooks_exact_signature() -> None:
    text = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text()
    for name in ("register_frame_processors", "stream_opened", "stream_closed"):
        parameters = ", ".join(inspect.signature(getattr(hookspecs, name)).parameters)
        assert f"def {name}({parameters}):" in text


def test_the_documentation_shows_the_processors_contract() -> None:
    from exdnet_plugin.processor import FrameProcessor

    text = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text()
    for name in ("open", "process", "reset", "close"):
        parameters = ", ".join(inspect.signature(getattr(FrameProcessor, name)).parameters)
        assert f"def {name}({parameters}):" in text
