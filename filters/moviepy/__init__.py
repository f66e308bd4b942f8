"""ExdNet as a MoviePy 2 effect: `clip.with_effects([ExdNet()])`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exdnet_plugin import FrameFilter, StreamInfo, open_filter

try:
    from moviepy import Clip, Effect
except ImportError as error:
    raise ImportError(f"exdnet: MoviePy 2 is not here ({error}); pip install moviepy") from error

GOES_ON = 1.0  # seconds: frames further apart, or behind each other, do not continue each other


@dataclass
class ExdNet(Effect):
    """Brightens a clip. Frames are wanted in order; a jump in time starts anew.

    Args:
        chain, device, quality: as for :func:`exdnet_plugin.open_filter`.
    """

    chain: str = "exdnet"
    device: str = "auto"
    quality: str = "exact"

    def apply(self, clip: Clip) -> Clip:
        """The clip, brightened; ValueError for a chain or device that there is not."""
        frames = _Frames(self)
        return clip.transform(lambda get_frame, t: frames(get_frame(t), t), keep_duration=True)


class _Frames:
    """Frames of one clip by time. MoviePy asks for some twice: the last result is kept for that."""

    def __init__(self, effect: ExdNet) -> None:
        self._effect = effect
        self._filter: FrameFilter | None = None
        self._time = -1.0
        self._result: NDArray[Any] | None = None

    def __call__(self, frame: NDArray[Any], time: float) -> NDArray[Any]:
        if frame.ndim != 3:  # a mask
            return frame
        if self._result is not None and time == self._time:
            return self._result.copy()  # who asks may draw into it
        opened = self._of_size(frame.shape[1], frame.shape[0])
        if not 0 <= time - self._time <= GOES_ON:
            opened.reset()
        self._time, self._result = time, opened([np.array(frame[:, :, :3], np.uint8)], time)[0]
        return self._result.copy()

    def _of_size(self, width: int, height: int) -> FrameFilter:
        opened, how = self._filter, self._effect
        if opened is None or (opened.stream.width, opened.stream.height) != (width, height):
            stream = StreamInfo(width, height, "rgb24")
            opened = open_filter(stream, chain=how.chain, device=how.device, quality=how.quality)  # type: ignore[arg-type]
            self._filter = opened
        return opened
