"""The one check of options that are among a few words."""

from __future__ import annotations

from collections.abc import Iterable


def check_choice(name: str, value: object, allowed: Iterable[str]) -> None:
    """ValueError, with what there is, when a value is none of the allowed ones."""
    choices = tuple(allowed)
    if value not in choices:
        raise ValueError(f"{name} {value!r} is not there; there are {', '.join(choices)}")
