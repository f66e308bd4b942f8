"""What `exdnet enhance` is to work on: files, folders and globs, each with the name that its result will have."""

from __future__ import annotations

import glob
import re
from pathlib import Path

import click

from exdnet_plugin.errors import MediaError
from exdnet_plugin.media.photos import PHOTO_SUFFIXES


def jobs_of(sources: tuple[str, ...], sink: Path) -> list[tuple[Path, Path]]:
    """Each file with the name it will have."""
    if str(sink) == "-" or re.match(r"\w+:/", str(sink)):  # of two slashes, a path keeps one
        others = "`exdnet stream` writes to URLs and, as `exdnet pipe`, to standard output"
        raise MediaError(f"{str(sink).partition(':')[0]}: enhance writes files; {others}")
    found = [path for source in sources for path in _expand(source)]
    if missing := next((path for path in found if not path.exists()), None):
        raise MediaError(f"{missing} does not exist; check the path")
    several = len(found) != 1 or Path(sources[0]).is_dir()
    if not several and not sink.is_dir() and sink.suffix:
        return [(found[0], sink)]
    if several and sink.suffix.lower() in PHOTO_SUFFIXES | _videos():
        raise MediaError(f"{sink} is a file's name, but there are {len(found)} sources; give a folder")
    if sink.exists() and not sink.is_dir():
        if not several:
            raise MediaError(f"{sink} is a file without an extension; give a name that has one, as {sink}.mp4")
        raise MediaError(f"{sink} is a file, but there are {len(found)} sources; give a folder")
    targets = [sink / path.name for path in found]
    twice = next((target for target in targets if targets.count(target) > 1), None)
    if twice:
        raise MediaError(f"two sources would both be written to {twice}; enhance them one by one")
    sink.mkdir(parents=True, exist_ok=True)
    return list(zip(found, targets, strict=True))


def _expand(source: str) -> list[Path]:
    path = Path(source)
    if source == "-" or "://" in source:
        what = "standard input" if source == "-" else "a URL"
        raise MediaError(f"{source.partition('://')[0]}: {what} is for `exdnet stream`; enhance takes files")
    if path.is_dir():
        held = [file for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith(".")]
        known = PHOTO_SUFFIXES | _videos()
        files = [file for file in held if file.suffix.lower() in known]
        if not files:
            raise MediaError(f"{path} holds no video and no photo; known are {', '.join(sorted(known))}")
        if others := [file.name for file in held if file not in files]:
            shown = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
            count = f"{len(others)} of the {len(held)} files in {path}"
            say_notes([f"{count} left out by their suffix: {shown}; a video is taken by its name"])
        return files
    if not path.exists() and glob.has_magic(source):
        matches = [Path(match) for match in sorted(glob.glob(source, recursive=True)) if Path(match).is_file()]
        if not matches:
            raise MediaError(f"{source} matches no file; check the pattern")
        return matches
    return [path]


def _videos() -> frozenset[str]:
    from exdnet_plugin.media.sink import CONTAINERS

    return CONTAINERS


def say_notes(notes: list[str]) -> None:
    """What could not be kept, a line each, on stderr."""
    for note in notes:
        click.echo(f"note: {note}", err=True)
