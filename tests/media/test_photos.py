"""Photos keep what they carry."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tifffile
from conftest import dark_frames

from exdnet_plugin import MediaError, enhance_image
from exdnet_plugin.media.heic import write_heic
from exdnet_plugin.media.orientation import exif_orientation, upright
from exdnet_plugin.media.photos import read_photo, write_photo

# A big-endian EXIF block: one directory with Orientation = 6, turned by 90 degrees.
EXIF = b"MM\x00*\x00\x00\x00\x08\x00\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + b"\x00" * 4
Run = Callable[..., tuple[int, str, str]]


def icc_profile() -> bytes:
    """A made-up ICC profile: header and twenty text tags (libpng passes over one that is much shorter)."""
    text, tags = b"text\0\0\0\0night\0\0\0", 20
    header = bytearray(128)
    header[8], header[68:80] = 4, struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    header[12:16], header[16:20], header[20:24], header[36:40] = b"mntr", b"RGB ", b"XYZ ", b"acsp"
    offsets = [132 + 12 * tags + len(text) * index for index in range(tags)]
    table = b"".join(b"cprt" + struct.pack(">II", offset, len(text)) for offset in offsets)
    profile = bytes(header) + struct.pack(">I", tags) + table + text * tags
    return struct.pack(">I", len(profile)) + profile[4:]


def write(path: Path, pixels: np.ndarray) -> Path:
    blocks = [np.frombuffer(EXIF, np.uint8), np.frombuffer(icc_profile(), np.uint8)]
    kinds = [cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_ICCP]
    done, data = cv2.imencodeWithMetadata(path.suffix, pixels, kinds, blocks)
    assert done
    path.write_bytes(data.tobytes())
    return path


def carried(path: Path) -> tuple[bytes, bytes]:
    blocks = dict(read_photo(path).metadata)
    return blocks[cv2.IMAGE_METADATA_EXIF].tobytes()[: len(EXIF)], blocks[cv2.IMAGE_METADATA_ICCP].tobytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_icc_and_orientation_are_kept(tmp_path: Path, exdnet: Run, suffix: str) -> None:
    source, sink = write(tmp_path / f"in{suffix}", dark_frames(1, (40, 60))[0]), tmp_path / f"out{suffix}"
    assert exdnet("enhance", source, sink)[0] == 0
    assert carried(sink) == carried(source)
    before, after = read_photo(source).rgb, read_photo(sink).rgb
    assert before.shape == after.shape
    assert after.mean() > before.mean() + 30


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_and_alpha_are_kept(tmp_path: Path, exdnet: Run, suffix: str) -> None:
    pixels = np.zeros((32, 48, 4), np.uint16)
    pixels[:, :, :3] = dark_frames(1, (32, 48))[0].astype(np.uint16) * 257 + 3
    pixels[:, :, 3] = np.arange(48) * 1000
    path = tmp_path / f"in{suffix}"
    cv2.imwrite(str(path), pixels)
    assert exdnet("enhance", path, tmp_path / f"out{suffix}")[0] == 0
    result = read_photo(tmp_path / f"out{suffix}")
    assert result.rgb.dtype == np.uint16
    assert np.array_equal(result.alpha, pixels[:, :, 3])
    assert len(np.unique(result.rgb % 257)) > 100, "values between the 8-bit codes are used"


def test_tiff_keeps_its_profile_and_camera(tmp_path: Path, exdnet: Run) -> None:
    extra = [(34675, 7, len(icc_profile()), icc_profile(), True), (271, 2, 0, "Maker", True)]
    tifffile.imwrite(tmp_path / "in.tif", dark_frames(1, (32, 48))[0], photometric="rgb", extratags=extra)
    assert exdnet("enhance", tmp_path / "in.tif", tmp_path / "out.tif")[0] == 0
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages[0].tags[34675].value == icc_profile()
        assert file.pages[0].tags[271].value == "Maker"


def test_what_a_format_cannot_hold_is_said(tmp_path: Path, exdnet: Run) -> None:
    cv2.imwrite(str(tmp_path / "in.png"), np.full((8, 8, 4), 900, np.uint16))
    code, _, said = exdnet("enhance", tmp_path / "in.png", tmp_path / "out.jpg")
    assert code == 0
    assert "transparency is left out" in said
    assert "16 bits become 8" in said


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_text_density_and_further_frames_are_named(tmp_path: Path, exdnet: Run) -> None:
    data = cv2.imencode(".png", np.full((8, 8, 3), 30, np.uint8))[1].tobytes()
    own = chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(b"tEXt", b"Title\0night")
    (tmp_path / "in.png").write_bytes(
        data[:33] + own + chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)) + data[33:]
    )
    code, _, said = exdnet("enhance", tmp_path / "in.png", tmp_path / "out.png")
    assert code == 0
    for note in ("its text is left out: Title", "300 dots an inch are left out", "only its first frame is taken"):
        assert note in said
    data = cv2.imencode(".jpg", np.full((8, 8, 3), 30, np.uint8))[1].tobytes()
    (tmp_path / "in.jpg").write_bytes(data[:13] + struct.pack(">BHH", 1, 300, 300) + data[18:])
    assert "300 dots an inch are left out" in exdnet("enhance", tmp_path / "in.jpg", tmp_path / "out.jpg")[2]
    tifffile.imwrite(tmp_path / "in.tif", np.full((8, 8, 3), 30, np.uint8), resolution=(300, 300), resolutionunit=2)
    assert "300 dots an inch are left out" in exdnet("enhance", tmp_path / "in.tif", tmp_path / "out.tif")[2]


def test_cie_lab_is_refused(tmp_path: Path, exdnet: Run) -> None:
    tifffile.imwrite(tmp_path / "in.tif", np.full((8, 8, 3), 30, np.uint8), photometric="cielab")
    code, _, said = exdnet("enhance", tmp_path / "in.tif", tmp_path / "out.tif")
    assert (code, "is in CIE Lab" in said) == (2, True)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp", ".webp", ".avif", ".heic"])
def test_gray_photos_stay_gray_where_the_format_has_it(tmp_path: Path, exdnet: Run, suffix: str) -> None:
    source, sink = write(tmp_path / "in.png", dark_frames(1, (40, 60))[0][:, :, 0]), tmp_path / f"out{suffix}"
    code, _, said = exdnet("enhance", source, sink)
    assert code == 0, said
    result = read_photo(sink)
    assert result.rgb.mean() > 40
    assert result.gray == (suffix not in (".webp", ".avif", ".heic"))


def test_avif_is_turned_by_its_properties(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray(SHADES + np.arange(0, 64, 2, np.uint8)[:, None, None])
    exif = picture.getexif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation  # Pillow writes it as irot and imir
        picture.save(tmp_path / "in.avif", exif=exif, quality=100)
        expected = np.array(PIL.ImageOps.exif_transpose(PIL.Image.open(tmp_path / "in.avif")))
        photo = read_photo(tmp_path / "in.avif")
        assert np.abs(photo.rgb.astype(int) - expected).max() <= 3, orientation
        assert {exif_orientation(block.tobytes()) for _, block in photo.metadata} <= {1}


def test_a_folder_and_a_glob_keep_names(tmp_path: Path, exdnet: Run) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for index, name in enumerate(["a.png", "b.jpg", "c.bmp"]):
        cv2.imwrite(str(folder / name), dark_frames(1, (24, 32), seed=index)[0])
    (folder / "notes.txt").write_text("no photo")
    code, _, said = exdnet("enhance", folder, tmp_path / "out")
    assert (code, "1 of the " in said, "left out by their suffix: notes.txt" in said) == (0, True, True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.jpg", "c.bmp"]
    assert exdnet("enhance", folder / "*.png", folder / "b.jpg", tmp_path / "two")[0] == 0
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["a.png", "b.jpg"]


def test_one_broken_photo_of_a_folder_does_not_stop_the_others(tmp_path: Path, exdnet: Run) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_text("no picture")
    cv2.imwrite(str(folder / "b.png"), dark_frames(1, (24, 32))[0])
    code, _, said = exdnet("enhance", folder, tmp_path / "out")
    assert code == 2
    assert "a.png is not a photo that can be read" in said
    assert "1 of 2 files failed" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]


def test_writing_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    photo = read_photo(write(tmp_path / "in.png", dark_frames(1, (8, 8))[0]))
    with pytest.raises(MediaError, match="cannot be written"):
        write_photo(tmp_path / "nowhere" / "out.png", photo)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32, np.float64])
def test_an_image_keeps_its_type(kind: type) -> None:
    dark = dark_frames(1, (24, 32))[0]
    image = {np.uint8: dark, np.uint16: dark.astype(np.uint16) * 257}.get(kind, dark / 255).astype(kind)
    result = enhance_image(image)
    assert (result.dtype, result.shape) == (image.dtype, image.shape)
    peak = {np.uint8: 255, np.uint16: 65535}.get(kind, 1)
    assert np.abs(result / peak - enhance_image(dark) / 255).max() < 0.02


def test_strength_blends_and_zero_leaves_the_image() -> None:
    dark = dark_frames(1, (24, 32))[0]
    full, half = enhance_image(dark), enhance_image(dark, chain="exdnet=strength=0.5")
    assert np.array_equal(enhance_image(dark, chain="exdnet=strength=0"), dark)
    assert np.abs(half.astype(float) - (full.astype(float) + dark) / 2).max() <= 1


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="RGB with at least one pixel is needed"):
        enhance_image(np.zeros(shape, np.uint8))


def test_other_types_are_refused() -> None:
    with pytest.raises(ValueError, match="int32"):
        enhance_image(np.zeros((4, 4, 3), np.int32))


SHADES = np.linspace(20, 60, 48, dtype=np.uint8)[None, :, None] * np.ones((32, 1, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".tif", ".bmp", ".png", ".heic"])
def test_a_turned_photo_is_seen_the_same_in_every_format(tmp_path: Path, exdnet: Run, suffix: str) -> None:
    """Orientation 6: what is stored on the left is seen on top. What cannot tell it holds upright pixels."""
    source, sink = write(tmp_path / "in.jpg", SHADES), tmp_path / f"out{suffix}"
    assert exdnet("enhance", source, sink, "--chain", "null")[0] == 0
    result = read_photo(sink)
    exif = dict(result.metadata).get(cv2.IMAGE_METADATA_EXIF)
    seen = upright(result.rgb, exif_orientation(exif.tobytes()) if exif is not None else 1)
    assert seen.shape[:2] == (48, 32)
    assert seen[0].mean() < 24 < 50 < seen[-1].mean()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_as_opencv_turns_them(tmp_path: Path, orientation: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 9, 3)).astype(np.uint8)
    exif = EXIF[:18] + struct.pack(">H", orientation) + EXIF[20:]
    _, data = cv2.imencodeWithMetadata(".png", pixels, [cv2.IMAGE_METADATA_EXIF], [np.frombuffer(exif, np.uint8)])
    (tmp_path / "in.png").write_bytes(data.tobytes())
    seen = cv2.imread(str(tmp_path / "in.png"))
    assert exif_orientation(exif) == orientation
    assert np.array_equal(upright(pixels, orientation), seen)


def test_heic_keeps_depth_profile_and_exif(tmp_path: Path, exdnet: Run) -> None:
    blocks = {"exif": EXIF, "icc": icc_profile(), "xmp": b"<x:xmpmeta/>"}
    pixels = SHADES.astype(np.uint16) * 257 + 77
    write_heic(tmp_path / "in.heic", pixels, blocks, 95)
    before = read_photo(tmp_path / "in.heic")
    assert before.rgb.dtype == np.uint16
    assert before.rgb.shape[:2] == (48, 32), "pixels come upright"
    assert exdnet("enhance", tmp_path / "in.heic", tmp_path / "out.heic")[0] == 0
    after = read_photo(tmp_path / "out.heic")
    assert (after.rgb.dtype, after.rgb.shape) == (np.uint16, before.rgb.shape)
    found = {kind: block.tobytes() for kind, block in after.metadata}
    assert found[cv2.IMAGE_METADATA_ICCP] == icc_profile()
    assert found[cv2.IMAGE_METADATA_XMP] == blocks["xmp"]
    assert exif_orientation(found[cv2.IMAGE_METADATA_EXIF]) == 1


def test_avif_keeps_ten_bits(tmp_path: Path, exdnet: Run) -> None:
    codes = np.repeat(np.arange(100, 196, dtype=np.uint16)[None, :, None], 64, axis=0) * np.ones((1, 1, 3), np.uint16)
    _, data = cv2.imencode(".avif", codes, [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100])
    (tmp_path / "in.avif").write_bytes(data.tobytes())
    assert np.abs(read_photo(tmp_path / "in.avif").rgb / 65535 * 1023 - codes).max() <= 1
    code, _, said = exdnet(
        "enhance", tmp_path / "in.avif", tmp_path / "out.avif", "--chain", "null", "--photo-quality", "100"
    )
    assert code == 0, said
    assert np.abs(read_photo(tmp_path / "out.avif").rgb / 65535 * 1023 - codes).max() <= 2


def test_profiles_go_from_tiff_to_others_and_back(tmp_path: Path, exdnet: Run) -> None:
    extra = [(34675, 7, len(icc_profile()), icc_profile(), True), (274, 3, 1, 3, True)]
    tifffile.imwrite(tmp_path / "in.tif", SHADES, photometric="rgb", extratags=extra)
    assert exdnet("enhance", tmp_path / "in.tif", tmp_path / "out.png", "--chain", "null")[0] == 0
    photo = read_photo(tmp_path / "out.png")
    assert dict(photo.metadata)[cv2.IMAGE_METADATA_ICCP].tobytes() == icc_profile()
    assert photo.rgb[0, 0, 0] > photo.rgb[0, -1, 0], "turned upright, by 180 degrees"
    assert exdnet("enhance", tmp_path / "out.png", tmp_path / "out.tif", "--chain", "null")[0] == 0
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages[0].tags[34675].value == icc_profile()
    _, _, said = exdnet("enhance", tmp_path / "out.png", tmp_path / "out.avif", "--chain", "null")
    assert "ICC and XMP are left out: .avif" in said


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_profile_of_cmyk_is_not_told_of_rgb(tmp_path: Path, suffix: str) -> None:
    source, sink = tmp_path / "in.jpg", tmp_path / f"out{suffix}"
    profile = icc_profile().replace(b"RGB ", b"CMYK", 1)
    PIL.Image.fromarray(np.full((32, 32, 4), 60, np.uint8), "CMYK").save(source, icc_profile=profile)
    notes = write_photo(sink, read_photo(source))
    assert "an ICC profile for CMYK is left out: pixels are written as RGB" in notes
    assert "icc_profile" not in PIL.Image.open(sink).info
