"""The network as it is trained: crops through the local part, whole pictures through the global branch.

The calibration matrix is the whole picture's. Taken from a crop it is another one, and a network that was trained on
crops alone misjudges whole pictures. So the local part runs over the whole picture without a gradient, the matrix comes
from that, and the crops are calibrated with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from exdnet_plugin.exdnet.checkpoint import Weights
from exdnet_plugin.exdnet.exposures import ExposureConstants
from exdnet_plugin.exdnet.fade import Blend
from exdnet_plugin.exdnet.folded import before_calibration, fold
from exdnet_plugin.exdnet.inference import Inference, calibration_matrix, exact_inference
from exdnet_plugin.exdnet.look import look
from exdnet_plugin.exdnet.network import ExdNet, apply_matrix, drop_path
from exdnet_plugin.training.losses import log_error
from exdnet_plugin.training.samples import Whole

WHOLE_STRIDE = 3  # every ninth pixel tells how bright a whole picture is


def local_part(network: ExdNet, frames: Tensor, ranges: Tensor, constants: ExposureConstants) -> Tensor:
    """What comes before calibration, (N, 3, H, W), through the folded form, with drop path while training."""

    def residual(x: Tensor, rate: float) -> Tensor:
        return drop_path(x, rate, network.training)

    return before_calibration(fold(network, constants), frames, ranges, residual=residual)


def inference_of(network: ExdNet, constants: ExposureConstants, device: str) -> Inference:
    """The inference form of a network as it is now, in float32 on every device, so that runs compare."""
    return exact_inference(Weights(network.state_dict(), constants, ""), device, dtype=torch.float32)


def whole_matrices(
    network: ExdNet, wholes: Sequence[Whole], constants: ExposureConstants, device: str, blend: Blend
) -> tuple[Tensor, Tensor, Tensor]:
    """Each whole picture's calibration matrix, (P, 3, 3), and look, (P, 2); the mean logarithm of squared errors.

    Gradients flow to the global branch alone.
    """
    inference = inference_of(network, constants, device)
    matrices, looks, errors = [], [], []
    for whole in wholes:
        before = inference.before_calibration(whole.dark[None], whole.range[None]).clone()
        matrix = calibration_matrix(network.global_net, before)
        some, dark, bright = (
            image[:, :, ::WHOLE_STRIDE, ::WHOLE_STRIDE] for image in (before, whole.dark[None], whole.bright[None])
        )
        looks.append(look(whole.dark[None]))
        errors.append(F.mse_loss(blend(dark, apply_matrix(matrix, some), looks[-1]), bright))
        matrices.append(matrix)
    return torch.cat(matrices), torch.cat(looks), log_error(torch.stack(errors))
