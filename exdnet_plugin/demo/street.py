"""The demo's scene: a street of coloured houses, shops, trees and lamps, and what drives along it.

Lengths are in picture heights, x to the right and y downwards.
"""

from __future__ import annotations

import math

import numpy as np

from exdnet_plugin.demo.canvas import Canvas, Color, Picture, bricks, clouds

_PAVEMENT, _KERB, _ROAD = 0.70, 0.785, 0.80  # where they begin
_WARM, _WHITE, _BLACK, _DARK = (1.0, 0.70, 0.36), (0.93, 0.92, 0.88), (0.0, 0.0, 0.0), (0.10, 0.10, 0.11)
_BAY = 0.112  # from window to window
_GLASS = (0.24, 0.33, 0.42)
_WALLS = (
    (0.68, 0.28, 0.20), (0.90, 0.66, 0.26), (0.20, 0.50, 0.52), (0.86, 0.46, 0.42),
    (0.34, 0.46, 0.74), (0.78, 0.72, 0.58), (0.50, 0.62, 0.38),
)  # fmt: skip
_BRICK = (_WALLS[0], _WALLS[4], _WALLS[5])
_CLOTHS = ((0.80, 0.12, 0.14), (0.08, 0.44, 0.30), (0.93, 0.60, 0.08), (0.14, 0.26, 0.62), (0.60, 0.16, 0.46))
_LEAVES = ((0.34, 0.54, 0.14), (0.18, 0.44, 0.18), (0.90, 0.48, 0.10))


def street(rng: np.random.Generator, width: float, pixels: int) -> Canvas:
    """Everything that stands still, `width` heights wide."""
    canvas = Canvas(width, pixels)
    haze = clouds(rng, canvas.shape, 3)
    _sky(canvas, haze)
    plaster = (clouds(rng, canvas.shape, 30) * 0.22 + 0.78) * (0.8 + 0.2 * haze)
    masonry = bricks(rng, canvas, 0.034, 0.0125, 1.25) * (0.65 + 0.35 * haze)
    x, number = float(rng.uniform(-0.2, -0.1)), int(rng.integers(len(_WALLS)))
    while x < width:
        bays = int(rng.integers(2, 5))
        wall = _WALLS[number % len(_WALLS)]
        _house(canvas, rng, x, bays, 3 - number % 2, wall, masonry if wall in _BRICK else plaster)
        _shop(canvas, rng, x, bays * _BAY + 0.03, _CLOTHS[number * 2 % len(_CLOTHS)])
        x, number = x + bays * _BAY + 0.03, number + 1
    _ground(canvas, rng, haze)
    for number, x in enumerate(np.arange(0.18, width, 0.62)):
        _tree(canvas, rng, x + float(rng.uniform(-0.05, 0.05)), _LEAVES[number % 3])
        _lamp(canvas, x + 0.33)
    return canvas


def _rgb(color: Color) -> Picture:
    return np.asarray(color, np.float32)


def _sky(canvas: Canvas, haze: Picture) -> None:
    """Blue above, rosy towards the roofs, with clouds."""
    down = np.clip(canvas.y / 0.6, 0, 1)[..., None]
    sky = (1 - down) * _rgb((0.30, 0.46, 0.78)) + down * _rgb((0.98, 0.70, 0.52))
    cloud = np.clip((haze - 1) * 3, 0, 0.7)[..., None]
    canvas.paint[:] = sky + cloud * (_rgb((0.98, 0.84, 0.80)) - sky)
    canvas.cover[:] = 1


def _house(
    canvas: Canvas, rng: np.random.Generator, x: float, bays: int, floors: int, wall: Color, texture: Picture
) -> None:
    width, top = bays * _BAY + 0.03, 0.48 - 0.13 * floors + float(rng.uniform(-0.015, 0.02))
    trim = [0.5 * value + 0.42 for value in wall]
    if floors == 2:
        _roof(canvas, x, top, width, texture)
    canvas.box(x, top, width, _PAVEMENT - top, wall, texture=texture)
    size = float(rng.uniform(0.050, 0.068)), float(rng.uniform(0.080, 0.092))
    for floor in range(floors):
        for bay in range(bays):
            middle = x + 0.015 + _BAY * (bay + 0.5)
            _window(canvas, rng, middle - size[0] / 2, top + 0.030 + 0.13 * floor, size, trim)
    canvas.box(x - 0.006, top - 0.012, width + 0.012, 0.020, trim, texture=texture)
    for step in range(1, 9):  # the shadows of the cornice, of the neighbour, and of the street below
        canvas.box(x, top + 0.008, width, 0.003 * step, _BLACK, opacity=0.06)
        canvas.box(x + width - 0.002 * step, top, 0.002 * step, _PAVEMENT - top, _BLACK, opacity=0.06)
        canvas.box(x, _PAVEMENT - 0.04 * step, width, 0.04 * step, _BLACK, opacity=0.025)


def _roof(canvas: Canvas, x: float, top: float, width: float, texture: Picture) -> None:
    chimney = x + 0.25 * width
    canvas.box(chimney, top - 0.16, 0.045, 0.12, (0.52, 0.28, 0.22), texture=texture)
    canvas.box(chimney - 0.004, top - 0.165, 0.053, 0.012, (0.62, 0.56, 0.50))
    slope = [(x + 0.05, top - 0.115), (x + width - 0.05, top - 0.115), (x + width + 0.01, top), (x - 0.01, top)]
    canvas.polygon(slope, (0.56, 0.28, 0.20), texture=texture)
    for row in range(1, 9):
        y, inset = top - 0.0128 * row, 0.05 * row / 9
        canvas.line((x + inset, y), (x + width - inset, y), 0.004, (0.30, 0.14, 0.11), opacity=0.6)


def _window(
    canvas: Canvas, rng: np.random.Generator, x: float, y: float, size: tuple[float, float], trim: Color
) -> None:
    width, height = size
    canvas.box(x - 0.007, y - 0.008, width + 0.014, height + 0.014, trim)
    if rng.random() < 0.25:
        canvas.box(x, y, width, height, (1.0, 0.78, 0.44), glow=float(rng.uniform(0.05, 0.16)))
        canvas.box(x, y, width * 0.22, height, (0.80, 0.42, 0.24), glow=0.03)  # a curtain before the light
    else:
        tone = float(rng.uniform(0.6, 1.2))
        canvas.box(x, y, width, height, [value * tone for value in _GLASS])
        low = y + height * float(rng.uniform(0.3, 0.9))
        canvas.polygon([(x, y), (x + width, y), (x + width, y + 0.02), (x, low)], (0.62, 0.68, 0.78), opacity=0.5)
    canvas.box(x + width / 2 - 0.0025, y, 0.005, height, trim)
    canvas.box(x, y + height * 0.38, width, 0.005, trim)
    canvas.box(x, y, width, 0.009, _BLACK, opacity=0.35)
    canvas.box(x, y, 0.004, height, _BLACK, opacity=0.35)
    canvas.box(x - 0.010, y + height, width + 0.020, 0.010, trim)
    canvas.box(x - 0.008, y + height + 0.010, width + 0.016, 0.007, _BLACK, opacity=0.25)
    if rng.random() < 0.4:
        _flowers(canvas, rng, x, y + height - 0.006, width)


def _flowers(canvas: Canvas, rng: np.random.Generator, x: float, y: float, width: float) -> None:
    canvas.box(x, y, width, 0.016, (0.36, 0.22, 0.14))
    colors = [(0.16, 0.42, 0.14), (0.22, 0.50, 0.16), (0.92, 0.16, 0.34), (0.98, 0.78, 0.16)]
    for number in range(26):
        spot = x + width * float(rng.random()), y - 0.010 * float(rng.random())
        canvas.line(spot, spot, 0.009, colors[number // 8])


def _shop(canvas: Canvas, rng: np.random.Generator, x: float, width: float, cloth: Color) -> None:
    """The ground floor: a door, a lit or dark window with goods, an awning, a sign."""
    lit = float(rng.choice([0.0, 0.12]))
    canvas.box(x + 0.012, 0.505, width - 0.024, 0.195, [0.55 * value for value in cloth])
    canvas.box(x + 0.025, 0.555, width - 0.14, 0.115, (1.0, 0.80, 0.50) if lit else _GLASS, glow=lit)
    for item in np.arange(x + 0.035, x + width - 0.14, 0.022):
        tall = float(rng.uniform(0.02, 0.06))
        canvas.box(float(item), 0.668 - tall, 0.015, tall, rng.uniform(0.15, 0.9, 3).tolist(), glow=lit * 0.4)
    canvas.box(x + width - 0.095, 0.545, 0.065, 0.155, (0.80, 0.74, 0.64))
    canvas.box(x + width - 0.087, 0.555, 0.049, 0.085, _GLASS)
    canvas.line((x + width - 0.086, 0.652), (x + width - 0.086, 0.66), 0.006, (0.9, 0.75, 0.3))
    canvas.box(x + 0.02, 0.508, width - 0.04, 0.030, cloth)
    for letter in np.arange(x + 0.06, x + width - 0.08, 0.017):
        if rng.random() < 0.85:
            canvas.box(float(letter), 0.515, 0.004 + 0.007 * float(rng.random()), 0.016, (0.96, 0.92, 0.76))
    _awning(canvas, x + 0.015, width - 0.125, cloth)


def _awning(canvas: Canvas, x: float, width: float, cloth: Color) -> None:
    stripes = max(round(width / 0.026), 1)
    step = width / stripes
    canvas.box(x, 0.59, width, 0.018, _BLACK, opacity=0.4)
    for number in range(stripes):
        left, color = x + number * step, cloth if number % 2 else _WHITE
        canvas.polygon(
            [(left, 0.54), (left + step, 0.54), (left + step * 1.1, 0.588), (left - step * 0.1, 0.588)], color
        )
        canvas.line((left + step / 2, 0.588), (left + step / 2, 0.590), step, [0.85 * value for value in color])


def _ground(canvas: Canvas, rng: np.random.Generator, haze: Picture) -> None:
    slabs = bricks(rng, canvas, 0.075, 0.028, 0.72) * 0.5 + 0.5
    grain = 0.92 + 0.16 * rng.random(canvas.shape, np.float32)
    canvas.box(-1, _PAVEMENT, canvas.width + 2, _KERB - _PAVEMENT, (0.66, 0.61, 0.55), texture=slabs * grain)
    canvas.box(-1, _PAVEMENT, canvas.width + 2, 0.014, _BLACK, opacity=0.3)
    canvas.box(-1, _KERB, canvas.width + 2, _ROAD - _KERB, (0.74, 0.72, 0.68), texture=grain)
    canvas.box(-1, _ROAD, canvas.width + 2, 1 - _ROAD, (0.34, 0.34, 0.37), texture=grain * (0.6 + 0.4 * haze))
    canvas.box(-1, _ROAD, canvas.width + 2, 0.008, _BLACK, opacity=0.4)
    for x in np.arange(0.05, canvas.width, 0.34):
        mark = [(x + 0.01, 0.893), (x + 0.19, 0.893), (x + 0.18, 0.905), (x - 0.002, 0.905)]
        canvas.polygon(mark, (0.90, 0.89, 0.84), texture=grain)


def _tree(canvas: Canvas, rng: np.random.Generator, x: float, leaf: Color) -> None:
    for size in np.arange(0.05, 0.18, 0.02):
        _shadow(canvas, x, 0.757, float(size), 0.10)
    canvas.polygon([(x - 0.010, 0.40), (x + 0.010, 0.40), (x + 0.017, 0.757), (x - 0.017, 0.757)], (0.38, 0.28, 0.20))
    canvas.box(x, 0.42, 0.014, 0.337, _BLACK, opacity=0.3)
    for side in (-0.07, 0.08):
        canvas.line((x, 0.47), (x + side, 0.38), 0.010, (0.30, 0.22, 0.16))
    lobes = [
        (x + float(rng.uniform(-0.10, 0.10)), float(rng.uniform(0.24, 0.42)), float(rng.uniform(0.06, 0.09)))
        for _ in range(9)
    ]
    for depth in np.linspace(0, 1, 1100):  # from the dark inside to the leaves in the light
        across, down, r = lobes[int(rng.integers(len(lobes)))]
        angle, out = float(rng.uniform(0, math.tau)), r * math.sqrt(float(rng.random()))
        u, v = math.cos(angle) * out, math.sin(angle) * out
        tone = 0.35 + 0.55 * depth - 3.0 * (v + u * 0.5) - 1.2 * (down - 0.33) + 0.35 * float(rng.random())
        start, tip = (across + u, down + v), (across + u + 0.006 * math.cos(angle), down + v + 0.006)
        canvas.line(start, tip, 0.0085, np.clip(_rgb(leaf) * tone, 0.03, 1).tolist(), opacity=0.9)


def _shadow(canvas: Canvas, x: float, y: float, size: float, opacity: float) -> None:
    """A flat ellipse on the ground, `size` from its middle to either end."""
    box = x - size, y - size / 6, x + size, y + size / 6
    canvas.fill(box, lambda u, v: (size - np.hypot(u - x, (v - y) * 6)) / 6, _BLACK, opacity=opacity)


def _lamp(canvas: Canvas, x: float) -> None:
    canvas.line((x, 0.33), (x, 0.765), 0.010, (0.14, 0.17, 0.16))
    canvas.line((x, 0.70), (x, 0.765), 0.018, (0.14, 0.17, 0.16))
    canvas.line((x, 0.335), (x + 0.05, 0.315), 0.008, (0.14, 0.17, 0.16))
    canvas.polygon([(x + 0.035, 0.312), (x + 0.075, 0.312), (x + 0.085, 0.325), (x + 0.025, 0.325)], _DARK)
    canvas.line((x + 0.043, 0.330), (x + 0.067, 0.330), 0.014, (1.0, 0.90, 0.66), glow=1.0)
    canvas.shine(x + 0.055, 0.332, 0.42, 0.12, _WARM)


def car(pixels: int) -> Canvas:
    """A red car going to the right, 0.6 wide with its lights."""
    canvas, red = Canvas(0.75, pixels), (0.82, 0.10, 0.12)
    for size in (0.21, 0.23, 0.25, 0.27):
        _shadow(canvas, 0.28, 0.945, size, 0.25)
    canvas.polygon([(0.16, 0.765), (0.35, 0.765), (0.44, 0.845), (0.10, 0.845)], red)
    canvas.polygon([(0.17, 0.778), (0.245, 0.778), (0.245, 0.838), (0.125, 0.838)], _GLASS)
    canvas.polygon([(0.258, 0.778), (0.342, 0.778), (0.408, 0.838), (0.258, 0.838)], _GLASS)
    canvas.polygon([(0.29, 0.778), (0.32, 0.778), (0.30, 0.838), (0.27, 0.838)], (0.62, 0.70, 0.78), opacity=0.7)
    canvas.line((0.06, 0.868), (0.50, 0.872), 0.055, red)
    canvas.line((0.06, 0.900), (0.51, 0.900), 0.050, (0.66, 0.07, 0.09))
    canvas.line((0.05, 0.853), (0.49, 0.857), 0.006, (1.0, 0.48, 0.44), opacity=0.7)
    canvas.line((0.252, 0.80), (0.252, 0.92), 0.004, (0.45, 0.05, 0.07))
    for x in (0.135, 0.425):
        for width, color in (
            (0.098, (0.06, 0.05, 0.05)),
            (0.084, (0.09, 0.09, 0.10)),
            (0.050, (0.72, 0.74, 0.76)),
            (0.018, _DARK),
        ):
            canvas.line((x, 0.912), (x, 0.912), width, color)
    canvas.line((0.037, 0.868), (0.037, 0.885), 0.014, (1.0, 0.10, 0.08), glow=0.5)
    canvas.line((0.512, 0.872), (0.520, 0.878), 0.020, (1.0, 0.96, 0.84), glow=1.0)
    canvas.shine(0.520, 0.876, 0.13, 0.0, (1.0, 0.94, 0.80))
    return canvas


def cyclist(pixels: int, turn: float) -> Canvas:
    """A cyclist going to the left, the cranks turned by so many radians."""
    canvas, frame, skin = Canvas(0.30, pixels), (0.96, 0.74, 0.10), (0.80, 0.56, 0.42)
    rear, front, crank, saddle, bar = (0.20, 0.80), (0.08, 0.80), (0.145, 0.80), (0.168, 0.735), (0.095, 0.725)
    for hub in (rear, front):
        for width, color in ((0.084, _DARK), (0.074, (0.52, 0.52, 0.52))):
            canvas.line(hub, hub, width, color, opacity=0.9 if width > 0.08 else 0.45)
    for side in (math.pi, 0.0):
        foot = crank[0] + 0.018 * math.cos(turn + side), crank[1] + 0.018 * math.sin(turn + side)
        knee = (saddle[0] + foot[0]) / 2 - 0.028, (saddle[1] + foot[1]) / 2 - 0.008
        canvas.line(saddle, knee, 0.020, (0.16, 0.24, 0.50))
        canvas.line(knee, foot, 0.015, (0.16, 0.24, 0.50))
        canvas.line(foot, (foot[0] - 0.014, foot[1] + 0.003), 0.010, _WHITE)
    for start, end in (
        (rear, crank),
        (crank, saddle),
        (saddle, rear),
        (crank, bar),
        (bar, front),
        (saddle, (0.10, 0.745)),
    ):
        canvas.line(start, end, 0.006, frame)
    canvas.line((0.165, 0.725), (0.130, 0.665), 0.036, (0.10, 0.56, 0.52))
    canvas.line((0.132, 0.668), (0.098, 0.718), 0.013, skin)
    canvas.line((0.118, 0.638), (0.120, 0.642), 0.028, skin)
    canvas.line((0.112, 0.628), (0.132, 0.630), 0.020, (0.92, 0.22, 0.16))
    canvas.shine(0.085, 0.742, 0.06, 0.0, _WHITE)
    return canvas
