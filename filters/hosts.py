"""Host applications: which are here, whether our filter works in them, what puts it there. Imports no torch, no av."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from exdnet_plugin.filters.gstreamer import install as gstreamer
from exdnet_plugin.filters.placing import put, state, take_away

_PYTHON = shlex.quote(sys.executable)
_NODE = "from exdnet_plugin.filters.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS  # noqa: F401\n"


@dataclass(frozen=True)
class Status:
    """What was found of a host.

    Attributes:
        present: whether the host is here.
        placed: whether our file is where the host looks; None for a host that needs none.
        missing: what keeps our filter from working there; empty when it works.
        remedy: the command that mends it.
    """

    present: bool
    placed: bool | None = None
    missing: str = ""
    remedy: str = ""

    @property
    def usable(self) -> bool:
        """Whether our filter works in the host."""
        return not self.missing


@dataclass(frozen=True)
class Host:
    """A host application: how our filter is used in it, and what finds out whether it can be."""

    name: str
    use: str
    status: Callable[[], Status]


def install(name: str, path: Path | None = None) -> list[str]:
    """Put our filter where a host looks; what was done, line by line.

    Args:
        name: of :data:`HOSTS`.
        path: ComfyUI's folder.

    Raises:
        ValueError: there is no such host, the folder is no ComfyUI, or a path was given for another host.
        MediaError: another's file is in the place, or the host lacks something.
    """
    host = _host(name, path)
    if name == "gstreamer":
        return [*gstreamer.install(), f"try it: {host.use}"]
    if name == "comfyui":
        node = _node_path(path)
        done = f"put {node}" if put(node, _NODE, name) else f"{node} is there already"
        return [done, f"the Python that runs ComfyUI needs the package, too: {_PYTHON} has it, others pip install it"]
    return [f"{name} needs no file anywhere; {host.use}"]


def uninstall(name: str, path: Path | None = None, *, force: bool = False) -> list[str]:
    """Take away what :func:`install` put; what was done, line by line.

    Raises:
        ValueError: as :func:`install`.
        MediaError: the file is not ours, or was changed and `force` was not given.
    """
    _host(name, path)
    if name == "gstreamer":
        return gstreamer.uninstall(force=force)
    if name == "comfyui":
        node = _node_path(path)
        return [f"removed {node}" if take_away(node, name, force=force) else f"{node} is not there"]
    return [f"{name} needs no file anywhere; there is nothing to take away"]


def _host(name: str, path: Path | None) -> Host:
    if name not in HOSTS:
        raise ValueError(f"there is no host {name!r}; there are {', '.join(HOSTS)}")
    if path and name != "comfyui":
        raise ValueError(f"--path {path}: only comfyui takes a folder, {name} does not; leave it out")
    return HOSTS[name]


def _gstreamer() -> Status:
    present, placed = shutil.which("gst-launch-1.0") is not None, gstreamer.placed()
    problem = gstreamer.obstacle()
    if problem:
        return Status(present, placed, *problem)
    if not placed:
        return Status(present, placed, f"{gstreamer.element_path()} is not there", gstreamer.INSTALL)
    if os.environ.get("VIRTUAL_ENV") and not gstreamer.sees_bindings():
        what = "in this shell an environment is activated, in which GStreamer's Python finds no gi"
        return Status(present, placed, what, gstreamer.INSTALL)
    if not gstreamer.loads():
        return Status(present, placed, "GStreamer does not offer the element", gstreamer.INSTALL)
    return Status(present, placed)


def _comfyui() -> Status:
    try:
        node = _node_path(None)
    except ValueError as error:
        return Status(False, False, str(error), "exdnet filters install comfyui --path COMFYUI_FOLDER")
    placed = state(node) in ("ours", "changed")
    command = f"exdnet filters install comfyui --path {shlex.quote(str(node.parents[2]))}"
    return Status(True, placed, "" if placed else f"{node} is not there", "" if placed else command)


def _node_path(path: Path | None) -> Path:
    """Where our node goes in ComfyUI's folder: told, named by COMFYUI_PATH, or in one of the usual places."""
    told = path or os.environ.get("COMFYUI_PATH")
    usual = [Path.cwd(), Path("ComfyUI").absolute(), Path.home() / "ComfyUI", Path.home() / "comfy" / "ComfyUI"]
    for folder in [Path(told).absolute()] if told else usual:
        if (folder / "custom_nodes").is_dir():
            return folder / "custom_nodes" / "exdnet" / "__init__.py"
    if told:
        raise ValueError(f"{told} is no ComfyUI: it has no folder custom_nodes; give the folder that main.py is in")
    raise ValueError("no ComfyUI is found here or in the home folder; give its folder with --path or COMFYUI_PATH")


def _command(name: str, remedy: str) -> Status:
    found = shutil.which(name) is not None
    return Status(found) if found else Status(found, None, f"the command {name} is not on PATH", remedy)


def _module(name: str, remedy: str) -> Status:
    found = find_spec(name) is not None
    return Status(found) if found else Status(found, None, f"this environment has no Python module {name}", remedy)


def _vapoursynth() -> Status:
    status = _module("vapoursynth", f"{_PYTHON} -m pip install vapoursynth")
    if status.usable or sys.version_info >= (3, 12):
        return status
    why = "; its wheels load in Python 3.12 and later, and this is {}.{}".format(*sys.version_info)
    remedy = "python3.12 -m venv ENV && ENV/bin/pip install exdnet-plugin vapoursynth"
    return replace(status, missing=status.missing + why, remedy=remedy)


HOSTS = {
    host.name: host
    for host in (
        Host(
            "gstreamer",
            "gst-launch-1.0 videotestsrc num-buffers=1 ! videobalance brightness=-0.4 ! exdnet ! videoconvert ! pngenc "
            "! filesink location=bright.png",
            _gstreamer,
        ),
        Host(
            "vapoursynth",
            "in a script: from exdnet_plugin.filters.vapoursynth import exdnet; clip = exdnet(clip)",
            _vapoursynth,
        ),
        Host(
            "ffmpeg",
            "in a shell: exdnet pipe --commands night.mp4 bright.mp4 | sh",
            partial(_command, "ffmpeg", "sudo apt-get install ffmpeg"),
        ),
        Host(
            "moviepy",
            "in Python: from exdnet_plugin.filters.moviepy import ExdNet; clip.with_effects([ExdNet()])",
            partial(_module, "moviepy", f"{_PYTHON} -m pip install moviepy"),
        ),
        Host(
            "opencv",
            "in Python: from exdnet_plugin.filters.opencv import enhanced",
            partial(_module, "cv2", f"{_PYTHON} -m pip install opencv-python-headless"),
        ),
        Host("comfyui", "the node ExdNet (brighten), under image/exdnet", _comfyui),
    )
}
