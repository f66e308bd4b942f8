"""The frame processor: what plugins write and chains are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from exdnet_plugin.stream_info import StreamInfo


def lacking(processor: object) -> str:
    """What an object has not of a processor's methods, by name; empty for a processor."""
    return ", ".join(name for name in ("open", "process", "reset", "close") if not hasattr(processor, name))


@runtime_checkable
class FrameProcessor(Protocol):
    """Turns RGB frames into RGB frames, in order. A stream in batches of 1 and of 8 gives the same frames.

    A processor may also carry `changes_pixels = False`, which leaves it out of the chain when it runs (a chain of
    nothing else passes planes as they are), and counts: `cuts`, how often its temporal state started anew, and `lit`,
    how many frames it left, more or less, as they are, since they need nothing. One that remembers something between
    frames should carry :class:`Resumable`'s methods too, and `remembers_pictures = True` where that is as large as a
    frame: then it is not kept behind every frame of a job, but of every 120th.
    """

    def open(self, stream: StreamInfo) -> None:
        """Told size, rate, colour and device, before a stream's first frame; `reset` follows.

        A processor that its caller holds may be opened again, for another stream, once it is closed.
        """

    def process(self, frames: Tensor, times: Tensor) -> Tensor:
        """Process a batch that follows the one before.

        Args:
            frames: (N, 3, H, W), float, full-range RGB, gamma-coded, in [0, 1], on `stream.device`. Not to be written
                to.
            times: (N,), float64, seconds, on the CPU.

        Returns:
            The same shape, floating point, on the same device. What leaves [0, 1] is clipped, what is no number is 0.
        """

    def reset(self) -> None:
        """Forget what came before: a seek, a reconnect."""

    def close(self) -> None:
        """Release what `open` took. Called once for each `open`, also after an error."""


@runtime_checkable
class Resumable(Protocol):
    """What a processor with a memory offers so that a job that was stopped goes on as if it had not been."""

    def state(self) -> dict[str, Tensor]:
        """What is remembered behind the last frame: tensors by name, on the CPU, not to change any more."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Remember what `state` told, after `open`. KeyError or ValueError when it is another's."""
