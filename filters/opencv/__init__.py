"""ExdNet for programs that hold OpenCV's frames: BGR arrays in, BGR arrays out."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from exdnet_plugin import FrameFilter, StreamInfo, open_filter

BgrFrame = NDArray[np.uint8]
Quality = Literal["exact", "realtime"]
CAP_PROP_POS_MSEC, CAP_PROP_FPS = 0, 5  # OpenCV's numbers; it need not be imported here


class Capture(Protocol):
    """What is used of a `cv2.VideoCapture`."""

    def isOpened(self) -> bool: ...  # noqa: N802 - OpenCV's name
    def read(self) -> tuple[bool, BgrFrame]: ...
    def get(self, propId: int) -> float: ...  # noqa: N803 - OpenCV's name


class BgrFilter:
    """Brightens BGR frames in order.

    Args:
        chain, device, quality: as for :func:`exdnet_plugin.open_filter`.
        rate: frames a second, for frames that come without a time.

    Frames of another size than those before start a new stream; one whose time is before the last one's starts anew.

    Raises:
        ValueError: the rate is not above 0.
    """

    def __init__(
        self, *, chain: str = "exdnet", device: str = "auto", quality: Quality = "exact", rate: float = 25
    ) -> None:
        if not rate > 0:
            raise ValueError(f"exdnet: rate {rate}: frames a second are needed, above 0")
        self._chain, self._device, self._quality, self._rate = chain, device, quality, rate
        self._filter: FrameFilter | None = None
        self._frames, self._time = 0, -inf

    def __call__(self, frame: BgrFrame, time: float | None = None) -> BgrFrame:
        """One frame, (H, W, 3) uint8 BGR, and its time in seconds; a new array of the same shape comes back.

        Raises:
            ValueError: the frame has another shape or type.
        """
        if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            found = f"{frame.shape}, {frame.dtype}" if isinstance(frame, np.ndarray) else f"{frame!r}"
            raise ValueError(  # cv2.imread gives None for what it cannot read
                f"exdnet: frame is {found:.80}; (H, W, 3) uint8 BGR is needed, as cv2 reads it; check that it was read"
            )
        opened = self._of_size(frame.shape[1], frame.shape[0])
        now = self._frames / self._rate if time is None else time
        if now < self._time:
            opened.reset()
        result: BgrFrame = opened([frame], now)[0]
        self._frames, self._time = self._frames + 1, now
        return result

    def reset(self) -> None:
        """The next frame does not continue the one before, as behind a seek."""
        if self._filter:
            self._filter.reset()

    def _of_size(self, width: int, height: int) -> FrameFilter:
        opened = self._filter
        if opened is None or (opened.stream.width, opened.stream.height) != (width, height):
            self.close()
            stream = StreamInfo(width, height, "bgr24")
            opened = open_filter(stream, chain=self._chain, device=self._device, quality=self._quality)
            self._filter = opened
        return opened

    def close(self) -> None:
        """Release the network."""
        if self._filter:
            self._filter.close()
        self._filter = None

    def __enter__(self) -> BgrFilter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def enhanced(
    capture: Capture, *, chain: str = "exdnet", device: str = "auto", quality: Quality = "exact"
) -> Iterator[BgrFrame]:
    """The frames of an opened `cv2.VideoCapture`, brightened. ValueError when it is not open."""
    if isinstance(capture, str | Path):
        raise ValueError(f"exdnet: {capture} is a name; give cv2.VideoCapture({str(capture)!r})")  # noqa: TRY004
    if not capture.isOpened():
        raise ValueError("exdnet: the capture is not open; check the path or the camera's number")
    rate = capture.get(CAP_PROP_FPS) or 25
    with BgrFilter(chain=chain, device=device, quality=quality) as bright:
        time = -inf
        while True:
            there, frame = capture.read()
            if not there:
                return
            told = capture.get(CAP_PROP_POS_MSEC) / 1000
            time = told if told > time else time + 1 / rate  # some captures tell the same for all frames
            yield bright(frame, time)
