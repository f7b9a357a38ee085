"""Label budget: how accurate is what was learnt from one label a class, from ten, from all?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr

from demo import engine, inputs
from demo.activities import ModelTab
from demo.components.accuracies import Accuracies, Line, accuracies
from demo.components.status import status
from gm_core import data
from gm_core.label_budget import (
    BUDGETS,
    CLASSES,
    DATASETS,
    LABEL_FREE,
    METHODS,
    PER_CLASS,
    Method,
    Point,
    Score,
    Source,
    beforehand,
    has_full_set,
    summarise,
)

TITLE = "Label budget"
NAMES: dict[Method, str] = {
    "supervised": "supervised CNN",
    "clustering": "k-means, no label",
    "probe": "features + probe",
    "spreading": "label spreading",
}
SHORT: dict[Method, str] = {
    "supervised": "the CNN",
    "clustering": "k-means",
    "probe": "the probe",
    "spreading": "label spreading",
}
SOURCES: tuple[Source, ...] = ("sample", "part")
HELD_OUT: dict[Source, int] = {"sample": 1000, "part": 2000}
FEWEST_RUNS, RUNS, MOST_RUNS = 1, 5, 10
SECONDS_BETWEEN_UPDATES = 0.1  # runs that were kept come faster

QUESTION = """
<div class="gm-question">Pictures are nearly free, labels are not. Each curve is a way to use few
labels: predict which one is highest at 10 labels, and which at all. Then run it.</div>
"""
LEGEND = """
<div class="gm-quiet"><b>Supervised CNN</b>: learns from the labelled pictures alone.
<b>Features</b>: of an encoder that has seen pictures and no label: SimCLR for digits, a VAE for
clothes. <b>Probe</b>: logistic
regression on them. <b>Label spreading</b> (semi-supervised): links every picture to those with
similar features; labels flow along the links to pictures that have none. <b>k-means</b>: clusters
of the features; only the judge names them, by the best match. Band and ±: standard deviation over
the draws of labels, which are as many of each class.</div>
"""
INVITATION = "Press Run: your curves fill in here, one draw of labels after the other."
READY = "Nothing is run yet here."


@dataclass(frozen=True, slots=True)
class Asked:
    """An experiment that was asked for."""

    dataset: str
    source: Source
    methods: tuple[Method, ...]
    budgets: tuple[int, ...]  # labels a class
    runs: int  # draws of labels
    seed: int


FIRST = Asked(
    DATASETS[0], "sample", METHODS, tuple(each for each in BUDGETS if each <= 100), RUNS, 0
)


# --- what comes in -------------------------------------------------------------------------------


def read_methods(methods: Any) -> list[Method]:
    """The methods that are chosen, maybe none."""
    if not isinstance(methods, list):
        raise inputs.refusal("Methods must be given as a list.")
    return [cast(Method, inputs.choice(method, "Method", METHODS)) for method in methods]


def read(dataset: Any, source: Any, methods: Any, most: Any, runs: Any, seed: Any) -> Asked:
    """What was asked for; else one sentence."""
    name = inputs.choice(dataset, "Data set", DATASETS)
    place = cast(Source, inputs.choice(source, "Pictures", SOURCES))
    if place != "sample" and not has_full_set(name):
        raise inputs.refusal(
            "The full training set does not lie on this machine: choose the bundled sample."
        )
    asked = read_methods(methods)
    if not asked:
        raise inputs.refusal("No method is chosen: choose at least one.")
    there = PER_CLASS[place]
    if isinstance(most, int | float) and most > there:
        raise inputs.refusal(
            f"There are {there:,} pictures of each class to learn from: choose at most {there:,} "
            "labels a class."
        )
    last = inputs.whole(most, "Labels a class", 1, there)
    return Asked(
        name,
        place,
        tuple(method for method in METHODS if method in asked),
        (*(each for each in BUDGETS if each < last), last),
        inputs.whole(runs, "Draws of labels", FEWEST_RUNS, MOST_RUNS),
        inputs.seed(seed),
    )


# --- what is shown -------------------------------------------------------------------------------


def curves(asked: Asked, scores: Sequence[Score], invitation: str = "") -> dict[str, Any]:
    """The curves so far, beside those that were measured beforehand."""
    found = summarise(scores, lambda score: score.labels)
    lines = []
    for method in asked.methods:
        points = found.get(method, [])
        if method in LABEL_FREE:
            level = points[0].mean if points else None
            lines.append(Line(NAMES[method], method, (), level=level))
        else:
            lines.append(Line(NAMES[method], method, tuple(points)))
    shipped, there = beforehand(asked.dataset, "budget"), CLASSES * PER_CLASS[asked.source]
    for method, points in (shipped.curves if shipped else {}).items():
        if method not in asked.methods:
            continue
        if method in LABEL_FREE:
            level = points[0].mean
            lines.append(Line(NAMES[method], method, (), level=level, is_beforehand=True))
        else:
            lines.append(Line(NAMES[method], method, tuple(points), is_beforehand=True))
    return Accuracies(
        tuple(lines),
        x_name="labels (log scale)",
        scale="log",
        ends=(CLASSES, max(there, shipped.learn if shipped else there)),
        here=f"here, of {there:,} pictures",
        beforehand=f"measured beforehand, of {shipped.learn:,}" if shipped else "",
        invitation=invitation,
    ).payload()


def sentence(asked: Asked, scores: Sequence[Score], seconds: float) -> str:
    """What came out: who is best with the fewest and with the most labels, and where k-means is
    passed."""
    found = summarise(scores, lambda score: score.labels)
    words = [
        f"{len(scores)} runs in {seconds:.1f} s (what was run before is kept), measured on "
        f"{HELD_OUT[asked.source]:,} held-out pictures."
    ]
    labelled: dict[Method, list[Point]] = {
        method: found[method] for method in asked.methods if method not in LABEL_FREE
    }
    if labelled:
        ends = []
        for at in sorted({0, len(asked.budgets) - 1}):
            best = max(labelled, key=lambda method: labelled[method][at].mean)
            point = labelled[best][at]
            ends.append(f"with {point.x:,.0f} labels, {SHORT[best]} ({100 * point.mean:.1f} %)")
        words.append(f"Best: {'; '.join(ends)}.")
    if "clustering" in found and labelled:
        level = found["clustering"][0].mean
        passed = []
        for method, points in labelled.items():
            first = next((point.x for point in points if point.mean > level), None)
            passed.append(
                f"{SHORT[method]} "
                + ("never passes it" if first is None else f"passes it with {first:,.0f} labels")
            )
        words.append(f"k-means reaches {100 * level:.1f} % without a label: {', '.join(passed)}.")
    return " ".join(words)


# --- running -------------------------------------------------------------------------------------


def run(
    dataset: str, source: str, methods: list[str], most: float, runs: float, seed: float
) -> Iterator[tuple[dict[str, Any], str]]:
    """Accuracy against labels, from one a class to `most` a class: curves, and a sentence.

    source: "sample" (1,000 bundled pictures to learn from, 1,000 held out) or "part" (10,000 of the
    full set, where it lies on the machine; 2,000 held out). methods: some of supervised,
    clustering, probe, spreading. runs: draws of labels, from `seed` on.
    """
    asked = read(dataset, source, methods, most, runs, seed)
    started = told = time.perf_counter()
    line = "Computing the features of all pictures ..."
    yield curves(asked, ()), line
    scores: list[Score] = []
    for score in engine.stream(
        "label_budget",
        dataset=asked.dataset,
        source=asked.source,
        methods=asked.methods,
        budgets=asked.budgets,
        seeds=asked.runs,
        first_seed=asked.seed,
    ):
        scores.append(score)
        now = time.perf_counter()
        if now - told < SECONDS_BETWEEN_UPDATES:
            continue
        told = now
        draw = score.seed - asked.seed + 1
        line = (
            f"Run {score.step} of {score.total}: draw {draw} of {asked.runs}, "
            f"{SHORT[score.method]} with {score.labels:,} labels: {100 * score.accuracy:.1f} %."
        )
        yield curves(asked, scores), line
    yield curves(asked, scores), sentence(asked, scores, time.perf_counter() - started)


def stopped() -> str:
    """What the status line says once the work was stopped."""
    return "Stopped: nothing is running now. The curves stay as far as they came."


def build(tab: ModelTab) -> None:
    """The activity's contents, with the curves that were measured beforehand."""
    sources = [("bundled sample: 1,000", "sample")]
    if any(map(has_full_set, DATASETS)):
        sources.append(("full set: 10,000 of it", "part"))

    def turn(dataset: str, methods: list[Method]) -> tuple[Any, str]:
        """The curves measured beforehand, as they are asked for now."""
        name = inputs.choice(dataset, "Data set", DATASETS)
        asked = read_methods(methods)
        chosen: tuple[Method, ...] = tuple(each for each in METHODS if each in asked)
        return curves(Asked(name, "sample", chosen, (), RUNS, 0), (), INVITATION), READY

    def reach(source: str) -> Any:
        """As many labels as there are pictures."""
        place = cast(Source, inputs.choice(source, "Pictures", SOURCES))
        there = PER_CLASS[place]
        return gr.Number(there, info=f"1 to {there:,}; there are {there:,} pictures of each")

    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=0, min_width=300):
            with gr.Row():
                start = gr.Button("Run", variant="primary", scale=2, min_width=130)
                stop = gr.Button("Stop", scale=1, min_width=80)
            dataset = gr.Dropdown(
                [(data.DATASETS[name].title, name) for name in DATASETS], value=FIRST.dataset,
                label="Data set",
            )  # fmt: skip
            methods = gr.CheckboxGroup(
                [(NAMES[method], method) for method in METHODS], value=list(METHODS),
                label="Methods",
            )  # fmt: skip
            most = gr.Number(
                PER_CLASS["sample"], label="Up to how many labels a class",
                info="1 to 100; there are 100 pictures of each",
            )  # fmt: skip
            with gr.Accordion("More", open=False):
                source = gr.Radio(
                    sources, value="sample", label="Pictures to learn from",
                    visible=len(sources) > 1,
                )  # fmt: skip
                runs = gr.Slider(
                    FEWEST_RUNS, MOST_RUNS, value=RUNS, step=1, label="Draws of labels",
                )  # fmt: skip
                seed = gr.Number(0, label="Seed", info="of the first draw")
        with gr.Column(scale=4, min_width=336):
            told = status(READY, elem_id=f"{tab.id}-budget-status")
            plot = accuracies(
                curves(FIRST, (), INVITATION), label="Accuracy against labels",
                elem_id=f"{tab.id}-budget-curves",
            )  # fmt: skip
            gr.HTML(LEGEND, padding=False)

    live: dict[str, Any] = {
        "api_visibility": "private", "preprocess": False, "show_progress": "hidden", "queue": False
    }  # fmt: skip
    running = start.click(
        run, [dataset, source, methods, most, runs, seed], [plot, told],
        api_name=f"{tab.id}_budget", preprocess=False, show_progress="full",
        show_progress_on=told, **engine.event("live"),
    )  # fmt: skip
    # Other pictures are another experiment.
    dataset.input(None, cancels=[running], api_visibility="private")
    dataset.input(turn, [dataset, methods], [plot, told], **live)
    source.input(reach, source, most, **live)
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=[running], api_visibility="private")
    stop.click(stopped, None, told, api_visibility="private", show_progress="hidden", queue=False)
