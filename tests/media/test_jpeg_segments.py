"""JPEGs of several pictures: the profile is whole, what is not taken is named, and XMP does not tell of it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from test_photos import Run, icc_profile

from exdnet_plugin.media.jpeg_segments import read_segments
from exdnet_plugin.media.photos import read_photo, write_photo
from exdnet_plugin.media.xmp import without_claims

HEAD = b"http://ns.adobe.com/xap/1.0/\0"
PLAIN = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a xmp:Rating="5" xmlns:xmp="http://ns.adobe.com/xap/1.0/"/></x:xmpmeta>'
# As phones write it: Ultra HDR, a motion photo and its older form, beside what the user wrote
CLAIMING = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"
 xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:Item="http://ns.google.com/photos/1.0/container/item/"
 xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:xmpNote="http://ns.adobe.com/xmp/note/" hdrgm:Version="1.0" GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="99"
 GCamera:PortraitVersion="2" xmp:Rating="5" xmpNote:HasExtendedXMP="0123">
<xmp:Label>n\xc3\xa4chtlich &amp; dunkel</xmp:Label>
<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Length="9"/>
</rdf:li></rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg(path: Path, *segments: bytes, behind: bytes = b"", progressive: bool = False) -> Path:
    data, noise = io.BytesIO(), np.random.default_rng(0).integers(0, 255, (40, 56, 3)).astype(np.uint8)
    PIL.Image.fromarray(noise).save(data, "JPEG", progressive=progressive)
    path.write_bytes(data.getvalue()[:2] + b"".join(segments) + data.getvalue()[2:] + behind)
    return path


def part(number: int, count: int, body: bytes) -> bytes:
    return segment(0xE2, b"ICC_PROFILE\0" + bytes((number, count)) + body)


def written_profile(source: Path) -> tuple[bytes | None, str]:
    sink = source.with_name("out.jpg")
    notes = write_photo(sink, read_photo(source))
    return PIL.Image.open(sink).info.get("icc_profile"), "\n".join(notes)


def test_pillows_multi_picture_files_keep_their_profile(tmp_path: Path, exdnet: Run) -> None:
    dark, other = (PIL.Image.new("RGB", (48, 32), (shade,) * 3) for shade in (30, 90))
    with (tmp_path / "in.jpg").open("wb") as file:
        dark.save(file, format="MPO", save_all=True, append_images=[other], icc_profile=icc_profile())
    code, _, said = exdnet("enhance", tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert code == 0
    assert "only its first picture is taken; left out: an index of pictures (MPF), " in said
    assert "ICC" not in said
    assert PIL.Image.open(tmp_path / "out.jpg").info["icc_profile"] == icc_profile()


def test_a_profile_is_of_its_own_segments_alone_in_their_order(tmp_path: Path) -> None:
    icc, others = (
        icc_profile(),
        (segment(0xE2, b"MPF\0II*\0\x08\0\0\0"), segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0")),
    )
    for segments in (
        (part(1, 1, icc), *others),
        (*others, part(1, 1, icc)),
        (part(3, 3, icc[300:]), others[0], part(1, 3, icc[:100]), part(2, 3, icc[100:300])),
    ):
        assert written_profile(jpeg(tmp_path / "in.jpg", *segments))[0] == icc
    assert written_profile(jpeg(tmp_path / "in.jpg", *others)) == (
        None,
        "only its first picture is taken; left out: an index of pictures (MPF)",
    )


@pytest.mark.parametrize("numbers", [[(1, 2)], [(2, 2), (2, 2)], [(1, 1), (2, 1)], [(0, 0)]])
def test_a_profile_with_parts_missing_is_left_out_and_named(tmp_path: Path, numbers: list[tuple[int, int]]) -> None:
    source = jpeg(tmp_path / "in.jpg", *(part(*number, icc_profile()) for number in numbers))
    profile, said = written_profile(source)
    assert profile is None
    assert f"its ICC profile is left out: {len(numbers)} of {numbers[0][1]} parts" in said


def test_large_profiles_are_written_in_several_segments(tmp_path: Path) -> None:
    icc = icc_profile() + np.random.default_rng(0).integers(0, 256, 150_000).astype(np.uint8).tobytes()
    data = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(data, "JPEG", icc_profile=icc)
    (tmp_path / "in.jpg").write_bytes(data.getvalue())
    assert written_profile(tmp_path / "in.jpg") == (icc, "")


@pytest.mark.parametrize("progressive", [False, True])
def test_data_behind_the_picture_is_named(tmp_path: Path, progressive: bool) -> None:
    video = b"\0\0\0\x18ftypmp42" + bytes(100) + b"\xff\xd9moov"
    source = jpeg(tmp_path / "in.jpg", behind=video, progressive=progressive)
    note = f"only its first picture is taken; left out: {len(video)} bytes behind it"
    assert write_photo(tmp_path / "out.jpg", read_photo(source)) == [note]
    assert read_photo(jpeg(tmp_path / "in.jpg", behind=bytes(64), progressive=progressive)).notes == ()
    assert read_photo(tmp_path / "out.jpg").notes == ()


def test_xmp_no_longer_tells_of_what_is_left_out(tmp_path: Path) -> None:
    extended = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"<more/>")
    source = jpeg(tmp_path / "in.jpg", segment(0xE1, HEAD + CLAIMING), extended, behind=b"gain map")
    said = "\n".join(write_photo(tmp_path / "out.jpg", read_photo(source)))
    xmp = PIL.Image.open(tmp_path / "out.jpg").info["xmp"]
    for gone in (b"hdrgm", b"Container", b"Item", b"MotionPhoto", b"MicroVideo", b"HasExtendedXMP"):
        assert gone not in xmp
    for kept in (
        b'xmp:Rating="5"',
        "nächtlich &amp; dunkel".encode(),
        b'GCamera:PortraitVersion="2"',
        b"?xpacket begin",
    ):
        assert kept in xmp
    for name in ("hdrgm:Version", "GCamera:MotionPhoto", "Container:Directory", "its extended XMP is left out"):
        assert name in said


def test_other_xmp_stays_byte_for_byte() -> None:
    portrait = PLAIN.replace(b"xmp:Rating", b"GCamera:Portrait").replace(b"xmlns:xmp", b"xmlns:GCamera")
    portrait = portrait.replace(b"http://ns.adobe.com/xap/1.0/", b"http://ns.google.com/photos/1.0/camera/")
    for xmp in (PLAIN, portrait, b"no XML <at all", b""):
        assert without_claims(xmp) == (xmp, ())


@pytest.mark.parametrize("broken", [CLAIMING[:-60], b"\xff" + CLAIMING, b"<a>" * 20_000 + CLAIMING + b"</a>" * 20_000])
def test_xmp_that_cannot_be_changed_is_left_out_and_named(broken: bytes) -> None:
    xmp, notes = without_claims(broken)
    assert xmp == b""
    assert "its XMP is left out" in notes[0]


@pytest.mark.parametrize("first", [".jpg", ".png", ".webp", ".tif", ".heic"])
@pytest.mark.parametrize("second", [".jpg", ".png", ".webp", ".tif", ".heic"])
def test_xmp_goes_from_format_to_format(tmp_path: Path, first: str, second: str) -> None:
    source = jpeg(tmp_path / "in.jpg", segment(0xE1, HEAD + PLAIN))
    write_photo(tmp_path / f"first{first}", read_photo(source))
    write_photo(tmp_path / f"second{second}", read_photo(tmp_path / f"first{first}"))
    photo = read_photo(tmp_path / f"second{second}")
    blocks = {**dict(photo.tiff_tags), **dict(photo.metadata)}
    found = blocks[700 if second == ".tif" else cv2.IMAGE_METADATA_XMP]
    assert bytes(found) == PLAIN
    assert HEAD not in (tmp_path / f"second{second}").read_bytes() or second == ".jpg"


def test_a_broken_jpeg_is_read_to_its_damage(tmp_path: Path) -> None:
    whole = jpeg(tmp_path / "in.jpg", part(1, 1, icc_profile()), behind=b"more").read_bytes()
    assert read_segments(whole).behind == 4
    assert all(read_segments(whole[:length]).behind == 0 for length in range(2, len(whole) - 4, 5))
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(whole)
        for place in rng.integers(2, len(data), 20):
            data[place] = rng.integers(256)
        read_segments(bytes(data))
