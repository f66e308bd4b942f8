"""ExdNet as a ComfyUI node: IMAGE in, IMAGE out, the batch is a stretch of video.

ComfyUI finds nodes in folders of `custom_nodes` by these two names.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from exdnet_plugin import Plugins, StreamInfo, open_filter

CODES = 65535  # of a float image: 16 bits are finer than any display or file that it goes to


class ExdNetNode:
    """Brightens images, (N, H, W, 3) float in [0, 1]; alpha passes as it is."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "brighten"
    CATEGORY = "image/exdnet"
    DESCRIPTION = "Brightens dark images and video with ExdNet. A batch of several images is taken for video, in order."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802 - ComfyUI's name
        """What the node takes, as ComfyUI wants it told."""
        return {
            "required": {
                "image": ("IMAGE",),
                "strength": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.05}),
                "smoothing": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 5.0, "step": 0.1}),
                "rate": ("FLOAT", {"default": 24.0, "min": 1.0, "max": 240.0}),
                "device": (["auto", "cpu", "cuda"], {"default": "auto"}),
                "quality": (["exact", "realtime"], {"default": "exact"}),
            }
        }

    def brighten(
        self,
        image: Tensor,
        strength: float,
        smoothing: float,
        rate: float,
        device: str,
        quality: Literal["exact", "realtime"] = "exact",
    ) -> tuple[Tensor]:
        """The images, brightened, of the same shape, on the CPU; ValueError for another shape or a missing device."""
        if image.ndim != 4 or image.shape[3] not in (3, 4):
            raise ValueError(f"exdnet: IMAGE of shape {tuple(image.shape)}; (N, H, W, 3) is needed")
        stream = StreamInfo(image.shape[2], image.shape[1], "rgb48le")
        chain, plugins = f"exdnet=strength={strength}:smoothing={smoothing}", Plugins(discover=False)
        image = image.detach()
        result = image.cpu().clone()
        with open_filter(stream, chain=chain, device=device, quality=quality, plugins=plugins) as bright:
            for number, frame in enumerate(image):  # one by one: a batch of 4K would not fit
                codes = (frame[..., :3].float().clamp(0, 1) * CODES).round().cpu().numpy().astype(np.uint16)
                (made,) = bright([codes], number / rate)
                result[number, :, :, :3] = torch.from_numpy(made.astype(np.float32) / CODES)
        return (result,)


NODE_CLASS_MAPPINGS = {"ExdNet": ExdNetNode}
NODE_DISPLAY_NAME_MAPPINGS = {"ExdNet": "ExdNet (brighten)"}
