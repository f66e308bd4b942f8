"""The processor that changes nothing."""

from __future__ import annotations

from torch import Tensor

from exdnet_plugin.stream_info import StreamInfo


class NullProcessor:
    """Changes no pixel: planes pass as they are, so what comes out differs from what went in by the codec alone."""

    changes_pixels = False

    def open(self, stream: StreamInfo) -> None:
        """Nothing to prepare."""

    def process(self, frames: Tensor, times: Tensor) -> Tensor:
        return frames

    def reset(self) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to release."""
