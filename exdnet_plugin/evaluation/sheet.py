"""A contact sheet as one picture: before, after and truth of each, with name and figures, drawn by OpenCV."""

from __future__ import annotations

from math import ceil, sqrt

import cv2
import numpy as np

from exdnet_plugin.evaluation.results import SIDES, Evaluation, Row, cell, name_of
from exdnet_plugin.evaluation.thumbnails import SIZE, Pixels, decoded, evenly

MOST = 60  # entries of one sheet; of more pictures, so many at even distances are shown
VIDEO_MOST = 8
GAP, LINE, MARGIN, HEADER = 4, 17, 16, 26
_INK, _SOFT, _PAPER = (235, 235, 235), (165, 165, 165), (28, 26, 24)


def contact_sheet(evaluation: Evaluation) -> Pixels:
    """The sheet, (H, W, 3) BGR. Letters are those that OpenCV's drawing has, of ASCII."""
    shown = evenly(evaluation.looks, MOST if evaluation.unit == "pictures" else VIDEO_MOST)
    tiles = [_tile(evaluation, row, looks) for row, looks in shown]
    width, height = (max(tile.shape[axis] for tile in tiles) for axis in (1, 0))
    columns = max(1, min(len(tiles), round(sqrt(len(tiles) * height / width))))
    lines = _header(evaluation, len(shown))
    top = 2 * MARGIN + HEADER * len(lines)
    size = top + ceil(len(tiles) / columns) * (height + MARGIN), columns * (width + MARGIN) + MARGIN
    sheet = np.full((size[0], max(size[1], _width_of(lines)), 3), _PAPER, np.uint8)
    for index, text in enumerate(lines):
        _write(sheet, text, MARGIN, HEADER * (index + 1), scale=0.6)
    for index, tile in enumerate(tiles):
        y, x = top + index // columns * (height + MARGIN), MARGIN + index % columns * (width + MARGIN)
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet


def _header(evaluation: Evaluation, shown: int) -> list[str]:
    count = len(evaluation.rows)
    some = f", {shown} of them shown" if shown < count else ""
    mean = evaluation.mean
    sides = [(f"{side}: ", mean[side]) for side in SIDES] if "before" in mean else [("", mean)]
    figures = [
        side + ", ".join(column.told(column.text(found[column.key])) for column in evaluation.columns)
        for side, found in sides
    ]
    facts = ", ".join(f"{name} {value}" for name, value in evaluation.facts.items() if name != "weights")
    weights = [f"weights {evaluation.facts['weights']}"] if "weights" in evaluation.facts else []
    return [f"{evaluation.title}: mean of {count} {evaluation.unit}{some}", *figures, facts, *weights]


def _tile(evaluation: Evaluation, row: Row, looks: dict[str, bytes]) -> Pixels:
    """Pictures side by side, name and figures below."""
    pictures = [decoded(jpeg) for jpeg in looks.values()]
    height, width = max(picture.shape[0] for picture in pictures), len(pictures) * (SIZE[0] + GAP) - GAP
    texts = [name_of(row), *_figure_lines(evaluation, row)]
    tile = np.full((height + LINE * len(texts) + 6, width, 3), _PAPER, np.uint8)
    x = 0
    for picture in pictures:
        tile[: picture.shape[0], x : x + picture.shape[1]] = picture
        x += picture.shape[1] + GAP
    for index, text in enumerate(texts):
        _write(tile, text, 0, height + LINE * (index + 1), ink=_SOFT if index else _INK)
    return tile


def _figure_lines(evaluation: Evaluation, row: Row) -> list[str]:
    """Figures, two a line where there are two sides, else all."""
    figures = [column.told(cell(row, column)) for column in evaluation.columns]
    step = 2 if "before" in row else len(figures)
    return ["   ".join(figures[start : start + step]) for start in range(0, len(figures), step)]


def _write(sheet: Pixels, text: str, x: int, y: int, *, scale: float = 0.42, ink: tuple[int, int, int] = _INK) -> None:
    cv2.putText(sheet, _ascii(text), (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)


def _width_of(lines: list[str]) -> int:
    widths = [cv2.getTextSize(_ascii(text), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)[0][0] for text in lines]
    return max(widths) + 2 * MARGIN


def _ascii(text: str) -> str:
    for letter, plain in {"→": "->", "Δ": "d", "×10⁻³": "x1e-3", "–": "-"}.items():
        text = text.replace(letter, plain)
    return text.encode("ascii", "replace").decode()
