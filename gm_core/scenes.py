"""Pictures whose every choice is known, so that the true result of an edit is known to the pixel.

A scene is an avatar or a landscape: a style, a seed for what nobody names (skin, nose, the lie of
the hills) and a value for each of its attributes. An edit sets attributes. What a picture does not
show has a fixed value (a bald head's hair is brown): whoever sees the picture alone can work out
what an edit makes of it.

    scene = random_scene("avatars", "anna")
    image, truth = scene.draw(), apply(scene, EDITS["sunglasses"]).draw()
"""

from __future__ import annotations

import colorsys
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from torch import Tensor

from gm_core import dicebear

Style = Literal["avatars", "landscapes"]

SIZE = 64
LEAST_CHANGE = 0.005  # of the pixels; less is not seen, and is no change
VISIBLE = 8  # levels of 256, in any channel: a pixel that differs by more has changed

# --- avatars -----------------------------------------------------------------------------------

HAIR = {
    "bald": "bald", "long": "long", "short": "shortCombover", "curly": "curly", "bob": "bobCut",
    "mohawk": "mohawk", "pigtails": "pigtails", "bun": "straightBun", "buzz cut": "buzzcut",
    "beanie": "beanie", "cap": "cap",
    # No instruction leads to these.
    "fringe": "bobBangs", "very long": "extraLong", "fade": "fade", "balding": "balding",
}  # fmt: skip
HIDES_HAIR = ("bald", "beanie", "cap")
HAIR_COLOURS = {
    "black": "#362c47", "brown": "#6c4545", "blond": "#f2cf7a", "ginger": "#f29c65",
    "red": "#d6424d", "pink": "#f08bb4", "white": "#dee1f5", "blue": "#4a78d6",
    "green": "#58a65c", "purple": "#8b5cc8",
}  # fmt: skip
EYES = {
    "open": "open", "closed": "sleep", "wink": "wink", "happy": "happy", "glasses": "glasses",
    "sunglasses": "sunglasses",
}  # fmt: skip
MOUTHS = {
    "smile": "smile", "laugh": "bigSmile", "frown": "frown", "smirk": "smirk", "lips": "lips",
    "surprise": "surprise",
}  # fmt: skip
BEARDS = {
    "none": None, "beard": "beardMustache", "goatee": "goatee", "moustache": "walrus",
    "pyramid": "pyramid",
}  # fmt: skip
BACKGROUNDS = {
    "white": "#ffffff", "grey": "#b9bcc4", "black": "#26262b", "red": "#e2545c",
    "orange": "#f7a64a", "yellow": "#f7dc6f", "green": "#8fce8f", "light blue": "#b6e3f4",
    "blue": "#4f86e0", "purple": "#a988e0", "pink": "#f9b8cf",
}  # fmt: skip
NIGHT, SUNSET, DAY = "#1b2448", "#f68a5c", "#b6e3f4"
SHIRTS = {
    "white": "#f4f4f8", "black": "#3a3a46", "red": "#e24553", "orange": "#f58f3c",
    "yellow": "#f3c53a", "green": "#6dbb58", "turquoise": "#54d7c7", "blue": "#456dff",
    "purple": "#7555ca", "pink": "#f57da6",
}  # fmt: skip
PLAIN = ("rounded", "small", "squared")  # cuts of a plain shirt; the seed decides

# --- landscapes --------------------------------------------------------------------------------

HILLS = ("dunes", "gentle", "mesa", "peak", "ridge", "rolling", "rugged", "slope")
GROUNDS = {  # from the furthest hill to the nearest
    "wild": None,  # as the seed says
    "summer": ("#b9dba0", "#86bf72", "#559a50", "#2f6d3a"),
    "autumn": ("#ecc98a", "#e09a4a", "#c0602c", "#7e3420"),
    "snow": ("#e3edf6", "#f3f7fb", "#d5e2ef", "#ffffff"),
    "desert": ("#f3dfb0", "#ecc98a", "#dfb06c", "#c9934f"),
}
LAKE = "#3f8fd0"
SUN, MOON = "#f8b734", "#e9edf8"
PLACES = {"left": (-100.0, 8.0), "middle": (0.0, 8.0), "right": (100.0, 8.0)}
# What light makes of the colours of the land: a share of them, and what is added.
LIGHT = {
    "day": ((1.0, 1.0, 1.0), (0, 0, 0)),
    "sunset": ((0.78, 0.62, 0.58), (52, 14, 10)),
    "night": ((0.30, 0.34, 0.48), (4, 8, 22)),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture as its choices: attribute -> value."""

    style: Style
    seed: str
    choices: Mapping[str, str]

    def draw(self, size: int = SIZE) -> Tensor:
        """uint8 (3, size, size). Raises ImportError without the packages that draw."""
        if self.style == "avatars":
            return dicebear.render("personas", _avatar(self), size).image
        places = {"orb": PLACES[self.choices["place"]]}
        return dicebear.render("landscape", _landscape(self), size, places).image


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit sets, by style; nothing for a style that it means nothing to."""

    name: str
    avatars: Mapping[str, str] = field(default_factory=dict)
    landscapes: Mapping[str, str] = field(default_factory=dict)

    def sets(self, style: Style) -> Mapping[str, str]:
        """attribute -> value."""
        return self.avatars if style == "avatars" else self.landscapes


def _edits() -> dict[str, Edit]:
    edits = [Edit(f"{colour} hair", {"hair colour": colour}) for colour in HAIR_COLOURS]
    styles = ("long", "short", "curly", "bob", "mohawk", "pigtails", "bun", "buzz cut")
    edits += [Edit(f"{style} hair", {"hair": style}) for style in styles]
    edits += [
        Edit("bald", {"hair": "bald"}),
        Edit("beanie", {"hair": "beanie"}),
        Edit("cap", {"hair": "cap"}),
        Edit("no hat", {"hair": "short"}),
        Edit("glasses", {"eyes": "glasses"}),
        Edit("sunglasses", {"eyes": "sunglasses"}),
        Edit("no glasses", {"eyes": "open"}),
        Edit("open eyes", {"eyes": "open"}),
        Edit("closed eyes", {"eyes": "closed"}),
        Edit("wink", {"eyes": "wink"}),
    ]
    edits += [Edit(name, {"beard": name}) for name in ("beard", "goatee", "moustache")]
    edits.append(Edit("no beard", {"beard": "none"}))
    edits += [Edit(mouth, {"mouth": mouth}) for mouth in MOUTHS]
    edits += [
        Edit(f"{colour} background", {"background": colour}, {"sky": colour})
        for colour in BACKGROUNDS
    ]
    edits += [Edit(f"{colour} shirt", {"shirt": colour}) for colour in SHIRTS]
    edits += [
        Edit("checked shirt", {"pattern": "checked"}),
        Edit("plain shirt", {"pattern": "plain"}),
        Edit("night", {"background": "night"}, {"time": "night", "sky": "night"}),
        Edit("sunset", {"background": "sunset"}, {"time": "sunset", "sky": "sunset"}),
        Edit("day", {"background": "light blue"}, {"time": "day", "sky": "light blue"}),
    ]
    edits += [
        Edit(ground, {}, {"ground": ground}) for ground in ("snow", "desert", "autumn", "summer")
    ]
    edits += [
        Edit("lake", {}, {"lake": "yes"}),
        Edit("no lake", {}, {"lake": "no"}),
        Edit("sun", {}, {"orb": "sun", "place": "right"}),
        Edit("sun on the left", {}, {"orb": "sun", "place": "left"}),
        Edit("sun in the middle", {}, {"orb": "sun", "place": "middle"}),
        Edit("moon", {}, {"orb": "moon", "place": "right"}),
        Edit("no sun", {}, {"orb": "none"}),
    ]
    return {edit.name: edit for edit in edits}


EDITS: Mapping[str, Edit] = MappingProxyType(_edits())


def apply(scene: Scene, *edits: Edit) -> Scene:
    """The scene after edits, one after the other; the same scene if they mean nothing to it."""
    for edit in edits:
        sets = dict(edit.sets(scene.style))
        if not sets:
            continue
        if edit.name == "no glasses" and scene.choices["eyes"] not in ("glasses", "sunglasses"):
            continue
        if edit.name == "open eyes" and scene.choices["eyes"] in ("glasses", "sunglasses"):
            continue
        if edit.name == "no hat" and scene.choices["hair"] not in ("beanie", "cap"):
            continue
        if edit.name in ("sun", "moon") and scene.choices.get("orb", "none") != "none":
            sets.pop("place", None)  # it hangs where it hung
        choices = _settled(scene.style, {**scene.choices, **sets}, sets)
        scene = Scene(scene.style, scene.seed, choices)
    return scene


def change(before: Tensor, after: Tensor) -> Tensor:
    """Which pixels an edit changes: uint8 (..., 3, H, W) twice -> bool (..., H, W)."""
    return (before.int() - after.int()).abs().amax(-3) > VISIBLE


def random_scene(style: Style, seed: str) -> Scene:
    """A scene in which every value of an attribute comes up about equally often."""
    draw = random.Random(seed)

    def one(values: Sequence[str], weights: Sequence[float] | None = None) -> str:
        return draw.choices(tuple(values), weights)[0]

    if style == "avatars":
        choices = {
            "hair": one(tuple(HAIR)),
            "hair colour": one(tuple(HAIR_COLOURS)),
            "eyes": one(tuple(EYES), (4, 1, 1, 1, 2, 2)),
            "mouth": one(tuple(MOUTHS)),
            "beard": one(tuple(BEARDS), (8, 2, 2, 2, 1)),
            "background": one((*BACKGROUNDS, "night", "sunset"), (*[1.0] * 11, 2, 2)),
            "shirt": one(tuple(SHIRTS)),
            "pattern": one(("plain", "checked"), (3, 1)),
        }
    else:
        time = one(("day", "sunset", "night"), (4, 1, 1))
        sky = {"day": "wild", "sunset": "sunset", "night": "night"}[time]
        choices = {
            "time": time,
            "sky": sky if draw.random() < 0.7 else one(tuple(BACKGROUNDS)),
            "ground": one(tuple(GROUNDS), (4, 1, 1, 1, 1)),
            "lake": one(("no", "yes"), (4, 1)),
            "orb": one(("none", "moon" if time == "night" else "sun")),
            "place": one(tuple(PLACES)),
        }
    return Scene(style, seed, _settled(style, choices, {}))


def _settled(style: Style, choices: Mapping[str, str], sets: Mapping[str, str]) -> dict[str, str]:
    """With the fixed values of what can't be seen, and what else an edit brings about."""
    settled = dict(choices)
    if style == "avatars":
        if settled["hair"] in HIDES_HAIR and settled["beard"] == "none":
            settled["hair colour"] = "brown"
        if settled["beard"] == "beard":  # it comes with a mouth of its own
            settled["mouth"] = "laugh"
        return settled
    if "time" in sets and settled["orb"] != "none":
        settled["orb"] = "moon" if settled["time"] == "night" else "sun"
    if settled["orb"] == "none":
        settled["place"] = "right"
    return settled


def _avatar(scene: Scene) -> dict[str, Any]:
    """DiceBear's options of a scene."""
    choices = scene.choices
    backgrounds = {**BACKGROUNDS, "night": NIGHT, "sunset": SUNSET}
    hair_colour = HAIR_COLOURS[choices["hair colour"]]
    beard = BEARDS[choices["beard"]]
    return {
        "seed": scene.seed,
        "hairVariant": HAIR[choices["hair"]],
        "hairColor": hair_colour,
        "eyesVariant": EYES[choices["eyes"]],
        "mouthVariant": MOUTHS[choices["mouth"]],
        "facialHairProbability": 0 if beard is None else 100,
        "facialHairVariant": beard or "goatee",
        "facialHairColor": hair_colour,
        "backgroundColor": backgrounds[choices["background"]],
        "clothesVariant": "checkered" if choices["pattern"] == "checked" else _cut(scene.seed),
        "clothingColor": SHIRTS[choices["shirt"]],
    }


def _cut(seed: str) -> str:
    return PLAIN[hashlib.sha256(seed.encode()).digest()[0] % len(PLAIN)]


def _landscape(scene: Scene) -> dict[str, Any]:
    """DiceBear's options of a scene."""
    choices = scene.choices
    draw = random.Random(f"{scene.seed} land")
    forms = [draw.choice(HILLS) for _ in range(4)]
    wild = _wild(draw)
    sky = {**BACKGROUNDS, "night": NIGHT, "sunset": SUNSET, "wild": wild[0]}[choices["sky"]]
    hills = list(GROUNDS[choices["ground"]] or wild[1:])
    if choices["lake"] == "yes":
        hills[3] = LAKE
    options: dict[str, Any] = {
        "seed": scene.seed,
        "backgroundColor": sky,
        "orbVariant": "sun",
        "orbProbability": 0 if choices["orb"] == "none" else 100,
        "orbColor": MOON if choices["orb"] == "moon" else SUN,
        "animationVariant": "none",
    }
    for number, (form, colour) in enumerate(zip(forms, hills, strict=True), 1):
        options[f"hill{number}Variant"] = form
        options[f"hill{number}Color"] = _lit(colour, choices["time"])
    return options


def _wild(draw: random.Random) -> tuple[str, ...]:
    """A sky and four hills that darken towards the front, in hues of their own."""

    def colour(hue: float, lightness: float, saturation: float) -> str:
        red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
        return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"

    sky = colour(draw.random(), 0.92, 0.6)
    lightness = (0.74, 0.58, 0.42, 0.27)
    return (sky, *(colour(draw.random(), light, 0.38) for light in lightness))


def _lit(colour: str, time: str) -> str:
    """A colour of the land in the light of a time of day."""
    shares, added = LIGHT[time]
    levels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    lit = [
        min(255, round(level * share + more))
        for level, share, more in zip(levels, shares, added, strict=True)
    ]
    return "#" + "".join(f"{level:02x}" for level in lit)
