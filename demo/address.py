"""The address bar says what is on screen, and opening an address shows the same again.

`?tab=pixelcnn&model=pixelcnn-fashion&seed=41` names the tab, the activity (unless it is the tab's
first one) and every setting that is not as the app starts. The names are the controls' labels, so
an activity does nothing for it; what a script draws names a part of its value for it
(components/setting.py). Three things happen, all started by address.js in the page:

- Settings change: a listener on each control hands its value to the page, which writes it. Never
  all values at once: the page would copy them for tens of milliseconds, at every move of a slider.
- An address is opened: the page opens the tab, then `restore` checks the settings and does what
  their controls would have done, had the student moved them. At last the page presses the button
  that draws, so that the picture comes through the same queue as everybody's.
- Back: the page opens the tab again.

`&hide=temperature,more` hides controls of that tab, `&lesson=2` opens a step of its lesson. What is
hidden is a convenience for a class and no protection: it is there, and everybody may change it.
"""

from __future__ import annotations

import copy
import inspect
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.events import Dependency

from demo import engine, inputs
from demo.components import serial
from demo.components.setting import is_left_out, setting_of

CONTROLS = (
    gr.Dropdown, gr.Slider, gr.Number, gr.Radio, gr.Checkbox, gr.CheckboxGroup, gr.Textbox
)  # fmt: skip
OWN_WORDS = ("tab", "activity", "hide", "lesson")
LONGEST_ADDRESS = 4000  # characters
LONGEST_TEXT = 200  # characters of one setting
KEPT = ("beamer",)  # what components/heading.py reads
# Moved, typed and confirmed, let go.
EVENTS = ("input", "submit", "release")
# Opens tabs, as the page's script has put it.
OPEN = """({ open }) => open.map(
  (selected) => (selected ? { selected, __type__: "update" } : undefined)
)"""


@dataclass(frozen=True, slots=True)
class Screen:
    """What one address can describe: an activity, or a tab that has none."""

    tab: str
    activity: str | None
    controls: dict[str, Any] = field(default_factory=dict)  # by name, in the order of the page
    # Name -> label and element's id: what a teacher can hide.
    hideable: dict[str, tuple[str, str]] = field(default_factory=dict)
    buttons: list[gr.Button] = field(default_factory=list)  # the primary ones

    @property
    def id(self) -> str:
        return self.tab if self.activity is None else f"{self.tab}-{self.activity}"

    def add(self, name: str, control: Any) -> None:
        """Take a control in. Raises ValueError."""
        if name in self.controls or name in OWN_WORDS:
            raise ValueError(f"{self.id}: an address can't tell two “{name}” apart.")
        self.controls[name] = control


def name_of(label: str) -> str:
    """What a label is called in an address: `Wrong labels, %` is `wrong-labels`."""
    return "-".join(re.findall(r"\w+", re.split(r"[,:(?]", label)[0].lower()))


def is_setting(block: Block) -> bool:
    """Whether a control is on the page and starts with a value: a question that starts without one
    asks for a prediction, which everybody makes alone."""
    return isinstance(block, CONTROLS) and block.visible is not False and block.value is not None


def said(control: Any, value: Any) -> Any:
    """What an address says of a control's value: all of it, or a part."""
    setting = setting_of(control)
    return value if setting is None else setting.said(value)


def tabs_around(block: Block) -> list[str]:
    """The ids of the tabs that a block lies in, the outermost first."""
    ids, parent = [], block.parent
    while parent is not None:
        if isinstance(parent, gr.Tab) and parent.id is not None:
            ids.insert(0, str(parent.id))
        parent = parent.parent
    return ids


def find_screens(demo: gr.Blocks) -> dict[str, Screen]:
    """All screens of the app by their ids. Controls without an element id are given one."""
    screens: dict[str, Screen] = {}
    for block in demo.blocks.values():
        match tabs_around(block):
            case [tab] if not any(key.startswith(f"{tab}-") for key in screens):
                screen = screens.setdefault(tab, Screen(tab, None))
            case [tab, inner, *_]:
                screens.pop(tab, None)  # a tab that has activities is none itself
                screen = screens.setdefault(inner, Screen(tab, inner.removeprefix(f"{tab}-")))
            case _:
                continue
        if setting := setting_of(block):
            screen.add(setting.name, block)
            continue
        if isinstance(block, gr.Button) and block.visible is True and block.value != "Stop":
            label = str(block.value)
        elif is_setting(block) or isinstance(block, gr.Accordion):
            label = str(getattr(block, "label", None))
        else:
            continue
        name = name_of(label)
        block.elem_id = block.elem_id or f"{screen.id}--{name}"
        if is_setting(block) and not is_left_out(block):
            screen.add(name, block)
        if isinstance(block, gr.Button) and block.variant == "primary":
            screen.buttons.append(block)
        elif block.visible is True:
            screen.hideable.setdefault(name, (label, block.elem_id))
    return screens


def read(control: Any, texts: Sequence[str], changed: Mapping[str, Any]) -> Any:
    """The value that an address gives one of Gradio's controls, whose properties may have `changed`
    since the start. Raises ValueError."""

    def now(name: str) -> Any:
        value = changed.get(name)
        return getattr(control, name) if value is None else value

    def choice(text: str) -> Any:
        values = [each[1] if isinstance(each, list | tuple) else each for each in now("choices")]
        return next(value for value in values if str(value) == text)

    if sum(map(len, texts)) > LONGEST_TEXT:
        raise ValueError
    try:
        if isinstance(control, gr.CheckboxGroup):
            return [choice(text) for text in texts if text]
        (text,) = texts
        if isinstance(control, gr.Dropdown | gr.Radio):
            return choice(text)
        if isinstance(control, gr.Checkbox):
            return {"on": True, "off": False}[text]
        if isinstance(control, gr.Textbox):
            if not text.isprintable():
                raise ValueError
            return text
        value = float(text)
    except (StopIteration, KeyError) as error:
        raise ValueError from error
    low, high, step = now("minimum"), now("maximum"), now("step")
    if name_of(str(control.label)) == "seed":
        low, high = 0, inputs.LARGEST_SEED
    elif isinstance(control, gr.Number):
        step = None  # of its arrows, and no promise
    is_within = (low is None or low <= value) and (high is None or value <= high)
    if not (math.isfinite(value) and is_within):
        raise ValueError
    if step and abs(math.remainder(value - (low or 0), step)) > 1e-6:
        raise ValueError
    return int(value) if value.is_integer() else value


def listeners(
    functions: Iterable[BlockFunction], control: Any, events: Sequence[str]
) -> list[BlockFunction]:
    """What runs on the server when a student changes a control."""
    setting = setting_of(control)
    return [
        function
        for function in functions
        if function.fn is not None
        and not function.cancels
        and not (setting and setting.by_script)
        and any((control._id, event) in function.targets for event in events)
    ]


def runs(functions: Iterable[BlockFunction], screen: Screen) -> gr.Button | None:
    """The button that draws: what it does is an endpoint, and a seed decides how it comes out.
    A primary button that only throws dice for other seeds is none."""
    seed = screen.controls.get("seed")
    for button in screen.buttons:
        for function in listeners(functions, button, ["click"]):
            if function.api_visibility == "public" and seed in function.inputs:
                return button
    return None


class Restoring:
    """What the components of a screen hold while an address is carried out."""

    def __init__(self, functions: Iterable[BlockFunction], screen: Screen) -> None:
        self.functions = list(functions)
        self.screen = screen
        self.updates: dict[Any, dict[str, Any]] = {}

    def held(self, component: Any) -> Any:
        """Its value by now."""
        update = self.updates.get(component, {})
        return update["value"] if "value" in update else copy.deepcopy(component.value)

    def apply(self, component: Any, value: Any) -> None:
        """Take note of a value, or of the update of several properties, that a handler returned."""
        if isinstance(value, Block):
            value = {**value.constructor_args, "__type__": "update"}
        if not (isinstance(value, dict) and value.get("__type__") == "update"):
            value = {"value": value}
        update = {name: each for name, each in value.items() if name != "__type__"}
        if update:
            self.updates[component] = self.updates.get(component, {}) | update

    def call(self, function: BlockFunction) -> None:
        """Do what a change of a control does."""
        assert function.fn is not None
        answers = function.fn(*[self.held(component) for component in function.inputs])
        for answer in answers if inspect.isgenerator(answers) else [answers]:
            values: Any = (answer,) if len(function.outputs) == 1 else answer
            for component, value in zip(function.outputs, values, strict=True):
                self.apply(component, value)

    def carry_out(self, asked: Mapping[str, Sequence[str]]) -> list[str]:
        """Give all controls the values that an address asks for; returns the names it got wrong.

        First those that change others: another model has other classes. Then the rest, as the
        address or the start of the app has it, and what follows their change live.
        """
        wrong = [name for name in asked if name not in self.screen.controls]
        own = list(self.screen.controls.values())
        # Where a button draws, the page presses it, and a text need not be confirmed.
        functions, events = self.functions, EVENTS
        if runs(functions, self.screen):
            functions = [each for each in functions if not is_long(each)]
        following: dict[int, BlockFunction] = {}
        rest = dict(self.screen.controls)
        for name, control in self.screen.controls.items():
            answering = listeners(functions, control, events)
            leading = [each for each in answering if set(own) & set(each.outputs) - {control}]
            if not leading:
                continue
            if name in asked:
                del rest[name]
            if self.set(name, asked.get(name), wrong):
                for function in answering:
                    self.call(function)
        for name, control in rest.items():
            if self.set(name, asked.get(name), wrong):
                for function in listeners(functions, control, events):
                    following[function._id] = function
        for function in following.values():
            self.call(function)
        return wrong

    def set(self, name: str, asked: Sequence[str] | None, wrong: list[str]) -> bool:
        """Whether this changed a control to what is asked for, or else to how the app starts; what
        can't be read is `wrong`, or a first value that another model does not have."""
        control = self.screen.controls[name]
        start, held = as_texts(said(control, control.value)), self.held(control)
        texts = list(asked or start)
        setting = setting_of(control)
        if setting and texts == as_texts(said(control, held)):
            return False
        try:
            if setting:
                (text,) = texts
                value = setting.read(text, held)
            else:
                value = read(control, texts, self.updates.get(control, {}))
        except (ValueError, gr.Error):
            if texts != start:
                wrong.append(name)
            return False
        if value == held:
            return False
        self.apply(control, value)
        return True


def is_long(function: BlockFunction) -> bool:
    """Whether a handler draws for so long that its waiting is told."""
    group = engine.GROUPS.get(function.concurrency_id)  # pyright: ignore[reportArgumentType]
    return group is not None and group.is_told


def as_texts(value: Any) -> list[str]:
    """How an address says a value: several values each for itself, and none as nothing."""
    if isinstance(value, list):
        return [str(each) for each in value] or [""]
    if isinstance(value, bool):
        return ["on" if value else "off"]
    if isinstance(value, float) and value.is_integer():
        return [str(int(value))]
    return [str(value)]


def settings_in(query: str) -> dict[str, list[str]]:
    """Setting -> what an address says of it."""
    if len(query) > LONGEST_ADDRESS:
        return {}
    found = parse_qs(query.removeprefix("?"), keep_blank_values=True, max_num_fields=None)
    return {
        name: texts
        for name, texts in found.items()
        if name not in (*OWN_WORDS, *KEPT) and not name.startswith("__")
    }


def panel() -> gr.HTML:
    """The quiet panel "Link for the class", and the script behind it."""
    here = Path(__file__).parent
    return gr.HTML(
        value={},
        elem_id="address",
        html_template=(here / "address.html").read_text(encoding="utf-8"),
        css_template=(here / "address.css").read_text(encoding="utf-8"),
        js_on_load=(here / "address.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        padding=False,
        app={},
    )


def tell_page(event: str, *first: int) -> str:
    """A script that hands numbers and a listener's inputs to the scripts of the page."""
    detail = ", ".join([*map(str, first), "...inputs"])
    return (
        "(...inputs) => { document.dispatchEvent("
        f"new CustomEvent({json.dumps(event)}, {{ detail: [{detail}] }})); }}"
    )


def opening(functions: Iterable[BlockFunction], screen: Screen) -> list[BlockFunction]:
    """What draws a page's first pictures on a screen, and would draw them over later ones: as the
    page opens, or as what is shown is first seen."""
    ours = {each for each in screen.controls.values() if setting_of(each)}
    return [
        function
        for function in functions
        if function.fn is not None
        and any(screen.id in tabs_around(output) for output in function.outputs)
        and any(
            event == "load"
            or (event == "select" and not function.inputs and ours & set(function.outputs))
            for _, event in function.targets
        )
    ]


def connect(demo: gr.Blocks, bar: gr.HTML) -> None:
    """Let the address follow what is on screen; called when all tabs are built."""
    functions = list(demo.fns.values())
    screens = find_screens(demo)
    blocks = list(demo.blocks.values())
    tabs = [
        (block, ids)
        for block in blocks
        if isinstance(block, gr.Tabs)
        and None not in (ids := [tab.id for tab in block.children if isinstance(tab, gr.Tab)])
    ]
    lessons: dict[str, list[dict[str, Any]]] = {
        tabs_around(block)[0]: block.props["steps"]
        for block in blocks
        if isinstance(block, gr.HTML) and "steps" in block.props
    }
    by_element: dict[str, Any] = {block.elem_id: block for block in blocks if block.elem_id}
    watched = sorted({
        step["done"]["element"]
        for steps in lessons.values()
        for step in steps
        if "element" in step["done"]
    })  # fmt: skip
    controls = [control for screen in screens.values() for control in screen.controls.values()]
    told = [by_element[element] for element in watched]
    openings = {screen.id: opening(functions, screen) for screen in screens.values()}
    drawing = {screen.id: runs(functions, screen) for screen in screens.values()}
    bar.props["app"] = {
        "kept": KEPT,
        "tabs": [ids for _, ids in tabs],
        "watched": watched,
        "lessons": {tab: [step["activity"] for step in steps] for tab, steps in lessons.items()},
        "screens": [
            {
                "id": screen.id,
                "tab": screen.tab,
                "activity": screen.activity,
                "settings": [
                    [
                        name,
                        said(each, each.value),
                        setting.keys if (setting := setting_of(each)) else None,
                    ]
                    for name, each in screen.controls.items()
                ],
                "hideable": [[name, *each] for name, each in screen.hideable.items()],
                "run": button.elem_id if (button := drawing[screen.id]) else None,
                "opens": [function._id for function in openings[screen.id]],
            }
            for screen in screens.values()
        ],
    }

    def restore(value: Any) -> dict[Any, Any]:
        """Carry out the settings of an address."""
        value = value if isinstance(value, dict) else {}
        screen = screens.get(str(value.get("screen")))
        if screen is None:
            raise inputs.refusal("The address names no activity of this app.")
        asked = settings_in(str(value.get("query")))
        restoring = Restoring(functions, screen)
        try:
            wrong = restoring.carry_out(asked)
        except gr.Error:  # the activity refuses its settings: all stay as they were
            restoring, wrong = Restoring(functions, screen), list(asked)
        return {
            bar: {"wrong": wrong, "serial": serial()},
            **{
                component: update["value"] if component.stateful else gr.update(**update)
                for component, update in restoring.updates.items()
            },
        }

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    followed = [*controls, *told]
    gr.on([demo.load, bar.input], None, followed, None, js=tell_page("gm:values"), **private)
    gr.on([each.change for each, _ in tabs], None, js=tell_page("gm:turned"), **private)
    for place, each in enumerate(followed):
        each.change(None, each, js=tell_page("gm:value", place), **private)
    for number in {function._id for some in openings.values() for function in some}:
        ended = Dependency(None, {}, number, None)
        for listen in (ended.then, ended.failure):
            listen(None, js=tell_page("gm:opened", number), **private)
    bar.select(None, bar, [each for each, _ in tabs], js=OPEN, **private)
    touched = {
        component._id: component
        for control in controls
        for function in listeners(functions, control, EVENTS)
        for component in function.outputs
    } | {control._id: control for control in controls}
    bar.submit(
        restore, bar, [bar, *touched.values()], show_progress_on=bar,
        **private, **engine.event("quick"),
    )  # fmt: skip
