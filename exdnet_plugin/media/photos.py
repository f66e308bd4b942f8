"""Photos: read and written with what they carry, EXIF, ICC profile and XMP, 8 or 16 bits, alpha."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media import avif, jpeg, opencv_codec
from exdnet_plugin.media.exif import without_thumbnail
from exdnet_plugin.media.heic import HEIC_SUFFIXES, read_heic, write_heic
from exdnet_plugin.media.jpeg_segments import is_jpeg
from exdnet_plugin.media.opencv_codec import Metadata, Pixels, numbers
from exdnet_plugin.media.orientation import as_upright, exif_orientation, upright
from exdnet_plugin.media.tiff import TIFF_KEPT, TIFF_SUFFIXES, is_tiff, read_tiff, write_tiff
from exdnet_plugin.media.unread import unread
from exdnet_plugin.whole_file import whole_file

PHOTO_SUFFIXES = opencv_codec.SUFFIXES | HEIC_SUFFIXES
_GRAY_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"})
_DEEP_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".avif", ".heic", ".heif"})
_TIFF_BLOCKS = {700: "xmp", 34675: "icc"}  # what TIFF has as tags and other formats as blocks
_WITHOUT_EXIF = TIFF_SUFFIXES | {".bmp"}


@dataclass(frozen=True)
class Photo:
    """A photo.

    Attributes:
        rgb: (H, W, 3), uint8 or uint16.
        alpha: (H, W) of the same type, or None.
        gray: whether the file holds one channel, and shall again.
        metadata: EXIF, XMP and ICC as OpenCV's numbered blocks.
        tiff_tags: what a TIFF carries instead, as (code, value).
        notes: what cannot be kept, a line each.
    """

    rgb: Pixels
    alpha: Pixels | None = None
    gray: bool = False
    metadata: Metadata = ()
    tiff_tags: tuple[tuple[int, Any], ...] = ()
    notes: tuple[str, ...] = field(default=())


def read_photo(path: Path) -> Photo:
    """Read a photo; pixels as stored, so that an EXIF orientation stays true, but TIFF and HEIC upright.

    Raises:
        MediaError: it is no photo.
    """
    raw = _bytes(path)
    if path.suffix.lower() in HEIC_SUFFIXES:
        found, named = read_heic(path, raw)
        return _photo(found[:, :, [2, 1, 0, 3][: found.shape[2]]], _numbered(named), (), ())
    if is_tiff(raw):
        pixels, tags, notes = read_tiff(path, raw)
        return _photo(pixels, (), tags, notes)
    pixels, metadata = opencv_codec.decode(path, raw)
    notes = unread(raw)
    if path.suffix.lower() == ".avif":
        pixels, notes = avif.seen(pixels, raw)
        metadata = tuple((kind, _upright_exif(kind, block)) for kind, block in metadata)
    if is_jpeg(raw):
        blocks, told = jpeg.carried(_named(metadata), raw)
        metadata, notes = _numbered(blocks), (*notes, *told)
    return _photo(pixels, metadata, (), notes)


def _named(metadata: Metadata) -> dict[str, bytes]:
    """Blocks by `exif`, `xmp` and `icc`."""
    names = {number: name for name, number in numbers().items()}
    return {names[number]: block.tobytes() for number, block in metadata if number in names}


def _numbered(blocks: dict[str, bytes]) -> Metadata:
    return tuple((numbers()[name], np.frombuffer(block, np.uint8)) for name, block in blocks.items())


def _upright_exif(kind: int, block: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """AVIF turns pictures by properties of its own, which win over EXIF (ISO/IEC 23000-22, 7.3.8)."""
    return np.frombuffer(as_upright(block.tobytes()), np.uint8) if kind == numbers()["exif"] else block


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise MediaError(f"{path} does not exist; check the path")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path} may not be read: {error.strerror}") from None
    if not data:
        raise MediaError(f"{path} is empty (0 bytes); give a photo")
    return data


def _photo(pixels: Pixels, metadata: tuple[Any, ...], tags: tuple[Any, ...], notes: tuple[str, ...]) -> Photo:
    gray = pixels.ndim == 2 or pixels.shape[2] == 1
    if gray:
        rgb = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
        return Photo(rgb, None, True, metadata, tags, notes)
    alpha = np.ascontiguousarray(pixels[:, :, 3]) if pixels.shape[2] == 4 else None
    return Photo(np.ascontiguousarray(pixels[:, :, 2::-1]), alpha, False, metadata, tags, notes)


def write_photo(path: Path, photo: Photo, *, quality: int = 95) -> list[str]:
    """Write a photo beside its name and rename it.

    Args:
        path: its suffix chooses the format.
        photo: what to write.
        quality: of JPEG and lossy WebP, 1 to 100.

    Returns:
        What could not be kept, a line each.

    Raises:
        MediaError: the file cannot be written.
    """
    suffix = path.suffix.lower()
    notes = list(photo.notes)
    photo = _carried(photo, suffix, notes)
    pixels = _stored(photo, suffix, notes)
    with whole_file(path) as beside:
        if suffix in TIFF_SUFFIXES:
            write_tiff(beside, pixels.squeeze(2) if pixels.shape[2] == 1 else pixels, photo.tiff_tags)
        elif suffix in HEIC_SUFFIXES:
            write_heic(beside, pixels, _named(photo.metadata), quality)
        else:
            _write_with_opencv(beside, pixels, photo, quality, notes)
    return notes


def _carried(photo: Photo, suffix: str, notes: list[str]) -> Photo:
    """The photo with its metadata as the format has it, turned upright where that cannot be told."""
    blocks = _named(photo.metadata)
    tags = dict(photo.tiff_tags)
    blocks |= {name: _as_bytes(tags.pop(code)) for code, name in _TIFF_BLOCKS.items() if code in tags}
    if (reason := _unfit_profile(blocks.get("icc", b""), photo.gray, suffix)) is not None:
        notes.append(reason)
        del blocks["icc"]
    orientation = exif_orientation(blocks.get("exif", b"")) if suffix in _WITHOUT_EXIF else 1
    if suffix in _WITHOUT_EXIF and "exif" in blocks:
        notes.append(f"EXIF is left out: {suffix} is written without; .png or .jpg has it")
        del blocks["exif"]
    if "exif" in blocks:
        blocks["exif"], left_out = without_thumbnail(blocks["exif"])
        notes += ["its EXIF thumbnail is left out: it shows the photo as it was"] if left_out else []
    if tags and suffix not in TIFF_SUFFIXES:
        notes.append(f"{', '.join(TIFF_KEPT[code] for code in tags)} of the TIFF are left out; .tif has them")
        tags = {}
    if suffix in TIFF_SUFFIXES:
        tags |= {code: blocks.pop(name) for code, name in _TIFF_BLOCKS.items() if name in blocks}
    return replace(
        photo,
        rgb=upright(photo.rgb, orientation),
        alpha=None if photo.alpha is None else upright(photo.alpha, orientation),
        metadata=_numbered(blocks),
        tiff_tags=tuple(tags.items()),
    )


def _unfit_profile(icc: bytes, gray: bool, suffix: str) -> str | None:
    """Why an ICC profile does not fit what is written, by its data colour space (ICC.1, 7.2.8); None where it does."""
    space = icc[16:20]
    if space not in (b"", b"RGB ", b"GRAY"):
        name = space.decode("latin-1").strip()
        return f"an ICC profile for {name} is left out: pixels are written as RGB"
    if space != b"GRAY" or (gray and suffix in _GRAY_SUFFIXES):
        return None
    return f"a gray ICC profile is left out: {suffix} is written in colour" + ("; .png keeps it" if gray else "")


def _as_bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _stored(photo: Photo, suffix: str, notes: list[str]) -> Pixels:
    """RGB(A) pixels as the format can hold them."""
    channels = [_luma(photo.rgb) if photo.gray and suffix in _GRAY_SUFFIXES else photo.rgb]
    if photo.alpha is not None:
        if suffix in (".jpg", ".jpeg", ".bmp"):
            notes.append(f"transparency is left out: {suffix} has none; .png has")
        else:
            channels.append(photo.alpha[:, :, None])
    pixels = np.concatenate(channels, axis=2)
    if pixels.dtype == np.uint16 and suffix not in _DEEP_SUFFIXES:
        notes.append(f"16 bits become 8: {suffix} holds no more; .png or .tif would")
        pixels = in_8_bits(pixels)
    return pixels


def in_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """uint8 or uint16 of full range to the nearest uint8."""
    return np.asarray(np.round(pixels / 257) if pixels.dtype == np.uint16 else pixels, np.uint8)


def _luma(rgb: Pixels) -> Pixels:
    """(H, W, 1) gray, as BT.601 weighs it."""
    import cv2

    return cast(Pixels, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[:, :, None])


def _write_with_opencv(path: Path, pixels: Pixels, photo: Photo, quality: int, notes: list[str]) -> None:
    import cv2

    suffix, kinds = path.suffix.lower(), [kind for kind, _ in photo.metadata]
    if suffix == ".avif" and set(kinds) - {cv2.IMAGE_METADATA_EXIF}:
        notes.append("ICC and XMP are left out: .avif is written without; .png has both")
    if suffix == ".bmp" and kinds:
        notes.append("ICC and XMP are left out: .bmp has none; .png has")
    path.write_bytes(opencv_codec.encode(suffix, pixels, photo.metadata, quality))
