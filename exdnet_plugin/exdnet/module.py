"""ExdNet as an `nn.Module`: RGB in, RGB out, each frame by itself. What `nn.Sequential` takes, and what is exported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from exdnet_plugin.exdnet.blocks import Blocks, smooths, without_steps
from exdnet_plugin.exdnet.checkpoint import DEFAULT, load_weights
from exdnet_plugin.exdnet.engines import local_part
from exdnet_plugin.exdnet.exposures import exposure_range
from exdnet_plugin.exdnet.fade import Blend, WellLit
from exdnet_plugin.exdnet.folded import FoldedExdNet, before_calibration, fold
from exdnet_plugin.exdnet.highlights import Ends, Limits, rolled_off
from exdnet_plugin.exdnet.inference import CPU_TILE, Inference, calibration_matrix
from exdnet_plugin.exdnet.network import OUTPUT_MIN, GlobalNet, apply_matrix


class ExdNetModule(nn.Module):
    """Brightens frames with ExdNet: no temporal state, the published zero padding, weights that do not train.

    The module's dtype is what is computed in; the exposure range is always computed in float32. Gradients flow to the
    frames, not to the weights. On a CPU, float32 frames that need no gradient are computed in tiles, all others whole.

    Args:
        weights: a name that ships with the package, or a .safetensors or .pth file.
        strength: 0 leaves the frame, 1 is the network's result, between is a blend.
        well_lit: `keep`, evenly lit frames as the weights' fade says, or `enhance`, them as others.
        highlights: `keep` their drawing by a shoulder, where the weights have a fade, or `clip` them, as published.
        gamut: `keep` colours within it by less chroma, where the weights have a fade, or `clip` them, as published.
        blocks: `smooth` steps of a code or two, where the weights have a fade, or `keep` them, as published.

    Raises:
        ValueError: strength is out of range, or well_lit, highlights, gamut or blocks is neither.
        CheckpointError: the weights are not of this network.
    """

    def __init__(
        self,
        weights: str = DEFAULT,
        strength: float = 1.0,
        well_lit: WellLit = "keep",
        highlights: Ends = "keep",
        gamut: Ends = "keep",
        blocks: Blocks = "smooth",
    ) -> None:
        super().__init__()
        loaded = load_weights(weights)
        self._limits = Limits(highlights, gamut, loaded.fade)
        self._smooths_blocks = smooths(blocks, loaded.fade)
        self._blend = Blend(strength, well_lit, loaded.fade)
        network = loaded.network().requires_grad_(False)
        self.global_net = network.global_net.eval()
        # Buffers hold the tensors, so that .to(), .half() and state_dict() see them; this holds how they hang together.
        self._form = _map_tensors(fold(network, loaded.constants), self._keep)

    def _keep(self, name: str, tensor: Tensor) -> Tensor:
        self.register_buffer(name, tensor.detach().clone())
        return tensor.to("meta")

    def _folded(self) -> FoldedExdNet:
        form: FoldedExdNet = _map_tensors(self._form, lambda name, _: self.get_buffer(name))
        return form

    def train(self, mode: bool = True) -> ExdNetModule:
        """As of any module, but batch norms keep the weights' statistics: a frame's result depends on no other."""
        super().train(mode)
        self.global_net.eval()
        return self

    def forward(self, frames: Tensor) -> Tensor:
        """Brighter frames.

        Args:
            frames: (N, 3, H, W), float, full-range RGB in [0, 1], gamma-coded, on the module's device.

        Returns:
            The same shape and dtype, in [0, 1].

        Raises:
            ValueError: the frames are of another shape or dtype.
        """
        if frames.dim() != 4 or frames.shape[1] != 3 or not frames.is_floating_point():
            raise ValueError(
                f"frames {tuple(frames.shape)} of {frames.dtype}: (N, 3, H, W) of a float dtype is needed, RGB in "
                "[0, 1]; divide 8-bit values by 255"
            )
        at_least = torch.promote_types(frames.dtype, torch.float32)  # halves cannot hold the variance of a code
        seen = without_steps(frames.to(at_least)) if self._smooths_blocks else frames
        inside = seen.to(self.get_buffer("shift").dtype)
        if torch.compiler.is_compiling():
            result = self._in_one_graph(inside, traceable_exposure_range(seen))
        elif self._can_be_tiled(inside):
            tiles = _Tiles(self._folded(), self.global_net, inside.device, self._limits)
            # A copy, because what inference mode returns cannot take part in the training of what comes behind.
            result = tiles.enhance(inside, exposure_range(seen)).clone()
        else:
            inside = inside if torch.is_grad_enabled() else inside.detach()
            with torch.enable_grad():  # where there is no gradient, CPUs take an operator that has float32 only
                result = self._in_one_graph(inside, exposure_range(seen.detach()))
        return self._blend(frames, result.to(frames.dtype))

    @staticmethod
    def _can_be_tiled(frames: Tensor) -> bool:
        needs_gradient = frames.requires_grad and torch.is_grad_enabled()
        return not needs_gradient and (frames.device.type != "cpu" or frames.dtype == torch.float32)

    def _in_one_graph(self, frames: Tensor, range_: Tensor) -> Tensor:
        """Differentiable and traceable, and for a CPU slow: there are no tiles."""
        before = before_calibration(self._folded(), frames, range_)
        matrix = calibration_matrix(self.global_net, before)
        result = apply_matrix(matrix, before)
        if shoulder := self._limits.shoulder(frames, self._limits.curvatures(before.detach(), matrix.detach())):
            result = rolled_off(result, shoulder)
        return result.clamp(OUTPUT_MIN, 1.0)


class _Tiles(Inference):
    """The inference form over tensors that somebody else holds; on a CPU in tiles, which is faster."""

    def __init__(self, net: FoldedExdNet, global_net: GlobalNet, device: torch.device, limits: Limits) -> None:
        self.engine = "torch"
        self._limits = limits
        self._local = local_part(net, self.engine)
        self._global = global_net
        self._tile = CPU_TILE if device.type == "cpu" else None
        self._continue_edges = False

    def enhance(self, frames: Tensor, range_: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] and their (N, 2) exposure ranges to the same shape."""
        before = self.before_calibration(frames, range_)
        matrix = self.matrix(before)
        return self.calibrate(before, matrix, self._limits.shoulder(frames, self._limits.curvatures(before, matrix)))


def _map_tensors(part: Any, function: Callable[[str, Tensor], Tensor], name: str = "") -> Any:
    """The folded form with the function's results in place of its tensors, each named by its way from the top."""
    if isinstance(part, Tensor):
        return function(name, part)
    if isinstance(part, tuple):
        return tuple(_map_tensors(one, function, f"{name}_{index}") for index, one in enumerate(part))
    if is_dataclass(part) and not isinstance(part, type):
        inside = {field.name: getattr(part, field.name) for field in fields(part)}
        prefix = f"{name}_" if name else ""
        return replace(part, **{key: _map_tensors(one, function, prefix + key) for key, one in inside.items()})
    return part


def traceable_exposure_range(frames: Tensor) -> Tensor:
    """What `exposure_range` gives, in operators that every export format has: comparisons and sums.

    Args:
        frames: (N, 3, H, W), float, RGB in [0, 1].

    Returns:
        (N, 2), float32, `lo` and `hi` in [0, 1], whole 8-bit codes divided by 255.
    """
    codes = (frames.float() * 255).round().clamp(0, 255)
    last = codes.shape[1] * codes.shape[2] * codes.shape[3] - 1
    return torch.stack([_percentile(codes, last, percent) for percent in (1, 99)], dim=1) / 255


def _percentile(codes: Tensor, last: int, percent: int) -> Tensor:
    """The percentile of (N, 3, H, W) whole codes as `np.percentile` interpolates it, truncated: (N,), float32.

    In whole numbers, because runtimes compute in float32 what PyTorch has in float64; and divided before it is
    multiplied, because some have 32-bit integers only.
    """
    hundreds = last // 100
    steps = (last - hundreds * 100) * percent  # not by %, which OpenVINO does not convert
    rank = hundreds * percent + steps // 100
    between = steps - steps // 100 * 100
    lower = _ranked(codes, rank)
    following = torch.where(codes > lower, codes, 255.0).amin(dim=(1, 2, 3), keepdim=True)
    upper = torch.where(_count(codes <= lower) > rank + 1, lower, following)
    return (lower + ((upper - lower) * between / 100 + 1e-4).floor()).flatten()


def _ranked(codes: Tensor, rank: int) -> Tensor:
    """The code with so many codes before it in ascending order, found bit by bit: (N, 1, 1, 1)."""
    found = torch.zeros_like(codes[:, :1, :1, :1])
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        found = torch.where(_count(codes < found + bit) <= rank, found + bit, found)
    return found


def _count(true: Tensor) -> Tensor:
    """How many of each frame's (N, 3, H, W) values are true: (N, 1, 1, 1). A row's sum is exact in float32."""
    return true.float().sum(dim=3, keepdim=True).to(torch.int64).sum(dim=(1, 2), keepdim=True)
