"""The whole demo: the ordered list of its tabs."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import gradio as gr

from demo import address, engine, tools
from demo.components.heading import heading
from demo.serving import places
from demo.tabs import gan, instruct_pix2pix, overview, paradigms, pixelcnn, pixelrnn, vae

MODEL_TABS = (paradigms, pixelrnn, pixelcnn, vae, gan, instruct_pix2pix)


def build_demo(model_tabs: Sequence[ModuleType] = MODEL_TABS) -> gr.Blocks:
    """The overview and these tabs, with their events."""
    with places.FairBlocks(engine.GROUPS, title="Generative models") as demo:
        with gr.Row(elem_classes="gm-top"):
            heading()
            bar = address.panel()
        with gr.Tabs(selected=overview.ID, overflow_behavior="wrap") as tabs:
            with gr.Tab(overview.TITLE, id=overview.ID):
                overview.build(tabs, [tab.ID for tab in model_tabs])
            for tab in model_tabs:
                with gr.Tab(tab.TITLE, id=tab.ID):
                    tab.build()
        address.connect(demo, bar)
        tools.offer()
    places.settle(demo, otherwise="quick")
    return demo
