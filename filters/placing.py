"""One file in a host's folder: put there, recognised again, taken away. What others put there is left alone.

A file of ours begins with a line that holds the digest of the rest, so that one that somebody changed is known as such.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal

from exdnet_plugin.errors import MediaError

State = Literal["absent", "ours", "changed", "another's"]
_HEAD = "# Put here by `exdnet filters install {host}`; `exdnet filters uninstall {host}` takes it away. {digest}"
_HEAD_PATTERN = re.compile(r"# Put here by `exdnet filters install \w+`.* (\w{64})")


def content(body: str, host: str) -> str:
    """A file's whole text, with the line at its head."""
    return f"{_HEAD.format(host=host, digest=_digest(body))}\n{body}"


def state(path: Path) -> State:
    """Whose a file is, and whether somebody changed it."""
    if not os.path.lexists(path):
        return "absent"
    if path.is_symlink() or not path.is_file():
        return "another's"
    head, _, body = path.read_text(errors="replace").partition("\n")
    found = _HEAD_PATTERN.fullmatch(head)
    if not found:
        return "another's"
    return "ours" if found[1] == _digest(body) else "changed"


def put(path: Path, body: str, host: str) -> bool:
    """Write our file, or renew one that we wrote: whether there was anything to do.

    Raises:
        MediaError: a file of that name is there that is not ours, or that somebody changed.
    """
    found = state(path)
    if found == "another's":
        raise MediaError(f"{path} is there already and is not of exdnet; move it away, and install again")
    if found == "changed":
        raise MediaError(f"{path} was changed since exdnet put it there; {_by_force(host)}")
    text = content(body, host)
    if found == "ours" and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return True


def take_away(path: Path, host: str, *, force: bool = False) -> bool:
    """Remove our file, what Python compiled of it, and its folder if nothing else is in it: whether it was there.

    Raises:
        MediaError: the file is not ours, or was changed and `force` was not given.
    """
    found = state(path)
    if found == "another's":
        raise MediaError(f"{path} is not of exdnet and stays; remove it yourself if it is not needed")
    if found == "changed" and not force:
        raise MediaError(f"{path} was changed since exdnet put it there, and stays; {_by_force(host)}")
    path.unlink(missing_ok=True)
    compiled = path.parent / "__pycache__"
    for one in compiled.glob(f"{path.stem}.*.pyc"):
        one.unlink()
    for folder in (compiled, path.parent):
        with suppress(OSError):  # others' files are in it, or it is not there
            folder.rmdir()
    return found != "absent"


def _by_force(host: str) -> str:
    return f"exdnet filters uninstall {host} --force takes it away"


def _digest(body: str) -> str:
    return sha256(body.encode()).hexdigest()
