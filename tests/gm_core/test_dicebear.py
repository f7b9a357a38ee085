"""Rendering by seed and by frozen options, for every style that a data set is drawn in."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gm_core.dicebear import render, versions

styles = pytest.mark.parametrize("style", ["pixel-art", "personas", "landscape"])


def changed(before: Tensor, after: Tensor) -> Tensor:
    """Where two images (3, H, W) differ: bool (H, W)."""
    return (before != after).any(dim=0)


@styles
@pytest.mark.parametrize("size", [16, 64])
def test_a_rendering_is_an_image_of_the_size_asked_for(style: str, size: int):
    image = render(style, {"seed": "anna"}, size).image
    assert image.shape == (3, size, size)
    assert image.dtype == torch.uint8
    assert len(image.flatten(1).unique(dim=1).T) > 3  # colours


@styles
def test_the_seed_decides(style: str):
    first, again, other = (render(style, {"seed": seed}, 32) for seed in ("anna", "anna", "ben"))
    assert torch.equal(first.image, again.image)
    assert first.options == again.options
    assert not torch.equal(first.image, other.image)


@styles
def test_the_frozen_options_draw_the_same_picture(style: str):
    for seed in range(20):
        first = render(style, {"seed": f"{seed}"}, 64)
        again = render(style, first.options, 64)
        assert torch.equal(first.image, again.image)
        assert first.options == again.options


def test_options_come_back_frozen():
    options = {"seed": "anna", "hatProbability": 100, "glassesProbability": 0}
    frozen = render("pixel-art", {**options, "backgroundColor": "#b6e3f4"}, 16).options
    assert {key: frozen[key] for key in options} == options
    assert frozen["backgroundColor"] == ["#b6e3f4"]
    assert frozen["hatVariant"].startswith("variant")
    assert "glassesVariant" not in frozen
    assert not [key for key in frozen if key.startswith("hat") and key.endswith("Rotate")]


@pytest.mark.parametrize(
    ("style", "component", "variants"),
    [
        ("pixel-art", "hair", ["long07", "short06"]),
        ("personas", "hair", ["long", "mohawk"]),
        ("personas", "mouth", ["bigSmile", "frown"]),
        ("landscape", "hill4", ["peak", "rolling"]),
    ],
)
def test_one_changed_option_changes_nothing_else(style: str, component: str, variants: list[str]):
    for seed in range(8):
        start = render(style, {"seed": f"{seed}"}, 64)
        before, after = (
            render(style, {**start.options, f"{component}Variant": variant}, 64)
            for variant in variants
        )
        assert changed(before.image, after.image).any()
        differing = {key for key in before.options if before.options[key] != after.options[key]}
        assert differing == {f"{component}Variant"}
        assert before.options.keys() == after.options.keys()


def test_what_is_put_on_covers_its_own_place_alone():
    place = torch.zeros(16, 16, dtype=torch.bool)
    place[4:9, 2:14] = True  # where the style draws glasses
    for seed in range(20):
        bare = render("pixel-art", {"seed": f"{seed}", "glassesProbability": 0}, 16)
        glasses = render("pixel-art", {**bare.options, "glassesProbability": 100}, 16)
        difference = changed(bare.image, glasses.image)
        assert difference.any()
        assert not (difference & ~place).any()
        off = render("pixel-art", {**glasses.options, "glassesProbability": 0}, 16)
        assert torch.equal(off.image, bare.image)


def test_pixel_art_has_hard_edges():
    for seed in range(20):
        options = {"seed": f"{seed}", "hatProbability": 50, "glassesProbability": 50}
        small, large = (render("pixel-art", options, size).image for size in (16, 160))
        enlarged = small.repeat_interleave(10, dim=1).repeat_interleave(10, dim=2)
        assert torch.equal(large, enlarged)


def test_the_background():
    blue = render("pixel-art", {"seed": "anna", "backgroundColor": "#b6e3f4"}, 16).image
    none = render("pixel-art", {"seed": "anna"}, 16).image
    assert blue[:, 0, 0].tolist() == [0xB6, 0xE3, 0xF4]
    assert none[:, 0, 0].tolist() == [255, 255, 255]


def test_versions_name_the_packages():
    assert set(versions()) == {"dicebear-core", "dicebear-styles", "resvg-py"}
    assert all(version[0].isdigit() for version in versions().values())
