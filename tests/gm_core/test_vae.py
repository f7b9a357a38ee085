"""The VAE: its bounds, its likelihoods, its seeds."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

import gm_core
from gm_core import checkpoints, data
from gm_core.metrics import as_pictures
from gm_core.vae import VAE, VAEConfig, logistic_log_prob, negative_elbo
from gm_core.vae import kl_divergence as closed_form
from tests.gm_core.tiny import batch, tiny


def digits(count: int = 4) -> torch.Tensor:
    return batch("vae", count)[0]


@pytest.mark.parametrize("likelihood", ["bernoulli", "logistic"])
def test_shapes_and_ranges(likelihood: str):
    model = tiny("vae", likelihood=likelihood, channels=3)
    images = torch.rand(5, 3, 8, 12)
    mean, log_variance = model.encode(images)
    assert mean.shape == log_variance.shape == (5, 3)
    decoded = model.decode(100 * mean)
    assert decoded.shape == images.shape
    assert 0 <= decoded.min() <= decoded.max() <= 1
    elbo = model.elbo(images, seed=0)
    assert elbo.reconstruction.shape == (5,)
    assert elbo.kl.shape == (5, 3)
    torch.testing.assert_close(elbo.value, elbo.reconstruction - elbo.kl.sum(1))


def test_the_kl_is_that_of_two_gaussians():
    mean, log_variance = 3 * torch.randn(7, 5), torch.randn(7, 5)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(closed_form(mean, log_variance), expected)


def test_black_and_white_is_a_bernoulli_draw_a_pixel():
    model = tiny("vae")
    images = digits()
    raw = 3 * torch.randn(images.shape)
    expected = Bernoulli(logits=raw).log_prob(images).flatten(1).sum(1)
    torch.testing.assert_close(model.log_likelihood(raw, images), expected)


def test_a_grey_pixel_counts_as_the_mean_over_its_black_and_white_draws():
    model = tiny("vae")
    raw = torch.randn(1, 1, 8, 12)
    black, white = torch.zeros_like(raw), torch.ones_like(raw)
    expected = 0.25 * model.log_likelihood(raw, white) + 0.75 * model.log_likelihood(raw, black)
    torch.testing.assert_close(model.log_likelihood(raw, torch.full_like(raw, 0.25)), expected)


@pytest.mark.parametrize("mean", [-0.4, 0.0, 0.3, 1.7])
@pytest.mark.parametrize("log_width", [-6.0, -2.0, 1.0])
def test_the_levels_of_the_logistic_share_one(mean: float, log_width: float):
    images = (torch.arange(256) / 255).view(256, 1, 1, 1)
    nats = logistic_log_prob(
        torch.full_like(images, mean), torch.full((1, 1, 1), log_width), images
    )
    assert nats.isfinite().all()
    assert nats.double().exp().sum().item() == pytest.approx(1, abs=1e-3)
    if log_width == -6:
        assert abs(nats.argmax().item() - 255 * min(max(mean, 0), 1)) <= 1


def test_the_logistic_has_a_gradient_however_wrong_it_is():
    mean = torch.tensor([-5.0, 0.2, 9.0]).view(3, 1, 1, 1).requires_grad_()
    images = torch.full((3, 1, 1, 1), 0.5)
    logistic_log_prob(mean, torch.full((1, 1, 1), -6.0), images).sum().backward()
    assert mean.grad is not None
    assert mean.grad.flatten().sign().tolist() == [1, 1, -1]


def test_the_bound_is_below_the_integral_and_comes_close():
    """With one latent dimension p(x) can be summed up on a grid."""
    model = tiny("vae", latent=1)
    with torch.no_grad():
        model.decoder[0].weight.mul_(20)  # so that the code matters
    images = digits(3)
    z = torch.linspace(-8, 8, 4001)[:, None]
    raw = model.parameters_of(z)
    prior = Normal(0.0, 1.0).log_prob(z[:, 0])
    width = math.log(16 / 4000)
    exact = (
        torch.stack(
            [
                (model.log_likelihood(raw, image.expand(4001, *image.shape)) + prior).logsumexp(0)
                for image in images
            ]
        ).detach()
        + width
    )
    loose = torch.stack([model.elbo(images, seed=seed).value for seed in range(200)]).mean(0)
    assert (loose.detach() < exact).all()
    tight = model.log_prob(images, importance_samples=20_000, seed=0)
    torch.testing.assert_close(tight, exact.double(), atol=0.02, rtol=0)


def test_more_samples_never_loosen_the_bound_in_expectation():
    """The mean over all groups of k of the same 64 samples, for ever larger k."""
    model = tiny("vae")
    images = digits(8)
    weights = model.log_weights(images, importance_samples=64, seed=0)
    bounds = [
        (weights.view(8, -1, size).logsumexp(2) - math.log(size)).mean().item()
        for size in (1, 2, 4, 8, 16, 32, 64)
    ]
    assert all(loose < tight for loose, tight in pairwise(bounds))
    last = model.log_prob(images, importance_samples=64, seed=0).mean().item()
    assert last == pytest.approx(bounds[-1])


def test_the_first_samples_stay_when_more_follow():
    model = tiny("vae")
    images = digits(2)
    few = model.log_weights(images, importance_samples=3, seed=1)
    many = model.log_weights(images, importance_samples=700, seed=1)
    torch.testing.assert_close(many[:, :3], few, rtol=1e-5, atol=0)
    expected = many.logsumexp(1) - math.log(700)
    torch.testing.assert_close(model.log_prob(images, importance_samples=700, seed=1), expected)


@pytest.mark.parametrize("count", [0, -1])
def test_no_samples_make_no_bound(count: int):
    with pytest.raises(ValueError, match="at least one sample"):
        tiny("vae").log_prob(digits(), importance_samples=count, seed=0)


def test_an_image_has_the_same_noise_whatever_stands_beside_it():
    model = tiny("vae")
    images = digits()
    together, alone = model.elbo(images, seed=5), model.elbo(images[:1], seed=5)
    torch.testing.assert_close(together.value[:1], alone.value)
    assert torch.equal(model.sample_latent(4, seed=2)[:2], model.sample_latent(2, seed=2))
    assert not torch.equal(model.sample_latent(2, seed=2), model.sample_latent(2, seed=3))


def test_the_global_random_state_is_left_alone():
    model = tiny("vae")
    before = torch.get_rng_state()
    model.elbo(digits(), seed=0)
    model.log_prob(digits(), importance_samples=2, seed=0)
    model.sample_latent(2, seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_the_loss_weighs_the_kl_by_beta():
    images, noise = batch("vae", 6)
    losses = {}
    for beta in (0.0, 1.0, 4.0):
        model = tiny("vae", beta=beta)
        losses[beta] = negative_elbo(model, images, noise).item()
    kl = model(images, noise).kl.sum(1).mean().item()
    assert losses[1.0] - losses[0.0] == pytest.approx(kl, rel=1e-4)
    assert losses[4.0] - losses[0.0] == pytest.approx(4 * kl, rel=1e-4)


def test_a_dense_network_has_no_convolutions():
    model = VAE(VAEConfig(height=5, width=7, features=(), hidden=8, latent=2))
    assert not any(isinstance(module, torch.nn.Conv2d) for module in model.modules())
    assert model.decode(torch.zeros(2, 2)).shape == (2, 1, 5, 7)


def test_sizes_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="30 by 28 can't be halved 2 times"):
        VAE(VAEConfig(height=30))


@pytest.mark.parametrize("name", [name for name in gm_core.available() if name.startswith("vae")])
def test_shipped_weights_know_their_images_from_shuffled_ones(name: str):
    model = gm_core.load(name, "cpu")
    sample = data.load(checkpoints.describe(name).dataset, "sample")
    images = as_pictures(model, sample.images[:20])
    order = torch.randperm(images[0, 0].numel(), generator=torch.Generator().manual_seed(0))
    shuffled = images.flatten(2)[:, :, order].view_as(images)
    bounds = [model.elbo(pictures, seed=0).value for pictures in (images, shuffled)]
    assert bounds[0].mean() > bounds[1].mean() + 100
