"""SMPTE timecodes (ST 12-1): the one at the start of a part of a file."""

from __future__ import annotations

import re
from fractions import Fraction

_FORM = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")


def advanced(timecode: str, frames: int, rate: Fraction) -> str | None:
    """A timecode, `hh:mm:ss:ff` or with `;` for drop frame, so many frames later; None where it is not of this form.

    Drop frame leaves out the first two numbers (four at 60) of each minute but every tenth.
    """
    found = _FORM.fullmatch(timecode)
    if not found:
        return None
    hours, minutes, seconds, own = (int(found[group]) for group in (1, 2, 3, 5))
    nominal, mark, minutes = round(rate), found[4], minutes + 60 * hours
    dropped = nominal // 15 if mark != ":" else 0
    count = (minutes * 60 + seconds) * nominal + own - dropped * (minutes - minutes // 10)
    return _written(count + frames, nominal, dropped, mark)


def _written(count: int, nominal: int, dropped: int, mark: str) -> str:
    if dropped:
        ten = nominal * 600 - 9 * dropped  # frames in ten minutes
        tens, rest = divmod(count, ten)
        count += 9 * dropped * tens + dropped * max(0, (rest - dropped) // (nominal * 60 - dropped))
    whole, frames = divmod(count, nominal)
    return f"{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}{mark}{frames:02}"
