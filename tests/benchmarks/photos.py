"""The photos that `default` learnt from besides LOL's, and the twenty that it is measured on, as PNG files.

apt-get download gcompris-qt-data mate-backgrounds opencv-doc    # of Debian 12
for package in *.deb; do dpkg -x $package debian; done
pip install scikit-image scikit-learn
python tests/benchmarks/photos.py debian photos                  # makes photos/train and photos/test
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

Image = np.ndarray
MATE = "usr/share/backgrounds/mate/nature"
SIDE_MAX, SIDE_MIN = 640, 300  # pixels: larger photos are shrunk; what is smaller in a resource file is an icon
SIGNATURES = b"\xff\xd8\xff", b"RIFF"  # of JPEG and WebP
WHOLE = (
    "clickgame",
    "erase",
    "explore_farm_animals",
    "explore_monuments",
    "explore_world_animals",
    "explore_world_music",
)
DETAILS = 0, 2, 4, 5, 8, 10, 12, 13, 15, 16, 18  # of details.rcc; the others are paintings and drawings
SKIMAGE = "coffee.png", "astronaut.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png"
SKLEARN = "china.jpg", "flower.jpg"
OPENCV = (
    "data/fruits.jpg", "data/baboon.jpg", "data/leuvenA.jpg", "data/aloeL.jpg", "data/messi5.jpg", "data/board.jpg",
    "data/squirrel_cls.jpg", "reg/home.png", "data/rubberwhale1.png", "data/basketball1.png", "hfs/data/000.jpg",
    "alphamat/input_images/plant.jpg", "data/building.jpg",
)  # fmt: skip


def in_resources(path: Path) -> Iterator[bytes]:
    """The photos in one of Qt's resource files: each stands behind its length, four bytes, highest first."""
    data = path.read_bytes()
    for signature in SIGNATURES:
        at = data.find(signature)
        while at >= 0:
            (length,) = struct.unpack(">I", data[at - 4 : at])
            fits = 15000 < length <= len(data) - at  # a thumbnail within a photo has no length before it
            if fits:
                yield data[at : at + length]
            at = data.find(signature, at + (length if fits else 1))


def training(root: Path) -> Iterator[Image]:
    """The 143 photos to learn from."""
    resources = root / "usr/share/gcompris-qt/rcc"
    for name in WHOLE:
        yield from photos_in(resources / f"{name}.rcc")
    details = photos_in(resources / "details.rcc")
    yield from (details[index] for index in DETAILS)
    yield from (read(path) for path in sorted((root / MATE).glob("*.jpg")))


def photos_in(resources: Path) -> list[Image]:
    """Those in a resource file: what cannot be decoded is sound."""
    images = map(decoded, in_resources(resources))
    return [image for image in images if image is not None and min(image.shape[:2]) >= SIDE_MIN]


def measuring(root: Path) -> Iterator[Image]:
    """The 20 photos to measure on."""
    folders = (
        (package("skimage") / "data", SKIMAGE),
        (package("sklearn") / "datasets" / "images", SKLEARN),
        (root / "usr/share/doc/opencv-doc/examples", OPENCV),
    )
    yield from (read(folder / name) for folder, names in folders for name in names)


def package(name: str) -> Path:
    """Where an installed package lies."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise SystemExit(f"{name} is not installed: pip install scikit-image scikit-learn")
    return Path(found.origin).parent


def decoded(data: bytes) -> Image | None:
    """8-bit BGR, (H, W, 3); None for what is no picture."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def shrunk(image: Image) -> Image:
    """The same, at most 640 pixels a side."""
    scale = min(SIDE_MAX / max(image.shape[:2]), 1)
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image


def read(path: Path) -> Image:
    """8-bit BGR, (H, W, 3)."""
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"{path} is not there, or cannot be read: the packages are other ones than Debian 12's")
    return image


def write(photos: Iterable[Image], folder: Path, count: int) -> None:
    """As lossless files, numbered."""
    folder.mkdir(parents=True, exist_ok=True)
    images = list(photos)
    if len(images) != count:
        raise SystemExit(f"{len(images)} photos instead of {count}: the packages are other ones than Debian 12's")
    for index, photo in enumerate(images):
        cv2.imwrite(str(folder / f"{index:03d}.png"), shrunk(photo))


if __name__ == "__main__":
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    write(training(root), out / "train", 143)
    write(measuring(root), out / "test", 20)
