"""Pixels of a TIFF (TIFF 6.0): by OpenCV, which knows most compressions, or by tifffile where OpenCV misreads them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media import opencv_codec
from exdnet_plugin.media.opencv_codec import Pixels
from exdnet_plugin.media.orientation import upright

if TYPE_CHECKING:
    from tifffile import TiffPage

# what tifffile and the decoders behind it raise for a file that is broken
BROKEN = (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError, struct.error, zlib.error)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2  # PhotometricInterpretation
_ASSOCIATED, _UNASSOCIATED = 1, 2  # ExtraSamples
_EXTRA_SAMPLES, _ORIENTATION = 338, 274
_SEPARATE = 2  # PlanarConfiguration


def read_pixels(path: Path, page: TiffPage, data: bytes) -> tuple[Pixels, tuple[str, ...]]:
    """Pixels of a page of the file `data`, and what is changed in them, a line each.

    Returns:
        (H, W), (H, W, 3) BGR or (H, W, 4) BGRA with unassociated alpha, uint8 or uint16, upright; the notes.

    Raises:
        MediaError: the layout is not read, and how to convert it.
    """
    if _has_gray_alpha(page) and not _is_decoded(page):
        return _by_opencv(path, page, data), ("its alpha is left out: so compressed, it is read without",)
    pixels = _by_tifffile(path, page) if _beyond_opencv(page) else _by_opencv(path, page, data)
    if _ASSOCIATED not in page.extrasamples[:1] or pixels.shape[2:] != (4,):
        return pixels, ()
    return _unassociated(pixels), ("its alpha is written unassociated: colours are divided by it",)


def _beyond_opencv(page: TiffPage) -> bool:
    """Separate planes of 16 bits, which OpenCV reads as if interleaved; gray with alpha, which it drops."""
    separate = page.planarconfig == _SEPARATE and page.samplesperpixel > 1
    return (separate and page.bitspersample == 16) or _has_gray_alpha(page)


def _has_gray_alpha(page: TiffPage) -> bool:
    return page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and len(page.extrasamples) > 0


def _is_decoded(page: TiffPage) -> bool:
    """Whether tifffile decompresses a page here: without imagecodecs, no LZW."""
    from tifffile import TIFF

    return page.compression in TIFF.DECOMPRESSORS


def _by_opencv(path: Path, page: TiffPage, data: bytes) -> Pixels:
    if page.extrasamples[:1] == (_UNASSOCIATED,) and page.bitspersample == 8:
        data = _told_associated(data)
    pixels, _ = opencv_codec.decode(path, data)
    # of 8 bits, OpenCV turns white and black itself
    return ~pixels if page.photometric == _WHITE_IS_ZERO and pixels.dtype == np.uint16 else pixels


def _told_associated(data: bytes) -> bytes:
    """The file, its alpha told to be associated: OpenCV multiplies colours by 8-bit alpha that is told not to be."""
    import tifffile

    changed = io.BytesIO(data)
    with tifffile.TiffFile(changed) as file:
        tag = file.pages.first.tags[_EXTRA_SAMPLES]
        tag.overwrite((_ASSOCIATED, *tag.value[1:]))
        return changed.getvalue()


def _by_tifffile(path: Path, page: TiffPage) -> Pixels:
    colours = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3}.get(page.photometric, 0)
    kinds = page.extrasamples
    if not colours or len(kinds) > 1 or page.ndim != 3 or page.dtype not in (np.uint8, np.uint16):
        raise MediaError(
            f"{path} holds {page.samplesperpixel} samples a pixel of type {page.dtype}, PhotometricInterpretation "
            f"{page.photometric:d}: gray or RGB of 8 or 16 bits, with one of alpha at most, are read. Convert it first"
        )
    stored: NDArray[Any] = _decoded(path, page)
    planes = stored if page.planarconfig == _SEPARATE else np.moveaxis(stored, -1, 0)
    colour = ~planes[:colours] if page.photometric == _WHITE_IS_ZERO else planes[:colours]
    colour = np.repeat(colour, 3, axis=0) if colours == 1 else colour[::-1]
    pixels = np.stack([*colour, *planes[colours:]], axis=2)
    orientation = page.tags.valueof(_ORIENTATION, 1)
    return upright(pixels, orientation if orientation in range(1, 9) else 1)


def _decoded(path: Path, page: TiffPage) -> NDArray[Any]:
    """Samples as stored, in this machine's byte order."""
    from tifffile import COMPRESSION

    try:
        stored = page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise MediaError(
            f"{path} is compressed by {COMPRESSION(page.compression).name} in a layout that is not read so; "
            "pip install imagecodecs, or save it without compression"
        ) from None
    return stored.astype(stored.dtype.newbyteorder("="), copy=False)


def _unassociated(pixels: Pixels) -> Pixels:
    """Colours divided by their alpha (TIFF 6.0, 18), as it was before they were multiplied; black where it is 0."""
    peak, alpha = np.iinfo(pixels.dtype).max, pixels[:, :, 3:].astype(np.float32)
    colour = np.round(pixels[:, :, :3] * (peak / np.maximum(alpha, 1)))
    return np.dstack([np.minimum(colour, peak).astype(pixels.dtype), pixels[:, :, 3]])
