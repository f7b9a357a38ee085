"""Labels: the same pictures with true labels, with none, with wrong ones: what can be learnt?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import gradio as gr
import torch
from gradio.events import api

from demo import engine, inputs
from demo.activities import ModelTab
from demo.components.accuracies import Accuracies, Line, accuracies
from demo.components.loss_saw import Pair, loss_saw, show
from demo.components.pictures import as_png
from demo.components.status import status
from gm_core import data
from gm_core.label_budget import (
    DATASETS,
    SHARES,
    Method,
    Point,
    Score,
    beforehand,
    corrupt,
    summarise,
    task,
)
from gm_core.randomness import stream

TITLE = "Labels"
ON, OFF, WRONG = MODES = ("on", "off", "wrong")
FIRST_SHARE = 40  # percent
SHOWN = 12  # pictures on the card
RUNS = 3  # of each method, whose mean is told
SECONDS_BETWEEN_UPDATES = 0.1  # runs that were kept come faster
CARD = 9  # random stream of what is on the card
NAMES: dict[Method, str] = {"supervised": "supervised CNN", "clustering": "k-means, no label"}
NO_CLUE = 0.9  # share of wrong labels at which all ten classes are equally likely

QUESTION = """
<div class="gm-question">A CNN learns from pairs (x, y), k-means from x alone: it clusters features
that were learnt without labels. What if the labels are missing, or wrong? Guess first: how many
labels may be wrong before the CNN falls behind k-means?</div>
"""
INVITATION = "Press Learn: every setting that you try leaves a point here."
READY = "Nothing is learnt yet."
FORMULAS = {
    ON: "minimise  −log p(y | x)",
    OFF: "x alone: no y, no such loss",
    WRONG: "minimise  −log p(y | x)",
}


@dataclass(frozen=True, slots=True)
class Tried:
    """What a student has tried with a data set and a seed."""

    dataset: str
    seed: int
    scores: tuple[Score, ...] = ()

    def and_now(self, scores: Sequence[Score]) -> Tried:
        """With more scores, each of which replaces that of the same run."""
        runs = {(s.method, s.wrong, s.seed): s for s in (*self.scores, *scores)}
        return replace(self, scores=tuple(runs.values()))

    def kept(self) -> dict[str, Any]:
        """As the session keeps it: plain and small."""
        return asdict(self)


def recall(kept: dict[str, Any] | None, dataset: str, seed: int) -> Tried:
    """What was tried before with the same pictures; else nothing."""
    if kept is None or (kept["dataset"], kept["seed"]) != (dataset, seed):
        return Tried(dataset, seed)
    return Tried(dataset, seed, tuple(Score(**score) for score in kept["scores"]))


# --- what comes in -------------------------------------------------------------------------------


def read_share(labels: Any, wrong: Any) -> float | None:
    """The share of labels that are wrong; None where there are no labels."""
    mode = inputs.choice(labels, "Labels", MODES)
    share = inputs.number(wrong, "Wrong labels", 0, 100) / 100
    return {ON: 0.0, OFF: None, WRONG: share}[mode]


# --- what is shown -------------------------------------------------------------------------------


def card(dataset: str, share: float | None, seed: int) -> str:
    """What the loss saw of a few pictures."""
    pictures, names = task(dataset, "sample").learn, data.DATASETS[dataset].class_names
    labels = pictures.labels if share is None else corrupt(pictures.labels, share, seed)
    rows = torch.randperm(len(pictures), generator=stream(seed, CARD))[:SHOWN].tolist()
    pairs = [
        Pair(
            as_png(pictures.images[row, 0, :, :, None].expand(-1, -1, 3).numpy()),
            names[pictures.labels[row]],
            None if share is None else names[labels[row]],
        )
        for row in rows
    ]
    count = len(pictures)
    false = int((labels != pictures.labels).sum())
    if share is None:
        mode, words = OFF, f"{count:,} pictures and no label: nobody had to write any."
    elif false:
        mode = WRONG
        words = (
            f"{count:,} pictures with a label each, of which {false:,} are wrong. The marks are "
            "for you: the loss can't tell which ones."
        )
    else:
        mode, words = ON, f"{count:,} pictures, each with its true label."
    return show(pairs, FORMULAS[mode], f"{SHOWN} of {words}")


def curves(tried: Tried, chosen: float | None, invitation: str = "") -> dict[str, Any]:
    """Everything tried, beside what was measured beforehand."""
    found = summarise(tried.scores, lambda score: score.wrong)
    pictures = task(tried.dataset, "sample")
    lines = [
        Line(
            NAMES[method],
            method,
            tuple(found.get(method, ())),
            level=mean_accuracy(tried.scores, method) if method == "clustering" else None,
        )
        for method in NAMES
    ]
    shipped = beforehand(tried.dataset, "noise")
    for method, points in (shipped.curves if shipped else {}).items():
        level = points[0].mean if method == "clustering" else None
        own: tuple[Point, ...] = () if method == "clustering" else tuple(points)
        lines.append(Line(NAMES[method], method, own, level=level, is_beforehand=True))
    return Accuracies(
        tuple(lines),
        x_name="wrong labels",
        scale="percent",
        ends=(0.0, 1.0),
        here=f"learnt here from {len(pictures.learn):,}",
        beforehand=f"measured beforehand, from {shipped.learn:,}" if shipped else "",
        chosen=chosen,
        invitation=invitation,
    ).payload()


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def mean_accuracy(
    scores: Sequence[Score], method: Method, share: float | None = None
) -> float | None:
    """Of a method, at a share of wrong labels or at all of them; None where there is none."""
    of = [s.accuracy for s in scores if s.method == method and share in (None, s.wrong)]
    return sum(of) / len(of) if of else None


def result(scores: Sequence[Score], share: float | None, dataset: str) -> str:
    """What came of one setting, in words. A share of None: there were no labels."""
    clustered = mean_accuracy(scores, "clustering") or 0.0
    told = f"mean of {RUNS} runs, {len(task(dataset, 'sample').held_out):,} held-out pictures"
    if share is None:
        return (
            "No y, no loss: the CNN can't be taught at all. k-means does not miss it: "
            f"{percent(clustered)} ({told})."
        )
    supervised = mean_accuracy(scores, "supervised", share) or 0.0
    wrong = f"{100 * share:.0f} % wrong labels: the" if share else "True labels: the"
    stays = "stays at" if share else "which saw none of them,"
    words = (
        f"{wrong} CNN is right on {percent(supervised)}, k-means {stays} {percent(clustered)} "
        f"({told})."
    )
    if share > NO_CLUE:
        return f"{words} So often wrong, labels tell what a picture is not: worse than guessing."
    if share == NO_CLUE:
        return f"{words} With nine wrong of ten, all classes are equally likely: no clue is left."
    if supervised < clustered:
        return f"{words} It would have been better to have no labels."
    if share:
        return f"{words} Errors that point everywhere partly average out."
    return words


# --- learning ------------------------------------------------------------------------------------


def learn(
    dataset: str, shares: Sequence[float | None], seed: int, tried: Tried
) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    """Curves, a status line and what is kept, as the runs come. A share of None: no labels."""
    scores: list[Score] = []
    methods = ["clustering"] if shares == [None] else ["clustering", "supervised"]
    chosen = shares[0] if len(shares) == 1 else None
    yield curves(tried, chosen), "Learning ...", tried.kept()
    told = time.perf_counter()
    for score in engine.stream(
        "label_noise",
        dataset=dataset,
        source="sample",
        methods=methods,
        shares=[share or 0.0 for share in shares],
        seeds=RUNS,
        first_seed=seed,
    ):
        scores.append(score)
        if time.perf_counter() - told < SECONDS_BETWEEN_UPDATES:
            continue
        told = time.perf_counter()
        now = tried.and_now(scores)
        line = f"Learning: {score.step} of {score.total} runs done ..."
        yield curves(now, chosen), line, now.kept()
    now = tried.and_now(scores)
    yield curves(now, chosen), conclusion(scores, shares, dataset), now.kept()


def conclusion(scores: Sequence[Score], shares: Sequence[float | None], dataset: str) -> str:
    """What came of one setting, or where the curve falls below the level."""
    if len(shares) == 1:
        return result(scores, shares[0], dataset)
    level = mean_accuracy(scores, "clustering") or 0.0
    curve = {point.x: point.mean for point in summarise(scores, lambda s: s.wrong)["supervised"]}
    behind = [share for share, accuracy in curve.items() if accuracy < level]
    if not behind:
        return f"k-means does not move: {percent(level)}. The CNN stays above it."
    return (
        f"k-means does not move: {percent(level)}. The CNN falls from {percent(curve[0.0])} and is "
        f"behind it at {100 * behind[0]:.0f} % wrong labels ({percent(curve[behind[0]])})."
    )


def stopped() -> str:
    """What the status line says once the work was stopped."""
    return "Stopped: nothing is learning now. The points that were done stay."


def build(tab: ModelTab) -> None:
    """The activity's contents, with real pictures and their labels."""

    def seen(dataset: str, labels: str, wrong: float, seed: float) -> str:
        """What the loss sees of 12 pictures, as HTML: labels on, off, or wrong (percent)."""
        name = inputs.choice(dataset, "Data set", DATASETS)
        return card(name, read_share(labels, wrong), inputs.seed(seed))

    def teach(
        dataset: str, labels: str, wrong: float, seed: float, kept: dict[str, Any] | None
    ) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
        """Learn with the labels on, off or wrong (percent): the accuracies, and a sentence."""
        name = inputs.choice(dataset, "Data set", DATASETS)
        share, number = read_share(labels, wrong), inputs.seed(seed)
        yield from learn(name, [share], number, recall(kept, name, number))

    def curve(
        dataset: str, seed: float, kept: dict[str, Any] | None
    ) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
        """Learn with 0 to 100 % wrong labels: the accuracies, and a sentence."""
        name, number = inputs.choice(dataset, "Data set", DATASETS), inputs.seed(seed)
        yield from learn(name, SHARES, number, recall(kept, name, number))

    def turn(
        dataset: str, labels: str, wrong: float, seed: float | None, kept: dict[str, Any] | None
    ) -> tuple[Any, Any, Any]:
        """The card and the curves of what is set now."""
        if seed is None:  # an empty field is no mistake but a beginning
            return gr.skip(), gr.skip(), gr.skip()
        shown, number = seen(dataset, labels, wrong, seed), inputs.seed(seed)
        tried, share = recall(kept, dataset, number), read_share(labels, wrong)
        return shown, curves(tried, share, INVITATION), gr.Slider(interactive=labels == WRONG)

    first = Tried(DATASETS[0], 0)
    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=0, min_width=280):
            with gr.Row():
                start = gr.Button("Learn", variant="primary", scale=2, min_width=130)
                stop = gr.Button("Stop", scale=1, min_width=80)
            labels = gr.Radio(list(MODES), value=ON, label="Labels")
            wrong = gr.Slider(
                0, 100, value=FIRST_SHARE, step=10, label="Wrong labels, %", interactive=False,
                info="how many are replaced by another class",
            )  # fmt: skip
            whole = gr.Button("All levels of noise")
            dataset = gr.Dropdown(
                [(data.DATASETS[name].title, name) for name in DATASETS], value=DATASETS[0],
                label="Data set",
            )  # fmt: skip
            with gr.Accordion("More", open=False):
                seed = gr.Number(0, label="Seed", info="of errors, first weights and batches")
        with gr.Column(scale=2, min_width=320):
            shown = loss_saw(card(DATASETS[0], 0.0, 0), elem_id=f"{tab.id}-labels-card")
        with gr.Column(scale=3, min_width=336):
            told = status(READY, elem_id=f"{tab.id}-labels-status")
            plot = accuracies(
                curves(first, 0.0, INVITATION), label="Accuracy against wrong labels",
                elem_id=f"{tab.id}-labels-curves",
            )  # fmt: skip
    kept = gr.State(None)

    settings = [dataset, labels, wrong, seed]
    live: dict[str, Any] = {
        "api_visibility": "private", "preprocess": False, "show_progress": "hidden", "queue": False
    }  # fmt: skip
    gr.on(
        [each.input for each in settings], turn, [*settings, kept], [shown, plot, wrong],
        trigger_mode="always_last", **live,
    )  # fmt: skip
    running: dict[str, Any] = {
        "preprocess": False, "show_progress": "full", "show_progress_on": told,
        **engine.event("live"),
    }  # fmt: skip
    one = start.click(
        teach, [*settings, kept], [plot, told, kept], api_name=f"{tab.id}_labels", **running
    )
    levels = whole.click(
        curve, [dataset, seed, kept], [plot, told, kept], api_name=f"{tab.id}_labels_noise",
        **running,
    )  # fmt: skip
    # Other pictures are another experiment.
    dataset.input(None, cancels=[one, levels], api_visibility="private")
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=[one, levels], api_visibility="private")
    stop.click(stopped, None, told, api_visibility="private", show_progress="hidden", queue=False)
    api(seen, api_name=f"{tab.id}_labels_seen")
