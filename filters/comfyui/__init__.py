"""ExdNet as a ComfyUI node: IMAGE in, IMAGE out, the batch is a stretch of video.

ComfyUI finds nodes in folders of `custom_nodes` by these two names.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from exdnet_plugin import Plugins
from exdnet_plugin.chain import make_chain
from exdnet_plugin.devices import resolve_device
from exdnet_plugin.stream_info import StreamInfo


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
            }
        }

    @torch.inference_mode()
    def brighten(self, image: Tensor, strength: float, smoothing: float, rate: float, device: str) -> tuple[Tensor]:
        """The images, brightened, of the same shape, on the CPU; ValueError for another shape or a missing device."""
        if image.ndim != 4 or image.shape[3] not in (3, 4):
            raise ValueError(f"exdnet: IMAGE of shape {tuple(image.shape)}; (N, H, W, 3) is needed")
        where = resolve_device(device)
        (processor,) = make_chain(f"exdnet=strength={strength}:smoothing={smoothing}", Plugins(discover=False))
        processor.open(StreamInfo(image.shape[2], image.shape[1], "rgb24", device=where))
        result = image.cpu().clone()
        for number, frame in enumerate(image[..., :3].split(1)):  # one by one: a batch of 4K would not fit
            times = torch.tensor([number / rate], dtype=torch.float64)
            made = processor.process(frame.permute(0, 3, 1, 2).to(where, torch.float32).clamp(0, 1), times)
            result[number, :, :, :3] = made[0].permute(1, 2, 0).cpu()
        processor.close()
        return (result,)


NODE_CLASS_MAPPINGS = {"ExdNet": ExdNetNode}
NODE_DISPLAY_NAME_MAPPINGS = {"ExdNet": "ExdNet (brighten)"}
