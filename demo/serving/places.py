"""Who runs, who waits, and who is told to try again: Gradio's queue, made fair.

A student runs one request of a group at a time, however many pages' worth of clicks wait; and so
many may wait that the last of them gets an answer soon. Everybody else hears at once that the app
is busy. A page that is closed gives its places back, waiting or running.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from fastapi import Request
from gradio import route_utils
from gradio.block_function import BlockFunction
from gradio.context import LocalContext
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event, Queue
from gradio.server_messages import LogMessage
from gradio.state_holder import SessionState

from demo.components.status import is_status
from demo.inputs import here

WAITING_OF_ONE_STUDENT = 6  # in a group: a page that opens asks for several things at once

State = Literal["success", "error", "queue_full", "validator_error"]


@dataclass(frozen=True, slots=True)
class Places:
    """What a group of requests has room for."""

    running: int  # requests at once
    waiting: int  # more are told to try again
    seconds: float  # after which a request is ended
    is_told: bool = True  # whether who waits hears it; not worth it where that is no time at all


class FairQueue(Queue):
    """Gradio's queue with places; events that belong to no group have those that Gradio gives."""

    def __init__(self, blocks: gr.Blocks, places: Mapping[Any, Places]) -> None:
        super().__init__(
            live_updates=True,  # of the places in the queue
            concurrency_count=blocks.max_threads,
            update_intervals=1,
            max_size=None,
            blocks=blocks,
        )
        self.places = places

    async def push(
        self, body: PredictBodyInternal, request: Request, username: str | None
    ) -> tuple[bool, str | list[dict[str, Any]], State]:
        """Let a request wait, or say why not; tell how many are before it."""
        if body.session_hash == "":  # nobody could be told the answer
            return False, "A session must have a name.", "error"
        if body.fn_index is None:
            return await super().push(body, request, username)
        group = route_utils.get_fn(self.blocks, None, body).concurrency_id
        refused = self.refuse(group, body.session_hash)
        if refused:
            return False, *refused
        before = self.before(group)
        joined, event_id, state = await super().push(body, request, username)
        if joined and before and isinstance(event_id, str):
            others = "another request is" if before == 1 else f"{before} other requests are"
            message = LogMessage(
                log=f"In the queue: {others} before yours.", level="info", duration=3, title="",
            )  # fmt: skip
            self.send_message(self.event_ids_to_events[event_id], message)
        return joined, event_id, state

    def before(self, group: str) -> int:
        """How many requests end before a new one of this group begins, if it is worth telling."""
        line = self.event_queue_per_concurrency_id.get(group)
        if line is None or group not in self.places or not self.places[group].is_told:
            return 0
        assert line.concurrency_limit is not None
        return max(0, len(line.queue) + line.current_concurrency + 1 - line.concurrency_limit)

    def refuse(self, group: str, session: str | None) -> tuple[str, State] | None:
        """Why a session's request of this group may not wait, if it may not."""
        if group not in self.places or group not in self.event_queue_per_concurrency_id:
            return None
        waiting = self.event_queue_per_concurrency_id[group].queue
        if len(waiting) >= self.places[group].waiting:
            return f"Busy: {len(waiting)} others wait. Try again in a moment.", "queue_full"
        mine = sum(event.session_hash == session for event in waiting)
        if mine >= WAITING_OF_ONE_STUDENT:
            return f"{mine} of your requests wait already. Let one of them end first.", "error"
        return None

    def get_events(self) -> tuple[list[Event], bool, str] | None:
        """The next request to run, of any group with a place, by a student who runs none of it."""
        groups = list(self.event_queue_per_concurrency_id.items())
        random.shuffle(groups)
        for group, line in groups:
            limit = line.concurrency_limit
            if limit is not None and line.current_concurrency >= limit:
                continue
            running = {
                event.session_hash
                for events in self.active_jobs
                for event in events or ()
                if event.concurrency_id == group
            }
            event = next((each for each in line.queue if each.session_hash not in running), None)
            if event:
                line.queue.remove(event)
                return [event], False, group
        return None


class FairBlocks(gr.Blocks):
    """An app whose queue is fair, and whose pages miss nothing."""

    def __init__(self, groups: Mapping[Any, Places], **settings: Any) -> None:
        self.groups = groups
        super().__init__(**settings)

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],
        state: SessionState | None,
        explicit_call: bool = False,
    ) -> list[Any]:
        """What a handler is given; Gradio would fetch the files first that are named in it."""
        here(inputs)
        return await super().preprocess_data(block_fn, inputs, state, explicit_call)

    def handle_streaming_diffs(
        self,
        block_fn: BlockFunction,
        data: list[Any],
        session_hash: str | None,
        run: str | None,
        final: bool,
        simple_format: bool = False,
    ) -> list[Any]:
        """What has changed since the record before. The page edits the last value in place, which
        it may not have shown yet: one that `gr.skip()` follows at once would never be seen. So what
        becomes an update, or was one, is sent as a whole."""
        streams = self.pending_diff_streams.get(session_hash, {})
        before, now = [*streams.get(run, ())], [*data]
        sent = super().handle_streaming_diffs(
            block_fn, data, session_hash, run, final, simple_format
        )
        if before and not final and not simple_format:
            for index, (old, new) in enumerate(zip(before, now, strict=False)):
                if old != new and (is_update(old) or is_update(new)):
                    sent[index] = [["replace", [], new]]
        return sent

    def queue(self, *arguments: Any, **settings: Any) -> gr.Blocks:
        """Gradio calls this as the app is made."""
        super().queue(*arguments, **settings)
        self._queue = FairQueue(self, self.groups)
        return self


def is_update(value: Any) -> bool:
    """Whether an output changes some properties of its component, or none."""
    return isinstance(value, dict) and value.get("__type__") == "update"


def settle(demo: FairBlocks, *, otherwise: str) -> None:
    """Give every request a group: `otherwise`, where its listener names none. Who waits for a long
    time sees the place in the queue, and then the seconds, where the status line stands."""
    for listener in demo.fns.values():
        if listener.concurrency_id not in demo.groups:
            listener.concurrency_id = otherwise
            listener.concurrency_limit = demo.groups[otherwise].running
        lines = [output for output in listener.outputs if is_status(output)]
        is_told = demo.groups[listener.concurrency_id].is_told
        if is_told and lines and listener.show_progress == "hidden":
            listener.show_progress, listener.show_progress_on = "minimal", lines


def is_asked_for() -> bool:
    """Whether what runs here was asked for from outside, not for what the app opens with."""
    return LocalContext.event_id.get(None) is not None


def is_wanted() -> bool:
    """Whether the page that asked for what runs here is still open; True where no page asked."""
    blocks, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    if blocks is None or event_id is None:
        return True
    event = blocks._queue.event_ids_to_events.get(event_id)
    return event is None or event.alive
