"""Losses over unclamped output: the clamp at the end of the network has no gradient where it acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from kornia.losses import total_variation
from kornia.metrics import ssim
from torch import Tensor

HIGHLIGHT = 0.9  # of full scale, in the dark frame
BLACK = 2 / 255
ERROR_FLOOR = 1e-3  # squared: a picture at 30 dB leaves room for others
CHROMA_WINDOW = 9  # pixels: noise in the ground truth does not count as colour


@dataclass(frozen=True)
class LossWeights:
    """What each term counts.

    `whole`, which only the global branch learns from: the logarithm of whole pictures' squared error, so that what is
    nearly right already, as a well-lit picture, counts almost as much as what is far off. `consistency`: L1
    between results of one still view. `adversarial` needs a discriminator, `perceptual` and `style` a VGG file: see
    `objective`.
    """

    l1: float = 1.0
    smooth_l1: float = 0.0
    ssim: float = 0.2
    chroma: float = 0.5
    colourfulness: float = 0.25
    highlights: float = 1.5
    black: float = 1.5
    whole: float = 0.05
    consistency: float = 0.3
    variation: float = 0.0
    adversarial: float = 0.0
    perceptual: float = 0.0
    style: float = 0.0


PLAIN_LOSSES = LossWeights(
    ssim=0.25, chroma=0.2, colourfulness=0.1, highlights=0, black=0, consistency=0
)  # fmt: skip
# The terms are the paper's, what they count is ours: the paper's figures were not at hand.
PAPER_LOSSES = LossWeights(
    l1=0, smooth_l1=1, ssim=0, chroma=0, colourfulness=0, highlights=0, black=0, whole=0, consistency=0,
    variation=0.01, adversarial=0.01, perceptual=0.04, style=0.04,
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """What losses compare: unclamped output, ground truth and dark frames (N, 3, H, W), and twins (K, 2)."""

    output: Tensor
    target: Tensor
    frames: Tensor
    twins: Tensor


def log_error(squared: Tensor) -> Tensor:
    """The mean logarithm of pictures' mean squared errors (P,), 0 for none: their PSNR, flatter towards 30 dB."""
    return (squared / ERROR_FLOOR).log1p().mean()


def opponent(image: Tensor) -> Tensor:
    """Two opponent channels of RGB (red-green, yellow-blue; Hasler and Süsstrunk 2003), (N, 2, H, W), 0 for grey."""
    r, g, b = image.unbind(1)
    return torch.stack([r - g, (r + g) / 2 - b], dim=1)


def _smoothed_colours(c: Compared) -> tuple[Tensor, Tensor]:
    output, target = (F.avg_pool2d(opponent(image), CHROMA_WINDOW, stride=4) for image in (c.output, c.target))
    return output, target


def colourfulness_term(c: Compared) -> Tensor:
    """L1 between the magnitudes of smoothed opponent colours.

    L1 on RGB alone greys: where hue is uncertain its optimum is the median, grey. Comparing the magnitude with the
    target's keeps colour there.
    """
    output, target = (torch.sqrt(colour.square().sum(dim=1) + 1e-6) for colour in _smoothed_colours(c))
    return F.l1_loss(output, target)


def highlight_term(c: Compared) -> Tensor:
    """How far bright pixels of the input fall short of the target, on average over them: lamps, down to their edges."""
    return _mean_over(F.relu(c.target - c.output), c.frames >= HIGHLIGHT)


def black_term(c: Compared) -> Tensor:
    """How far pixels are lifted that are black in input and target, on average over them: letterbox bars."""
    return _mean_over(F.relu(c.output - c.target), (c.frames <= BLACK) & (c.target <= BLACK))


def _mean_over(values: Tensor, which: Tensor) -> Tensor:
    chosen = which.to(values.dtype)
    return (values * chosen).sum() / chosen.sum().clamp(min=1)


def consistency_term(c: Compared) -> Tensor:
    """L1 between results of one still view with independent noise: what would flicker in video."""
    first, second = (c.output[index] for index in c.twins.unbind(1))
    return F.l1_loss(first, second) if len(c.twins) else c.output.new_zeros(())


def variation_term(c: Compared) -> Tensor:
    """Total variation of the result, a value (Rudin, Osher, Fatemi 1992)."""
    varied: Tensor = total_variation(c.output, reduction="mean").mean()
    return varied


TERMS: dict[str, Callable[[Compared], Tensor]] = {
    "l1": lambda c: F.l1_loss(c.output, c.target),
    "smooth_l1": lambda c: F.smooth_l1_loss(c.output, c.target),
    "ssim": lambda c: 1 - ssim(c.output, c.target, 11).mean(),
    "chroma": lambda c: F.l1_loss(*_smoothed_colours(c)),
    "colourfulness": colourfulness_term,
    "highlights": highlight_term,
    "black": black_term,
    "consistency": consistency_term,
    "variation": variation_term,
}


def terms_of(compared: Compared, weights: LossWeights) -> dict[str, Tensor]:
    """Each term of output and ground truth alone that counts, by name."""
    return {name: term(compared) for name, term in TERMS.items() if getattr(weights, name)}


def weighted(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """Their sum, each as much as it counts."""
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()
