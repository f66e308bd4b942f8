"""Metrics over paired folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exdnet_plugin.api import enhance_image
from exdnet_plugin.chain import make_chain
from exdnet_plugin.evaluation.metrics import PictureMetrics, compare
from exdnet_plugin.pairs import Pair
from exdnet_plugin.plugins import default_plugins


def evaluate_pairs(pairs: Sequence[Pair], *, chain: str = "exdnet", device: str = "auto") -> Iterator[dict[str, Any]]:
    """A row a pair: its name and metrics of the enhanced dark picture, as 8 bits, against the bright one.

    Raises:
        ValueError: a chain, device or picture that is wrong.
    """
    processors = make_chain(chain, default_plugins())
    for pair in pairs:
        low, high = pair.load()
        result = enhance_image(low, chain=processors, device=device)
        yield {"name": pair.name, **_rounded(compare(_unit(result), _unit(high)))}


def _unit(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def _rounded(metrics: PictureMetrics) -> dict[str, float]:
    return {name: round(value, 4) for name, value in metrics._asdict().items()}


def means(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The mean of every metric over rows."""
    return {name: round(sum(row[name] for row in rows) / len(rows), 4) for name in PictureMetrics._fields}
