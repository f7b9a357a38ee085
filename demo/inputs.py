"""One validator a kind of input. What it refuses becomes one sentence for the person who asked.

Browsers keep to the sliders' ranges, but the same handlers are endpoints that anyone can call.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

LARGEST_SEED = 2**32 - 1


def refusal(sentence: str) -> gr.Error:
    """An error for the person, not for the server's log."""
    return gr.Error(sentence, print_exception=False)


def number(value: Any, name: str, low: float, high: float) -> float:
    """A finite number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal(f"{name} must be a number from {low} to {high}.")
    # The order matters: an integer may be too large to become a float, and NaN compares false.
    if not low <= value <= high:
        raise refusal(f"{name} must be from {low} to {high}.")
    return float(value)


def whole(value: Any, name: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`; 3.0 counts as 3."""
    checked = number(value, name, low, high)
    if not checked.is_integer():
        raise refusal(f"{name} must be a whole number from {low} to {high}.")
    return int(checked)


def seed(value: Any) -> int:
    return whole(value, "Seed", 0, LARGEST_SEED)


def choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """One of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise refusal(f"{name} must be one of: {', '.join(choices)}.")
    return value


def flag(value: Any, name: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise refusal(f"{name} must be true or false.")
    return value
