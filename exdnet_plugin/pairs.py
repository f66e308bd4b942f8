"""Paired pictures: found by name, split by viewpoint, read as 8-bit RGB. Training and evaluation both use them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from exdnet_plugin.media.heic import HEIC_SUFFIXES
from exdnet_plugin.media.photos import PHOTO_SUFFIXES, in_8_bits, read_photo

Picture = NDArray[np.uint8]  # (H, W, 3) RGB
_BY_READ_PHOTO = HEIC_SUFFIXES | {".avif"}  # OpenCV turns the others by their EXIF, and reads them faster


@dataclass(frozen=True)
class Pair:
    """A dark picture and its bright ground truth, of one size."""

    name: str
    low: Path
    high: Path

    def load(self) -> tuple[Picture, Picture]:
        """Both pictures as (H, W, 3) uint8 RGB; ValueError or MediaError when one is unreadable or the sizes differ."""
        low, high = read_picture(self.low), read_picture(self.high)
        if low.shape != high.shape:
            raise ValueError(
                f"{self.low} is {low.shape[1]}x{low.shape[0]} but {self.high} is {high.shape[1]}x{high.shape[0]}: "
                "a pair needs one size"
            )
        return low, high


def read_picture(path: Path) -> Picture:
    """An 8-bit RGB picture, upright, (H, W, 3) uint8; ValueError or MediaError when it is none."""
    if path.suffix.lower() in _BY_READ_PHOTO:
        return in_8_bits(read_photo(path).rgb)
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise ValueError(
            f"{path} is not a picture that can be read; expected one of {', '.join(sorted(PHOTO_SUFFIXES))}"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def find_pairs(low: Path, high: Path) -> list[Pair]:
    """Pairs of equal stem in two folders, sorted by name; ValueError names what has no partner, or more than one."""
    darks, brights = _by_stem(low), _by_stem(high)
    if not darks.keys() & brights.keys():
        raise ValueError(
            f"{low} ({len(darks)} pictures) and {high} ({len(brights)}) have no name in common; a pair is two files of "
            f"one name, with one of {', '.join(sorted(PHOTO_SUFFIXES))}"
        )
    unpaired = sorted(darks.keys() ^ brights.keys())
    if unpaired:
        shown = ", ".join(unpaired[:5]) + (", …" if len(unpaired) > 5 else "")
        raise ValueError(
            f"{len(unpaired)} pictures of {low} and {high} have no partner of the same name: {shown}. "
            "Remove them or rename them"
        )
    return [Pair(name, darks[name], brights[name]) for name in sorted(darks)]


def find_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, sorted; ValueError when it is none."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder of pictures")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)


def _by_stem(folder: Path) -> dict[str, Path]:
    pictures: dict[str, Path] = {}
    for path in find_pictures(folder):
        other = pictures.setdefault(path.stem, path)
        if other is not path:
            raise ValueError(
                f"{folder} holds {other.name} and {path.name}: pairs go by the name without its suffix, so only one "
                "picture may have it; rename the other, in both folders"
            )
    return pictures


def split_by_group(
    pairs: Sequence[Pair], groups: Iterable[Sequence[str]], every: int = 10
) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs: whole groups go one way, about one group in `every` to validation.

    The choice depends on the groups alone (a shuffle of fixed seed), so every run and every machine holds out the same.
    """
    shuffled = sorted((sorted(group) for group in groups), key=lambda group: group[0])
    random.Random(20240).shuffle(shuffled)
    held_out = {name for group in shuffled[::every] for name in group}
    training = [pair for pair in pairs if pair.name not in held_out]
    return training, [pair for pair in pairs if pair.name in held_out]
