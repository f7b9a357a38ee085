"""The full-size model where it is chosen: whether it can edit here, and how it is fetched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from demo import engine
from demo.components.note import note
from demo.editor import FULL_SIZE
from gm_core import hub
from gm_core.hub import Download, HubError

GIGABYTE = 1e9
FETCH = "Fetch the model: 5.5 GB, once"
ABSENT = "It is not on this machine yet. Fetched once, it works offline from then on."
HERE = "It is on this machine. Its first edit takes longer: the model is loaded."
ASKING = "The hub is asked what there is to fetch."
STOPPED = "Stopped: what has arrived is kept."


def state() -> str:
    """Whether it can edit here, and if not, what helps."""
    try:
        hub.usual_device()
    except HubError as error:
        return str(error)
    return ABSENT if hub.find() is None else HERE


def in_words(download: Download, seconds: float, begun: int) -> str:
    """How far a fetch has come, of which so many bytes were there before."""
    if not download.bytes_total:
        return ASKING
    done, total = download.bytes_done, download.bytes_total
    line = f"{done / GIGABYTE:.2f} of {total / GIGABYTE:.2f} GB"
    if download.file:
        line = f"File {download.files_done + 1} of {download.files_total}, {download.file}: {line}"
    if done > begun and seconds > 1:
        left = (total - done) * seconds / (done - begun)
        line += f", about {left / 60:.0f} min left" if left > 90 else f", about {left:.0f} s left"
    return f"{line}."


def fetch() -> Iterator[str]:
    """Fetch the model, telling how far it is; at last, whether it can edit."""
    try:
        hub.usual_device()  # who can't run it need not fetch it
        started, begun = time.monotonic(), None
        for download in hub.fetch():
            if begun is None and download.bytes_total:
                started, begun = time.monotonic(), download.bytes_done
            yield in_words(download, time.monotonic() - started, begun or 0)
    except HubError as error:
        yield str(error)  # it stays to be read, as the progress would
        return
    yield state()


def show(model: Any) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """What concerns the full-size model is shown with it alone, the fetch where it is of use."""
    if model != FULL_SIZE:
        return gr.update(visible=False), "", gr.update(visible=False)
    line = state()
    return gr.update(visible=True), line, gr.update(visible=line == ABSENT)


def build(model: gr.Dropdown, *, elem_id: str) -> None:
    """What stands below the choice of a model."""
    with gr.Column(visible=False, elem_id=elem_id) as box:
        line = note("", lines=3, elem_id=f"{elem_id}-state")
        with gr.Row(visible=False) as row:
            start = gr.Button(FETCH, size="sm", min_width=180)
            stop = gr.Button("Stop", size="sm", scale=0, min_width=80)
    quiet: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "queue": False,
    }
    model.input(show, model, [box, line, row], preprocess=False, **quiet)
    fetching = start.click(
        fetch, None, line, show_progress="hidden", api_visibility="private",
        **engine.event("fetching"),
    )  # fmt: skip
    stop.click(None, cancels=[fetching], api_visibility="private")
    stop.click(lambda: STOPPED, None, line, **quiet)
