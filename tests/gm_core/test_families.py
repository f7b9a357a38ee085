"""What every family promises, whichever it is."""

from __future__ import annotations

import pytest
import torch

import gm_core
from gm_core import checkpoints, data
from gm_core.families import FAMILIES, split_name
from gm_core.training.__main__ import recipes
from gm_core.training.loop import Recipe, focus
from tests.gm_core.tiny import CONFIGS, PIXEL_FAMILIES, batch, tiny

families = pytest.mark.parametrize("family", sorted(FAMILIES))
# The editor's parts are trained one after the other, which its own tests are about.
trained_at_once = pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"instruct-pix2pix"}))
pixel_families = pytest.mark.parametrize("family", PIXEL_FAMILIES)
shipped = pytest.mark.parametrize("name", gm_core.available())


def recipe_of(family: str) -> Recipe:
    """The first one that trains a model of the family."""
    found = next(kinds for name, kinds in recipes().items() if split_name(name)[0] == family)
    recipe = next(iter(found.values()))
    assert isinstance(recipe, Recipe)
    return recipe


def test_every_family_is_tested_and_shipped():
    assert set(CONFIGS) == set(FAMILIES)
    assert {split_name(name)[0] for name in gm_core.available()} == set(FAMILIES)


@pixel_families
def test_frames_are_images_and_reach_the_end(family: str):
    frames = list(tiny(family).sample(3, seed=0, every=7))
    config = CONFIGS[family]
    for frame in frames:
        assert frame.images.shape == (3, 1, config.height, config.width)
        assert frame.images.dtype == torch.float32
        assert 0 <= frame.images.min() <= frame.images.max() <= 1
        assert frame.note
    assert frames[-1].step == frames[-1].total
    assert [frame.step for frame in frames] == sorted({frame.step for frame in frames})


@pixel_families
def test_the_seed_decides(family: str):
    model = tiny(family)
    first, same, other = (list(model.sample(2, seed=seed))[-1].images for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pixel_families
def test_the_global_random_state_is_left_alone(family: str):
    model = tiny(family)
    before = torch.get_rng_state()
    list(model.sample(2, seed=0))
    assert torch.equal(before, torch.get_rng_state())


@trained_at_once
def test_every_parameter_gets_a_gradient(family: str):
    model = tiny(family).train()
    recipe = recipe_of(family)
    for phase in recipe.phases:
        focus(model, phase.part)
        phase.loss(model, *batch(family, 8)).backward()
    missing = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    # Where only differences of scores count, nothing moves their level.
    assert missing == (["discriminator.score.bias"] if family == "gan" else [])


@trained_at_once
def test_one_batch_can_be_learnt_by_heart(family: str):
    model = tiny(family).train()
    recipe = recipe_of(family)
    images = batch(family, 2)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03 if family in PIXEL_FAMILIES else 0.01)
    loss_of = recipe.phases[0].loss
    loss = loss_of(model, *images)
    first, steps = loss.item(), 0
    while loss.item() >= 0.1 * first:
        assert steps < 250
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss, steps = loss_of(model, *images), steps + 1


@families
def test_saved_weights_come_back(family: str, tmp_path):
    model = tiny(family)
    folder = tmp_path / f"{family}-mnist"
    checkpoints.save(folder, model, family=family, dataset="mnist", training={"seed": 0})
    loaded = checkpoints.read(folder)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded.training


@shipped
def test_shipped_weights_reproduce_their_golden_output(name: str):
    model = gm_core.load(name, "cpu")
    expected = checkpoints.read_golden(checkpoints.root() / name)
    found = FAMILIES[split_name(name)[0]].golden(model)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=2e-5, atol=1e-5)  # machines round


@shipped
def test_shipped_checkpoints_are_complete_and_small(name: str):
    folder = checkpoints.root() / name
    info = checkpoints.describe(name)
    assert info.bytes <= (20e6 if info.family == "instruct-pix2pix" else 10e6)
    assert info.dataset in data.DATASETS
    assert info.parameters == sum(p.numel() for p in gm_core.load(name, "cpu").parameters())
    assert info.metrics is not None
    headline = info.metrics["figures"][0]
    card = (folder / "README.md").read_text()
    assert f"{headline['value']:.2f}" in card
    assert data.DATASETS[info.dataset].licence in card
    command = info.metrics["command"].removesuffix(" --without-fid")
    assert command == f"python -m gm_core.evaluate {name}"


def test_every_shipped_checkpoint_has_a_recipe():
    assert set(gm_core.available()) <= set(recipes())
    assert all(set(presets) == {"cpu", "gpu"} for presets in recipes().values())


def test_all_checkpoints_together_stay_small():
    files = [path for path in checkpoints.root().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 48e6


def test_a_model_is_loaded_once():
    assert gm_core.load("pixelcnn-mnist", "cpu") is gm_core.load("pixelcnn-mnist", "cpu")
