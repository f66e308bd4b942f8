"""How good weights are on whole pictures that training did not see, in numbers and as a sheet to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from exdnet_plugin.evaluation.metrics import PictureMetrics, compare, mean_metrics, unit
from exdnet_plugin.evaluation.thumbnails import evenly
from exdnet_plugin.exdnet.exposures import ExposureConstants
from exdnet_plugin.exdnet.fade import Blend, Fade
from exdnet_plugin.exdnet.network import ExdNet
from exdnet_plugin.pairs import Picture
from exdnet_plugin.training.forward import inference_of
from exdnet_plugin.whole_file import whole_file

SAMPLES = "samples.jpg"
_ROWS, _WIDTH = 6, 400


class Validation:
    """Mean metrics on pictures of a network behind its fade; with a folder, some side by side in its `samples.jpg`."""

    def __init__(
        self,
        pairs: Sequence[tuple[Picture, Picture]],
        constants: ExposureConstants,
        fade: Fade | None,
        device: str,
        folder: Path | None = None,
    ) -> None:
        self._pairs, self._constants, self._device, self._folder = pairs, constants, device, folder
        self._blend = Blend(1.0, "keep", fade)
        self._shown = set(evenly(range(len(pairs)), _ROWS))

    @torch.no_grad()
    def __call__(self, network: ExdNet) -> dict[str, float]:
        """The metrics by name."""
        inference = inference_of(network, self._constants, self._device)
        rows: list[PictureMetrics] = []
        sheet = []
        for index, (low, high) in enumerate(self._pairs):
            frame = unit(low).to(self._device)
            result = (self._blend(frame, inference(frame)) * 255).round()
            rows.append(compare(result / 255, unit(high).to(self._device)))
            if index in self._shown:
                shown = result[0].permute(1, 2, 0).byte().cpu().numpy()
                sheet.append(np.hstack([_small(picture) for picture in (low, shown, high)]))
        if self._folder:
            _write(self._folder / SAMPLES, sheet)
        return mean_metrics(rows)


def _small(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    size = _WIDTH, round(_WIDTH * height / width)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write(path: Path, rows: Sequence[Picture]) -> None:
    _, data = cv2.imencode(".jpg", np.vstack(rows)[:, :, ::-1])
    with whole_file(path) as hidden:
        hidden.write_bytes(data.tobytes())
