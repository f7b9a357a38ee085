"""A tab about models: the idea, the models, the activities."""

from __future__ import annotations

import html
from types import ModuleType

import gradio as gr

from demo.activities import TITLES, ModelTab, headline
from demo.components.lesson import lesson
from gm_core import checkpoints, data
from gm_core.families import FAMILIES


def describe_models(tab: ModelTab) -> str:
    """A quiet line a model: what it is, its figure, its data."""
    device = "CPU" if checkpoints.usual_device() == "cpu" else "GPU"
    lines = []
    for name in tab.models:
        info = checkpoints.describe(name)
        family, dataset = FAMILIES[info.family], data.DATASETS[info.dataset]
        lines.append(
            f"<b>{html.escape(TITLES[name])}</b> ({family.paper}), "
            f"{info.parameters / 1e6:.2f} M parameters: {headline(info)}. {dataset.title}: "
            f"{html.escape(dataset.attribution)}, {dataset.licence}."
        )
    return (
        f'<details class="gm-quiet"><summary>{len(lines)} model{"s" if len(lines) > 1 else ""}, '
        f"trained here, running on the {device}</summary>{'<br>'.join(lines)}</details>"
    )


def build_tab(tab: ModelTab, idea: str, activities: tuple[ModuleType, ...]) -> gr.Tabs:
    """The tab's contents; the tabs of its activities, whose ids are <tab>-<module>."""
    gr.HTML(f"{idea}{describe_models(tab)}", padding=False)
    with gr.Tabs(elem_id=f"{tab.id}-activities", overflow_behavior="wrap") as tabs:
        for activity in activities:
            with gr.Tab(activity.TITLE, id=f"{tab.id}-{activity.__name__.rpartition('.')[2]}"):
                activity.build(tab)
    lesson(tab.id, [activity.__name__.rpartition(".")[2] for activity in activities])
    return tabs
