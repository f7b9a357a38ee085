"""The map: the families of generative models as a drawn tree, whose leaves open their tabs."""

from __future__ import annotations

import html
from collections.abc import Collection
from dataclasses import dataclass

import gradio as gr

from demo.components import source


@dataclass(frozen=True, slots=True)
class Leaf:
    tab: str  # the tab it opens, once there is one
    title: str
    line: str
    drawing: str  # SVG, 120 by 64


@dataclass(frozen=True, slots=True)
class Branch:
    title: str
    line: str
    children: tuple[Branch | Leaf, ...]


def raster(cell: int) -> str:
    """Rows of pixels: drawn up to the one that is about to be drawn, grey after it."""
    columns, rows, current = 9, 5, 25
    white = {3, 4, 5, 11, 15, 24}
    squares = []
    for index in range(columns * rows):
        x, y = index % columns * cell, index // columns * cell
        kind = (
            "u" if index > current else "n" if index == current else "w" if index in white else "b"
        )
        squares.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{cell}" height="{cell}"/>')
    return "".join(squares)


RECURRENT = (
    f'<g transform="translate(6 2)">{raster(12)}</g>'
    '<path class="arrow" d="M8 20 H104 M98 15 L104 20 L98 25 M8 32 H76 M70 27 L76 32 L70 37"/>'
)
CONVOLUTIONAL = (
    f'<g transform="translate(6 2)">{raster(12)}</g>'
    '<path class="field" d="M66 14 H114 V26 H90 V38 H66 Z"/>'
)
AUTOENCODER = (
    '<path class="box" d="M8 6 L44 20 V44 L8 58 Z M112 6 L76 20 V44 L112 58 Z"/>'
    '<circle class="n" cx="60" cy="32" r="9"/><text x="60" y="36">z</text>'
)
ADVERSARIAL = (
    '<rect class="box" x="6" y="18" width="36" height="28"/><text x="24" y="37">G</text>'
    '<rect class="box" x="78" y="18" width="36" height="28"/><text x="96" y="37">D</text>'
    '<path class="arrow" d="M44 32 H74 M68 27 L74 32 L68 37"/>'
    '<path class="arrow" d="M96 48 V58 H24 V50 M19 56 L24 50 L29 56"/>'
)
EDITING = (
    '<rect class="box" x="4" y="14" width="36" height="36"/>'
    '<rect class="box" x="80" y="14" width="36" height="36"/>'
    '<circle class="real" cx="22" cy="32" r="9"/><circle class="n" cx="98" cy="32" r="9"/>'
    '<path class="arrow" d="M42 32 H76 M70 27 L76 32 L70 37"/><text x="60" y="26">“…”</text>'
)

MAP = (
    Branch(
        "Explicit density",
        "gives p(x) as a number",
        (
            Branch(
                "Tractable",
                "exactly: log p(x) in nats",
                (
                    Leaf("pixelrnn", "PixelRNN", "a memory carried from pixel to pixel", RECURRENT),
                    Leaf("pixelcnn", "PixelCNN", "convolutions with a mask", CONVOLUTIONAL),
                ),
            ),
            Branch(
                "Approximate",
                "a bound on log p(x)",
                (Leaf("vae", "VAE", "squeezed through a latent code z", AUTOENCODER),),
            ),
        ),
    ),
    Branch(
        "Implicit density",
        "makes samples, never says p(x)",
        (Leaf("gan", "GAN", "a forger G against a judge D", ADVERSARIAL),),
    ),
    Branch(
        "Conditional editing",
        "p(new image | image, words)",
        (Leaf("instruct_pix2pix", "InstructPix2Pix", "edit a picture by instruction", EDITING),),
    ),
)  # fmt: skip

# No family of models, so it has no place in the tree.
BESIDE = (
    '<button type="button" class="beside" data-tab="paradigms">'
    "Supervised or unsupervised? Begin here</button>"
)


def draw(node: Branch | Leaf, tabs: Collection[str]) -> str:
    """One node of the tree with everything below it."""
    title, line = html.escape(node.title), html.escape(node.line)
    if isinstance(node, Branch):
        below = "".join(draw(child, tabs) for child in node.children)
        return f'<li><div class="node"><b>{title}</b><span>{line}</span></div><ul>{below}</ul></li>'
    picture = f'<svg viewBox="0 0 120 64" aria-hidden="true">{node.drawing}</svg>'
    text = f"<b>{title}</b><span>{line}</span>"
    if node.tab in tabs:
        return (
            f'<li><button type="button" class="node leaf" data-tab="{node.tab}">{picture}{text}'
            "<em>open</em></button></li>"
        )
    return f'<li><div class="node leaf later">{picture}{text}<em>not built yet</em></div></li>'


def model_map(tabs: Collection[str], *, elem_id: str) -> gr.HTML:
    """The map; it triggers "select" with the `tab` of the leaf that was chosen."""
    branches = "".join(draw(branch, tabs) for branch in MAP)
    beside = BESIDE if "paradigms" in tabs else ""
    return gr.HTML(
        elem_id=elem_id,
        html_template=(
            '<div class="map"><div class="node root"><b>Generative models</b>'
            "<span>learn p(x) from examples x</span></div>"
            f'<ul class="tree">{branches}</ul>{beside}</div>'
        ),
        css_template=source("model_map.css"),
        js_on_load=source("model_map.js"),
        apply_default_css=False,
    )
