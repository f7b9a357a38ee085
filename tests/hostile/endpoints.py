"""The handlers of the app, called as Gradio calls them, and what a stranger may send and see."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from anyio.from_thread import BlockingPortal
from gradio.block_function import BlockFunction
from gradio.components import State
from gradio.data_classes import GradioModel, GradioRootModel
from gradio.routes import ORJSONResponse
from gradio.state_holder import SessionState
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
LONGEST = 300  # characters of a sentence that refuses something
CODE = re.compile(r"Traceback|site-packages|\.py\b|\w(Error|Exception|Warning)\b|NoneType|Tensor")
UNSEEN = re.compile("[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# --- what is sent --------------------------------------------------------------------------------

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
LONG = "gm-long " * 655_360  # 5 MB
FILE = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}


def nested(depth: int, of: Any) -> Any:
    for _ in range(depth):
        of = [of] if depth % 2 else {"a": of}
    return of


STRANGE: tuple[Any, ...] = (
    None, float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), 1e308, -1, 2**63, 0.1,
    True, False, "", " ", "7", "nan", "any", "None", LONG, MARKUP, "\x00\x07\x1b[2J\r\n",
    "\u202egnp.exe\u2066", "\ud800", "ａ𝟟٧", "../../etc/passwd", "{{7*7}}${7*7}%s%n", "'; --",
    [], [[]], [None], ["7"], [0] * 50_000, {}, {"a": 1}, {"": None}, nested(90, 1), nested(91, 1),
    {"__type__": "update", "value": 1}, FILE, {"serial": -1}, {"chosen": [1]}, {"size": 1e308},
)  # fmt: skip

# What the endpoints of no component take. Where work is dear the last value is refused, so that
# all others are looked at, and nothing begins.
SQUARE = {"height": 28, "width": 28, "pixels": "/" * 1045 + "w==", "hidden": "A" * 1046 + "=="}
CANVAS = {"height": 64, "width": 64, "pixels": "/" * 5461 + "w==", "hidden": "A" * 5462 + "=="}
EXAMPLES: dict[str, list[Any]] = {
    "pixelrnn_export": ["json", None],
    "pixelcnn_export": ["json", None],
    "paradigms_labels_seen": ["mnist", "on", 40, 0],
    "paradigms_clusters": ["mnist", 10, "t-SNE", "linkage"],
    "paradigms_name_clusters": ["mnist", "linkage", ["7"] * 10],
    "paradigms_refuse": [SQUARE, 99, False],
    "paradigms_refuse_round": [99, False],
    "paradigms_nine": [4, 3],
    "paradigms_nine_drawing": [CANVAS],
    "paradigms_price_deal": ["mnist", 0],
    "paradigms_price_check": ["mnist", 0, [1] * 20, [1.5] * 19, 15, None],
    "paradigms_quiz_judge": [["supervised"]],
    "vae_decode": [[0.0] * 10, "vae-mnist-beta1"],
    "vae_attributes": [14, 0, 1, 0, 0],
    "vae_own_direction": [14, [1, 2], [3, 4], 1],
    "gan_generate": ["gan-mnist", "any", 1, 1],
    "gan_generate_quality": ["gan-mnist", "any", 1, 1],
    "gan_generate_nearest": ["gan-mnist", "any", 1, 1, 0, "pixels"],
    "gan_collapse": [1, True],
    "gan_collapse_numbers": [1, True, "C"],
    "gan_walk": ["gan-mnist", "2", "any", "the same", 0, 48],
    "gan_map_point": ["gan-mnist", "any", 0, 0, 0],
    "gan_direction": [[1, 2], [3, 4], "difference of means", 2, 2],
    "gan_mark": ["glasses", 1],
    "gan_walk_export": ["gan-mnist", "2", "any", "the same", 0, 24, "?"],
    "vae_path_export": ["vae-mnist", "7", "9", 33, "?"],
    "gan_duel_judge": ["gan-mnist", 0, [1] * 20],
    "compare_families": ["a 7", "?"],
    "edit_picture": ["give her sunglasses", 1, 1.5, 1.1, "?"],
}
EVENT = {"tab": "gan", "activity": "labels", "question": 1, "row": 3, "column": 4}
EVENT |= {"image": 0, "step": 9, "level": [0]}


def first_values(fn: BlockFunction) -> list[Any]:
    """What the page sends as it opens; a session's own state is not sent."""
    if fn.api_name in EXAMPLES:
        return EXAMPLES[fn.api_name]
    return [None if isinstance(each, State) else plain(each) for each in fn.inputs]


def sent(fn: BlockFunction) -> list[int]:
    """Which of its values a stranger can choose: all but the session's own."""
    return [at for at, each in enumerate(fn.inputs) if not isinstance(each, State)]


def plain(component: Any) -> Any:
    value = getattr(component, "value", None)
    return value.model_dump() if isinstance(value, GradioModel | GradioRootModel) else value


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is done to what a handler would be sent."""

    kind: str
    at: int  # which of the values, or which of their parts
    which: int  # of what is strange; some of it is too long to be printed

    @property
    def value(self) -> Any:
        return STRANGE[self.which]


KINDS = ("replace", "replace", "inside", "inside", "inside", "twist")
PLACES = 1000


def some_change(number: int) -> Change:
    number, which = divmod(number, len(STRANGE))
    at, kind = divmod(number, len(KINDS))
    return Change(KINDS[kind], at, which)


def requests(count: int) -> st.SearchStrategy[list[list[Change]]]:
    """So many requests, to each of which a stranger does one to three things.

    A change is one number, and requests come ten at once: Hypothesis takes longer to think of one
    than the app to refuse it.
    """
    last = len(STRANGE) * len(KINDS) * PLACES - 1
    some = st.lists(st.integers(0, last).map(some_change), min_size=1, max_size=3)
    return st.lists(some, min_size=count, max_size=count)


def change(values: list[Any], change: Change, places: Sequence[int]) -> list[Any]:
    """The values with a change in one of some places; they themselves stay as they are."""
    at = places[change.at % len(places)]
    new = change.value if change.kind == "replace" else inside(values[at], change)
    return [*values[:at], new, *values[at + 1 :]]


def inside(value: Any, change: Change) -> Any:
    """A value of which a part is another one, or gone."""
    part = change.at // 7
    if isinstance(value, dict) and value:
        key = list(value)[part % len(value)]
        rest = {name: each for name, each in value.items() if name != key}
        if part % 5 == 0:
            return rest
        return {**rest, key: inside(value[key], change) if part % 2 else change.value}
    if isinstance(value, list) and value:
        at = part % len(value)
        if part % 5 == 0:
            return value[:at]
        new = inside(value[at], change) if part % 2 else change.value
        return [*value[:at], new, *value[at + 1 :]]
    if isinstance(value, str) and change.kind == "twist":
        return (value[:-1], value + "=", value.upper(), value[::-1], value + "\n")[part % 5]
    if isinstance(value, int | float) and abs(value) < 2**32 and change.kind == "twist":
        return (-value - 1, value + 0.5, str(value), value + 1e9, [value])[part % 5]
    return change.value


# --- what is answered ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the person is told whose request is refused; nothing, where Gradio refuses it."""

    sentence: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The first that a handler answers, as it leaves the server; of it, what is drawn as HTML."""

    content: str
    drawn: str


class Caller:
    """One session with the app that is served, without the network between."""

    def __init__(self, demo: gr.Blocks, portal: BlockingPortal, session: str) -> None:
        self.demo = demo
        self.portal = portal
        self.session: SessionState = demo.app.state_holder[session]

    def call(
        self, fn: BlockFunction, values: list[Any], event: Any = None, *, to_the_end: bool = False
    ) -> Answer | Refusal:
        """The first answer, or why there is none; then the work is given up. Or the last answer."""
        return self.portal.call(self._call, fn, list(values), event, to_the_end)

    async def _call(
        self, fn: BlockFunction, values: list[Any], event: Any, to_the_end: bool
    ) -> Answer | Refusal:
        try:
            output = await self._step(fn, values, event)
            while to_the_end and output["iterator"] is not None:
                following = await self._step(fn, values, event, output["iterator"])
                if following["iterator"] is None:
                    break
                output = following
        except gr.Error as error:
            return Refusal(error.message)
        except Exception as error:
            if any(f.name == "preprocess_data" for f in traceback.extract_tb(error.__traceback__)):
                return Refusal(None)
            raise
        if output["iterator"] is not None:
            await output["iterator"].aclose()  # its work ends
        drawn = [
            value
            for block, value in zip(fn.outputs, output["data"], strict=True)
            if isinstance(block, gr.HTML | gr.Markdown) and isinstance(value, str)
            if not isinstance(block, gr.HTML) or "${value}" in block.html_template
        ]
        return Answer(bytes(ORJSONResponse(output["data"]).body).decode(), "\n".join(drawn))

    async def _step(
        self, fn: BlockFunction, values: list[Any], event: Any, iterator: Any = None
    ) -> dict[str, Any]:
        return await self.demo.process_api(
            fn, values, state=self.session, event_data=gr.EventData(None, event), iterator=iterator
        )


def fault(outcome: Answer | Refusal) -> str | None:
    """What is wrong with an outcome, if anything is."""
    if isinstance(outcome, Answer):
        if "gm-long gm-long" in outcome.content:
            return "what is long comes back"
        if str(ROOT) in outcome.content or "Traceback" in outcome.content:
            return "it shows the server's inside"
        return "markup comes back" if "<img src=x" in outcome.drawn else None
    sentence = outcome.sentence
    if sentence is None:
        return None
    if not 0 < len(sentence) <= LONGEST or "gm-long gm-long" in sentence:
        return f"{len(sentence)} characters"
    if str(ROOT) in sentence or CODE.search(sentence):
        return "it shows the server's inside"
    if UNSEEN.search(sentence) or "<" in sentence:
        return "what was sent comes back as it came"
    return None if sentence.endswith((".", "?", "!")) else "no whole sentence"
