"""How many pictures of every kind two judges refuse, counted anew as the rule moves.

Two properties come apart, so that neither overwrites the other: the value holds the scores, which
arrive kind by kind, and `rule` says from where on they are refused. The component triggers "select"
once, when it is first seen: what takes long to measure need not be there before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demo.components import serial, source
from demo.components.pictures import as_png


@dataclass(frozen=True, slots=True)
class Kind:
    """A row's heading: the kind's name, and a picture of it, (H, W, 3), where there is one."""

    name: str
    picture: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True)
class Scores:
    """What both judges say of the pictures of a kind."""

    nats: Sequence[float]
    doubt: Sequence[float]
    # How well either tells them from the usual ones: by p(x) one-sided, two-sided, by certainty.
    auroc: tuple[float, float, float] | None = None  # None: of the usual ones


def payload(rows: Sequence[Scores]) -> dict[str, Any]:
    """The value: the scores of all kinds that there are by now, in the rows' order."""
    return {
        "serial": serial(),
        "rows": [
            {"nats": list(row.nats), "doubt": list(row.doubt), "auroc": row.auroc} for row in rows
        ],
    }


def rule_payload(least: float, most: float, doubt: float) -> dict[str, Any]:
    """From where on a picture is refused; least is -inf where nothing is too likely."""
    return {
        "serial": serial(),
        "least": least if math.isfinite(least) else None,
        "most": most,
        "doubt": doubt,
    }


def ruled(rule: dict[str, Any]) -> gr.HTML:
    """An event's output: another rule."""
    return gr.HTML(rule=rule)


def refusals(rule: dict[str, Any], kinds: Sequence[Kind], *, label: str, elem_id: str) -> gr.HTML:
    """A table without scores yet. kinds: a row each, the usual pictures first, all others together
    last."""
    return gr.HTML(
        value=payload([]),
        label=label,
        elem_id=elem_id,
        html_template=source("refusals.html"),
        css_template=source("refusals.css"),
        js_on_load=source("refusals.js"),
        apply_default_css=False,
        rule=rule,
        kinds=[
            {"name": kind.name, "src": None if kind.picture is None else as_png(kind.picture)}
            for kind in kinds
        ],
    )
