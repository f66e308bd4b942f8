"""TIFF photos: tags by tifffile, which writes them, too, since OpenCV writes without profile and camera."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from numpy.typing import NDArray

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.opencv_codec import Pixels
from exdnet_plugin.media.tiff_pixels import BROKEN, read_pixels
from exdnet_plugin.media.unread import density

if TYPE_CHECKING:
    from tifffile import TiffPage

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
TIFF_KEPT = {
    270: "ImageDescription",
    271: "Make",
    272: "Model",
    306: "DateTime",
    315: "Artist",
    33432: "Copyright",
    700: "XMP",
    34675: "ICC profile",
}
Tags = tuple[tuple[int, Any], ...]  # (code, value)
_EXIF = 34665
_LAB = (8, 9, 10)  # of PhotometricInterpretation: CIE, ICC and ITU Lab
_LENGTHS = (2, 3)  # of ResolutionUnit: inch, centimetre


def is_tiff(data: bytes) -> bool:
    """Whether a file begins as TIFF 6.0 or BigTIFF do, of either byte order."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_tiff(path: Path, data: bytes) -> tuple[Pixels, Tags, tuple[str, ...]]:
    """Pixels of the first page in OpenCV's order, upright; tags that are written again; what is not, a line each.

    Raises:
        MediaError: it is broken, in CIE Lab, or of a layout that is not read.
    """
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = cast(tifffile.TiffPage, file.pages[0])
            kept, notes = _tags(path, page, len(file.pages))
            pixels, told = read_pixels(path, page, data)
    except BROKEN as error:
        reason = " ".join(str(error).split())
        raise MediaError(f"{path} is not a TIFF that can be read, or is cut off: {reason}. Save it anew") from None
    return pixels, kept, (*notes, *told)


def _tags(path: Path, page: TiffPage, pages: int) -> tuple[Tags, tuple[str, ...]]:
    tags = page.tags
    if page.photometric in _LAB:
        raise MediaError(f"{path} is in CIE Lab, which is not read; convert it to RGB first")
    kept = tuple((code, tags[code].value) for code in TIFF_KEPT if code in tags)
    notes = ("its EXIF camera settings are left out: TIFF files are written without",) if _EXIF in tags else ()
    further = ("only its first page is taken",) if pages > 1 else ()
    dots = round(page.get_resolution("INCH")[0]) if page.resolutionunit in _LENGTHS else 0
    return kept, (*notes, *density(dots), *further)


def write_tiff(path: Path, pixels: NDArray[Any], tags: Tags) -> None:
    """Write (H, W) gray, or (H, W, 3 or 4) RGB and alpha, with tags of text or bytes."""
    import tifffile

    tifffile.imwrite(
        path,
        pixels,
        photometric="minisblack" if pixels.ndim == 2 else "rgb",
        compression="zlib",
        metadata=None,
        extrasamples=["unassalpha"] if pixels.shape[2:] == (4,) else None,
        extratags=[_tag(code, value) for code, value in tags],
    )


def _tag(code: int, value: str | bytes) -> tuple[int, int, int, bytes, bool]:
    """A tag as tifffile takes it: undefined bytes, or text, as bytes as well, since it refuses what is no ASCII."""
    return (code, 7, len(value), value, True) if isinstance(value, bytes) else (code, 2, 0, value.encode(), True)
