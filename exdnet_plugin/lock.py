"""What one process alone may do in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO


def lock(path: Path, *, forked: bool = False) -> TextIO:
    """A lock file that others cannot hold until it is closed; a killed process holds nothing.

    Within the process, it can be held once; `forked` locks keep other processes alone out, and are not inherited by
    those that this one forks, which may outlive it. Where the system has no such locks (Windows), nothing is held.

    Raises:
        BlockingIOError: another one holds it.
        OSError: it cannot be written.
    """
    held = path.open("w")
    try:
        import fcntl

        (fcntl.lockf if forked else fcntl.flock)(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except BaseException:
        held.close()
        raise
    return held
