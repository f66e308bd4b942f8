"""What a step lessens: the losses that count, and what two of them need to be computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from exdnet_plugin.training.adversarial import Discriminator
from exdnet_plugin.training.losses import Compared, LossWeights, terms_of, weighted
from exdnet_plugin.training.perceptual import Vgg, perceptual_and_style


class Objective:
    """The weighted sum of losses.

    Args:
        weights: what each counts.
        device: where the network is.
        vgg: a VGG file, for the perceptual and style losses.

    Raises:
        ValueError: these two count, but there is no VGG.
        CheckpointError: the VGG file is not one.
    """

    def __init__(self, weights: LossWeights, device: str, vgg: Path | None = None) -> None:
        self.weights = weights
        if (weights.perceptual or weights.style) and vgg is None:
            raise ValueError("the losses perceptual and style need a VGG file; give --vgg, or let them count 0")
        self._vgg = Vgg(vgg).to(device) if vgg and (weights.perceptual or weights.style) else None
        self._discriminator = Discriminator(device) if weights.adversarial else None

    def __call__(self, compared: Compared, whole: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum, and each term by name. `whole` is the error of whole pictures, where there are some."""
        terms = terms_of(compared, self.weights)
        if whole is not None and self.weights.whole:
            terms["whole"] = whole
        if self._vgg is not None:
            terms["perceptual"], terms["style"] = perceptual_and_style(self._vgg, compared.output, compared.target)
        if self._discriminator is not None:
            terms["adversarial"] = self._discriminator.term(compared.output, compared.target)
        return weighted(terms, self.weights), terms

    def state(self) -> dict[str, Any]:
        """What learns beside the network."""
        return self._discriminator.state() if self._discriminator else {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` told."""
        if self._discriminator and state:
            self._discriminator.restore(state)
