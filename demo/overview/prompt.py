"""One prompt, four families: the same class through PixelRNN, PixelCNN, VAE and GAN at once."""

from __future__ import annotations

import functools
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

import gm_core
from demo import engine, inputs
from demo.activities import TITLES, ModelTab
from demo.activities.generate import randomise
from demo.components.comparison import Cell, Row, comparison
from demo.components.comparison import show as as_table
from demo.components.lanes import Lane, Tag, lanes, payload
from demo.components.status import status
from demo.gan.generate import as_bytes
from gm_core import checkpoints, data
from gm_core.neighbours import Comparison
from gm_core.prompt import BRIEF, Reply

TITLE = "One prompt, four families"
FAMILIES = {  # what a family's checkpoints are called, before their data set
    "PixelRNN": "pixelrnn-diagonal",
    "PixelCNN": "pixelcnn",
    "VAE": "vae",
    "GAN": "gan",
}
DATASETS = {"mnist": "any digit", "fashion": "any clothes"}
COUNT = 16  # pictures of each family
FIRST, FIRST_SEED = "a 7", 7
SECONDS_BETWEEN_UPDATES = 0.1
PLURALS = ("trousers",)  # a class that is many already
WAITING = "Waiting for this machine: it draws for one person at a time ..."

IDEA = f"""
<h3>{TITLE}</h3>
<div class="gm-quiet">Ask all of them for the same thing. Predict first: which is the fastest, and
which can tell how probable its own pictures are?</div>
"""
HOW = f"""
<details class="gm-quiet"><summary>How is this measured?</summary>
Each family draws {COUNT} pictures at once, one family after the other, the quickest first, and its
clock runs only while it draws; loading is left out. What takes less than {1000 * BRIEF:.0f} ms is
drawn three times, and the middle time counts. PixelRNN and PixelCNN keep what they have computed,
so a pass computes one pixel and not the whole picture again. They draw digits in black
and white; VAE and GAN draw grey ones.<br>
The VAE here was trained without labels. It draws from p(x), and what the classifier takes for the
class is kept; that search is on its clock. Its bound is of one picture drawn from p(x | z) for each
code; shown is the mean.<br>
Where a class stands under a picture, the classifier takes it for another one than was asked for; it
always names one, whatever it sees. Quality (precision): the share
of these pictures that lie among test images, by the classifier's features; diversity (recall): the
share of those test images that lie among these pictures. Difference: root mean square over the
pixels, mean of all pairs. Real ones: {COUNT} other test images, measured alike, in black and white
where the pictures are. With {COUNT} pictures, ±10 % is chance.</details>
"""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked for."""

    text: str
    dataset: str
    label: int | None  # None: any

    @property
    def class_names(self) -> tuple[str, ...]:
        return data.DATASETS[self.dataset].class_names

    @property
    def given(self) -> str:
        """What the likelihood is of."""
        return "x" if self.label is None else f"x | {self.class_names[self.label]}"

    def models(self) -> dict[str, str | None]:
        """The checkpoint of each family; None where none of this data set ships."""
        shipped = gm_core.available()
        names = {family: f"{name}-{self.dataset}" for family, name in FAMILIES.items()}
        return {family: name if name in shipped else None for family, name in names.items()}


def phrase(name: str) -> str:
    """A class's name as one asks for it: "a 7", "an 8", "an ankle boot", "trousers"."""
    if name in PLURALS:
        return name
    return f"an {name}" if name[0] in "aeio8" else f"a {name}"


PROMPTS = {
    text: Prompt(text, dataset, label)
    for dataset, anything in DATASETS.items()
    for text, label in [
        (anything, None),
        *((phrase(name), at) for at, name in enumerate(data.DATASETS[dataset].class_names)),
    ]
}
Replies = Mapping[str, Reply]  # of the families that have begun


def models() -> tuple[str, ...]:
    """All checkpoints that can be asked."""
    names = (f"{name}-{dataset}" for dataset in DATASETS for name in FAMILIES.values())
    return tuple(name for name in names if name in gm_core.available())


# --- pictures ------------------------------------------------------------------------------------


def amount(seconds: float) -> str:
    """A time in a unit that suits it."""
    if seconds >= 0.1:
        return f"{seconds:.2f} s"
    return f"{1000 * seconds:.1f} ms"


def is_done(reply: Reply | None) -> bool:
    return reply is not None and reply.step == reply.total


def caption(reply: Reply) -> str:
    """Where a family stands."""
    if not is_done(reply):
        return f"{reply.step} of {reply.total} passes, {amount(reply.seconds)}"
    made, took = len(reply.images), amount(reply.seconds)
    if made < COUNT:
        return f"only {made} of {reply.tried:,} drawn fit, in {took}"
    return (
        f"{made} pictures in {took}"
        if reply.tried == made
        else (f"{made} kept of {reply.tried} drawn, in {took}")
    )


def lane(prompt: Prompt, family: str, model: str | None, reply: Reply | None) -> Lane:
    """A family's pictures so far."""
    if model is None:
        title = data.DATASETS[prompt.dataset].title
        return Lane(family, "", "absent", f"No {family} of {title} ships with this demo.")
    line = TITLES[model].partition(",")[0]
    line = "" if line == family else line
    if reply is None:
        return Lane(family, line, "waiting", "waits for its turn")
    height = reply.images.shape[2]
    shown = None if reply.measured is None else reply.measured.generated.shown
    return Lane(
        family,
        line,
        "done" if is_done(reply) else "drawing",
        caption(reply),
        as_bytes(reply.images),
        rows=height * reply.step // reply.total,
        tags=() if shown is None else tags(prompt, shown.tolist()),
    )


def tags(prompt: Prompt, shown: list[int]) -> tuple[Tag | None, ...]:
    """The class that each picture shows, where it is not the one that was asked for."""
    return tuple(
        None if label == prompt.label else Tag(prompt.class_names[label], label) for label in shown
    )


def show_lanes(prompt: Prompt, replies: Replies) -> dict[str, Any]:
    """The four lanes."""
    return payload(
        [
            lane(prompt, family, model, replies.get(family))
            for family, model in prompt.models().items()
        ],
        COUNT,
    )


# --- numbers -------------------------------------------------------------------------------------


def likelihood(prompt: Prompt, reply: Reply) -> Cell:
    """What the family can say of its own pictures' probability."""
    if reply.nats is None:
        return Cell("none", "it can draw, and no more")
    nats = f"{float(reply.nats.mean()):.1f} nats" if len(reply.nats) else "–"
    if reply.likelihood == "exact":
        return Cell("exact", f"−log p({prompt.given}) = {nats}")
    return Cell("a bound", f"−log p(x) ≤ {nats}")


def latent(reply: Reply) -> Cell:
    """Is there a code z behind a picture?"""
    if reply.latent is None:
        return Cell("none", "a throw of dice a pixel")
    way_back = "and an encoder" if reply.likelihood == "bound" else "no encoder"
    return Cell(f"{reply.latent} dimensions", way_back)


def share(pictures: Comparison, what: str) -> str:
    return f"{100 * getattr(pictures, what):.0f} %"


def judged(prompt: Prompt, reply: Reply) -> list[Cell]:
    """What the classifier says: classes, quality, diversity, difference."""
    if reply.measured is None:
        return [Cell("–", "too few pictures")] * 4
    drawn, real = reply.measured.generated, reply.measured.real
    count = reply.measured.count
    if drawn.shown is None or real.shown is None:
        raise LookupError(f"There is no classifier of {prompt.dataset}.")
    if prompt.label is None:
        classes = len(prompt.class_names)
        first = Cell(
            f"{len(drawn.shown.unique())} of {classes}",
            f"real ones: {len(real.shown.unique())} of {classes}",
        )
    else:
        fits = int((drawn.shown == prompt.label).sum())
        how = "told the class" if reply.is_told else f"not told: kept of {reply.tried:,} drawn"
        first = Cell(f"{fits} of {count}", how)
    return [
        first,
        *(
            Cell(share(drawn, what), f"real ones: {share(real, what)}")
            for what in ("precision", "recall", "apart")
        ),
    ]


def column(prompt: Prompt, reply: Reply | None, count: int) -> list[Cell]:
    """A family in numbers; dashes until it is done."""
    if reply is None or reply.step < reply.total:
        return [Cell("–")] * count
    each = reply.seconds / max(1, len(reply.images))
    a_pixel = reply.total > 1
    return [
        Cell(amount(reply.seconds), f"{amount(each)} a picture"),
        Cell(str(reply.total), "one a pixel" if a_pixel else "all pixels at once"),
        likelihood(prompt, reply),
        latent(reply),
        *judged(prompt, reply),
    ]


def show_table(prompt: Prompt, replies: Replies) -> str:
    """The families in numbers."""
    shows = "Classes shown" if prompt.label is None else f"Shows {prompt.text}"
    titles = (
        f"Time for {COUNT}",
        "Network passes, one after the other",
        "Likelihood, and its mean",
        "Latent code z",
        shows,
        "Quality (precision)",
        "Diversity (recall)",
        "Two pictures differ by",
    )
    columns = [column(prompt, replies.get(family), len(titles)) for family in FAMILIES]
    rows = [Row(title, cells) for title, *cells in zip(titles, *columns, strict=True)]
    return as_table(tuple(FAMILIES), rows)


def verdict(prompt: Prompt, replies: Replies) -> str:
    """The quickest against the slowest."""
    done = {family: reply for family, reply in replies.items() if is_done(reply)}
    if len(done) < 2:
        return f"“{prompt.text}”: there is nothing to compare."
    quick, *_, slow = sorted(done, key=lambda family: done[family].seconds)
    times = done[slow].seconds / done[quick].seconds
    line = (
        f"“{prompt.text}”: {slow} took {amount(done[slow].seconds)}, {quick} "
        f"{amount(done[quick].seconds)}: {times:,.0f} times as long."
    )
    exact = [family for family, reply in done.items() if reply.likelihood == "exact"]
    if done[quick].likelihood == "none" and exact:
        line += f" But only {' and '.join(exact)} can say how probable a picture is, exactly."
    return line


# --- work ----------------------------------------------------------------------------------------


def ask(model: str, prompt: Prompt, seed: int) -> Iterator[Reply]:
    """A model's records."""
    yield from engine.stream("ask", model=model, label=prompt.label, count=COUNT, seed=seed)


@functools.lru_cache(len(FAMILIES))
def first_reply(model: str, _weights: str, _root: Path) -> Reply:
    """What everyone sees who opens the page: computed once."""
    *_, reply = ask(model, PROMPTS[FIRST], FIRST_SEED)
    return reply


def in_turn(prompt: Prompt) -> dict[str, str]:
    """The families that can answer and their models, the quickest first."""
    models = prompt.models()
    return {family: name for family in reversed(models) if (name := models[family]) is not None}


def opening() -> Iterator[tuple[Any, Any, Any, Any]]:
    """The replies to the first prompt, as they come."""
    prompt, replies = PROMPTS[FIRST], {}
    told = 0.0
    for family, model in in_turn(prompt).items():
        weights = checkpoints.describe(model).weights
        replies[family] = first_reply(model, weights, checkpoints.root())
        if time.perf_counter() - told > SECONDS_BETWEEN_UPDATES:
            line = f"{family} has answered ..."
            yield show_lanes(prompt, replies), line, show_table(prompt, replies), at(line, True)
            told = time.perf_counter()
    line = f"{verdict(prompt, replies)} Seed {FIRST_SEED}, drawn as the app was first opened."
    yield show_lanes(prompt, replies), line, show_table(prompt, replies), at(line, False)


def at(line: str, is_running: bool) -> dict[str, Any]:
    return {"line": line, "is_running": is_running}


def generate(prompt: str, seed: float) -> Iterator[tuple[Any, Any, Any, Any, Any]]:
    """Ask four families for 16 pictures of a class: the lanes, a status line, the table, the seed.

    prompt: "a 7", "any digit", "a sneaker", "trousers", "any clothes", ...; the lanes hold a PNG
    each of all pictures, one below the other, and the class that each one shows.
    """
    asked = PROMPTS[inputs.choice(prompt, "Prompt", tuple(PROMPTS))]
    number = inputs.seed(seed)
    replies: dict[str, Reply] = {}
    told = 0.0
    for family, model in in_turn(asked).items():
        line = f"{family} draws {asked.text} ..."
        yield show_lanes(asked, replies), line, show_table(asked, replies), number, at(line, True)
        for reply in ask(model, asked, number):
            replies[family] = reply
            now = time.perf_counter()
            if now - told > SECONDS_BETWEEN_UPDATES:  # each is also a chance to be stopped
                told = now
                yield show_lanes(asked, replies), gr.skip(), gr.skip(), gr.skip(), gr.skip()
    line = f"{verdict(asked, replies)} Seed {number}."
    yield show_lanes(asked, replies), line, show_table(asked, replies), number, at(line, False)


def stopped(at: dict[str, Any]) -> str:
    """What the status line says once the work was stopped."""
    return f"Stopped; the lanes stay as they are. {at['line']}" if at["is_running"] else at["line"]


def build(tab: ModelTab) -> None:
    """The activity's contents, with the pictures of the quickest family; a page that opens is given
    the replies of all to the first prompt."""
    first = PROMPTS[FIRST]
    quickest = {
        family: next(ask(model, first, FIRST_SEED))
        for family, model in itertools.islice(in_turn(first).items(), 1)
    }
    gr.HTML(IDEA, padding=False)
    before = gr.State(at("", False))
    with gr.Row():
        with gr.Column(scale=3, min_width=330), gr.Row():
            wanted = gr.Dropdown(list(PROMPTS), value=FIRST, label="Prompt", min_width=150)
            seed = gr.Number(FIRST_SEED, label="Seed", min_width=150)
        with gr.Column(scale=2, min_width=330):
            with gr.Row():
                start = gr.Button("Generate", variant="primary", scale=2, min_width=120)
                stop = gr.Button("Stop", min_width=90)
            dice = gr.Button("Randomise seed", size="sm")
    told = status("The first pictures are on their way ...", elem_id=f"{tab.id}-prompt-status")
    shown = lanes(show_lanes(first, quickest), elem_id=f"{tab.id}-prompt-lanes")
    table = comparison(show_table(first, {}), elem_id=f"{tab.id}-prompt-table")
    gr.HTML(HOW, padding=False)

    # How the page opens must not be drawn over what was asked for since.
    opened = gr.on(
        None, opening, None, [shown, told, table, before], api_visibility="private",
        show_progress="hidden", **engine.event("opening"),
    )  # fmt: skip
    start.click(None, cancels=[opened], api_visibility="private")
    # One person's pictures are drawn at a time; who has to wait is told so at once, by the browser.
    start.click(None, None, told, js=f"() => {json.dumps(WAITING)}", api_visibility="private")
    running = start.click(
        generate,
        [wanted, seed],
        [shown, told, table, seed, before],
        api_name=f"{tab.id}_prompt",
        preprocess=False,  # the handler validates, whoever calls
        show_progress="hidden",
        **engine.event("sampling"),
    )
    quiet: dict[str, Any] = {
        "api_visibility": "private", "show_progress": "hidden", "queue": False
    }  # fmt: skip
    running.failure(stopped, before, told, **quiet)
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=[running, opened], api_visibility="private")
    stop.click(stopped, before, told, **quiet)
    dice.click(randomise, None, seed, **quiet)
