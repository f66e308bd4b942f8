"""Channels of sound in an order of their own, as of MOV files that say of each channel what it is."""

from __future__ import annotations

import ctypes

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout

_ORDER = [channel.name for channel in AudioLayout("22.2").channels]  # all, in FFmpeg's order
_keep = ctypes.pythonapi.Py_IncRef
_keep.argtypes = [ctypes.py_object]


def layout_of(sound: AudioCodecContext | AudioFrame) -> AudioLayout:
    """The channels of a decoder or of a frame; in an order of their own, too.

    Every decoded frame is to be asked before it is let go: PyAV's layout shares the list of such channels with
    FFmpeg, and both would free it, which ends the process. So the layout, some hundred bytes, is kept for ever.
    """
    layout = sound.layout
    if is_own_order(layout):
        _keep(layout)
    return layout


def is_own_order(layout: AudioLayout) -> bool:
    """Whether channels are told one by one, as in "3 channels (FC+FL+FR)", and not by a name."""
    return " channels (" in layout.name


def are_told(layout: AudioLayout) -> bool:
    """Whether it is known which channel is which, and how many there are."""
    return bool(_names(layout)) and "NONE" not in _names(layout)


def is_usual(layout: AudioLayout) -> bool:
    """Whether channels are what they are taken for where nothing tells, so far as it is known."""
    return not (is_own_order(layout) and _are_distinct(layout))


def distinct(frame: AudioFrame) -> AudioFrame:
    """A frame whose channels are distinct: FFmpeg mixes the first of several with one name, and drops the others.

    They become the usual ones of their number: two voices in two middle channels become left and right.
    """
    layout = layout_of(frame)
    if not is_own_order(layout) or _are_distinct(layout):
        return frame
    named = AudioFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name, layout=_usual(layout))
    named.sample_rate, named.pts, named.time_base = frame.sample_rate, frame.pts, frame.time_base
    return named


def nearest(layout: AudioLayout) -> list[str]:
    """Names of layouts in FFmpeg's own order that an encoder is asked to take, the nearest first."""
    names = _names(layout)
    same = []
    if are_told(layout) and _are_distinct(layout) and set(names) <= set(_ORDER):
        inorder = AudioLayout("+".join(sorted(names, key=_ORDER.index)))
        same = [inorder.name.replace("(side)", "")]  # AAC has no order of its own for those
    return [*same, _usual(layout), "stereo"]


def _usual(layout: AudioLayout) -> str:
    """FFmpeg's name for so many channels in their usual order."""
    return f"{layout.nb_channels}c"


def _are_distinct(layout: AudioLayout) -> bool:
    return len(set(_names(layout))) == layout.nb_channels


def _names(layout: AudioLayout) -> list[str]:
    return [channel.name for channel in layout.channels]
