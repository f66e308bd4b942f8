"""HEIC photos, as phones take them, by pillow-heif: an extra, since it brings an encoder of its own."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exdnet_plugin.errors import MediaError

HEIC_SUFFIXES = frozenset({".heic", ".heif"})


def _library(path: Path) -> ModuleType:
    try:
        import pillow_heif
    except ImportError:
        raise MediaError(f"{path.suffix} needs pillow-heif; pip install 'exdnet-plugin[heic]' brings it") from None
    return pillow_heif


def read_heic(path: Path, data: bytes) -> tuple[NDArray[Any], dict[str, bytes]]:
    """Pixels, (H, W, 3 or 4) uint8 or uint16, upright, and `exif`, `xmp` and `icc` blocks.

    HEIC turns pictures by a property of its own; the EXIF orientation is set to upright with them, as the pixels are.
    """
    library = _library(path)
    try:
        image = library.open_heif(data, convert_hdr_to_8bit=False)
        pixels = np.array(image)
    except (ValueError, RuntimeError, OSError) as error:
        raise MediaError(f"{path} is not a photo that can be read: {error}") from None
    library.set_orientation(image.info)
    exif = (image.info.get("exif") or b"").removeprefix(b"Exif\0\0")
    blocks = {"exif": exif, "xmp": image.info.get("xmp") or b"", "icc": image.info.get("icc_profile") or b""}
    return pixels, {name: block for name, block in blocks.items() if block}


def write_heic(path: Path, pixels: NDArray[Any], blocks: dict[str, bytes], quality: int) -> None:
    """Write RGB or RGBA pixels; 16 bits are kept to HEIC's 10."""
    mode = "RGBA" if pixels.shape[2] == 4 else "RGB"
    mode += ";16" if pixels.dtype == np.uint16 else ""
    size = (pixels.shape[1], pixels.shape[0])
    image = _library(path).from_bytes(mode=mode, size=size, data=np.ascontiguousarray(pixels).tobytes())
    image.info.update({"icc_profile": blocks["icc"], "icc_profile_type": "prof"} if "icc" in blocks else {})
    exif = b"Exif\0\0" + blocks["exif"] if "exif" in blocks else None
    image.save(path, quality=quality, exif=exif, xmp=blocks.get("xmp"), matrix_coefficients=1)
