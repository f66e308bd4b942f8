"""Chapters of a part of a video."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from exdnet_plugin.media.source import VideoSource


def chapters_of(source: VideoSource) -> list[Any]:
    """The chapters within the excerpt, with times from its start."""
    chapters = source.container.chapters()
    if not source.zero and source.until is None:
        return chapters
    kept = []
    for chapter in chapters:
        base = chapter["time_base"] or Fraction(1)
        start, end = max(chapter["start"] * base, source.origin), chapter["end"] * base
        end = end if source.until is None else min(end, source.until)
        if start < end:
            times = {"start": round((start - source.zero) / base), "end": round((end - source.zero) / base)}
            kept.append({**chapter, **times})
    return kept
