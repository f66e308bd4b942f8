"""TIFF photos, by tifffile: OpenCV writes them without profile and camera."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.unread import density

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
_EXIF = 34665
_LAB = (8, 9, 10)  # of PhotometricInterpretation: CIE, ICC and ITU Lab
_LENGTHS = (2, 3)  # of ResolutionUnit: inch, centimetre


def read_tags(path: Path) -> tuple[tuple[tuple[int, Any], ...], tuple[str, ...]]:
    """The tags that are written again, as (code, value), and what is not, a line each. MediaError for CIE Lab."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = cast(tifffile.TiffPage, file.pages[0])
        tags = page.tags
        if page.photometric in _LAB:
            raise MediaError(f"{path} is in CIE Lab, which is not read; convert it to RGB first")
        kept = tuple((code, tags[code].value) for code in TIFF_KEPT if code in tags)
        notes = ("its EXIF camera settings are left out: TIFF files are written without",) if _EXIF in tags else ()
        pages = ("only its first page is taken",) if len(file.pages) > 1 else ()
        dots = round(page.get_resolution("INCH")[0]) if page.resolutionunit in _LENGTHS else 0
    return kept, (*notes, *density(dots), *pages)


def write_tiff(path: Path, pixels: NDArray[Any], tags: tuple[tuple[int, Any], ...]) -> None:
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


def _tag(code: int, value: str | bytes) -> tuple[int, int, int, str | bytes, bool]:
    """A tag as tifffile takes it: undefined bytes or text."""
    return (code, 7, len(value), value, True) if isinstance(value, bytes) else (code, 2, 0, value, True)
