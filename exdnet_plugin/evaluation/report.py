"""Reports: a page (.html) or a contact sheet (.png), whole or not there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from exdnet_plugin.evaluation.page import page
from exdnet_plugin.evaluation.results import PAIR_COLUMNS, PICTURE_COLUMNS, Evaluation
from exdnet_plugin.evaluation.sheet import contact_sheet
from exdnet_plugin.whole_file import check_writable, whole_file

SUFFIXES = (".html", ".png")
_NOTES = {
    PAIR_COLUMNS: "PSNR: higher is nearer to the truth. SSIM: 1 is equal. Chroma ratio: 1 where colours are as "
    "strong as the truth's. ΔE2000: mean CIEDE2000 colour difference, 0 is equal, about 1 is what an eye just sees.",
    PICTURE_COLUMNS: "Luma: mean, 0 to 1. Under-exposed and clipped: pixels of a luma below 16 and from 250 of 255. "
    "Chroma: mean CIE Lab chroma. Contrast: standard deviation of luma. Noise: its standard deviation as Immerkær "
    "(1996) estimates it, in 8-bit codes; fine texture counts.",
}
_VIDEO_NOTE = (
    "Flicker: change of mean luma from frame to frame where the source stands still; its mean is the root mean square. "
    "Warping error: mean square difference to the frame before, moved by optical flow of the source, where both are "
    "seen; relative: its root in percent of mean luma. Both sides are compared on the same pixels; cuts do not count."
)


def check_report(path: Path, sources: Sequence[Path] = ()) -> None:
    """Refuse a report that could not be written, before there is anything to report.

    Raises:
        ValueError: the suffix is of no report, or the report would be one of the sources.
        MediaError: there is no such folder, or it may not be written to.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"report {path} has the extension {path.suffix!r}: it must be one of {', '.join(SUFFIXES)}")
    taken = {path.resolve(), path.resolve().parent if path.suffix.lower() == ".png" else path.resolve()}
    if any(source.resolve() in taken for source in sources):
        raise ValueError(f"report {path} would lie among what is evaluated: choose another folder")
    check_writable(path)


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write a report of an evaluation whose rows were taken in with `look`; one that is there is replaced.

    Raises:
        MediaError: it cannot be written.
    """
    if path.suffix.lower() == ".html":
        data = page(evaluation, _NOTES.get(tuple(evaluation.columns), _VIDEO_NOTE)).encode("utf-8", "replace")
    else:
        data = cv2.imencode(".png", contact_sheet(evaluation))[1].tobytes()
    with whole_file(path) as hidden:
        hidden.write_bytes(data)
