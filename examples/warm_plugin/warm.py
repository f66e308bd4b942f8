"""A third-party plugin: the frame processor `warm`, which shifts colours towards red."""

import torch

from exdnet_plugin import StreamInfo, hookimpl
from exdnet_plugin.hookspecs import Register


class Warm:
    """Shifts colours towards red; `amount` 0.1 is 10 %."""

    def __init__(self, amount: float = 0.1) -> None:
        if not 0 <= amount <= 1:
            raise ValueError(f"amount {amount}: it must be between 0 and 1")
        self.amount = amount

    def open(self, stream: StreamInfo) -> None:
        self.gain = torch.tensor([1 + self.amount, 1, 1 - self.amount], device=stream.device).reshape(1, 3, 1, 1)

    def process(self, frames: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        return frames * self.gain

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


@hookimpl
def register_frame_processors(register: Register) -> None:
    register("warm", Warm)
