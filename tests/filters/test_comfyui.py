"""The ComfyUI node keeps ComfyUI's documented contract."""

from __future__ import annotations

import inspect

import pytest
import torch
from conftest import dark_frames
from exdnet_plugin.filters.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS


def test_the_node_tells_what_it_takes_and_gives() -> None:
    assert NODE_CLASS_MAPPINGS.keys() == NODE_DISPLAY_NAME_MAPPINGS.keys()
    node = NODE_CLASS_MAPPINGS["ExdNet"]
    inputs = node.INPUT_TYPES()["required"]
    parameters = list(inspect.signature(getattr(node, node.FUNCTION)).parameters)[1:]
    assert parameters == list(inputs)
    assert node.RETURN_TYPES == ("IMAGE",)


@pytest.mark.parametrize("quality", ["exact", "realtime"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_batch_is_brightened_in_order_and_alpha_stays(channels: int, quality: str) -> None:
    node = NODE_CLASS_MAPPINGS["ExdNet"]()
    frames = torch.stack([torch.from_numpy(frame) for frame in dark_frames(3, (36, 64))]).float() / 255
    image = torch.cat([frames, torch.full((3, 36, 64, channels - 3), 0.25)], dim=3)
    defaults = {name: kind[1]["default"] for name, kind in node.INPUT_TYPES()["required"].items() if len(kind) > 1}
    (result,) = node.brighten(image, **defaults | {"quality": quality})
    assert result.shape == image.shape
    assert result[..., :3].mean() > image[..., :3].mean() + 0.1
    assert torch.equal(result[..., 3:], image[..., 3:])


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(N, H, W, 3\) is needed"):
        NODE_CLASS_MAPPINGS["ExdNet"]().brighten(torch.zeros(8, 8, 3), 1.0, 0.5, 24.0, "cpu")
