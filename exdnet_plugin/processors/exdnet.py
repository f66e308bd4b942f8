"""ExdNet as a frame processor: the network, with all that it takes of a whole frame smoothed in time."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from exdnet_plugin.choices import check_choice
from exdnet_plugin.exdnet.blocks import Blocks, smooths, without_steps
from exdnet_plugin.exdnet.checkpoint import DEFAULT, SMALL, load_weights
from exdnet_plugin.exdnet.engines import Engine
from exdnet_plugin.exdnet.exposures import exposure_codes
from exdnet_plugin.exdnet.fade import Blend, WellLit
from exdnet_plugin.exdnet.highlights import Ends, Limits
from exdnet_plugin.exdnet.look import look
from exdnet_plugin.exdnet.spread import spread_inference
from exdnet_plugin.stream_info import StreamInfo
from exdnet_plugin.temporal import Clock, CutDetector, HeldCodes, Smoother, Temporal

SMOOTHING = 0.5
MEASURED_EVERY = 0.1  # seconds: on small frames, measuring takes a fifth of the time, and is smoothed over more anyway
BLACK_HOLD = 1 / 255  # by how much a frame's upper end may stray about black before it counts, or noise would pump
HEADROOM = 0.85  # of a frame's own mean level: what the smoothed one is at least
Precision = Literal["auto", "float16", "float32"]
_DTYPES: dict[str, torch.dtype | None] = {"auto": None, "float16": torch.float16, "float32": torch.float32}


class ExdNetProcessor:
    """Brightens frames with ExdNet.

    Args:
        strength: 0 leaves the frame, 1 is the network's result, between is a blend.
        smoothing: mean delay, in seconds, with which exposure range, calibration matrix, highlights' shoulder and
            brightness follow the video; 0 is frame by frame.
        weights: a name that ships with the package, or a .safetensors or .pth file.
        engine: what runs the network: `native`, compiled for the CPU; `triton`, compiled for NVIDIA GPUs; `torch`;
            `auto`, the fastest that there is.
        well_lit: `keep`, evenly lit frames are brightened by a factor or, where they are well lit, stay what they are,
            as the weights say; `enhance`, they get the network's result as others, for back-lit scenes, say.
        highlights: `keep`, what becomes whiter than white keeps its drawing by a shoulder, where the weights have a
            fade, or `clip`, as published.
        gamut: `keep`, what becomes more vivid than can be shown loses chroma, where the weights have a fade, or `clip`,
            it loses a channel, as published.
        blocks: `smooth`, steps of a code or two, as strong compression leaves them between blocks, become slopes before
            the network sees them, where the weights have a fade, or `keep`, as published.
        precision: `float16`, `float32`, or `auto`: float16 on a GPU, where it is 70 dB from float32, else float32.

    Raises:
        ValueError: strength or smoothing is out of range, or there is no such precision or way with what is lit,
            highlights, gamut or blocks.
        CheckpointError: the weights are not of this network.
    """

    def __init__(
        self,
        strength: float = 1.0,
        smoothing: float = SMOOTHING,
        weights: str = DEFAULT,
        engine: Engine = "auto",
        precision: Precision = "auto",
        well_lit: WellLit = "keep",
        highlights: Ends = "keep",
        gamut: Ends = "keep",
        blocks: Blocks = "smooth",
    ) -> None:
        check_choice("precision", precision, _DTYPES)
        self._name, self._weights, self._engine = weights, load_weights(weights), engine
        self._limits = Limits(highlights, gamut, self._weights.fade)
        self._smooths_blocks, self._evens = smooths(blocks, self._weights.fade), False
        self._blend, self._smooths = Blend(strength, well_lit, self._weights.fade), smoothing > 0
        self._range, self._calibration, self._look = (Smoother(smoothing) for _ in range(3))
        self._held, self._detector, self._clock = HeldCodes(), CutDetector(), Clock()
        self._kept, self._small = Temporal(), False
        self._temporal = {
            "range": self._range,
            "calibration": self._calibration,
            "look": self._look,
            "held": self._held,
            "cut": self._detector,
            "clock": self._clock,
            "kept": self._kept,
        }
        self._dtype = _DTYPES[precision]
        self._cuts = self._lit = torch.zeros((), dtype=torch.int64)

    @property
    def cuts(self) -> int:
        """How often the temporal state started anew at a cut."""
        return int(self._cuts)

    @property
    def lit(self) -> int:
        """How many frames were well lit, and stayed, in part or wholly, what they were."""
        return int(self._lit)

    def open(self, stream: StreamInfo) -> None:
        self._evens = self._smooths_blocks and stream.shrunk == 1  # what realtime transfers to full size has no steps
        self._small = stream.shrunk > 1 and stream.device == "cpu" and self._smooths
        weights = load_weights(SMALL) if stream.shrunk > 1 and self._name == DEFAULT else self._weights
        self._inference = spread_inference(weights, stream.device, self._engine, self._dtype)
        self._device = stream.device
        self._cuts = self._lit = torch.zeros((), dtype=torch.int64, device=stream.device)

    @torch.inference_mode()
    def process(self, frames: Tensor, times: Tensor) -> Tensor:
        if not self._small:
            return self._process(frames, times)
        return torch.cat([self._process(*one) for one in zip(frames.split(1), times.split(1), strict=True)])

    def _process(self, frames: Tensor, times: Tensor) -> Tensor:
        steps, cuts = self._clock.update(times), self._detector.update(frames)
        self._cuts = self._cuts + cuts.sum()
        due = not self._small or self._became_due(float(steps[0]), bool(cuts[0]))
        seen = without_steps(frames) if self._evens else frames
        measured = self._keep("codes", exposure_codes(seen)) if due else self._kept.state["codes"]
        range_ = self._range.update(self._held.update(measured, cuts) / 255, steps, cuts)
        result = self._enhanced(seen, range_, steps, cuts, due)
        return self._blend.over(frames, result, self._looks(frames, steps, cuts, due) if self._blend.fade else None)

    def _enhanced(self, frames: Tensor, range_: Tensor, steps: Tensor, cuts: Tensor, due: bool) -> Tensor:
        """The network's result, by its matrix and its highlights' shoulder as they are smoothed."""
        if due:
            before, matrix = self._inference.measure(frames, range_)
            curvature = self._limits.curvatures(before, matrix)
            calibration = self._keep("calibration", torch.cat([matrix.flatten(1), curvature[:, None]], dim=1))
        else:
            before, calibration = self._inference.before_calibration(frames, range_), self._kept.state["calibration"]
        smoothed = self._calibration.update(calibration, steps, cuts)
        shoulder = self._limits.shoulder(frames, smoothed[:, -1])
        return self._inference.calibrate(before, smoothed[:, :-1].reshape(-1, 3, 3), shoulder)

    def _looks(self, frames: Tensor, steps: Tensor, cuts: Tensor, due: bool) -> Tensor:
        """How bright frames look, smoothed; but light that comes on counts at once, or its first frames were white.

        So does black: what is left of the scene before it would be seen in it.
        """
        assert self._blend.fade is not None
        if due:
            measured = self._keep("look", look(frames))
        else:  # the mean level, which costs little, is this frame's all the same
            measured = torch.stack([frames.mean(dim=(1, 2, 3)), self._kept.state["look"][:, 1]], dim=1)
        level, upper = self._look.update(measured, steps, cuts).unbind(1)
        seen, own = self._blend.fade.black[1], measured[:, 1]
        upper = torch.maximum(upper, (own - BLACK_HOLD).clamp(max=seen))
        upper = torch.where(own < seen, torch.minimum(upper, own + BLACK_HOLD), upper)
        looks = torch.stack([torch.maximum(level, measured[:, 0] * HEADROOM), upper], dim=1)
        self._lit = self._lit + self._blend.fade.kept(looks).sum()
        return looks

    def _keep(self, name: str, measured: Tensor) -> Tensor:
        """What was measured, for the frames of which it is not."""
        if self._small:
            self._kept.state[name] = measured
        return measured

    def _became_due(self, step: float, cut: bool) -> bool:
        """Whether all that is smoothed is to be measured anew: so long after it last was, and always out of black."""
        age = self._kept.state.get("age", torch.tensor(torch.inf, dtype=torch.float64)) + step
        due = cut or float(age) >= MEASURED_EVERY - 1e-6 or self._is_black()
        self._kept.state["age"] = torch.zeros_like(age) if due else age
        return due

    def _is_black(self) -> bool:
        fade, kept = self._blend.fade, self._kept.state.get("look")
        return fade is not None and kept is not None and float(kept[:, 1].max()) < fade.black[1] + BLACK_HOLD

    def reset(self) -> None:
        for temporal in self._temporal.values():
            temporal.reset()

    def state(self) -> dict[str, Tensor]:
        """What is remembered between frames, by name, on the CPU."""
        tensors = {
            f"{part}.{name}": value
            for part, temporal in self._temporal.items()
            for name, value in temporal.state.items()
        }
        return {name: value.cpu().clone() for name, value in {**tensors, "cuts": self._cuts, "lit": self._lit}.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what :meth:`state` told, after `open`."""
        self.reset()
        self._cuts, self._lit = (state[name].to(self._device) for name in ("cuts", "lit"))
        for key, value in state.items():
            part, _, name = key.partition(".")
            if name and (part != "kept" or self._small):  # large frames are measured each, and would let it grow old
                where = "cpu" if part == "clock" else self._device
                self._temporal[part].state[name] = value.to(where)

    def close(self) -> None:
        """The network goes with the object, its CUDA graphs at once."""
        if hasattr(self, "_inference"):
            self._inference.release()
