"""The whole demo: the ordered list of its tabs."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import gradio as gr

from demo.tabs import gan, instruct_pix2pix, overview, paradigms, pixelcnn, pixelrnn, vae

MODEL_TABS = (paradigms, pixelrnn, pixelcnn, vae, gan, instruct_pix2pix)

HEADING = """
<div class="gm-title"><h1>Generative models</h1>
<p>Do what the lecture says: every picture here is made by a real model, trained in this
repository, running on this machine.</p></div>
"""


def build_demo(model_tabs: Sequence[ModuleType] = MODEL_TABS) -> gr.Blocks:
    """The overview and these tabs, with their events."""
    with gr.Blocks(title="Generative models") as demo:
        gr.HTML(HEADING, padding=False)
        with gr.Tabs(selected=overview.ID) as tabs:
            with gr.Tab(overview.TITLE, id=overview.ID):
                overview.build(tabs, [tab.ID for tab in model_tabs])
            for tab in model_tabs:
                with gr.Tab(tab.TITLE, id=tab.ID):
                    tab.build()
    return demo
