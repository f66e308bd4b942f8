"""Sound of any kind as an encoder takes it: in its format, pieces of its length, with times that run on."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

_PIECE = 4096  # samples of silence at once
_ROUNDING = 0.002  # seconds: containers count in milliseconds


class Resampled:
    """Frames of sound in pieces for an open encoder. Sound may change its rate, format and channels on the way.

    Args:
        encoder: what takes the pieces.
        slack: containers round times, so samples are counted; where these stray from what is told by more seconds,
            there is a gap, or sound that was heard already and is left out.
        fills: gaps are filled with silence, for containers that know none.
        since: the time, in samples, from which on there is sound or silence; None: from the first frame on.
    """

    def __init__(
        self, encoder: AudioCodecContext, slack: float, *, fills: bool = False, since: int | None = None
    ) -> None:
        self._encoder, self._slack, self._base = encoder, slack, Fraction(1, encoder.sample_rate)
        self._resampler: tuple[tuple[object, ...], AudioResampler] | None = None
        self._fills, self._lost = fills, 0
        self._heard = since  # samples so far, from time 0

    def of(self, frame: AudioFrame, time: Fraction | None) -> Iterator[AudioFrame]:
        """The pieces that are whole with a frame that is heard at a time, in seconds; None: behind the one before."""
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if self._resampler is None or self._resampler[0] != kind:
            yield from self.rest()
            encoder = self._encoder
            self._resampler = (
                kind,
                AudioResampler(encoder.format, encoder.layout, encoder.sample_rate, encoder.frame_size),
            )
        frame.time_base = Fraction(1, frame.sample_rate)
        frame.pts = round(((self._heard or 0) * self._base if time is None else time) * frame.sample_rate)
        yield from self._timed(self._resampler[1].resample(frame))

    def lost(self) -> None:
        """Something is missing: what comes next is heard when it says, however small the gap."""
        self._lost = 2  # of a packet, and of what was left of the one before

    def rest(self) -> Iterator[AudioFrame]:
        """What is held back of a piece."""
        if self._resampler:
            yield from self._timed(self._resampler[1].resample(None))
        self._resampler = None

    def _timed(self, pieces: list[AudioFrame]) -> Iterator[AudioFrame]:
        for piece in pieces:
            ahead, self._lost = _ROUNDING if self._lost else self._slack, max(self._lost - 1, 0)
            told = round((piece.pts or 0) * (piece.time_base or self._base) / self._base)
            if self._heard is None:
                self._heard = told
            elif told > self._heard + ahead / self._base:
                yield from self._silence(self._heard, told) if self._fills else ()
                self._heard = told
            elif told < self._heard - self._slack / self._base:
                continue
            piece.pts, piece.time_base = self._heard, self._base
            self._heard += piece.samples
            yield piece

    def _silence(self, start: int, end: int) -> Iterator[AudioFrame]:
        """Whole pieces of silence between two times; of an encoder that takes pieces of any length, up to the end."""
        encoder = self._encoder
        for first in range(start, end, encoder.frame_size or _PIECE):
            samples = min(encoder.frame_size or _PIECE, end - first)
            if samples < encoder.frame_size:
                break
            piece = AudioFrame(encoder.format.name, encoder.layout.name, samples)
            silent = b"\x80" if encoder.format.name.startswith("u8") else b"\0"  # the middle of what has no sign
            for plane in piece.planes:
                plane.update(silent * plane.buffer_size)
            piece.sample_rate, piece.pts, piece.time_base = encoder.sample_rate, first, self._base
            yield piece
