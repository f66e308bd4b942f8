"""Every fact of a video stream that its sink must tell again: size, times, colour tags, fields, light levels."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

import av
from av.sidedata.sidedata import SideData, Type

from exdnet_plugin.stream_info import ChromaSite, ColorFacts, Range

# H.273's code points, as FFmpeg counts and names them.
MATRICES = {
    0: "rgb", 1: "bt709", 2: "unspecified", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
    9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
    15: "ipt-c2",
}  # fmt: skip
PRIMARIES = {
    1: "bt709", 2: "unspecified", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "jedec-p22",
}  # fmt: skip
TRANSFERS = {
    1: "bt709", 2: "unspecified", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
    10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
    16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
RANGES: dict[int, Range] = {0: "unspecified", 1: "limited", 2: "full"}
_MARKS = {
    Type.SPHERICAL: "the spherical projection",
    Type.STEREO3D: "the stereo layout",
    Type.A53_CC: "closed captions",
}
_DROPPED = {
    Type.DOVI_METADATA: "Dolby Vision metadata",
    Type.DOVI_RPU_BUFFER: "Dolby Vision metadata",
    Type.DYNAMIC_HDR_PLUS: "HDR10+ metadata",
    Type.DYNAMIC_HDR_VIVID: "HDR Vivid metadata",
}


@dataclass(frozen=True)
class ColorTags:
    """Colour tags as FFmpeg counts them, kept as they came even where we do not know them."""

    matrix: int
    primaries: int
    transfer: int
    range: int

    @classmethod
    def of(cls, tagged: Any) -> ColorTags:
        """The tags of a codec context or a frame."""
        return cls(int(tagged.colorspace), int(tagged.color_primaries), int(tagged.color_trc), int(tagged.color_range))

    @classmethod
    def named(cls, color: ColorFacts) -> ColorTags:
        """The tags of colour facts by FFmpeg's names; what has no code point is unspecified."""
        wanted = (MATRICES, color.matrix), (PRIMARIES, color.primaries), (TRANSFERS, color.transfer)
        matrix, primaries, transfer = (
            next((code for code, name in table.items() if name == one), 2) for table, one in wanted
        )
        return cls(matrix, primaries, transfer, next(code for code, name in RANGES.items() if name == color.range))

    def put_on(self, target: Any) -> None:
        """Write the tags to a codec context or a frame."""
        target.colorspace, target.color_primaries = self.matrix, self.primaries
        target.color_trc, target.color_range = self.transfer, self.range

    def names(self, chroma_site: ChromaSite = "unspecified") -> ColorFacts:
        """The tags by FFmpeg's names."""
        return ColorFacts(
            matrix=_name(MATRICES, self.matrix),
            primaries=_name(PRIMARIES, self.primaries),
            transfer=_name(TRANSFERS, self.transfer),
            range=RANGES.get(self.range, "unspecified"),
            chroma_site=chroma_site,
        )


def _name(table: dict[int, str], code: int) -> str:
    return table.get(code, f"code {code}")


SDR_TAGS = ColorTags(matrix=1, primaries=1, transfer=1, range=1)


@dataclass(frozen=True)
class LightLevels:
    """SMPTE ST 2086 mastering display and CTA-861.3 content light level.

    Attributes:
        display: CIE 1931 x, y of red, green, blue and white, then minimum and maximum luminance in cd/m²; or None.
        content: MaxCLL and MaxFALL in cd/m², or None.
    """

    display: tuple[Fraction, ...] | None
    content: tuple[int, int] | None

    def parameters(self, codec: str) -> str:
        """As libx265 or libsvtav1 take them in their own parameters; empty for other encoders."""
        if codec == "libx265":
            units, names = (50000, 10000), ("master-display", "max-cll")
        elif codec == "libsvtav1":
            units, names = (1, 1), ("mastering-display", "content-light")
        else:
            return ""
        parts = []
        if self.display:
            r, g, b, white = (self.display[i : i + 2] for i in range(0, 8, 2))
            points = "".join(
                f"{letter}({_number(x * units[0])},{_number(y * units[0])})"
                for letter, (x, y) in zip(("G", "B", "R", "WP"), (g, b, r, white), strict=True)
            )
            low, high = (_number(value * units[1]) for value in self.display[8:])
            parts.append(f"{names[0]}={points}L({high},{low})")
        if self.content:
            parts.append(f"{names[1]}={self.content[0]},{self.content[1]}")
        return ":".join(parts)


def _number(value: Fraction) -> str:
    return str(int(value)) if value.denominator == 1 else f"{float(value):.6g}"


@dataclass(frozen=True)
class VideoFacts:
    """What a sink's video stream is told, from a source's.

    Attributes:
        width, height: in pixels.
        pixel_format: FFmpeg's name, one that our colour room handles.
        time_base, rate: seconds a tick; frames a second, None where it is not steady or not told.
        sample_aspect_ratio: None for unknown.
        tags, chroma_site: colour as tagged.
        interlaced, field_order: whether frames are pairs of fields; FFmpeg's AVFieldOrder.
        light: HDR10's static metadata.
        display_matrix: how players turn and mirror the frames, FFmpeg's nine numbers; empty for not at all.
        marks: what else the first frame tells of how it is shown, by name.
        dropped: metadata of the frames that no longer fits changed pictures, by name.
    """

    width: int
    height: int
    pixel_format: str
    time_base: Fraction
    rate: Fraction | None
    sample_aspect_ratio: Fraction | None
    tags: ColorTags
    chroma_site: ChromaSite = "unspecified"
    interlaced: bool = False
    field_order: int = 0
    light: LightLevels | None = None
    dropped: tuple[str, ...] = ()
    display_matrix: tuple[int, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def bottom_first(self) -> bool:
        """Whether the lower field is shown first: AV_FIELD_BB and AV_FIELD_TB."""
        return self.field_order in (3, 4)

    def with_first_frame(self, frame: av.VideoFrame) -> VideoFacts:
        """These facts, completed by what only a decoded frame tells."""
        data, unread = _side_data(frame)
        display, content = data.get(Type.MASTERING_DISPLAY_METADATA), data.get(Type.CONTENT_LIGHT_LEVEL)
        light = LightLevels(_mastering_display(display) if display else None, _content(content) if content else None)
        return replace(
            self,
            interlaced=frame.interlaced_frame,
            light=light if light.display or light.content else None,
            display_matrix=struct.unpack_from("<9i", data[Type.DISPLAYMATRIX]) if Type.DISPLAYMATRIX in data else (),
            marks=tuple(sorted({_MARKS[kind] for kind in data if kind in _MARKS})),
            dropped=tuple(sorted({_DROPPED[kind] for kind in data if kind in _DROPPED} | unread)),
        )


def _side_data(frame: av.VideoFrame) -> tuple[dict[Type, bytes], set[str]]:
    """A frame's side data; where there is a kind that PyAV has no name for, as EXIF in JPEGs, it gives none at all."""
    try:
        items = cast("list[SideData]", list(frame.side_data))  # PyAV types it as a mapping of names
    except ValueError as error:
        return {}, {f"side data of frames ({error})"}
    return {item.type: bytes(item) for item in items}, set()


def _mastering_display(data: bytes) -> tuple[Fraction, ...] | None:
    """AVMasteringDisplayMetadata: ten rationals, then whether primaries and luminance are there."""
    *numbers, primaries, luminance = struct.unpack_from("<20iii", data)
    if not (primaries and luminance) or 0 in numbers[1::2]:
        return None
    return tuple(Fraction(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True))


def _content(data: bytes) -> tuple[int, int]:
    most, average = struct.unpack_from("<II", data)
    return most, average
