"""Data sets by the folders that they come in."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from exdnet_plugin.data_sets import open_data_set, paired_data_set
from exdnet_plugin.training.runs import split


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), np.zeros((16, 16, 3), np.uint8))


def test_lol_has_its_groups_and_bursts_beside_the_folders(tmp_path: Path) -> None:
    put(tmp_path, *(f"our485/{side}/{index}.png" for side in ("low", "high") for index in (1, 2, 3)))
    (tmp_path / "viewpoint_groups.json").write_text('[["1", "2"], ["3"]]')
    (tmp_path / "static_bursts.json").write_text('[["1", "2"]]')
    found = open_data_set(tmp_path)
    assert [pair.name for pair in found.pairs] == ["1", "2", "3"]
    assert (found.groups, found.bursts, found.exposures) == ([["1", "2"], ["3"]], [["1", "2"]], "lol")


def test_lsrw_takes_both_cameras_whose_pictures_are_numbered_alike(tmp_path: Path) -> None:
    for camera in ("Huawei", "Nikon"):
        put(tmp_path, *(f"Training data/{camera}/{side}/{i}.jpg" for side in ("low", "high") for i in (1, 2)))
    names = [pair.name for pair in open_data_set(tmp_path).pairs]
    assert names == ["Huawei/1", "Huawei/2", "Nikon/1", "Nikon/2"]


@pytest.mark.parametrize("bright", ["NLHR/X1/00001.png", "NLHR-Duplicates/X1/00001-2.5.png"])
def test_rellisur_has_several_dark_pictures_of_a_bright_one_in_one_group(tmp_path: Path, bright: str) -> None:
    put(tmp_path, "Train/LLLR/00001-2.5.png", "Train/LLLR/00001-4.0.png", f"Train/{bright}")
    if "Duplicates" in bright:
        put(tmp_path, "Train/NLHR-Duplicates/X1/00001-4.0.png")
    found = open_data_set(tmp_path)
    assert found.exposures == "rellisur"
    assert found.groups == [["00001-2.5", "00001-4.0"]]
    assert {pair.high.parent.parent.name for pair in found.pairs} == {bright.partition("/")[0]}


def test_what_has_no_partner_or_is_no_list_is_named(tmp_path: Path) -> None:
    put(tmp_path, "Train/LLLR/00001-2.5.png", "Train/NLHR/X1/00002.png")
    with pytest.raises(ValueError, match=r"00001-2\.5\.png has no partner"):
        open_data_set(tmp_path)
    put(tmp_path, "a/low/1.png", "a/high/1.png")
    (tmp_path / "a" / "viewpoint_groups.json").write_text('{"1": 2}')
    with pytest.raises(ValueError, match=r"viewpoint_groups\.json is not a list of lists"):
        paired_data_set(tmp_path / "a/low", tmp_path / "a/high")


def test_what_is_held_out_is_never_trained_on(shared: Path) -> None:
    data = open_data_set(shared / "data" / "lol")
    group_of = {name: index for index, group in enumerate(data.groups) for name in group}
    training, unseen = split(data, "views")
    assert len(training) + len(unseen) == 485
    assert not {group_of[pair.name] for pair in training} & {group_of[pair.name] for pair in unseen}
    training, unseen = split(data, "pictures")
    assert (len(training), len(unseen)) == (453, 32)
    assert {group_of[pair.name] for pair in unseen} <= {group_of[pair.name] for pair in training}
    with pytest.raises(ValueError, match="needs viewpoints with several pictures"):
        split(paired_data_set(shared / "data/lol/low", shared / "data/lol/high", Path("nowhere")), "pictures")
