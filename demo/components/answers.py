"""Panels of answers about a canvas of digits, one a task, each with its price in labels.

A function a task makes the value, HTML, of a panel. Pictures are drawn as vectors over the canvas,
so that they can be enlarged; rows of digits go from left to right.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.components import source
from gm_core.canvas import BACKGROUND
from gm_core.nine import Digit
from gm_core.paradigms import CLASSES, Found

Task = Literal[
    "classification", "regression", "detection", "segmentation", "captioning",
    "clustering", "reduction", "features", "density",
]  # fmt: skip

NOTHING = '<p class="none">Nothing is drawn: nothing to answer.</p>'
TOO_SMALL = '<p class="none">No piece of ink is large enough.</p>'
BINS = 48

Grey = NDArray[np.uint8]  # (H, W)
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels


@dataclass(frozen=True, slots=True)
class Row:
    """A digit: what was found, and what is there; at least one of both."""

    found: Found | None
    digit: Digit | None  # None as well where nobody knows
    listed: bool = True  # else it is only drawn


def heading(title: str, words: str) -> gr.HTML:
    """What the panels below have in common."""
    return gr.HTML(
        html_template=f"<div><b>{html.escape(title)}</b>: {html.escape(words)}</div>",
        css_template="div { margin: 0 -8px; }",
        apply_default_css=False,
        padding=False,
    )


def panel(task: Task, title: str, cost: str, value: str, *, elem_id: str) -> gr.HTML:
    """A panel with a first value; its pictures can be enlarged."""
    return gr.HTML(
        value=value,
        elem_id=elem_id,
        elem_classes=["gm-answer"],
        html_template=(
            f'<section class="answer {task}" aria-label="{html.escape(title)}">'
            f"<header><h4>{html.escape(title)}</h4><span>{html.escape(cost)}</span></header>"
            '<div class="said">${value}</div>'
            '<dialog aria-label="Enlarged"><form method="dialog"><button>Close</button></form>'
            '<div class="large"></div></dialog></section>'
        ),
        css_template=source("answers.css"),
        js_on_load=source("answers.js"),
        apply_default_css=False,
        padding=False,
    )


# --- supervised -----------------------------------------------------------------------------------


def classification(rows: Sequence[Row], *, has_truth: bool) -> str:
    """A bar a class, for each digit."""
    body, missed = "", []
    for row in filter(lambda row: row.listed, rows):
        if row.found is None:
            missed.append(_missed(row))
            continue
        chances = row.found.probabilities
        bars = "".join(
            f'<td title="{label}: {percent(chance)}"><i style="height:{100 * chance:.1f}%;'
            f'background:var(--gm-class-{label})"></i></td>'
            for label, chance in enumerate(chances)
        )
        beside = f"<td>{_verdict(row)}</td>" if has_truth else ""
        body += (
            f'<tr><th scope="row">{_chip(row.found.label)}</th>{bars}'
            f"<td>{percent(chances[row.found.label])}</td>{beside}</tr>"
        )
    if not rows:
        return '<p class="none">No digit is found.</p>'
    heads = "".join(f'<th scope="col">{label}</th>' for label in range(CLASSES))
    head = f'<tr><td></td>{heads}<th scope="col">p(y | x)</th>{"<td></td>" * has_truth}</tr>'
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>{_list(missed)}"


def regression(canvas: Grey, rows: Sequence[Row], *, has_truth: bool) -> str:
    """A line through each digit, along what should be upright."""
    marks, lines = "", []
    for row in rows:
        if row.digit:
            marks += _line(row.digit.box, row.digit.angle, "truth")
        if row.found is None:
            lines.append(_missed(row))
            continue
        marks += _line(row.found.box, row.found.angle, "guess")
        told = f"{_chip(row.found.label)} <b>{degrees(row.found.angle)}</b>"
        if row.digit:
            error = abs(row.found.angle - row.digit.angle)
            told += f" {_true(degrees(row.digit.angle))} <span>{error:.0f}° off</span>"
        elif has_truth:
            told += f" {_verdict(row)}"
        if row.listed:
            lines.append(told)
    lines.append(f'<span class="none">anticlockwise{", dashed: the truth" * has_truth}</span>')
    return _beside(picture(canvas, marks, "The angle of each digit"), lines)


def detection(canvas: Grey, rows: Sequence[Row], *, has_truth: bool) -> str:
    """A box around each digit, with its class and score."""
    marks = "".join(_box(row.digit.box) for row in rows if row.digit)
    lines = []
    for row in rows:
        if row.found is None:
            lines.append(_missed(row))
            continue
        marks += _box(row.found.box, row.found.label) + _tag(row.found)
        told = f"{_chip(row.found.label)} score <b>{row.found.score:.2f}</b>"
        if row.digit:
            told += f" <span>IoU <b>{row.digit.overlap:.2f}</b></span>"
        if has_truth:
            told += f" {_verdict(row)}"
        if row.listed:
            lines.append(told)
    lines.append(f'<span class="none">{"dashed: the truth" * has_truth}</span>')
    return _beside(picture(canvas, marks, "A box around each digit"), lines)


def segmentation(
    mask: NDArray[np.integer], truth: NDArray[np.integer] | None, lines: Sequence[str]
) -> str:
    """The class of each pixel, (H, W), as colours."""
    pictures = mask_picture(mask, "The class of each pixel")
    if truth is not None:
        pictures += mask_picture(truth, "The true class of each pixel")
    kinds = sorted(set(np.unique(mask).tolist()) - {BACKGROUND})
    legend = "".join(_chip(kind) for kind in kinds)
    told = [
        f'<span class="legend">{legend or "no digit anywhere"}</span>',
        *map(html.escape, lines),
    ]
    return _beside(pictures, told)


def captioning(caption: str, truth: str | None) -> str:
    """The sentence, word by word beside the true one."""
    if truth is None:
        return f'<p class="caption">{_sentence(caption, caption)}</p>'
    verdict = "<b>✓ word for word</b>"
    if caption != truth:
        verdict = f"<b>✗</b> {_true(f'“{truth}”')}"
    return f'<p class="caption">{_sentence(caption, truth)}</p><p>{verdict}</p>'


# --- unsupervised ---------------------------------------------------------------------------------


def clustering(rows: Sequence[tuple[Grey, str, Sequence[Grey], int]], among: int) -> str:
    """Each piece, the letter of its cluster, pictures of it, and how many there are."""
    body = "".join(
        f'<li>{_thumb(piece, "a piece", own=True)}<b class="letter">{letter}</b>'
        f'<span class="strip">{"".join(_thumb(one, "") for one in typical)}</span>'
        f"<span>{count} of {among:,}</span></li>"
        for piece, letter, typical, count in rows
    )
    return f'<ul class="rows">{body}</ul>'


def plane(points: NDArray[np.floating], reach: float) -> str:
    """The test images of a plane (N, 2) from -reach to reach, y upwards, as a path of dots."""
    return "".join(
        f"M{x:.2f} {-y:.2f}h0" for x, y in np.clip(points, -reach, reach).tolist()
    )  # fmt: skip


def reduction(dots: str, reach: float, rows: Sequence[tuple[Grey, tuple[float, float]]]) -> str:
    """Each piece at its place among the dots of `plane`."""
    size = reach / 4  # of a piece's picture
    pictures = circles = ""
    for piece, (x, y) in rows:
        left, top = np.clip(x, -reach, reach), -np.clip(y, -reach, reach)
        across = left + 0.25 if left + 0.25 + size < reach else left - 0.25 - size
        down = np.clip(top - size / 2, -reach, reach - size)
        pictures += (
            f'<image href="{as_png(piece)}" x="{across:.2f}" y="{down:.2f}" width="{size:.2f}" '
            f'height="{size:.2f}"/>'
        )
        circles += f'<circle cx="{left:.2f}" cy="{top:.2f}" r=".15"/>'
    side = f"{-reach} {-reach} {2 * reach} {2 * reach}"
    drawn = _enlargeable(
        f'<svg class="plane" viewBox="{side}" role="img" aria-label="Where each piece lies among '
        f'test images"><path class="dots" d="{dots}"/>{pictures}{circles}</svg>'
    )
    lines = [
        f"{_thumb(piece, 'a piece', own=True)} z = ({signed(x)}, {signed(y)})"
        for piece, (x, y) in rows
    ]
    return _beside(drawn, [*lines, "784 pixels → 2 numbers"])


def features(rows: Sequence[tuple[Grey, Sequence[Grey], Sequence[Grey]]]) -> str:
    """Each piece and its nearest test images, by features and by pixels."""
    body = "".join(
        f"<tr><td>{_thumb(piece, 'a piece', own=True)}</td>"
        + "".join(
            f'<td><span class="strip">{"".join(_thumb(one, "") for one in nearest)}</span></td>'
            for nearest in (by_features, by_pixels)
        )
        + "</tr>"
        for piece, by_features, by_pixels in rows
    )
    return (
        '<table><thead><tr><td></td><th scope="col">by learnt features</th>'
        f'<th scope="col">by raw pixels</th></tr></thead><tbody>{body}</tbody></table>'
    )


def density(rows: Sequence[tuple[Grey, float]], sample: NDArray[np.floating] | None) -> str:
    """-log p(x) of each piece, nats, among those of test images (N,), if they are known."""
    lines = []
    for piece, nats in rows:
        told = f"{_thumb(piece, 'a piece', own=True)} <b>{nats:.1f} nats</b>"
        if sample is not None:
            share = float((sample < nats).mean())
            told += f" <span>more than {100 * share:.0f} % of test digits</span>"
        lines.append(told)
    drawn = "" if sample is None else _histogram(sample, [nats for _, nats in rows])
    return f"{drawn}{_list(lines)}"


# --- parts ----------------------------------------------------------------------------------------


def as_png(grey: Grey) -> str:
    """A picture as a data URL."""
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def percent(share: float) -> str:
    """Never rounded to certainty."""
    return "> 99.9 %" if 0.999 < share < 1 else f"{100 * share:.1f} %"


def signed(number: float) -> str:
    return f"{number:.1f}".replace("-", "−")


def degrees(angle: float) -> str:
    rounded = round(angle)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded)}°"


def picture(canvas: Grey, marks: str, label: str) -> str:
    """A canvas with marks over it, in its own pixels."""
    height, width = canvas.shape
    return _enlargeable(
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(label)}">'
        f'<image href="{as_png(canvas)}" width="{width}" height="{height}"/>{marks}</svg>'
    )


def mask_picture(mask: NDArray[np.integer], label: str) -> str:
    """A class a pixel: each class a path of its runs along the rows."""
    height, width = mask.shape
    paths = []
    for kind in sorted(set(np.unique(mask).tolist()) - {BACKGROUND}):
        edges = np.diff(np.pad(mask == kind, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
        runs = "".join(
            f"M{x} {y}h{end - x}v1h{x - end}z"
            for (y, x), (_, end) in zip(starts.tolist(), ends.tolist(), strict=True)
        )
        paths.append(f'<path d="{runs}" fill="var(--gm-class-{kind})"/>')
    return _enlargeable(
        f'<svg class="mask" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{html.escape(label)}">{"".join(paths)}</svg>'
    )


def _enlargeable(drawn: str) -> str:
    return f'<button type="button" class="enlarge" title="Enlarge">{drawn}</button>'


def _beside(drawn: str, lines: Sequence[str]) -> str:
    return f'<div class="beside">{drawn}{_list(lines)}</div>'


def _list(lines: Sequence[str]) -> str:
    return f'<ul class="lines">{"".join(f"<li>{line}</li>" for line in lines)}</ul>'


def _chip(label: int) -> str:
    return f'<b class="chip c{label}">{label}</b>'


def _thumb(grey: Grey, alt: str, *, own: bool = False) -> str:
    """own: the student's, which is framed."""
    return f'<img src="{as_png(grey)}" alt="{alt}"{" class=own" * own}>'


def _verdict(row: Row) -> str:
    """Whether the class of what was found is right."""
    if row.found is None or row.digit is None:
        return '<span class="wrong">✗ no digit there</span>'
    if row.found.label == row.digit.label:
        return '<span class="right">✓</span>'
    return f'<span class="wrong">✗</span> {_true(str(row.digit.label))}'


def _missed(row: Row) -> str:
    label = row.digit.label if row.digit else ""
    return f'<span class="wrong">✗ missed</span> {_true(f"a {label}")}'


def _true(words: str) -> str:
    return f'<span class="true">true: {html.escape(words)}</span>'


def _sentence(caption: str, truth: str) -> str:
    """Its words; those that are not in their place are marked."""
    true = truth.split()
    words = [
        html.escape(word)
        if at < len(true) and word == true[at]
        else f"<mark>{html.escape(word)}</mark>"
        for at, word in enumerate(caption.split())
    ]
    return f"“{' '.join(words)}”"


def _line(box: Box, angle: float, kind: str) -> str:
    x0, y0, x1, y1 = box
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    half = 3 + max(x1 - x0, y1 - y0) / 2
    turn = math.radians(angle)
    dx, dy = -half * math.sin(turn), -half * math.cos(turn)  # of its upper end; y points down
    ends = f'x1="{x - dx:.1f}" y1="{y - dy:.1f}" x2="{x + dx:.1f}" y2="{y + dy:.1f}"'
    head = f'<circle class="{kind}" cx="{x + dx:.1f}" cy="{y + dy:.1f}" r="1.6"/>'
    return f'<line class="case" {ends}/><line class="{kind}" {ends}/>{head}'


def _box(box: Box, label: int | None = None) -> str:
    """In the colour of a class; without one, it is the truth."""
    x0, y0, x1, y1 = box
    size = f'x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}"'
    if label is None:
        return f'<rect class="truth" {size}/>'
    colour = f'style="stroke:var(--gm-class-{label})"'
    return f'<rect class="case" {size}/><rect class="guess" {size} {colour}/>'


def _tag(found: Found) -> str:
    """Class and score, above the box where there is room, else inside."""
    x0, y0, *_ = found.box
    x, y = min(x0 - 0.6, 41.5), y0 - 7.6 if y0 > 7.6 else y0
    return (
        f'<g class="tag c{found.label}"><rect x="{x:.1f}" y="{y:.1f}" width="22" height="7.4"/>'
        f'<text x="{x + 1.2:.1f}" y="{y + 5.7:.1f}">{found.label} {found.score:.2f}</text></g>'
    )


def _histogram(sample: NDArray[np.floating], marked: Sequence[float]) -> str:
    """How often which cost occurs among test images, and the costs of the pieces."""
    counts, edges = np.histogram(sample, BINS)
    end = 1.05 * max(float(sample.max()), *marked, 1.0)
    bars = "".join(
        f'<rect x="{100 * low / end:.2f}" width="{100 * (high - low) / end:.2f}" '
        f'y="{24 - 24 * count / counts.max():.2f}" height="{24 * count / counts.max():.2f}"/>'
        for count, low, high in zip(counts.tolist(), edges, edges[1:], strict=False)
    )
    lines = "".join(
        f'<line x1="{100 * nats / end:.2f}" x2="{100 * nats / end:.2f}" y1="0" y2="24"/>'
        for nats in marked
    )
    return (
        '<svg class="histogram" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" '
        f'aria-label="−log p(x) of {len(sample):,} test digits from {sample.min():.0f} to '
        f'{sample.max():.0f} nats, and of each piece">{bars}{lines}</svg>'
        f'<div class="axis" aria-hidden="true"><span>0</span><span>−log p(x) of '
        f"{len(sample):,} test digits</span><span>{end:.0f} nats</span></div>"
    )
