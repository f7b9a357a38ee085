"""The game of two networks: its losses, its labels, its truncation."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gm_core.data import Images
from gm_core.gan import (
    GAN,
    classic_discriminator_loss,
    classic_generator_loss,
    discriminator_loss,
    forge,
    generator_loss,
    gradient_penalty,
    judge,
)
from gm_core.training import history
from gm_core.training.gan import CPU, OBSERVED, observe, observed_at, recipe, relativistic, watched
from gm_core.training.loop import Phase, focus, train
from tests.gm_core.tiny import CONFIGS, batch, tiny

LN2 = math.log(2)


@pytest.fixture
def model() -> GAN:
    return tiny("gan")


@pytest.fixture
def images() -> Images:
    pictures, labels, _ = batch("gan", 24)
    return Images((pictures * 255).byte(), labels)


def silent(model: GAN) -> GAN:
    """A model whose D says the same of everything."""
    for parameter in model.discriminator.parameters():
        torch.nn.init.zeros_(parameter)
    return model


def test_pictures_have_the_size_and_range_of_data(model: GAN):
    z = model.sample_latent(5, seed=0)
    pictures = model.generate(z, torch.tensor([0, 1, 2, 0, 1]))
    assert pictures.shape == (5, 1, 8, 12)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert model.realness(pictures).shape == (5,)


def test_a_latent_has_its_own_stream_and_truncation_scales_it(model: GAN):
    few, many = model.sample_latent(2, seed=3), model.sample_latent(5, seed=3)
    assert torch.equal(few, many[:2])
    assert not torch.equal(few, model.sample_latent(2, seed=4))
    assert torch.equal(model.sample_latent(2, seed=3, truncation=0.5), few / 2)
    assert not model.sample_latent(2, seed=3, truncation=0.0).any()


def test_one_label_counts_for_all_and_none_is_a_label_of_its_own(model: GAN):
    z = model.sample_latent(2, seed=0)
    assert torch.equal(model.generate(z, 1), model.generate(z, torch.tensor([1, 1])))
    pictures = [model.generate(z, label) for label in (0, 1, 2, None)]
    scores = [model.realness(pictures[0], label) for label in (0, 1, 2, None)]
    for one in range(4):
        for other in range(one):
            assert not torch.equal(pictures[one], pictures[other])
            assert not torch.equal(scores[one], scores[other])


@pytest.mark.parametrize("label", [-1, 4, torch.tensor([0, 9])])
def test_an_unknown_label_is_refused(model: GAN, label: int | Tensor):
    with pytest.raises(ValueError, match="Labels go from 0 to 2"):
        model.generate(model.sample_latent(2, seed=0), label)


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="can't be halved 2 times"):
        GAN(replace(CONFIGS["gan"], width=10))


def test_where_d_says_nothing_every_loss_is_a_toss_up(model: GAN):
    round_of = batch("gan", 6)
    silent(model)
    assert discriminator_loss(model, *round_of).item() == pytest.approx(LN2)
    assert generator_loss(model, *round_of).item() == pytest.approx(LN2)
    assert classic_discriminator_loss(model, *round_of).item() == pytest.approx(2 * LN2)
    assert classic_generator_loss(model, *round_of).item() == pytest.approx(LN2)
    focus(model, "discriminator")
    assert gradient_penalty(model, *round_of).item() == 0


def test_the_losses_are_those_of_the_papers(model: GAN):
    images, labels, z = batch("gan", 6)
    real = model.realness(images, labels)
    # D judges what G draws, before it is cut to what a screen can show.
    forged = model.discriminator(model.generator(z, labels), labels)
    ahead = real - forged
    expected = (-torch.nn.functional.logsigmoid(ahead)).mean()
    assert discriminator_loss(model, images, labels, z).item() == pytest.approx(expected.item())
    expected = (-torch.nn.functional.logsigmoid(-ahead)).mean()
    assert generator_loss(model, images, labels, z).item() == pytest.approx(expected.item())
    told = -(real.sigmoid().log() + (1 - forged.sigmoid()).log()).mean()
    loss = classic_discriminator_loss(model, images, labels, z)
    assert loss.item() == pytest.approx(told.item(), rel=1e-4)


def test_the_penalty_is_half_the_squared_slope_at_both_kinds(model: GAN):
    images, labels, z = batch("gan", 3)
    focus(model, "discriminator")
    expected = 0.0
    for pictures in (2 * images - 1, model.generator(z, labels).detach()):
        for index in range(3):
            picture = pictures[index : index + 1].clone().requires_grad_()
            model.discriminator(picture, labels[index : index + 1]).backward()
            assert picture.grad is not None
            expected += picture.grad.square().sum().item() / 2 / 3
    assert gradient_penalty(model, images, labels, z).item() == pytest.approx(expected, rel=1e-4)


def test_each_loss_moves_one_player_only(model: GAN):
    for phase in relativistic(1.0):
        model.zero_grad()
        focus(model, phase.part)
        phase.loss(model, *batch("gan", 4)).backward()
        for name, parameter in model.named_parameters():
            moved = parameter.grad is not None and bool(parameter.grad.any())
            assert not moved or name.startswith(phase.part)


def test_records_are_what_the_model_says(model: GAN):
    z, labels = model.sample_latent(3, seed=0), torch.tensor([0, 1, 2])
    (frame,) = forge(model, z, labels)
    assert torch.equal(frame.images, model.generate(z, labels))
    (scores,) = judge(model, frame.images, labels)
    assert torch.equal(scores.scores, model.realness(frame.images, labels))


def test_training_alternates_and_keeps_its_history(images: Images, tmp_path):
    config = CONFIGS["gan"]
    schedule = replace(CPU, steps=30, batch_size=8, warmup_steps=5)
    told = watched(recipe(config, "mnist", schedule, relativistic(0.5)))
    model: GAN = tiny("gan").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for record in train(model, told, images, record_every=10):
        assert record.losses.keys() <= {"loss of D", "loss of G", "slope of D"}
        assert all(math.isfinite(value) for value in record.losses.values())
        assert (record.observed is not None) == (record.step in observed_at(30))
        history.keep(tmp_path, record)
    moved = [name for name, value in model.state_dict().items() if not value.equal(before[name])]
    assert {name.split(".")[0] for name in moved} == {"generator", "discriminator"}

    kept = history.gather(tmp_path, 30)
    assert kept is not None
    assert kept["steps"].tolist() == sorted(observed_at(30))
    assert kept["scores"].shape == (len(kept["steps"]), OBSERVED)
    assert kept["losses"].shape == (len(kept["loss_steps"]), 2)
    torch.testing.assert_close(kept["scores"][-1], observe(model.eval())["scores"])
    earlier = history.gather(tmp_path, 25)
    assert earlier is not None
    assert earlier["steps"].max() <= 25


def test_a_run_that_observes_nothing_has_no_history(tmp_path):
    assert history.gather(tmp_path, 10) is None


def test_a_rare_phase_counts_as_often_as_it_is_left_out(images: Images):
    """One update in every 4 steps, with four times the loss, is what Phase promises."""
    losses: list[float] = []

    def loss(model: GAN, *round_of: Tensor) -> Tensor:
        value = discriminator_loss(model, *round_of)
        value.register_hook(lambda gradient: losses.append(float(gradient)))
        return value

    phases = (Phase(loss, "loss of D", "discriminator", weight=0.5, every=4),)
    schedule = replace(CPU, steps=8, batch_size=8)
    list(train(tiny("gan"), recipe(CONFIGS["gan"], "mnist", schedule, phases), images))
    assert losses == [2.0, 2.0]
