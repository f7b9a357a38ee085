"""Attributes: directions of a real VAE's codes, and whether the figures tell a good one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import gm_core
from gm_core import checkpoints, data
from gm_core.attributes import ATTRIBUTES, directions, fit_judge, judged, mean_codes, measure
from gm_core.metrics import Figure
from gm_core.vae import VAE, negative_elbo
from tests.gm_core.tiny import tiny

CORNERS = ((slice(0, 4), slice(0, 4)), (slice(0, 4), slice(4, 8)),
           (slice(4, 8), slice(0, 4)), (slice(4, 8), slice(4, 8)))  # fmt: skip


Sets = tuple[data.Images, data.Images]  # test, train


def flags(count: int, seed: int) -> data.Images:
    """Small pictures with an attribute a corner: bright where they have it, dark where not."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(16, (count,), generator=generator)
    images = torch.randint(40, 90, (count, 3, 8, 8), generator=generator)
    for (rows, columns), has in zip(
        CORNERS, data.attributes("avatars", labels).values(), strict=True
    ):
        images[:, :, rows, columns] += 120 * has[:, None, None, None]
    return data.Images(images.byte(), labels)


@pytest.fixture(scope="module")
def sets() -> Sets:
    return flags(300, 0), flags(600, 1)


def untrained() -> VAE:
    return tiny("vae", height=8, width=8, channels=3, latent=6, features=(), likelihood="logistic")


@pytest.fixture(scope="module")
def trained(sets: Sets) -> VAE:
    """It has learned the corners."""
    _, train = sets
    model = untrained()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(250):
        images = train.images[torch.randint(len(train), (64,), generator=generator)] / 255
        loss = negative_elbo(model, images, torch.randn(64, 6, generator=generator))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1000.0)
        optimiser.step()
    return model.eval().requires_grad_(requires_grad=False)


def named(figures: list[Figure]) -> dict[str, Figure]:
    by_name = {figure.name: figure for figure in figures}
    assert len(by_name) == len(figures)
    return by_name


def test_codes_do_not_depend_on_the_batches():
    model, images = untrained(), flags(230, 2).images
    codes = mean_codes(model, images)
    assert codes.shape == (230, 6)
    assert not codes.requires_grad
    torch.testing.assert_close(codes, model.encode(images / 255)[0])


def test_a_direction_is_what_an_attribute_adds_whatever_comes_with_it():
    """Codes made of known shifts, in avatars where dark hair and beards mostly go together."""
    labels = torch.tensor([0, 9] * 40 + list(range(16)) * 4)
    has = data.attributes("avatars", labels)
    shifts = dict(zip(ATTRIBUTES, 3 * torch.eye(4, 6) + 0.5, strict=True))
    codes = 1.0 + sum(has[name][:, None] * shifts[name] for name in ATTRIBUTES)
    assert isinstance(codes, Tensor)
    found = directions(codes, labels)
    assert tuple(found) == ATTRIBUTES == ("dark hair", "glasses", "smile", "beard")
    for name, there in found.items():
        torch.testing.assert_close(there, shifts[name])


def test_a_direction_needs_avatars_of_both_kinds():
    with pytest.raises(ValueError, match="avatars with and without dark hair"):
        directions(torch.randn(20, 6), torch.full((20,), 15))


def test_a_model_that_has_learned_the_attributes_is_told(trained: VAE, sets: Sets):
    test, train = sets
    figures = named(measure(trained, test, train))
    assert len(figures) == 3 * len(ATTRIBUTES) + 1
    assert all(figure.unit == "%" for figure in figures.values())
    assert figures["other attributes unchanged by a direction"].value > 95
    for name in ATTRIBUTES:
        without = int((~data.attributes("avatars", test.labels)[name]).sum())
        accuracy = figures[f"{name}: the judge is right on real avatars"]
        kept = figures[f"{name}: reconstructions judged without it"]
        given = figures[f"{name}: judged with it after its direction was added"]
        assert (accuracy.value, accuracy.split) == (100, "test, 300 images")
        assert kept.value > 95
        assert given.value > 90
        assert kept.split == given.split == f"test, {without} avatars without it"


def test_a_model_that_has_learned_nothing_is_told(sets: Sets):
    figures = named(measure(untrained(), *sets))
    given = [
        figures[f"{name}: judged with it after its direction was added"] for name in ATTRIBUTES
    ]
    kept = [figures[f"{name}: reconstructions judged without it"] for name in ATTRIBUTES]
    # All its pictures are alike, so that a direction changes nothing.
    for one, other in zip(given, kept, strict=True):
        assert one.value in (0, 100)
        assert one.value + other.value == 100
    assert figures["other attributes unchanged by a direction"].value == 100


def test_the_figures_are_those_of_an_edit_by_hand(trained: VAE, sets: Sets):
    test, train = sets
    judge = fit_judge(train)
    has = data.attributes("avatars", test.labels)
    codes = mean_codes(trained, test.images)
    unchanged: list[Tensor] = []
    figures = named(measure(trained, test, train))
    for name, there in directions(mean_codes(trained, train.images), train.labels).items():
        own = codes[~has[name]]
        before, after = judge(trained.decode(own)), judge(trained.decode(own + there))
        given = figures[f"{name}: judged with it after its direction was added"].value
        kept = figures[f"{name}: reconstructions judged without it"].value
        assert given == pytest.approx(100 * float(after[name].float().mean()), abs=0.01)
        assert kept == pytest.approx(100 * float((~before[name]).float().mean()), abs=0.01)
        assert judged(trained, own, judge)[name].tolist() == before[name].tolist()
        unchanged += [before[other] == after[other] for other in ATTRIBUTES if other != name]
    value = figures["other attributes unchanged by a direction"].value
    assert value == pytest.approx(100 * float(torch.cat(unchanged).float().mean()), abs=0.01)


def test_what_ships_of_the_sample_is_what_the_weights_make_of_it():
    measured = checkpoints.read_sample("vae-avatars")
    assert measured is not None
    sample = data.load("avatars", "sample")
    codes = mean_codes(gm_core.load("vae-avatars", "cpu"), sample.images[::40])
    torch.testing.assert_close(measured["codes"][::40], codes, rtol=1e-3, atol=1e-3)
    there = directions(measured["codes"], sample.labels)
    torch.testing.assert_close(measured["directions"], torch.stack(list(there.values())))
