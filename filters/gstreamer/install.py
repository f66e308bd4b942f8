"""The element `exdnet` where GStreamer finds it with nothing exported: a small file that leads to this environment.

GStreamer's loader runs the system's Python, which does not know the environment that `exdnet-plugin` is in. The file
puts the environment's packages before the system's and takes the element from there, so that upgrades need nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from exdnet_plugin.filters.placing import put, state, take_away

from exdnet_plugin.errors import MediaError

HOST = "gstreamer"
PACKAGES = (
    "sudo apt-get install --no-install-recommends gstreamer1.0-tools gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good gstreamer1.0-python3-plugin-loader python3-gi python3-gst-1.0 "
    "gir1.2-gst-plugins-base-1.0"
)
INSTALL = f"exdnet filters install {HOST}"
_LEADS = '''"""GStreamer's element `exdnet`, from the environment in {prefix}."""

import site
import sys

before = list(sys.path)
for folder in {folders}:
    site.addsitedir(folder)  # reads its .pth files, too: an editable install is found by them
added = [folder for folder in sys.path if folder not in before]
first = next((number for number, folder in enumerate(before) if folder.endswith("-packages")), len(before))
sys.path[:] = [*before[:first], *added, *before[first:]]  # the system's packages behind: they are older

try:
    from exdnet_plugin.filters.gstreamer.exdnet_gst import __gstelementfactory__
except ImportError as error:
    raise ImportError(f"{{error}}; install exdnet-plugin in {prefix}, or remove {{__file__}}") from None
'''


def element_path() -> Path:
    """Where GStreamer's Python loader looks for our file without GST_PLUGIN_PATH: not in XDG_DATA_HOME."""
    told = os.environ.get("GST_PLUGIN_SYSTEM_PATH_1_0") or os.environ.get("GST_PLUGIN_SYSTEM_PATH")
    folder = Path(told.split(os.pathsep)[0]) if told else Path.home() / ".gstreamer-1.0" / "plugins"
    return folder / "python" / "exdnet_gst.py"


def install() -> list[str]:
    """Put the element where GStreamer finds it; what was done, line by line.

    Raises:
        MediaError: GStreamer or its Python loader is not here, runs another Python, or does not load the element; or
            another's file is in the place.
    """
    problem = obstacle()
    if problem:
        raise MediaError(f"{problem.missing}; {problem.remedy}")
    path, folders = element_path(), [sysconfig.get_path(kind) for kind in ("purelib", "platlib")]
    body = _LEADS.format(prefix=sys.prefix, folders=list(dict.fromkeys(folders)))
    new = put(path, body, HOST)
    linked = _link_bindings()
    if not (new or linked) and loads():
        return [f"{path} is there already"]
    forget_registry()
    said = [line for line in _inspect("exdnet").stderr.splitlines() if "No such element" not in line]
    if not loads():
        raise MediaError(
            f"{path} is in its place, but GStreamer does not load it: {said[-1] if said else 'it does not say why'}; "
            f"see that its packages are here: {PACKAGES}"
        )
    done = [f"put {path}"] if new else [f"{path} is there already"]
    return done + ([f"put {_bindings_link()}, for shells in which the environment is activated"] if linked else [])


def uninstall(*, force: bool = False) -> list[str]:
    """Take away what :func:`install` put; MediaError for a file that is not ours, or, without `force`, was changed."""
    path = element_path()
    there = take_away(path, HOST, force=force)
    _unlink_bindings()
    if there:
        forget_registry()
    return [f"removed {path}" if there else f"{path} is not there"]


class Problem(NamedTuple):
    """What is missing, and the command that mends it."""

    missing: str
    remedy: str


def obstacle() -> Problem | None:
    """What keeps the element from being installed."""
    if not shutil.which("gst-launch-1.0"):
        return Problem("GStreamer's command gst-launch-1.0 is not here", PACKAGES)
    version = python_version()
    if version is None:
        return Problem("GStreamer has no loader for elements in Python", f"{PACKAGES}; {INSTALL}")
    mine = "{}.{}".format(*sys.version_info)
    if version != mine:
        return Problem(
            f"GStreamer runs Python {version}, and {sys.prefix} is of Python {mine}",
            f"python{version} -m venv ENV && ENV/bin/pip install exdnet-plugin && ENV/bin/{INSTALL}",
        )
    return None


def python_version() -> str | None:
    """Of the Python that GStreamer's loader is linked with, as `3.11`; None without a loader that works."""
    found = re.search(r"Filename\s+(\S+)", _inspect("python").stdout)
    if not found:  # what failed once, GStreamer remembers
        forget_registry()
        found = re.search(r"Filename\s+(\S+)", _inspect("python").stdout)
    linked = re.search(rb"libpython(3\.\d+)", Path(found[1]).read_bytes()) if found else None
    return linked[1].decode() if linked else None


def placed() -> bool:
    """Whether our file is in its place, changed or not."""
    return state(element_path()) in ("ours", "changed")


def loads() -> bool:
    """Whether GStreamer offers the element."""
    return _inspect("--exists", "exdnet").returncode == 0


def forget_registry() -> None:
    """GStreamer sees no new file in a Python folder that it has listed. Without its list, it makes one in a second."""
    told = os.environ.get("GST_REGISTRY_1_0") or os.environ.get("GST_REGISTRY")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "gstreamer-1.0")
    for path in [Path(told)] if told else cache.glob("registry.*.bin"):
        path.unlink(missing_ok=True)


def _inspect(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask `gst-inspect-1.0` as from a shell without an environment, in which its Python has its own packages."""
    activated = {os.path.join(prefix, "bin") for prefix in (sys.prefix, os.environ.get("VIRTUAL_ENV", ""))}
    path = os.pathsep.join(folder for folder in os.environ["PATH"].split(os.pathsep) if folder not in activated)
    environment = {**os.environ, "PATH": path, "LC_ALL": "C"}  # what it says is read
    command = ["gst-inspect-1.0", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def sees_bindings() -> bool:
    """Whether GStreamer's Python finds its bindings in a shell where this environment is activated."""
    return find_spec("gi") is not None or os.path.lexists(_bindings_link())


def _bindings_link() -> Path:
    return Path(sysconfig.get_path("purelib"), "exdnet_gstreamer", "gi")


def _link_bindings() -> bool:
    """Let an activated environment see GStreamer's bindings: whether there was anything to do.

    In a shell where it is activated, GStreamer's Python has the environment's packages alone, and without `gi` no
    element in Python loads at all. The link shows it this one package of the system's.
    """
    python = shutil.which("python{}.{}".format(*sys.version_info), path=os.defpath)
    if find_spec("gi") or not python:
        return False
    program = "import gi; print(gi.__path__[0])"
    found = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False).stdout.strip()
    link = _bindings_link()
    if not found or os.path.lexists(link):
        return False
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(found)
    link.parent.with_suffix(".pth").write_text(f"{link.parent.name}\n")
    return True


def _unlink_bindings() -> None:
    link = _bindings_link()
    if link.is_symlink():
        link.unlink()
        link.parent.rmdir()
        link.parent.with_suffix(".pth").unlink(missing_ok=True)
