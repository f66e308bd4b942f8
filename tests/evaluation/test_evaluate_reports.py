"""Reports of `exdnet evaluate`: one file that is whole, needs nothing else, and tells what was measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import MakeClip, dark_frames, scene

from exdnet_plugin.evaluation.curves import curves
from exdnet_plugin.evaluation.thumbnails import evenly
from exdnet_plugin.exdnet.checkpoint import load_weights

Run = Callable[..., tuple[int, str, str]]


class Page(HTMLParser):
    """What a page refers to, and whether its elements close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    low, high = tmp_path / "low", tmp_path / "high"
    for index in range(3):
        for folder, picture in ((high, scene(index, (48, 64)) * 255), (low, dark_frames(1, (48, 64), seed=index)[0])):
            folder.mkdir(exist_ok=True)
            cv2.imwrite(str(folder / f"a&b<{index}.png"), picture[:, :, ::-1].astype(np.uint8))
    return low, high


def self_contained(text: str) -> Page:
    page = Page(text)
    assert not page.open
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert not re.search(r"https?://|//[a-z]|url\(|@import|<script|<link|<iframe", re.sub(r'"data:[^"]*"', "", text))
    return page


def test_a_page_needs_nothing_else_and_tells_what_was_measured(
    exdnet: Run, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    code, out, error = exdnet("evaluate", *folders, "--report", report)
    assert code == 0, error
    assert out.rstrip().endswith(str(report))
    text = report.read_text()
    page = self_contained(text)
    assert len(page.sources) == 9  # before, after and truth of three
    assert f"default, sha256 {load_weights().sha256}" in text
    assert all(part in text for part in ("exdnet-plugin", "UTC", "PSNR", "ΔE2000", "a&amp;b&lt;0"))
    assert {path.name for path in tmp_path.iterdir()} == {"low", "high", "report.html"}


def test_json_stays_clean_beside_a_report(exdnet: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    _, out, _ = exdnet("evaluate", folders[0], "--chain", "null", "--json", "--report", tmp_path / "r.html")
    assert out.startswith("{")
    assert out.rstrip().endswith("}")
    assert "sha256" not in (tmp_path / "r.html").read_text()  # null has no weights


def test_a_video_has_curves_and_some_of_its_frames(exdnet: Run, make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("dark.mp4", frames=12)
    for name in ("report.html", "report.png"):
        assert exdnet("evaluate", clip, "--chain", "null", "--report", tmp_path / name)[0] == 0
    page = self_contained((tmp_path / "report.html").read_text())
    assert page.tags.count("svg") == 3
    assert len(page.sources) == 2 * 8
    assert cv2.imread(str(tmp_path / "report.png")) is not None


def test_a_contact_sheet_holds_every_picture(exdnet: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    for name, given in (("pairs.png", folders), ("pictures.PNG", folders[:1])):
        report = tmp_path / name
        assert exdnet("evaluate", *given, "--chain", "null", "--report", report)[0] == 0
        sheet = cv2.imread(str(report))
        bright = cv2.imread(str(next(folders[1].glob("*0.png"))))
        if len(given) == 2:
            best = cv2.minMaxLoc(cv2.matchTemplate(sheet, bright, cv2.TM_CCOEFF_NORMED))[1]
            assert best > 0.95


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("report.pdf", "'.pdf': it must be one of .html, .png"),
        ("report", "it must be one of .html, .png"),
        ("nowhere/report.html", "nowhere does not exist; make it first"),
        ("folder.html", "is a folder"),
        ("/proc/report.html", "cannot be written"),
        ("low/sheet.png", "would lie among what is evaluated"),
    ],
)
def test_a_report_that_cannot_be_is_refused_before_anything_is_evaluated(
    exdnet: Run, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    def evaluated(*_: object, **__: object) -> None:
        pytest.fail("it was evaluated first")

    monkeypatch.setattr("exdnet_plugin.evaluation.folders.enhance_image", evaluated)
    (tmp_path / "folder.html").mkdir()
    code, out, error = exdnet("evaluate", *folders, "--report", tmp_path / name)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert said in error


def test_what_fails_on_the_way_leaves_the_report_that_was_there(
    exdnet: Run, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    report.write_text("earlier")
    (folders[0] / "z.png").write_text("no picture")
    assert exdnet("evaluate", folders[0], "--chain", "null", "--report", report)[0] == 2
    assert report.read_text() == "earlier"
    assert {path.name for path in tmp_path.iterdir()} == {"low", "high", "report.html"}


def test_curves_break_where_there_is_no_value() -> None:
    drawn = curves("luma", {"before": [(0, None), (1, 0.2), (2, 0.4), (3, None), (4, 0.1)]})
    path = re.search(r'class="curve before" d="([^"]*)"', drawn)
    assert path is not None
    assert path[1].count("M") == 2
    assert path[1].count("L") == 1
    assert "nan" not in curves("nothing", {"before": [(0, None)]})


def test_some_of_many_are_evenly_spread() -> None:
    assert evenly(range(3), 8) == [0, 1, 2]
    assert evenly(range(101), 5) == [0, 25, 50, 75, 100]
