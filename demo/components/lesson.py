"""A lesson: steps that tick themselves off when the student has done them.

`lessons/<tab>.toml` holds the steps of a tab. A step is done when a line of the page says what its
`says` looks for, having said something else before, while the controls stand as its `settings`
want; or, without `says`, as soon as they stand so in its activity. What `says` finds by name can be
used in its `reveal`. A step with a `question` wants an answer before it reveals anything.

Figures are not typed into a lesson: `{pixelcnn-mnist: −log p(x)}` is the first figure of that name
in the checkpoint's metrics. Progress stays in the student's page.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import gradio as gr
from markdown_it import MarkdownIt

from demo.components import source
from gm_core import checkpoints

LESSONS = Path(__file__).parent.parent / "lessons"
KEYS = {
    "activity", "title", "text", "element", "says", "settings",
    "question", "choices", "answer", "reveal",
}  # fmt: skip
FIGURE = re.compile(r"\{([\w-]+): ([^}]+)\}")


def figure(found: re.Match[str]) -> str:
    """A measured figure and its unit. Raises LookupError."""
    figures = (checkpoints.describe(found[1]).metrics or {}).get("figures", [])
    for each in figures:
        if each["name"] == found[2]:
            return f"{each['value']:.1f} {each['unit']}".strip()
    raise LookupError(f"{found[1]} has no figure “{found[2]}”.")


def words(text: str) -> str:
    """Markdown, with figures, as HTML."""
    return MarkdownIt().render(FIGURE.sub(figure, text))


@functools.cache
def read(tab: str) -> tuple[dict[str, Any], ...]:
    """The steps of a tab as they are written. Raises ValueError."""
    path = LESSONS / f"{tab}.toml"
    steps = tomllib.loads(path.read_text(encoding="utf-8"))["step"]
    for number, step in enumerate(steps, 1):
        where = f"{path.name}, step {number}"
        if unknown := set(step) - KEYS:
            raise ValueError(f"{where} has unknown keys: {', '.join(sorted(unknown))}.")
        if ("element" in step) != ("says" in step) or not {"says", "settings", "activity"} & {
            *step
        }:
            raise ValueError(f"{where} can never be done.")
        named = set(re.compile(step.get("says", "")).groupindex)
        if missing := set(re.findall(r"\{(\w+)\}", step.get("reveal", ""))) - named:
            raise ValueError(f"{where} reveals what it never finds: {', '.join(sorted(missing))}.")
        if "question" in step and not 0 < step["answer"] <= len(step["choices"]):
            raise ValueError(f"{where} has no such answer.")
    return tuple(steps)


def prepared(step: dict[str, Any]) -> dict[str, Any]:
    """A step as the page takes it."""
    done = {key: step[key] for key in ("element", "settings") if key in step}
    if "says" in step:  # Python writes (?P<name>...), JavaScript (?<name>...)
        done["says"] = step["says"].replace("(?P<", "(?<")
    asks = None
    if "question" in step:
        asks = {
            "question": step["question"], "choices": step["choices"], "answer": step["answer"] - 1
        }  # fmt: skip
    return {
        "activity": step.get("activity"),
        "title": step["title"],
        "words": words(step["text"]),
        "done": done,
        "asks": asks,
        "reveal": words(step.get("reveal", "")),
    }


def lesson(tab: str, activities: Collection[str] = ()) -> gr.HTML:
    """The lesson of a tab under "Try this": those steps whose activities there are."""
    steps = [step for step in read(tab) if step.get("activity") in {None, *activities}]
    return gr.HTML(
        elem_id=f"{tab}-lesson",
        html_template=source("lesson.html"),
        css_template=source("lesson.css"),
        js_on_load=source("lesson.js"),
        apply_default_css=False,
        padding=True,
        tab=tab,
        steps=[prepared(step) for step in steps],
    )
