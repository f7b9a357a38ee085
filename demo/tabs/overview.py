"""Overview: the map of generative models, one prompt through four of them, and what is loaded."""

from __future__ import annotations

import html
from collections.abc import Collection

import gradio as gr
import torch

from demo import inputs
from demo.activities import ModelTab, headline
from demo.components.lesson import lesson
from demo.components.model_map import model_map
from demo.overview import prompt
from gm_core import checkpoints, data
from gm_core.families import FAMILIES

ID = "overview"
TITLE = "Overview"

IDEA = """
<div class="gm-idea">A generative model learns a distribution p(x) from examples, so that it can
make new ones. The families differ in what they can say about p(x). Choose one to open it.</div>
"""


def loaded() -> str:
    """A table of what ships: model, parameters, file size, measured figure, device."""
    on_cpu = checkpoints.usual_device() == "cpu"
    device = "CPU" if on_cpu else torch.cuda.get_device_name()
    rows = []
    for name in checkpoints.available():
        try:
            info = checkpoints.describe(name)
        except checkpoints.BadCheckpoint as error:
            rows.append(f'<tr><td colspan="7">{html.escape(str(error))}</td></tr>')
            continue
        cells = (
            name,
            FAMILIES[info.family].title,
            data.DATASETS[info.dataset].title,
            f"{info.parameters / 1e6:.2f} M",
            f"{info.bytes / 1e6:.1f} MB",
            headline(info),
            device,
        )
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = ("Checkpoint", "Model", "Data", "Parameters", "File", "Held-out figure", "Device")
    head = "".join(f"<th>{name}</th>" for name in heads)
    return (
        '<h3>What is loaded</h3><div class="gm-scroll"><table class="gm-table">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def build(tabs: gr.Tabs, ids: Collection[str]) -> None:
    """The tab's contents; its map opens the tabs with these ids."""

    def open_tab(event: gr.EventData) -> gr.Tabs:
        chosen = inputs.detail(event, "tab")
        return gr.Tabs(selected=chosen if chosen in ids else ID)

    gr.HTML(IDEA, padding=False)
    families = model_map(ids, elem_id="overview-map")
    prompt.build(ModelTab(ID, prompt.models()))
    lesson(ID)
    gr.HTML(loaded(), padding=False)
    families.select(
        open_tab, None, tabs, api_visibility="private", show_progress="hidden", queue=False
    )
