"""Which fact of a file survives in which container: the table in docs/facts.md, made and checked here.

`EXDNET_WRITE_DOCS=1 pytest tests/media/test_facts.py` writes the table anew.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from facts_sources import (
    INTERLACED,
    Fact,
    frames,
    metadata,
    of_file,
    of_source,
    of_stream,
    other_pictures,
    packets,
    plain,
    second_video,
    sound,
    sound_against_picture,
    subtitles,
    with_extra,
)

from exdnet_plugin import MediaError, enhance_video

CONTAINERS = ("mp4", "mov", "mkv", "webm", "ts")
DOCS = Path(__file__).parents[2] / "docs" / "facts.md"
HEAD = (
    "# What is kept",
    "",
    "Made by `tests/media/test_facts.py`, which enhances a small file that carries each fact into each container, with",
    "the default encoder, and compares. *kept*: the same is read from both. *converted*, *left out*: what is said of",
    "it at the end of the job.",
    "",
)
MASTERING = {
    "x265-params": "log-level=error:hdr10=1:max-cll=1000,400:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
}
QUIET = {"x265-params": "log-level=error"}
DEEP = {"codec": "libx265", "pix_fmt": "yuv420p10le"}

times = frames(lambda f: round(float(f.pts * f.time_base), 4))


def lengths(path: Path) -> list[float]:
    """How long each frame is shown: until the next, the last for as long as it says itself."""
    shown = frames(lambda f: (float(f.pts * f.time_base), float((f.duration or 0) * f.time_base)))(path)
    ends = [start for start, _ in shown[1:]] + [shown[-1][0] + shown[-1][1]]
    rounded = [round(end - start, 3) for (start, _), end in zip(shown, ends, strict=True)]
    return [*rounded[:-1], rounded[-1] or min(rounded[:-1])]  # a last one that is not told lasts as the others do


tags = of_stream(
    lambda s: tuple(
        int(getattr(s.codec_context, tag)) for tag in ("colorspace", "color_primaries", "color_trc", "color_range")
    )
)
site = of_source(lambda s: s.facts.chroma_site)
depth_and_sampling = of_stream(lambda s: s.codec_context.pix_fmt)
light = of_source(
    lambda s: s.facts.light and [round(float(v), 3) for v in (*s.facts.light.display, *s.facts.light.content)]
)


def attachments(container: Any) -> Any:
    return [bytes(stream.data) for stream in container.streams if stream.type == "attachment"]


def dispositions(container: Any) -> Any:
    return [(s.metadata.get("language", "und"), int(s.disposition & ~1)) for s in container.streams.audio]


def rotated(container: Any, stream: Any) -> None:
    stream.set_display_rotation(90)


def mirrored(container: Any, stream: Any) -> None:
    stream.set_display_rotation(0, hflip=True)


def wide(container: Any, stream: Any) -> None:
    stream.codec_context.sample_aspect_ratio = Fraction(4, 3)


def attached(container: Any, stream: Any) -> None:
    container.add_attachment("font.ttf", "application/x-truetype-font", b"abcdef" * 10)


def clock(container: Any, stream: Any) -> None:
    stream.metadata["timecode"] = "01:02:03:04"


NTSC = [round(index * 1001 / 24) for index in range(6)]
FACTS = [
    Fact("times at 24000/1001", plain(pts=NTSC, rate=Fraction(24000, 1001)), times, "later"),
    Fact("times at a variable rate, with gaps", plain(pts=[0, 17, 90, 91, 900, 933]), times, "later"),
    Fact("an offset start", plain(pts=[1000, 1040, 1080, 1120]), times, "start"),
    Fact("durations", plain(pts=[0, 40, 80, 200, 240, 280]), lengths),
    Fact("sound: packets, AAC", with_extra(".mp4", sound("aac")), packets("audio"), "audio stream"),
    Fact("sound: packets, Opus", with_extra(".mkv", sound("libopus")), packets("audio"), "audio stream"),
    Fact("sound in step with the picture", with_extra(".mp4", sound("aac")), sound_against_picture, "audio stream"),
    Fact("tracks' languages and dispositions", with_extra(".mkv", sound("libopus")), of_file(dispositions), "audio"),
    Fact("subtitles: SubRip", with_extra(".mkv", subtitles("subrip", b"Dark")), packets("subtitle"), "subtitle"),
    Fact(
        "subtitles: mov_text",
        with_extra(".mp4", subtitles("mov_text", b"\x00\x04Dark")),
        packets("subtitle"),
        "subtitle",
    ),
    Fact("a further video stream", with_extra(".mkv", second_video(cover=False)), of_file(other_pictures), "video"),
    Fact("a cover picture", with_extra(".mp4", second_video(cover=True)), of_file(other_pictures), "video stream"),
    Fact("attachments", with_extra(".mkv", attached), of_file(attachments), "attachment"),
    Fact("title", with_extra(".mkv", metadata), of_file(lambda c: c.metadata.get("title")), "metadata"),
    Fact(
        "chapters",
        with_extra(".mkv", metadata),
        of_file(lambda c: [(round(float(x["end"] * x["time_base"]), 3), x["metadata"]) for x in c.chapters()]),
        "chapters",
    ),
    Fact("rotation", with_extra(".mp4", rotated), frames(lambda f: f.rotation), "rotation"),
    Fact("mirroring", with_extra(".mp4", mirrored), of_source(lambda s: s.facts.display_matrix), "mirroring"),
    Fact("sample aspect ratio", with_extra(".mkv", wide), of_stream(lambda s: s.sample_aspect_ratio), "aspect"),
    Fact(
        "timecode",
        with_extra(".mov", clock),
        of_file(lambda c: {k.lower(): v for k, v in c.streams.video[0].metadata.items()}.get("timecode")),
        "timecode",
    ),
    Fact("colour tags, HD", plain(), tags),
    Fact("colour tags, SD full range", plain(tags=(6, 6, 6, 2)), tags),
    Fact("chroma site: top left", plain(chroma_sample_location="topleft"), site, "chroma site"),
    Fact("10 bits", plain(**DEEP, **QUIET), depth_and_sampling),
    Fact("4:2:2", plain(pix_fmt="yuv422p"), depth_and_sampling, "is encoded as"),
    Fact("4:4:4", plain(pix_fmt="yuv444p"), depth_and_sampling, "is encoded as"),
    Fact("PQ tags", plain(tags=(9, 9, 16, 1), **DEEP, **QUIET), tags),
    Fact("HLG tags", plain(tags=(9, 9, 18, 1), **DEEP, **QUIET), tags),
    Fact("mastering display and light levels", plain(tags=(9, 9, 16, 1), **DEEP, **MASTERING), light, "mastering"),
    Fact(
        "fields of interlaced video",
        plain(flags=INTERLACED, through="setparams=field_mode=tff"),
        frames(lambda f: f.interlaced_frame or None),
        "interlaced",
    ),
]


def cell(fact: Fact, container: str, folder: Path) -> str:
    """Kept, converted or left out, and why; `SILENT` is what must not be."""
    folder.mkdir()
    source, sink = fact.make(folder), folder / f"out.{container}"
    try:
        report = enhance_video(source, sink, chain="null")
    except MediaError as error:
        return f"refused: {error}"
    before, after = fact.look(source), fact.look(sink)
    assert before not in (None, [], False), "the source does not carry the fact"
    if after == before:
        return "kept"
    notes = [note for note in report.notes if fact.noted and fact.noted in note]
    word = "left out" if notes and "left out" in notes[0] else "converted"
    return f"{word}: {notes[0]}" if notes else f"SILENT: {before} became {after}; notes {report.notes}"


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name.replace(" ", "-"))
def test_the_table_of_facts_says_what_happens(fact: Fact, tmp_path: Path) -> None:
    cells = [cell(fact, container, tmp_path / container) for container in CONTAINERS]
    row = f"| {fact.name} | " + " | ".join(cells) + " |"
    if os.environ.get("EXDNET_WRITE_DOCS"):
        write_row(fact.name, row)
    assert not [text for text in cells if text.startswith("SILENT")], row
    assert row in DOCS.read_text().splitlines(), f"docs/facts.md says otherwise; write it anew:\n{row}"


def write_row(name: str, row: str) -> None:
    lines = (
        DOCS.read_text().splitlines()
        if DOCS.exists()
        else [*HEAD, "| fact | " + " | ".join(CONTAINERS) + " |", "|---" * 6 + "|"]
    )
    places = [index for index, line in enumerate(lines) if line.startswith(f"| {name} |")]
    if places:
        lines[places[0]] = row
    else:
        lines.append(row)
    DOCS.write_text("\n".join(lines) + "\n")
