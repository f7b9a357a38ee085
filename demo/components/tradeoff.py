"""Quality against diversity: two gauges, and a plot in which every setting tried leaves a point.

The points are kept in the browser, as long as what is measured stays the same but for the setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.components import source


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured: shares from 0 to 1."""

    quality: float
    diversity: float


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """The last setting's point, and what it is to be compared with."""

    setting: float
    now: Point
    real: Point  # what as many real pictures reach
    count: int  # generated pictures
    among: int  # real ones
    of: str  # of what they are; other points are forgotten when it changes
    others: Sequence[tuple[float, Point]] = ()  # settings that were measured along with it

    def payload(self, *, asked: int) -> dict[str, Any]:
        """As the browser takes it; asked: as in `mosaic.payload`."""
        shares = [self.now, self.real, *(point for _, point in self.others)]
        if not all(0 <= share <= 1 for p in shares for share in (p.quality, p.diversity)):
            raise ValueError(f"Quality and diversity are shares from 0 to 1, unlike {shares}.")
        tried = [(self.setting, self.now), *self.others]
        return {
            "serial": asked,
            "of": self.of,
            "setting": self.setting,
            "points": [[at, point.quality, point.diversity] for at, point in tried],
            "real": [self.real.quality, self.real.diversity],
            "count": self.count,
            "among": self.among,
        }


def tradeoff(value: dict[str, Any] | None, *, name: str, elem_id: str) -> gr.HTML:
    """What `Tradeoff.payload` makes, as a first value or an event's output. name: the setting's."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        html_template=source("tradeoff.html"),
        css_template=source("tradeoff.css"),
        js_on_load=source("tradeoff.js"),
        apply_default_css=False,
        padding=False,
        name=name,
    )
