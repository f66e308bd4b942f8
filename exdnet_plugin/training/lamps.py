"""Lamps and black bars, pasted into both pictures of a pair: a lamp stays one, what has no light stays black."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from exdnet_plugin.training.light import Image


def add_lamps(dark: Image, bright: Image, rng: Generator) -> None:
    """Discs of light with a glow, in both pictures: what was a lamp stays one."""
    height, width = dark.shape[:2]
    for _ in range(int(rng.integers(1, 9))):
        radius = float(np.exp(rng.uniform(np.log(1.5), np.log(50))))
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        rows = slice(int(max(y - 3 * radius, 0)), int(min(y + 3 * radius + 1, height)))
        columns = slice(int(max(x - 3 * radius, 0)), int(min(x + 3 * radius + 1, width)))
        down, across = np.mgrid[rows, columns].astype(np.float32)
        light = _lamp(np.hypot(across - x, down - y), radius, rng)
        for image in (dark, bright):
            np.maximum(image[rows, columns], light, out=image[rows, columns])


def _lamp(distance: Image, radius: float, rng: Generator) -> Image:
    """A lamp's light, (h, w, 3), by the distance from its middle: a disc, hard or soft, maybe in a glow, maybe warm."""
    disc = (distance <= radius).astype(np.float32) if rng.random() < 0.5 else np.clip(radius - distance, 0, 1)
    glow = np.exp(-np.square(np.maximum(distance - radius, 0) / radius)) * rng.uniform(0, 0.4) * (rng.random() < 0.6)
    warmth = rng.uniform(0, 0.35, 3) * (rng.random() < 0.4) * np.array([0, 0.5, 1])
    light = np.maximum(disc, glow)[:, :, None] * (1 - warmth) * rng.uniform(0.9, 1.0)
    return np.asarray(light, np.float32)


def add_black(dark: Image, bright: Image, rng: Generator) -> None:
    """Letterbox or pillarbox bars, or a black shape anywhere, in both pictures: what has no light stays black."""
    height, width = dark.shape[:2]
    if rng.random() < 0.4:
        corner = (int(rng.uniform(0, 0.8) * width), int(rng.uniform(0, 0.8) * height))
        side = (int(rng.uniform(0.1, 0.5) * width), int(rng.uniform(0.1, 0.5) * height))
        for image in (dark, bright):
            cv2.rectangle(image, corner, (corner[0] + side[0], corner[1] + side[1]), (0, 0, 0), -1)
        return
    axis = int(rng.integers(2))
    thickness = max(1, int(rng.uniform(0.04, 0.2) * dark.shape[axis]))
    for image in (dark, bright):
        view = np.swapaxes(image, 0, axis)
        view[:thickness] = 0
        view[-thickness:] = 0
