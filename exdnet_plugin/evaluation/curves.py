"""Curves over time as SVG, to be put into a page: no library, no script, no font."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10

Points = Sequence[tuple[float, float | None]]
WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BOTTOM = 52, 22, 10, 24


def curves(title: str, series: Mapping[str, Points]) -> str:
    """An SVG of some curves over seconds, from 0 up; interrupted where a value is not there.

    Args:
        title: what the values are, with their unit.
        series: points (seconds, value) by name; the name is the curve's CSS class, too.
    """
    times = [time for points in series.values() for time, _ in points]
    values = [abs(value) for points in series.values() for _, value in points if value is not None]
    last, highest = max([*times, 1e-3]), max(values, default=0)
    step = _step(highest)
    top = step * max(1, ceil(highest / step - 1e-9))
    drawn = "".join(_curve(name, points, last, top) for name, points in series.items())
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{_values(top, step)}{_times(last)}{drawn}</svg>"
    )


def _step(highest: float) -> float:
    """Between two lines of the grid: of 1, 2, 2.5, 5 and 10 times a power of ten, so that there are about four."""
    quarter = highest / 4
    if quarter <= 0:
        return 1.0
    power = 10.0 ** floor(log10(quarter))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= quarter * (1 - 1e-9))


def _values(top: float, step: float) -> str:
    parts = []
    for index in range(round(top / step) + 1):
        y = _y(index * step, top)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{index * step:.4g}</text>')
    return "".join(parts)


def _times(last: float) -> str:
    step = _step(last)
    marks = [index * step for index in range(int(last / step + 1e-9) + 1)]
    return "".join(
        f'<text x="{_x(mark, last):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{mark:.4g} s</text>' for mark in marks
    )


def _curve(name: str, points: Points, last: float, top: float) -> str:
    path, pen = [], "M"
    for time, value in points:
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{_x(time, last):.1f} {_y(abs(value), top):.1f}")
        pen = "L"
    return f'<path class="curve {escape(name)}" d="{"".join(path)}"/>'


def _x(value: float, last: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / last


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top
