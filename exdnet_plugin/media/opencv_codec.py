"""Photos decoded and encoded by OpenCV, with their EXIF, XMP and ICC blocks.

OpenCV is imported when a photo is first read: it brings an FFmpeg of its own, which videos alone need not load.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.heic import HEIC_SUFFIXES
from exdnet_plugin.media.jpeg_segments import XMP, with_icc

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif"})
_JPEG = (".jpg", ".jpeg")
Pixels = NDArray[np.uint8 | np.uint16]
Metadata = tuple[tuple[int, NDArray[np.uint8]], ...]


def numbers() -> dict[str, int]:
    """OpenCV's numbers of metadata blocks."""
    import cv2

    return {"exif": cv2.IMAGE_METADATA_EXIF, "xmp": cv2.IMAGE_METADATA_XMP, "icc": cv2.IMAGE_METADATA_ICCP}


def decode(path: Path, data: bytes) -> tuple[Pixels, Metadata]:
    """Pixels as stored, (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, and numbered metadata; MediaError names `path`."""
    import cv2

    try:
        pixels, kinds, blocks = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8), flags=cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise MediaError(f"{path} is not a photo that can be read: {error.err}") from None
    if pixels is None or pixels.size == 0:
        known = ", ".join(sorted(SUFFIXES | HEIC_SUFFIXES))
        raise MediaError(f"{path} is not a photo that can be read, or is cut off; known are {known}")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise MediaError(f"{path} holds {pixels.dtype} values; photos of 8 or 16 bits are taken. Convert it first")
    metadata = tuple(
        (int(kind), _whole(int(kind), np.asarray(block, np.uint8).ravel()))
        for kind, block in zip(kinds, blocks, strict=True)
    )
    return cast(Pixels, pixels), metadata


def _whole(kind: int, block: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """XMP of a PNG comes with the zero that ends a text in C."""
    return block[:-1] if kind == numbers()["xmp"] and block.size and not block[-1] else block


def encode(suffix: str, pixels: Pixels, metadata: Metadata, quality: int) -> bytes:
    """The file of (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA pixels; MediaError where OpenCV does not take them."""
    import cv2

    try:
        data = _encoded(suffix, pixels, _given(suffix, metadata), quality)
    except cv2.error as error:
        raise MediaError(f"{suffix} cannot be written: {error.err}. Choose .png") from None
    if not isinstance(data, np.ndarray) or not data.size:
        raise MediaError(f"{suffix} does not take {pixels.shape[1]}x{pixels.shape[0]} pixels; .png does")
    profile = dict(metadata).get(numbers()["icc"])
    return data.tobytes() if profile is None or suffix not in _JPEG else with_icc(data.tobytes(), profile.tobytes())


def _given(suffix: str, metadata: Metadata) -> Metadata:
    """Metadata as OpenCV takes it.

    XMP needs its identifier in JPEG, and in PNG a zero, behind which OpenCV would write whatever memory holds. JPEG's
    profile is left to us: OpenCV puts it in one segment, which fails above 64 KiB.
    """
    xmp, icc, jpeg = numbers()["xmp"], numbers()["icc"], suffix in _JPEG
    head, tail = XMP if jpeg else b"", b"\0" if suffix == ".png" else b""
    return tuple(
        (kind, np.frombuffer(head + block.tobytes() + tail, np.uint8) if kind == xmp else block)
        for kind, block in metadata
        if not (jpeg and kind == icc)
    )


def _encoded(suffix: str, pixels: Pixels, metadata: Metadata, quality: int) -> Any:
    """The file as OpenCV makes it; it may give nothing where it fails."""
    import cv2

    deep = pixels.dtype == np.uint16
    if suffix == ".avif" and deep:
        pixels = np.round(pixels * (1023 / 65535)).astype(np.uint16)
    order = [2, 1, 0, 3][: pixels.shape[2]] if pixels.shape[2] > 1 else [0]
    pixels = np.ascontiguousarray(pixels[:, :, order])
    if suffix == ".bmp":
        return cv2.imencode(suffix, pixels)[1]
    kinds, blocks = [kind for kind, _ in metadata], [block for _, block in metadata]
    return cv2.imencodeWithMetadata(suffix, pixels, kinds, blocks, _parameters(suffix, quality, deep))[1]


def _parameters(suffix: str, quality: int, deep: bool) -> Sequence[int]:
    """OpenCV's parameters of a format; chroma of JPEG is not subsampled."""
    import cv2

    whole_chroma = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    parameters = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality, *whole_chroma],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
        ".avif": [cv2.IMWRITE_AVIF_QUALITY, quality, cv2.IMWRITE_AVIF_DEPTH, 10 if deep else 8],
    }
    return parameters.get(suffix.replace("jpeg", "jpg"), [])
