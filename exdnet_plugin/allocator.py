"""Lets glibc keep freed memory for reuse.

By default every large temporary of a network is mapped, faulted in page by page and unmapped again, which on a CPU
takes more time than the arithmetic. The command line calls this first; a program that embeds the library may.
"""

from __future__ import annotations

import ctypes
import sys

# <malloc.h>
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8
_KEEP = 1 << 30
_STEP = 64 << 20


def keep_memory() -> bool:
    """Raise glibc's thresholds for this process, before threads are made; False where the C library is another."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    # One arena: those of other threads hold 64 MiB blocks at most and map what is larger.
    settings = ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _KEEP), (_M_TRIM_THRESHOLD, 2 * _KEEP - 1), (_M_TOP_PAD, _STEP))
    accepted = [bool(mallopt(parameter, value)) for parameter, value in settings]  # a list: a refusal stops none
    return all(accepted)
