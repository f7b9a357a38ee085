"""How far versions of a picture have drifted from the first, along one path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from demo.components import source

LEFT, RIGHT, WIDTH = 36, 10, 300
TOP, CURVE, GAP, BARS = 8, 120, 38, 44  # heights of the two plots, and what is between
FEWEST = 7  # versions that the axis has room for


@dataclass(frozen=True, slots=True)
class Place:
    """A version on the path."""

    number: int
    first: float  # to the first picture, grey levels
    truth: float | None  # to the true result, if that is known
    changed: float  # share of the pixels that differ visibly from the first picture


def draw(path: Sequence[Place]) -> str:
    """The value of a component made by `drift`."""
    step = (WIDTH - LEFT - RIGHT) / max(FEWEST - 1, len(path) - 1)
    top = max([10.0, *(max(place.first, place.truth or 0) for place in path)])
    top = 10 * -(-top // 10)
    floor, bottom = TOP + CURVE, TOP + CURVE + GAP + BARS

    def x(index: int) -> float:
        return LEFT + index * step

    def y(value: float) -> float:
        return floor - CURVE * value / top

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {bottom + 22}" role="img" '
        f'aria-label="Drift along the path; the table below has its numbers.">'
    ]
    parts += [_level(y(value), f"{value:g}") for value in (0.0, top / 2, top)]
    lines = {
        "truth": [(x(i), y(at.truth)) for i, at in enumerate(path) if at.truth is not None],
        "first": [(x(i), y(at.first)) for i, at in enumerate(path)],
    }
    for name, points in lines.items():
        joined = " ".join(f"{left:.1f},{height:.1f}" for left, height in points)
        parts.append(f'<polyline class="{name}" points="{joined}"/>')
        parts += [_mark(name, left, height) for left, height in points]
    parts.append(f'<text class="name" x="{LEFT}" y="{bottom - BARS - 8}">pixels changed, %</text>')
    parts += [_level(bottom - BARS * value / 100, f"{value}") for value in (0, 100)]
    for index, place in enumerate(path):
        tall = BARS * place.changed
        parts.append(
            f'<rect class="bar" x="{x(index) - 5:.1f}" y="{bottom - tall:.1f}" width="10" '
            f'height="{tall:.1f}"/><text class="at" x="{x(index):.1f}" y="{bottom + 16}">'
            f"{place.number}</text>"
        )
    legend = (
        '<p class="legend">Distance in levels of 255 (root mean square) <span class="key">'
        '<i class="first">●</i> to the first picture</span> <span class="key"><i class="truth">■'
        "</i> to the true result</span></p>"
    )
    return f'<div class="drift">{legend}{"".join(parts)}</svg>{_table(path)}</div>'


def _level(y: float, name: str) -> str:
    """A line of the grid, and what it stands for."""
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}">{name}</text>'
    )


def _mark(name: str, x: float, y: float) -> str:
    if name == "first":
        return f'<circle class="first" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    return f'<rect class="truth" x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"/>'


def _table(path: Sequence[Place]) -> str:
    rows = "".join(
        f"<tr><td>{place.number}</td><td>{place.first:.1f}</td>"
        f"<td>{'not known' if place.truth is None else f'{place.truth:.1f}'}</td>"
        f"<td>{place.changed:.0%}</td></tr>"
        for place in path
    )
    return (
        "<details><summary>The numbers</summary><table><thead><tr><th>version</th>"
        "<th>to the first</th><th>to the true result</th><th>pixels changed</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></details>"
    )


def drift(value: str, *, elem_id: str) -> gr.HTML:
    """What `draw` makes, as a first value or an event's output."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        css_template=source("drift.css"),
        apply_default_css=False,
        padding=False,
    )
