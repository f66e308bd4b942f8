"""A canvas for numpy alone: smooth-edged polygons and strokes with texture, in daylight or under lamps.

Lengths are in picture heights, x to the right and y downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FINE = 2  # pictures are painted so many times as large, and averaged down
GAMMA = 2.2

Picture = NDArray[np.float32]
Color = Sequence[float]
Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom


class Canvas:
    """A picture being painted.

    Args:
        width: in heights.
        pixels: of a height, before oversampling.

    Attributes:
        paint: (h, w, 3), how things look by day, gamma-coded RGB.
        glow: (h, w, 3), what they give off themselves, linear.
        lamps: (h, w, 3), what lamps add to the daylight that falls on them, linear.
        cover: (h, w, 1), 1 where something was painted.
        x, y: (1, w) and (h, 1), where the pixels are.
    """

    def __init__(self, width: float, pixels: int) -> None:
        self.width, self.scale = width, pixels * FINE
        self.shape = self.scale, round(width * pixels) * FINE
        self.paint, self.glow, self.lamps = (np.zeros((*self.shape, 3), np.float32) for _ in range(3))
        self.cover = np.zeros((*self.shape, 1), np.float32)
        rows, columns = (np.arange(length, dtype=np.float32) + 0.5 for length in self.shape)
        self.y: Picture = rows[:, None] / np.float32(self.scale)
        self.x: Picture = columns[None] / np.float32(self.scale)

    def fill(
        self,
        box: Box,
        depth: Callable[[Picture, Picture], Any],
        color: Color,
        *,
        glow: float = 0.0,
        texture: Picture | None = None,
        opacity: float = 1.0,
    ) -> None:
        """Paint where depth(x, y), the distance inwards from the edge, is positive; `box` holds all of it."""
        view = self._view(box)
        share = opacity * np.clip(depth(self.x[:, view[1]], self.y[view[0]]) * self.scale + 0.5, 0, 1)[..., None]
        plain = np.asarray(color, np.float32)
        textured = plain if texture is None else plain * texture[view][..., None]
        self.paint[view] += share * (np.clip(textured, 0, 1) - self.paint[view])
        self.glow[view] += share * (glow * plain**GAMMA - self.glow[view])
        self.cover[view] += share * (1 - self.cover[view])

    def _view(self, box: Box) -> tuple[slice, slice]:
        left, top, right, bottom = (round(value * self.scale) for value in box)
        return slice(max(top - 2, 0), max(bottom + 2, 0)), slice(max(left - 2, 0), max(right + 2, 0))

    def polygon(self, points: Sequence[Point], color: Color, **look: Any) -> None:
        """A convex polygon, its corners clockwise."""
        sides = list(zip(points, [*points[1:], points[0]], strict=True))

        def depth(x: Picture, y: Picture) -> Any:
            return np.minimum.reduce(
                [((c - a) * (y - b) - (d - b) * (x - a)) / np.hypot(c - a, d - b) for (a, b), (c, d) in sides]
            )

        across, down = zip(*points, strict=True)
        self.fill((min(across), min(down), max(across), max(down)), depth, color, **look)

    def box(self, x: float, y: float, width: float, height: float, color: Color, **look: Any) -> None:
        """An upright rectangle by its top left corner."""
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], color, **look)

    def line(self, start: Point, end: Point, width: float, color: Color, **look: Any) -> None:
        """A stroke with round ends; a disc where start and end are one."""
        (a, b), (c, d), r = start, end, width / 2

        def depth(x: Picture, y: Picture) -> Any:
            along = np.clip(((x - a) * (c - a) + (y - b) * (d - b)) / max((c - a) ** 2 + (d - b) ** 2, 1e-9), 0, 1)
            return r - np.hypot(x - a - along * (c - a), y - b - along * (d - b))

        self.fill((min(a, c) - r, min(b, d) - r, max(a, c) + r, max(b, d) + r), depth, color, **look)

    def shine(self, x: float, y: float, reach: float, power: float, color: Color) -> None:
        """A light: it is seen with a halo, and lights what is painted within reach."""
        view = self._view((x - reach, y - reach, x + reach, y + reach))
        square = (self.x[:, view[1]] - x) ** 2 + (self.y[view[0]] - y) ** 2
        near, hue = np.clip(1 - square / reach**2, 0, 1)[..., None] ** 3, np.asarray(color, np.float32)
        self.lamps[view] += power * near * hue
        self.glow[view] += (0.25 * near**60 + 0.03 * near**8) * hue

    def exposed(self, daylight: float) -> Picture:
        """Linear light times coverage, then coverage: (h, FINE·w, 4). Columns stay fine, for a smooth pan."""
        light = self.paint**GAMMA * (daylight + self.lamps) * self.cover + self.glow
        fine = np.concatenate([light, self.cover], axis=2)
        return np.asarray(fine.reshape(-1, FINE, *fine.shape[1:]).mean(1), np.float32)


def clouds(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Picture:
    """Smooth noise around 1, about 0.5 to 1.5: (h, w), its largest shapes a `cells`-th of the height."""
    total = np.ones(shape, np.float32)
    for octave in range(5):
        count = cells << octave
        across = max(round(count * shape[1] / shape[0]), 1)
        grid = rng.random((count + 1, across + 1), np.float32) - 0.5
        tall = _stretched(grid, shape[0])
        total += 0.5 / 1.6**octave * _stretched(tall.T, shape[1]).T
    return total


def _stretched(grid: Picture, length: int) -> Picture:
    """Rows interpolated to a length, smoothly."""
    at = np.linspace(0, len(grid) - 1, length, endpoint=False, dtype=np.float32)
    row, part = at.astype(np.intp), (at % 1)[:, None]
    part = part * part * (3 - 2 * part)
    return np.asarray(grid[row] * (1 - part) + grid[row + 1] * part, np.float32)


def bricks(rng: np.random.Generator, canvas: Canvas, width: float, height: float, joint: float) -> Picture:
    """Courses of staggered bricks, each of its own tone, with joints of another tone: (h, w) around 1."""
    course = np.floor(canvas.y / height).astype(np.intp)
    along = canvas.x / width + 0.5 * (course % 2)
    tones = 0.86 + 0.28 * rng.random((97, 251), np.float32)[course % 97, np.floor(along).astype(np.intp) % 251]
    gap = ((canvas.y / height) % 1 < 0.16) | (along % 1 < 0.16 * height / width)
    return np.where(gap, np.float32(joint), tones)
