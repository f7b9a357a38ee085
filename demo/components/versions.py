"""Versions of a picture as a tree: a thumbnail each, and what made it; one of them is chosen.

Its value is what `payload` makes; of a choice the browser sends no more than {"chosen": number}.
"input" is triggered by every choice, and "select" once, when an empty tree is first seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.components import serial, source


@dataclass(frozen=True, slots=True)
class Leaf:
    """A version, as it is shown."""

    parent: int | None  # the first one has none
    picture: str  # an address
    words: str  # the instruction that made it, or what it is
    numbers: str  # what is known of it


def branches(parents: Sequence[int | None]) -> list[list[int]]:
    """Versions by branch: each goes on with the first child, the others begin new branches.

    Raises ValueError unless every version but the first has an earlier parent.
    """
    children: list[list[int]] = [[] for _ in parents]
    for number, parent in enumerate(parents):
        if (parent is None) != (number == 0) or (parent is not None and not 0 <= parent < number):
            raise ValueError(f"Version {number} can't have come from {parent}.")
        if parent is not None:
            children[parent].append(number)
    found: list[list[int]] = []
    waiting = [0] if parents else []
    while waiting:
        branch = [waiting.pop()]
        while following := children[branch[-1]]:
            waiting += reversed(following[1:])
            branch.append(following[0])
        found.append(branch)
    return found


def payload(leaves: Sequence[Leaf], chosen: int) -> dict[str, Any]:
    """What `versions` shows, and which version is chosen."""
    return {
        "serial": serial(),
        "chosen": chosen,
        "branches": branches([leaf.parent for leaf in leaves]),
        "versions": [
            {
                "parent": leaf.parent,
                "src": leaf.picture,
                "words": leaf.words,
                "numbers": leaf.numbers,
            }
            for leaf in leaves
        ],
    }


def versions(value: dict[str, Any], *, elem_id: str) -> gr.HTML:
    """A `payload`, as a component's first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template='<div class="tree" role="group" aria-label="Versions"></div>',
        css_template=source("versions.css"),
        js_on_load=source("versions.js"),
        apply_default_css=False,
        padding=False,
    )
