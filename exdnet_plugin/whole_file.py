"""Files that are whole or not there: written beside their name and renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exdnet_plugin.errors import MediaError

REMEDY = "Choose a folder that you may write to, or free some space"


def check_free(path: Path, *, overwrite: bool) -> None:
    """MediaError for a name that nothing can be written to: no folder, a folder itself, or a file that is there."""
    if not path.parent.is_dir():
        raise MediaError(f"{path}: the folder {path.parent} does not exist; make it first")
    if path.is_dir():
        raise MediaError(f"{path} is a folder; give a file's name in it")
    if path.exists() and not overwrite:
        raise MediaError(f"{path} is there already; give another name, or --overwrite to replace it")


def check_not_source(path: Path, source: Path) -> None:
    """MediaError for a sink that is the source itself, by whatever name."""
    if path.is_file() and source.exists() and path.samefile(source):
        raise MediaError(f"{path} is the source itself; give the sink another name")


def check_writable(path: Path) -> None:
    """MediaError for a name that nothing can be written to, found out before there is anything to write."""
    check_free(path, overwrite=True)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise MediaError(f"{path} cannot be written: {error.strerror}. {REMEDY}") from None


def replace_whole(hidden: Path, path: Path) -> None:
    """Give a written file its name, once all of it is on the disk: a power cut leaves it or what was there before."""
    with hidden.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(hidden, path)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """The name to write to; the file gets its own when all went well, and a kill leaves the old one or the new one.

    Raises:
        MediaError: it cannot be written.
    """
    hidden = path.with_name(f".{path.stem}.partial{path.suffix}")  # the suffix is what writers go by
    try:
        yield hidden
        replace_whole(hidden, path)
    except OSError as error:  # FFmpeg's errors are of this kind where they are the system's
        raise MediaError(f"{path} cannot be written: {error.strerror or error}. {REMEDY}") from error
    finally:
        hidden.unlink(missing_ok=True)
