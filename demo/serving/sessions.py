"""What the server remembers of each page that is open: the values of gr.State, and no more.

Gradio's own session describes every component of the app anew (137 ms and 1 MB a page here) and
keeps the last value of each, for a way to share a page by link that this app does not offer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.blocks import BlocksConfig
from gradio.state_holder import SessionState, StateHolder

MOST = 1_000  # sessions; who comes back after so many others finds the app as at the start


@dataclass(frozen=True, slots=True)
class Undescribed:
    """An app as a session needs it: its components, without their descriptions."""

    default_config: BlocksConfig
    blocks: Mapping[int, Any] = field(default_factory=dict)


class Forgetful(dict[int, Any]):
    """Keeps nothing of what is put into it."""

    def __setitem__(self, key: int, value: Any) -> None:
        pass


class Session(SessionState):
    """The values of gr.State of one page, and the components that became others there."""

    def __init__(self, blocks: gr.Blocks) -> None:
        super().__init__(Undescribed(blocks.default_config))  # pyright: ignore[reportArgumentType]
        self.config_values = Forgetful()

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class Sessions(StateHolder):
    """The sessions of an app, least recently used ones given up first."""

    def __init__(self, blocks: gr.Blocks) -> None:
        super().__init__()
        self.set_blocks(blocks)
        self.capacity = MOST

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)
