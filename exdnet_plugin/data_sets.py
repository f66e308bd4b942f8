"""Data sets of paired pictures by the folders they come in: LOL, LSRW, RELLISUR, or any low and high side by side."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from exdnet_plugin.pairs import Pair, find_pairs, find_pictures

_LOL = (("low", "high"), ("Low", "High"), ("our485/low", "our485/high"), ("Train/low", "Train/high"))
_LSRW = tuple(
    (f"{top}{camera}/low", f"{top}{camera}/high")
    for top in ("Training data/", "Train/", "")
    for camera in ("Huawei", "Nikon")
)
_RELLISUR = tuple(
    (f"{top}LLLR", f"{top}{high}/X1") for top in ("Train/", "") for high in ("NLHR-Duplicates", "NLHR")
)  # fmt: skip


@dataclass(frozen=True)
class DataSet:
    """Pairs; the names of those that show one view, and of those that also have one exposure and differ in noise alone.

    `exposures` names the exposure constants of weights that are trained on it, as `training.recipe` knows them.
    """

    name: str
    pairs: Sequence[Pair]
    groups: Sequence[Sequence[str]]
    bursts: Sequence[Sequence[str]] = ()
    exposures: str = "lol"


def open_data_set(root: Path) -> DataSet:
    """The pairs below a data set's root, by the folder names that LOL, LSRW and RELLISUR are given out with.

    LSRW's cameras are taken together. RELLISUR has up to five dark pictures of one bright one; they are one group.
    `viewpoint_groups.json` and `static_bursts.json` in the root are lists of lists of names.

    Raises:
        ValueError: there are no such folders, or pictures in them that have no partner.
    """
    if found := _there(root, _RELLISUR):
        return _rellisur(root / found[0][0], root / found[0][1])
    if found := _there(root, _LSRW):
        return _lsrw(root, found)
    if found := _there(root, _LOL):
        return paired_data_set(root / found[0][0], root / found[0][1], root)
    if not root.is_dir():
        raise ValueError(f"{root} is no folder; check the path")
    known = ", ".join(f"{low} + {high}" for low, high in (_LOL[0], _LSRW[0], _RELLISUR[0]))
    raise ValueError(f"{root} has no paired folders; looked for {known}. Give the two folders by --low and --high")


def data_set_around(low: Path, high: Path) -> DataSet:
    """The data set that two folders are part of, as :func:`open_data_set` finds it above them, or their pairs alone."""
    for root in list(low.parents)[:3]:
        try:
            found = open_data_set(root)
        except ValueError:
            continue
        if any((pair.low.parent, pair.high.parent) == (low, high) for pair in found.pairs):
            return found
    return paired_data_set(low, high)


def paired_data_set(low: Path, high: Path, root: Path | None = None) -> DataSet:
    """The pairs of two folders.

    What tells their groups and bursts lies in `root`, by default the dark folder's own, or in the folder above it, as
    beside LOL's `our485`.
    """
    root = root or low.parent
    pairs = find_pairs(low, high)
    groups, bursts = (
        _names(root / name) or _names(root.parent / name) for name in ("viewpoint_groups.json", "static_bursts.json")
    )
    return DataSet("paired folders", pairs, groups or [[pair.name] for pair in pairs], bursts)


def _there(root: Path, layout: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(low, high) for low, high in layout if (root / low).is_dir() and (root / high).is_dir()]


def _names(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    try:
        groups = json.loads(path.read_text())
    except ValueError:
        groups = None
    if not isinstance(groups, list) or not all(
        isinstance(group, list) and all(isinstance(name, str) for name in group) for group in groups
    ):
        raise ValueError(f'{path} is not a list of lists of names, as [["1", "2"], ["3"]]; mend it or remove it')
    return [group for group in groups if group]


def _lsrw(root: Path, found: Sequence[tuple[str, str]]) -> DataSet:
    """Both cameras' pairs. They number their pictures alike, so a name has its camera in front."""
    pairs = []
    for low, high in found:
        camera = Path(low).parent.name
        pairs += [replace(pair, name=f"{camera}/{pair.name}") for pair in find_pairs(root / low, root / high)]
    return DataSet("LSRW", pairs, [[pair.name] for pair in pairs])


def _rellisur(low: Path, high: Path) -> DataSet:
    """A dark picture is named after its bright one and its exposure: 00001-2.5 of 00001, or of 00001-2.5 itself."""
    brights = {path.stem: path for path in find_pictures(high)}
    pairs: list[Pair] = []
    groups: dict[str, list[str]] = defaultdict(list)
    for path in find_pictures(low):
        scene = path.stem.partition("-")[0].rstrip("_")
        bright = brights.get(path.stem) or brights.get(scene)
        if bright is None:
            raise ValueError(f"{path} has no partner {path.stem} or {scene} in {high}. Remove it or rename it")
        pairs.append(Pair(path.stem, path, bright))
        groups[scene].append(path.stem)
    if not pairs:
        raise ValueError(f"{low} holds no pictures")
    return DataSet("RELLISUR", pairs, list(groups.values()), exposures="rellisur")
