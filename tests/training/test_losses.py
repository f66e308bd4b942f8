"""What losses count and what they do not."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch
from conftest import scene

from exdnet_plugin.exdnet.checkpoint import load_weights
from exdnet_plugin.exdnet.exposures import LOL_CONSTANTS, exposure_range
from exdnet_plugin.exdnet.fade import Blend, Fade
from exdnet_plugin.exdnet.inference import exact_inference
from exdnet_plugin.exdnet.network import apply_matrix
from exdnet_plugin.training.adversarial import Discriminator
from exdnet_plugin.training.forward import whole_matrices
from exdnet_plugin.training.losses import TERMS, Compared, LossWeights, log_error
from exdnet_plugin.training.objective import Objective
from exdnet_plugin.training.samples import Whole

WHOLE, FADING = Blend(1.0, "keep", None), Blend(1.0, "keep", Fade())
NO_TWINS = torch.zeros(0, 2, dtype=torch.int64)


def picture(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(scene(seed, (64, 64))).permute(2, 0, 1)[None].float()


def compared(output: torch.Tensor, target: torch.Tensor, frames: torch.Tensor | None = None) -> Compared:
    return Compared(output, target, target if frames is None else frames, NO_TWINS)


@pytest.mark.parametrize("name", sorted(TERMS.keys() - {"variation"}))
def test_a_perfect_result_costs_nothing(name: str) -> None:
    assert float(TERMS[name](compared(picture(), picture()))) == pytest.approx(0, abs=1e-6)


def test_every_loss_has_a_term_or_a_helper() -> None:
    assert set(vars(LossWeights())) - TERMS.keys() == {"whole", "adversarial", "perceptual", "style"}


def test_grey_costs_colour_and_noise_costs_variation() -> None:
    target = picture()
    grey = target.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    assert TERMS["colourfulness"](compared(grey, target)) > 0.05
    assert TERMS["variation"](compared(torch.rand_like(target), target)) > TERMS["variation"](compared(target, target))


def test_lamps_that_darken_and_bars_that_are_lifted_cost_and_nothing_else_does() -> None:
    frames = torch.full((1, 3, 8, 8), 0.2)
    frames[..., 0, 0], frames[..., 7, 7] = 1.0, 0.0
    target, darker = frames.clone(), frames.clone()
    darker[..., 0, 0], darker[..., 4, 4] = 0.6, 0.1
    assert float(TERMS["highlights"](compared(darker, target, frames))) == pytest.approx(0.4)
    lifted = frames.clone()
    lifted[..., 7, 7], lifted[..., 4, 4] = 0.15, 0.3
    assert float(TERMS["black"](compared(lifted, target, frames))) == pytest.approx(0.15)


def test_twins_that_come_out_otherwise_cost() -> None:
    output = torch.cat([picture(), picture() + 0.1, picture(1)])
    twins = Compared(output, output, output, torch.tensor([[0, 1]]))
    assert float(TERMS["consistency"](twins)) == pytest.approx(0.1, abs=1e-5)


def test_a_loss_that_needs_a_file_says_so() -> None:
    with pytest.raises(ValueError, match="need a VGG file"):
        Objective(replace(LossWeights(), perceptual=1), "cpu")


def test_the_discriminator_learns_to_tell_and_goes_on_where_it_was() -> None:
    torch.manual_seed(0)
    first = Discriminator("cpu")
    real, made = picture().repeat(2, 1, 1, 1), torch.rand(2, 3, 64, 64) * 0.1
    for _ in range(40):
        first.term(made, real)
    assert first.network(real).mean() > first.network(made).mean() + 0.05
    again = Discriminator("cpu")
    kept = io.BytesIO()
    torch.save(first.state(), kept)
    kept.seek(0)
    again.restore(torch.load(kept, weights_only=True))
    assert float(again.term(made, real)) == float(first.term(made, real))


def test_halving_an_error_counts_for_a_good_picture_almost_as_for_a_bad_one_and_for_a_perfect_one_nothing() -> None:
    def halved(decibels: float) -> float:
        squared = torch.tensor([10 ** (-decibels / 10)])
        return float(log_error(squared) - log_error(squared / 2))

    assert halved(26) > 0.6 * halved(14) > 0
    assert halved(50) < 0.02
    assert float(log_error(torch.zeros(2))) == 0


def test_a_whole_pictures_matrix_is_the_one_that_users_get() -> None:
    weights = load_weights()
    network = weights.network().eval()
    dark, bright = picture() * 0.2, picture()
    far, near = (Whole(dark[0], target[0], exposure_range(dark)[0]) for target in (1 - bright, bright))
    matrices, _, error = whole_matrices(network, [far, near], LOL_CONSTANTS, "cpu", WHOLE)
    inference = exact_inference(weights)
    before = inference.before_calibration(dark, exposure_range(dark))
    expected = inference.matrix(before)
    torch.testing.assert_close(matrices, expected.expand(2, -1, -1))
    given = apply_matrix(expected, before)
    squared = torch.stack([(given - target).square().mean() for target in (1 - bright, bright)])
    assert float(error.detach()) == pytest.approx(float(log_error(squared)), rel=0.02)  # from every ninth pixel
    error.backward()
    assert network.global_net.color_linear.weight.grad is not None
    assert network.local_net.conv1.weight.grad is None


def test_pictures_that_stay_what_they_are_teach_nothing() -> None:
    network = load_weights().network().train()
    lit = picture()[0] * 0.4 + 0.5
    _, _, error = whole_matrices(network, [Whole(lit, lit, exposure_range(lit[None])[0])], LOL_CONSTANTS, "cpu", FADING)
    error.backward()
    assert float(error.detach()) == 0
    assert float(network.global_net.color_linear.weight.grad.abs().max()) == 0
