"""What one process alone may do in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO


def lock(path: Path) -> TextIO:
    """A lock file that other processes cannot hold until it is closed; a killed process holds nothing.

    Where the system has no such locks (Windows), nothing is held.

    Raises:
        BlockingIOError: another one holds it.
        OSError: it cannot be written.
    """
    held = path.open("w")
    try:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except BaseException:
        held.close()
        raise
    return held
