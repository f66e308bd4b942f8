"""What strong compression leaves between blocks is smoothed before it is brightened, and nothing else is."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import dark_frames

from exdnet_plugin import StreamInfo, enhance_image
from exdnet_plugin.evaluation.exposure import LUMA
from exdnet_plugin.exdnet.blocks import without_steps
from exdnet_plugin.processors.denoise import DenoiseProcessor
from exdnet_plugin.processors.exdnet import ExdNetProcessor

SKY = slice(0, 110), slice(0, 340)


def test_steps_of_a_code_between_blocks_become_a_slope() -> None:
    codes = torch.randint(3, 5, (1, 3, 6, 8), generator=torch.Generator().manual_seed(0))
    blocks = F.interpolate(codes / 255, scale_factor=16.0)
    result = without_steps(blocks)
    assert float(result.diff(dim=3).abs().max()) < 0.4 * float(blocks.diff(dim=3).abs().max())


def test_behind_denoise_they_become_a_flatter_one() -> None:
    codes = torch.randint(3, 5, (1, 3, 6, 8), generator=torch.Generator().manual_seed(0))
    blocks = F.interpolate(codes / 255, scale_factor=16.0)
    denoise = DenoiseProcessor()
    denoise.open(StreamInfo(128, 96))
    result = without_steps(denoise.process(blocks, torch.zeros(1)))
    assert float(result.diff(dim=3).abs().max()) < 0.3 * float(blocks.diff(dim=3).abs().max())


@pytest.mark.parametrize("size", [(64, 96), (37, 51), (16, 16), (1, 1)])
def test_texture_of_a_few_codes_stays(size: tuple[int, int]) -> None:
    texture = 0.1 + torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 4 / 255
    assert float((without_steps(texture) - texture).square().mean().sqrt()) < 0.3 / 255


def test_a_lamp_has_no_halo_and_black_stays_black() -> None:
    given = torch.zeros(1, 3, 96, 128)
    given[:, :, 40:72, 50:90] = 250 / 255
    assert float((without_steps(given) - given).abs().max()) < 0.1 / 255


def test_the_sky_of_a_strongly_compressed_night_shows_no_blocks(shared: Path) -> None:
    with av.open(str(shared / "data/clips/tmo324_night.mp4")) as container:
        night = next(islice(container.decode(video=0), 49, None)).to_ndarray(format="rgb24")
    highest = {}
    for blocks in ("smooth", "keep"):
        sky = enhance_image(night, chain=f"exdnet=blocks={blocks}")[SKY] @ LUMA
        steps = np.concatenate([np.abs(np.diff(sky, axis=axis)).ravel() for axis in (0, 1)])
        highest[blocks] = np.quantile(steps, 0.999)
    assert highest["keep"] > 5
    assert highest["smooth"] < 2.5


def test_the_published_network_sees_frames_as_they_are(shared: Path) -> None:
    golden, frame = f"exdnet=weights={shared / 'golden' / 'exdnet_random.safetensors'}", dark_frames(1, (64, 96))[0]
    assert np.array_equal(enhance_image(frame, chain=golden), enhance_image(frame, chain=f"{golden}:blocks=keep"))


def test_what_blocks_may_be_is_told() -> None:
    with pytest.raises(ValueError, match="blocks 'melt' is not there; there are smooth, keep"):
        ExdNetProcessor(blocks="melt")  # type: ignore[arg-type]
