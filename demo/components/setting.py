"""What an address says of a component that a script draws.

Gradio's own controls stand in the address by their labels. A component of ours says which part of
its value stands there, and what such a text asks for: `in_address(gallery, Setting(...))`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import gradio as gr

from demo import inputs

Control = TypeVar("Control", gr.Number, gr.Slider)


@dataclass(frozen=True, slots=True)
class Setting:
    """A part of a component's value."""

    name: str
    keys: tuple[str, ...]  # in the value; what they hold stands in the address, with commas
    # The value that a text asks for in place of the one held; raises ValueError or gr.Error.
    read: Callable[[str, Any], Any]
    by_script: bool = False  # what follows from it is done by the component's script

    def said(self, value: Any) -> str | None:
        """What an address says of a value; None where it can't."""
        parts = [value.get(key) if isinstance(value, dict) else None for key in self.keys]
        return None if None in parts else ",".join(map(as_text, parts))


_settings: WeakKeyDictionary[gr.HTML, Setting] = WeakKeyDictionary()
_left_out: WeakSet[Any] = WeakSet()


def in_address(component: gr.HTML, setting: Setting) -> gr.HTML:
    """Let the address bar follow a component."""
    _settings[component] = setting
    return component


def setting_of(component: Any) -> Setting | None:
    """What an address says of a component, if it is one that a script draws."""
    return _settings.get(component) if isinstance(component, gr.HTML) else None


def not_in_address(control: Control) -> Control:
    """Keep a control out of the address that says nothing of what is on screen by itself."""
    _left_out.add(control)
    return control


def is_left_out(control: Any) -> bool:
    """Whether no address names a control."""
    return control in _left_out


def as_text(part: Any) -> str:
    """A part of a value, as address.js writes it."""
    if isinstance(part, list | tuple):
        return ",".join(map(as_text, part))
    if isinstance(part, float):
        return str(int(part)) if part.is_integer() else str(round(part, 2))
    return str(part)


def wholes(text: str, *most: int) -> list[int]:
    """The whole numbers of a text, each from 0 to its most. Raises ValueError or gr.Error."""
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(text)
    return [
        inputs.whole(float(part), "The number", 0, highest)
        for part, highest in zip(parts, most, strict=True)
    ]


def on_map(reach: float) -> Setting:
    """The place on a map that reaches from -reach to reach both ways."""

    def read(text: str, _: Any) -> dict[str, float]:
        x, y = (inputs.number(float(part), "The place", -reach, reach) for part in text.split(","))
        return {"x": x, "y": y}

    return Setting("place", ("x", "y"), read)
