"""TIFF: pixels and alpha are what the file says, in every layout that is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile

from exdnet_plugin import MediaError
from exdnet_plugin.media.orientation import upright
from exdnet_plugin.media.photos import read_photo, write_photo

BOTH_DEPTHS = pytest.mark.parametrize("depth", [np.uint8, np.uint16])


def noise(depth: type, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(depth).max + 1, (24, 32, channels)).astype(depth)


def tiff(path: Path, pixels: np.ndarray, **layout: Any) -> Path:
    if layout.get("planarconfig") == "separate":
        pixels = np.moveaxis(pixels, 2, 0)
    tifffile.imwrite(path, pixels, **{"photometric": "rgb", "compression": "zlib", "metadata": None} | layout)
    return path


@BOTH_DEPTHS
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"planarconfig": "separate"}, {"byteorder": ">"}])
def test_colours_are_not_multiplied_by_unassociated_alpha(tmp_path: Path, depth: type, layout: dict[str, Any]) -> None:
    stored = noise(depth, 4)
    photo = read_photo(tiff(tmp_path / "in.tif", stored, extrasamples=["unassalpha"], **layout))
    assert np.array_equal(np.dstack([photo.rgb, photo.alpha]), stored)
    assert photo.notes == ()
    write_photo(tmp_path / "out.tif", photo)
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), stored)
    again = read_photo(tmp_path / "out.tif")
    assert np.array_equal(np.dstack([again.rgb, again.alpha]), stored), "what is written is read the same"


def test_alpha_in_lzw_is_read_without_a_further_library(tmp_path: Path) -> None:
    stored = noise(np.uint8, 4)
    PIL.Image.fromarray(stored).save(tmp_path / "in.tif", compression="tiff_lzw")
    photo = read_photo(tmp_path / "in.tif")
    assert np.array_equal(np.dstack([photo.rgb, photo.alpha]), stored)


@BOTH_DEPTHS
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_associated_alpha_is_divided_out_and_named(tmp_path: Path, depth: type, planes: str) -> None:
    peak, seen = np.iinfo(depth).max, noise(depth, 4)
    seen[:, :, 3] = np.maximum(seen[:, :, 3], peak // 2)
    seen[0, 0] = 0
    multiplied = seen.copy()
    multiplied[:, :, :3] = np.round(seen[:, :, :3] * (seen[:, :, 3:] / peak))
    source = tiff(tmp_path / "in.tif", multiplied, extrasamples=["assocalpha"], planarconfig=planes)
    photo = read_photo(source)
    assert np.array_equal(photo.alpha, seen[:, :, 3])
    assert np.abs(photo.rgb.astype(int) - seen[:, :, :3]).max() <= 1
    assert "its alpha is written unassociated" in " ".join(photo.notes)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_separate_planes_of_16_bits_are_read_upright(tmp_path: Path, byteorder: str, orientation: int) -> None:
    stored, turn = noise(np.uint16, 3), [(274, 3, 1, orientation, True)]
    layout = {"planarconfig": "separate", "byteorder": byteorder, "extratags": turn}
    photo = read_photo(tiff(tmp_path / "in.tif", stored, **layout))
    assert np.array_equal(photo.rgb, upright(stored, orientation))


@BOTH_DEPTHS
@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_white_that_is_zero_is_no_negative(tmp_path: Path, depth: type, tile: tuple[int, int] | None) -> None:
    stored = np.tile(noise(depth, 1)[:, :, 0], (2, 2))
    photo = read_photo(tiff(tmp_path / "in.tif", stored, photometric="miniswhite", tile=tile))
    assert photo.gray
    assert np.array_equal(photo.rgb[:, :, 0], np.iinfo(depth).max - stored)


@BOTH_DEPTHS
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_gray_keeps_its_alpha_and_depth(tmp_path: Path, depth: type, photometric: str) -> None:
    stored = noise(depth, 2)
    layout = {"photometric": photometric, "extrasamples": ["unassalpha"], "planarconfig": "contig"}
    photo = read_photo(tiff(tmp_path / "in.tif", stored, **layout))
    gray = np.iinfo(depth).max - stored[:, :, 0] if photometric == "miniswhite" else stored[:, :, 0]
    assert np.array_equal(photo.rgb, np.repeat(gray[:, :, None], 3, axis=2))
    assert np.array_equal(photo.alpha, stored[:, :, 1])


def test_profiles_that_do_not_fit_the_pixels_are_left_out(tmp_path: Path) -> None:
    for space, layout, channels in ((b"GRAY", {"photometric": "minisblack"}, 2), (b"CMYK", {"photometric": 5}, 4)):
        icc = (bytes(16) + space).ljust(132, b"\0")
        kinds = {"extrasamples": ["unassalpha"]} if channels == 2 else {}
        profile = [(34675, 7, len(icc), icc, True)]
        stored = noise(np.uint8, channels)
        source = tiff(tmp_path / "in.tif", stored, extratags=profile, planarconfig="contig", **layout, **kinds)
        for suffix in (".tif", ".png"):
            notes = " ".join(write_photo(tmp_path / f"out{suffix}", read_photo(source)))
            assert "ICC profile" in notes
            assert "icc_profile" not in PIL.Image.open(tmp_path / f"out{suffix}").info


def test_what_is_not_read_is_refused_in_a_line(tmp_path: Path) -> None:
    source = tiff(tmp_path / "in.tif", noise(np.uint16, 4), planarconfig="separate", photometric="separated")
    with pytest.raises(MediaError, match="PhotometricInterpretation 5: gray or RGB of 8 or 16 bits"):
        read_photo(source)
    source = tiff(tmp_path / "in.tif", noise(np.uint16, 3), planarconfig="separate")
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match="is not a TIFF that can be read, or is cut off"):
        read_photo(source)
    source.write_bytes(b"II*\0\x08\0\0\0")
    with pytest.raises(MediaError, match="is not a TIFF that can be read, or is cut off"):
        read_photo(source)


def test_a_file_is_read_by_what_it_is_not_by_its_name(tmp_path: Path) -> None:
    stored = noise(np.uint8, 4)
    tiff(tmp_path / "in.tif", stored, extrasamples=["unassalpha"]).rename(tmp_path / "in.png")
    assert np.array_equal(read_photo(tmp_path / "in.png").rgb, stored[:, :, :3])
    cv2.imwrite(str(tmp_path / "other.png"), stored)
    (tmp_path / "other.png").rename(tmp_path / "other.tif")
    assert np.array_equal(read_photo(tmp_path / "other.tif").rgb, stored[:, :, 2::-1])


@pytest.mark.parametrize("text", ["© 2024 Jürgen", "plain", "夜"])
def test_text_of_any_letters_is_kept(tmp_path: Path, text: str) -> None:
    source, stored = tmp_path / "in.tif", noise(np.uint8, 3)
    tifffile.imwrite(source, stored, photometric="rgb", metadata=None, extratags=[(33432, 2, 0, text.encode(), True)])
    write_photo(tmp_path / "out.tif", read_photo(source))
    with tifffile.TiffFile(tmp_path / "out.tif") as written:
        assert written.pages[0].tags[33432].value == text
    assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), stored)
