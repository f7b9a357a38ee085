"""Learning paradigms: what data with answers can teach, and what data without can."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from demo import inputs
from demo.activities import ModelTab
from demo.activities.tab import build_tab
from demo.components.paradigm_table import paradigm_table
from demo.paradigms import budget, clusters, labels, nine, price, quiz, refuse
from gm_core import data

ID = "paradigms"
TITLE = "Learning paradigms"
TAB = ModelTab(ID, ("paradigms-canvas", "simclr-mnist", "classifier-mnist", "classifier-fashion"))
ACTIVITIES = (labels, budget, clusters, refuse, nine, price, quiz)
SHOWN = 5  # pictures in the table

IDEA = """
<div class="gm-idea"><span>Does the data come with the answer y, or is there x alone? Everything in
this table can be tried: choose a cell.</span></div>
"""


def build() -> None:
    """The tab's contents: its table opens the activities."""
    titles = {module.__name__.rpartition(".")[2]: module.TITLE for module in ACTIVITIES}

    def open_activity(event: gr.EventData) -> Any:
        chosen = inputs.detail(event, "activity")
        if not isinstance(chosen, str) or chosen not in titles:
            return gr.skip()
        return gr.Tabs(selected=f"{ID}-{chosen}")

    gr.HTML(IDEA, padding=False)
    sample = data.load("mnist", "sample")[:SHOWN]
    pixels = sample.images.permute(0, 2, 3, 1).numpy()
    table = paradigm_table(
        titles,
        np.broadcast_to(pixels, (*pixels.shape[:3], 3)),
        [str(label) for label in sample.labels.tolist()],
        opens=f"{ID}-activities",
        elem_id=f"{ID}-table",
    )
    activities = build_tab(TAB, "", ACTIVITIES)
    table.select(
        open_activity, None, activities, api_visibility="private", show_progress="hidden",
        queue=False,
    )  # fmt: skip
