"""Folders of pictures, with a ground truth and without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from exdnet_plugin.api import enhance_image
from exdnet_plugin.chain import make_chain
from exdnet_plugin.evaluation.exposure import SMALLEST, describe
from exdnet_plugin.evaluation.metrics import compare, limited, psnr, unit
from exdnet_plugin.evaluation.results import PAIR_COLUMNS, PICTURE_COLUMNS, Evaluated, rounded
from exdnet_plugin.media.photos import PHOTO_SUFFIXES
from exdnet_plugin.pairs import Pair, Picture, find_pictures, read_picture
from exdnet_plugin.plugins import default_plugins


def evaluate_pairs(pairs: Sequence[Pair], *, chain: str = "exdnet", device: str = "auto") -> Iterator[Evaluated]:
    """A row a pair: its name and metrics of the enhanced dark picture, as 8 bits, against the bright one.

    Raises:
        ValueError: a chain, device or picture that is wrong.
    """
    processors = make_chain(chain, default_plugins())
    for pair in pairs:
        low, high = pair.load()
        _large_enough(low, pair.low)
        result = enhance_image(low, chain=processors, device=device)
        found = compare(unit(result), unit(high))._asdict() | {"psnr_before": limited(psnr(unit(low), unit(high)))}
        row = {"name": pair.name, **rounded(found, PAIR_COLUMNS)}
        yield Evaluated(row, {"before": low, "after": result, "truth": high})


def pictures_of(folder: Path) -> list[Path]:
    """The pictures of a folder that holds some, sorted; ValueError when it holds none."""
    paths = find_pictures(folder)
    if not paths:
        raise ValueError(f"{folder} holds no pictures; expected files with one of {', '.join(sorted(PHOTO_SUFFIXES))}")
    return paths


def evaluate_pictures(paths: Sequence[Path], *, chain: str = "exdnet", device: str = "auto") -> Iterator[Evaluated]:
    """A row a picture: its name, and exposure, colour and noise before and after, both as 8 bits.

    Raises:
        ValueError: a chain, device or picture that is wrong, the first one that is.
    """
    processors = make_chain(chain, default_plugins())
    for path in paths:
        before = _large_enough(read_picture(path), path)
        after = enhance_image(before, chain=processors, device=device)
        sides = {"before": before, "after": after}
        found = {side: rounded(describe(unit(picture))._asdict(), PICTURE_COLUMNS) for side, picture in sides.items()}
        yield Evaluated({"name": path.name, **found}, sides)


def _large_enough(picture: Picture, path: Path) -> Picture:
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST:
        raise ValueError(f"{path} is {width}x{height}: at least {SMALLEST}x{SMALLEST} is needed; take it out")
    return picture
