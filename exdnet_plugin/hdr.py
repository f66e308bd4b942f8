"""PQ and HLG frames for processors that know gamma-coded pictures, and back, highlights kept.

Frame processors get the picture up to diffuse white, 203 cd/m² (ITU-R BT.2408-7, section 2.1), coded about as SDR is.
What is brighter, lamps and glints, goes around them and is added to what they return.

Source: SMPTE ST 2084 and ITU-R BT.2100-2, tables 4 and 5.
"""

from __future__ import annotations

from torch import Tensor

PQ, HLG = "smpte2084", "arib-std-b67"
DIFFUSE_WHITE = 203.0  # cd/m²
HLG_DIFFUSE_WHITE = 0.75  # of the signal
_PQ_PEAK = 10000.0
_SDR_GAMMA = 2.2
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def is_hdr(transfer: str) -> bool:
    """Whether a transfer, by FFmpeg's name, is PQ or HLG."""
    return transfer in (PQ, HLG)


def to_working(signal: Tensor, transfer: str) -> tuple[Tensor, Tensor]:
    """Split a PQ or HLG signal in [0, 1] into what processors get and what goes around them.

    Returns:
        The picture up to diffuse white, in [0, 1], and what exceeds it, 0 or more; of the signal's shape.
    """
    coded = signal / HLG_DIFFUSE_WHITE if transfer == HLG else (_pq_light(signal) / DIFFUSE_WHITE) ** (1 / _SDR_GAMMA)
    base = coded.clamp(0, 1)
    return base, coded.clamp(min=0) - base


def from_working(base: Tensor, excess: Tensor, transfer: str) -> Tensor:
    """The signal of a processed picture and of what went around it, clipped to [0, 1]."""
    coded = base.clamp(0, 1) + excess
    signal = coded * HLG_DIFFUSE_WHITE if transfer == HLG else _pq_signal(coded**_SDR_GAMMA * DIFFUSE_WHITE)
    return signal.clamp(0, 1)


def _pq_light(signal: Tensor) -> Tensor:
    """ST 2084's EOTF: a signal in [0, 1] to cd/m²."""
    root = signal.clamp(0, 1) ** (1 / _M2)
    return _PQ_PEAK * ((root - _C1).clamp(min=0) / (_C2 - _C3 * root)) ** (1 / _M1)


def _pq_signal(light: Tensor) -> Tensor:
    """ST 2084's inverse EOTF: cd/m² to a signal in [0, 1]."""
    power = (light.clamp(0, _PQ_PEAK) / _PQ_PEAK) ** _M1
    signal: Tensor = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal
