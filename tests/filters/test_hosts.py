"""`exdnet filters`: hosts are found, our filter is put into them and taken away, and others' files stay."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from exdnet_plugin.filters import hosts
from exdnet_plugin.filters.gstreamer import install as gstreamer
from test_gstreamer import bindings

Run = Callable[..., tuple[int, str, str]]
ELEMENT = Path(".gstreamer-1.0/plugins/python/exdnet_gst.py")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own, and none of what would lead elsewhere."""
    for name in ("GST_PLUGIN_SYSTEM_PATH", "GST_PLUGIN_PATH", "GST_REGISTRY", "XDG_CACHE_HOME", "COMFYUI_PATH"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_1_0", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    (tmp_path / "comfy here" / "custom_nodes").mkdir(parents=True)
    return tmp_path / "comfy here"


def test_every_host_is_listed_with_how_it_is_used_or_what_helps(exdnet: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    rows = {row["host"]: row for row in json.loads(exdnet("filters", "--json")[1])}
    assert list(rows) == ["gstreamer", "vapoursynth", "ffmpeg", "moviepy", "opencv", "comfyui"]
    assert all(row["usable"] or (row["missing"] and row["remedy"]) for row in rows.values())
    assert rows["opencv"]["usable"]
    assert rows["ffmpeg"]["remedy"] == "sudo apt-get install ffmpeg"
    assert "gstreamer1.0-python3-plugin-loader" in rows["gstreamer"]["remedy"]
    text = exdnet("filters")[1]
    assert "opencv   works" in text
    assert "ffmpeg   is not here" in text


def test_the_list_imports_nothing_heavy() -> None:
    program = "from exdnet_plugin.cli.main import main; import sys; sys.argv = ['exdnet', 'filters']\n"
    program += "try: main()\nfinally: print(sorted({'torch', 'av', 'numpy', 'cv2', 'moviepy'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("host", ["vapoursynth", "ffmpeg", "moviepy", "opencv"])
def test_a_host_that_needs_no_file_says_how_it_is_used(exdnet: Run, host: str) -> None:
    code, out, _ = exdnet("filters", "install", host)
    assert code == 0
    assert out.count("\n") == 1
    assert hosts.HOSTS[host].use in out
    assert exdnet("filters", "uninstall", host)[0] == 0


def test_what_is_asked_wrongly_is_refused(exdnet: Run, tmp_path: Path) -> None:
    assert "there is no host 'krita'; there are gstreamer" in exdnet("filters", "install", "krita")[2]
    assert "only comfyui takes a folder" in exdnet("filters", "install", "opencv", "--path", tmp_path)[2]
    assert "give its folder with --path" in exdnet("filters", "install", "comfyui")[2]
    code, _, error = exdnet("filters", "install", "comfyui", "--path", tmp_path)
    assert code == 2
    assert "is no ComfyUI: it has no folder custom_nodes; give the folder that main.py is in" in error


def test_comfyui_gets_its_node_once_and_loses_it_without_a_trace(exdnet: Run, comfyui: Path) -> None:
    node = comfyui / "custom_nodes" / "exdnet" / "__init__.py"
    assert f"put {node}" in exdnet("filters", "install", "comfyui", "--path", comfyui)[1]
    code, out, _ = exdnet("filters", "install", "comfyui", "--path", comfyui)
    assert (code, f"{node} is there already" in out) == (0, True)
    program = "import exdnet; print(*exdnet.NODE_CLASS_MAPPINGS, *exdnet.NODE_DISPLAY_NAME_MAPPINGS)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=node.parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["ExdNet", "ExdNet"]
    assert exdnet("filters", "uninstall", "comfyui", "--path", comfyui)[0] == 0
    assert list((comfyui / "custom_nodes").iterdir()) == []
    assert "is not there" in exdnet("filters", "uninstall", "comfyui", "--path", comfyui)[1]


def test_comfyui_is_found_by_its_variable_and_in_the_usual_places(
    exdnet: Run, comfyui: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMFYUI_PATH", str(comfyui))
    status = hosts.HOSTS["comfyui"].status()
    assert (status.present, status.placed) == (True, False)
    assert status.remedy == f"exdnet filters install comfyui --path '{comfyui}'"
    monkeypatch.delenv("COMFYUI_PATH")
    (home / "ComfyUI" / "custom_nodes").mkdir(parents=True)
    assert exdnet("filters", "install", "comfyui")[0] == 0
    assert (home / "ComfyUI" / "custom_nodes" / "exdnet" / "__init__.py").exists()
    assert hosts.HOSTS["comfyui"].status().usable


def test_a_file_of_another_is_neither_overwritten_nor_removed(exdnet: Run, comfyui: Path) -> None:
    node = comfyui / "custom_nodes" / "exdnet" / "__init__.py"
    node.parent.mkdir()
    node.write_text("precious = 1\n")
    for command in (["install"], ["uninstall"], ["uninstall", "--force"]):
        code, _, error = exdnet("filters", *command, "comfyui", "--path", comfyui)
        assert (code, str(node) in error) == (2, True)
        assert node.read_text() == "precious = 1\n"
    node.unlink()
    node.symlink_to("nowhere")
    assert "is not of exdnet" in exdnet("filters", "install", "comfyui", "--path", comfyui)[2]


def test_a_changed_file_of_ours_is_named_and_goes_by_force_alone(exdnet: Run, comfyui: Path) -> None:
    node = comfyui / "custom_nodes" / "exdnet" / "__init__.py"
    exdnet("filters", "install", "comfyui", "--path", comfyui)
    node.write_text(node.read_text() + "mine = 1\n")
    for command in ("install", "uninstall"):
        code, _, error = exdnet("filters", command, "comfyui", "--path", comfyui)
        assert code == 2
        assert "was changed since exdnet put it there" in error
        assert "exdnet filters uninstall comfyui --force takes it away" in error
    assert exdnet("filters", "uninstall", "comfyui", "--path", comfyui, "--force")[0] == 0
    assert not node.parent.exists()


def test_an_environment_of_another_python_than_gstreamers_is_refused(
    exdnet: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gstreamer.shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    monkeypatch.setattr(gstreamer, "python_version", lambda: "3.7")
    code, _, error = exdnet("filters", "install", "gstreamer")
    assert code == 2
    assert "GStreamer runs Python 3.7, and" in error
    assert "python3.7 -m venv ENV && ENV/bin/pip install exdnet-plugin && ENV/bin/exdnet filters install" in error
    assert list(home.iterdir()) == []


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment of its own that also sees the packages of the one which runs the tests."""
    bindings()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    places = {"base": tmp_path / "env", "platbase": tmp_path / "env"}
    folder = Path(sysconfig.get_path("purelib", "venv", vars={name: str(path) for name, path in places.items()}))
    mine = sysconfig.get_path("purelib")
    (folder / "shared.pth").write_text(f"import site; site.addsitedir({mine!r})\n")
    return tmp_path / "env"


def filters(environment: Path, *arguments: str) -> str:
    command = [environment / "bin" / "python", "-m", "exdnet_plugin", "filters", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def launch(sink: Path, **variables: str) -> None:
    pipeline = hosts.HOSTS["gstreamer"].use.replace("bright.png", str(sink))
    done = subprocess.run(
        pipeline.split(), env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(sink)).shape == (240, 320, 3)


def test_gstreamer_runs_the_element_with_nothing_exported(environment: Path, home: Path, tmp_path: Path) -> None:
    subprocess.run(["gst-inspect-1.0", "--exists", "exdnet"], check=False)  # it remembers that there is none
    assert f"put {home / ELEMENT}" in filters(environment, "install", "gstreamer")
    assert f"{home / ELEMENT} is there already" in filters(environment, "install", "gstreamer")
    assert json.loads(filters(environment, "--json"))[0]["usable"]
    launch(tmp_path / "plain.png")
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    shutil.rmtree(home / ".cache")
    launch(tmp_path / "activated.png", PATH=path, VIRTUAL_ENV=str(environment))
    assert f"removed {home / ELEMENT}" in filters(environment, "uninstall", "gstreamer")
    assert [path for path in (home / ".gstreamer-1.0").rglob("*") if path.is_file()] == []
    assert list(environment.rglob("exdnet_gstreamer*")) == []
    assert subprocess.run(["gst-inspect-1.0", "--exists", "exdnet"], check=False).returncode == 1
    assert "is not there" in filters(environment, "uninstall", "gstreamer")


def test_an_element_that_cannot_be_loaded_is_told_with_the_reason(
    exdnet: Run, environment: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gstreamer, "_LEADS", "raise ImportError('cannot import name Gst')\n")
    monkeypatch.setattr(gstreamer, "_link_bindings", lambda: False)
    code, _, error = exdnet("filters", "install", "gstreamer")
    assert code == 2
    assert "GStreamer does not load it: ImportError: cannot import name Gst; see that its packages are here" in error


def test_an_element_that_gstreamer_does_not_load_is_mended_by_another_install(environment: Path, home: Path) -> None:
    filters(environment, "install", "gstreamer")
    (hidden,) = environment.rglob("shared.pth")
    hidden.rename(environment / "away")
    shutil.rmtree(home / ".cache")
    failed = subprocess.run(["gst-inspect-1.0", "exdnet"], capture_output=True, text=True, check=False)
    assert f"install exdnet-plugin in {environment}, or remove {home / ELEMENT}" in failed.stderr
    (environment / "away").rename(hidden)
    found = json.loads(filters(environment, "--json"))[0]
    assert (found["usable"], found["remedy"]) == (False, "exdnet filters install gstreamer")
    filters(environment, "install", "gstreamer")
    assert json.loads(filters(environment, "--json"))[0]["usable"]
