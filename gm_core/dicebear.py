"""Pictures drawn by DiceBear's styles, with every choice that went into them.

A style is a drawing with open choices (which hair, which hat, which colour); a seed string decides
those that the options leave open, each one independently of the others. A rendering returns the
choices written out, so that one of them can be changed and everything else stays to the pixel:

    before = render("personas", {"seed": "anna"}, 64)
    after = render("personas", {**before.options, "hairVariant": "mohawk"}, 64)

Works offline. The packages that draw are imported when something is drawn.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from dicebear import Style

PACKAGES = ("dicebear-core", "dicebear-styles", "resvg-py")

Places = Mapping[str, tuple[float, float]]

# A component's place, turn and size can't be given as options: they follow from the seed.
GEOMETRY = ("Rotate", "TranslateX", "TranslateY", "Scale")


@dataclass(frozen=True, slots=True)
class Rendering:
    """image uint8 (3, size, size); options: all choices, from which the same image follows."""

    image: Tensor
    options: dict[str, Any]


def render(
    style: str, options: Mapping[str, Any], size: int, places: Places = MappingProxyType({})
) -> Rendering:
    """Draw a style, such as "pixel-art", under options; what stays transparent is white.

    Options are DiceBear's own: "seed", "hatVariant", "hatProbability" (in per cent), "hatColor".
    Components in `places` are moved by so much (x, y), in per cent of their size, and the others by
    what the seed says. Raises ImportError where the packages that draw are not installed.
    """
    import resvg_py
    from dicebear import Avatar
    from PIL import Image

    avatar = Avatar(_style(style, tuple(places.items())), dict(options))
    png = resvg_py.svg_to_bytes(
        svg_string=avatar.to_string(), width=size, height=size, background="#ffffff",
        skip_system_fonts=True,
    )  # fmt: skip
    pixels = np.array(Image.open(io.BytesIO(png)).convert("RGB"))  # (size, size, 3)
    image = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()  # (3, size, size)
    return Rendering(image, _frozen(style, options, avatar.to_json()["options"]))


def versions() -> dict[str, str]:
    """The versions of the packages that draw: other versions may draw other pictures."""
    return {package: metadata.version(package) for package in PACKAGES}


@cache
def _style(name: str, places: tuple[tuple[str, tuple[float, float]], ...] = ()) -> Style:
    from dicebear import Style

    file = resources.files("dicebear_styles").joinpath(f"{name}.json")
    definition = json.loads(file.read_text("utf-8"))
    for component, place in places:
        definition["components"][component]["translate"] = {
            axis: {"min": shift, "max": shift} for axis, shift in zip("xy", place, strict=True)
        }
    return Style(definition)


def _frozen(style: str, options: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The choices of one drawing as options; the seed stays, for the geometry follows from it."""
    frozen = {
        key: value for key, value in chosen.items() if value != [] and not key.endswith(GEOMETRY)
    }
    if "seed" in options:
        frozen["seed"] = options["seed"]
    for component in _style(style).components():
        frozen[f"{component}Probability"] = 100 if f"{component}Variant" in chosen else 0
    return frozen
