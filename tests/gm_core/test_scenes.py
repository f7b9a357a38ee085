"""Scenes and what edits make of them."""

from __future__ import annotations

import pytest
import torch

from gm_core.scenes import EDITS, LEAST_CHANGE, Scene, Style, apply, change, random_scene

STYLES: tuple[Style, ...] = ("avatars", "landscapes")
styles = pytest.mark.parametrize("style", STYLES)


def avatar(**choices: str) -> Scene:
    scene = random_scene("avatars", "someone")
    plain = {"hair": "long", "eyes": "open", "beard": "none", "mouth": "smile"}
    return Scene("avatars", scene.seed, {**scene.choices, **plain, **choices})


def landscape(**choices: str) -> Scene:
    scene = random_scene("landscapes", "somewhere")
    plain = {"time": "day", "sky": "wild", "ground": "wild", "lake": "no", "orb": "none"}
    return Scene("landscapes", scene.seed, {**scene.choices, **plain, "place": "right", **choices})


@styles
def test_a_scene_follows_from_its_seed(style: Style):
    assert random_scene(style, "a") == random_scene(style, "a")
    assert random_scene(style, "a").choices != random_scene(style, "b").choices
    assert torch.equal(random_scene(style, "a").draw(), random_scene(style, "a").draw())


@pytest.mark.parametrize(
    ("style", "name"),
    [(style, edit.name) for style in STYLES for edit in EDITS.values() if edit.sets(style)],
)
def test_every_edit_is_seen(style: Style, name: str):
    scenes = (random_scene(style, f"{name} {attempt}") for attempt in range(200))
    changed = (
        change(scene.draw(), apply(scene, EDITS[name]).draw()).float().mean()
        for scene in scenes
        if apply(scene, EDITS[name]) != scene
    )
    assert any(share >= LEAST_CHANGE for share in changed)


def test_an_edit_changes_nothing_else():
    before, after = avatar(), apply(avatar(), EDITS["sunglasses"])
    changed = change(before.draw(), after.draw())
    rows, columns = torch.nonzero(changed, as_tuple=True)
    assert 20 <= rows.min() <= rows.max() <= 34
    assert 18 <= columns.min() <= columns.max() <= 46
    assert {key for key in before.choices if before.choices[key] != after.choices[key]} == {"eyes"}


def test_edits_twice_are_edits_once():
    for edit in EDITS.values():
        for scene in (avatar(), landscape()):
            once = apply(scene, edit)
            assert apply(once, edit) == once


def test_what_is_not_shown_has_a_fixed_value():
    bald = apply(avatar(**{"hair colour": "green"}), EDITS["bald"])
    assert bald.choices["hair colour"] == "brown"
    bearded = apply(avatar(beard="goatee", **{"hair colour": "green"}), EDITS["bald"])
    assert bearded.choices["hair colour"] == "green"
    assert apply(avatar(mouth="frown"), EDITS["beard"]).choices["mouth"] == "laugh"


def test_edits_of_what_is_not_there_do_nothing():
    for name in ("no glasses", "no hat", "no beard", "night"):
        scene = avatar(background="night")
        assert apply(scene, EDITS[name]) == scene
    assert apply(avatar(eyes="sunglasses"), EDITS["open eyes"]).choices["eyes"] == "sunglasses"
    assert apply(avatar(eyes="sunglasses"), EDITS["no glasses"]).choices["eyes"] == "open"
    assert apply(landscape(), EDITS["beard"]) == landscape()
    assert apply(avatar(), EDITS["snow"]) == avatar()


def test_night_turns_the_sun_into_a_moon_where_it_hangs():
    night = apply(landscape(orb="sun", place="left"), EDITS["night"])
    assert (night.choices["orb"], night.choices["place"]) == ("moon", "left")
    assert night.draw().float().mean() < landscape().draw().float().mean() - 40
    day = apply(night, EDITS["day"])
    assert (day.choices["orb"], day.choices["place"]) == ("sun", "left")


def test_the_sun_comes_up_where_it_is_told_to():
    scene = landscape()
    for name, columns in (
        ("sun on the left", (8, 26)),
        ("sun in the middle", (24, 41)),
        ("sun", (38, 57)),
    ):
        changed = change(scene.draw(), apply(scene, EDITS[name]).draw())
        found = torch.nonzero(changed)[:, 1]
        assert columns[0] <= found.min() < found.max() <= columns[1], name
