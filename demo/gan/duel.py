"""Real or fake?: the student is the discriminator, and is measured like one."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine, inputs, render
from demo.activities import ModelTab, dataset_of, model_dropdown
from demo.components import duel, roc
from demo.components.roc import Card, Roc
from demo.components.score_axis import signed
from demo.components.status import status
from demo.latent import test_images
from gm_core import checkpoints
from gm_core.randomness import stream

TITLE = "Real or fake?"
GAMES = ("gan-mnist", "gan-fashion", "gan-avatars")  # healthy ones
PICTURES = 20  # of a game; half of them are real
MANY = 400  # that D is measured on besides
MANY_SEED = inputs.LARGEST_SEED  # no student's game
DECKS = 64  # games that are kept at hand
DEALT, CHOSEN, ORDER = range(3)  # random streams (seed, which)
ANSWERS = (
    "no answer in time",
    "surely generated",
    "rather generated",
    "rather real",
    "surely real",
)
NO_ANSWER = 0
MIDDLE = 2.5  # the grade of no answer: neither real nor generated

QUESTION = """
<p class="gm-question">
Now you are the discriminator. Half of these 20 pictures are real test images,
the others G has generated. How real is each? Keys 1 to 4 answer, too.</p>
"""
HOW = """
<div class="prose"><h3>How you will be judged</h3>
<p>With each answer you grade a picture. Whoever calls a picture real from a certain grade on
catches some real ones and falls for some generated ones: one point for each grade, and together the
<b>ROC curve</b>. Guessing gives the diagonal.</p>
<p>The <b>area under the curve</b> is the chance that you grade a random real picture higher than a
random generated one, where equal grades count half: 0.5 is guessing, 1 is perfect. D's scores are
grades as well, so D is measured alike: on your 20 pictures, and on 400.</p>
<p><b>Predict:</b> who tells them apart better, you or D?</p></div>
"""
READY = "The answers are shown once all 20 pictures are graded."


@dataclass(frozen=True, slots=True)
class Deck:
    """Pictures in a game's order, and what they are."""

    images: Tensor  # uint8 (N, C, H, W)
    real: NDArray[np.bool_]  # (N,)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(N, H, W, C)."""
        return self.images.permute(0, 2, 3, 1).contiguous().numpy()


def deal(model: str, seed: int, count: int) -> Deck:
    """The game of a seed: always the same."""
    return _deal(model, seed, count, checkpoints.root())


@functools.lru_cache(DECKS)
def _deal(model: str, seed: int, count: int, _: Path) -> Deck:
    sample = test_images(dataset_of(model), binary=False)
    half = count // 2
    real = sample.images[torch.randperm(len(sample), generator=stream(seed, DEALT))[:half]]
    network = gm_core.load(model)
    labels = None
    if classes := network.config.classes:
        labels = torch.randint(classes, (half,), generator=stream(seed, CHOSEN)).tolist()
    z = network.sample_latent(half, seed=seed)
    [drawn] = engine.stream("forge", model=model, z=z.tolist(), labels=labels)
    images = torch.cat([real, (255 * drawn.images).round().byte()])
    order = torch.randperm(count, generator=stream(seed, ORDER))
    return Deck(images[order], (order < half).numpy())


def scores_of(model: str, dealt: Deck) -> NDArray[np.float32]:
    """What D says of a deck; it is not told the classes either."""
    [record] = engine.stream("judge", model=model, images=(dealt.images / 255).tolist())
    return record.scores.numpy()


@functools.cache
def _many(model: str, _: Path) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    dealt = deal(model, MANY_SEED, MANY)
    return dealt.real, scores_of(model, dealt)


def measure(kind: Any, name: str, real: NDArray[np.bool_], grades: Any, right: float) -> Roc:
    """A judge's curve: called real are all pictures from a grade on, grade by grade."""
    from sklearn.metrics import roc_auc_score, roc_curve  # takes a second, when first needed

    false, true, _ = roc_curve(real, grades, drop_intermediate=False)
    return Roc(kind, name, false, true, float(roc_auc_score(real, grades)), right)


def check(answers: Any) -> list[int]:
    """Twenty answers, each from 0 (none in time) to 4 (surely real)."""
    if not isinstance(answers, list | tuple) or len(answers) != PICTURES:
        raise inputs.refusal(f"There must be {PICTURES} answers, one a picture.")
    return [inputs.whole(answer, "An answer", NO_ANSWER, len(ANSWERS) - 1) for answer in answers]


def compare(yours: float, same: float) -> str:
    """Who told them apart better on the same pictures."""
    if abs(yours - same) < 0.005:
        start = "You and D did equally well on these pictures."
    elif yours > same:
        start = "On these pictures you were the better discriminator."
    else:
        start = "On these pictures D was the better discriminator."
    return f"{start} Twenty pictures are few: another game may end otherwise, so D also had {MANY}."


def most_convincing(dealt: Deck, grades: NDArray[np.floating], scores: NDArray[np.floating]) -> int:
    """The generated picture that the student graded highest; of several, D's favourite."""
    forged = np.flatnonzero(~dealt.real).tolist()
    return max(forged, key=lambda at: (grades[at], scores[at]))


def address(pixels: NDArray[np.uint8]) -> str:
    """A picture (H, W, C) as a data URL."""
    return render.data_url(render.png(pixels[None], 1), "image/png")


def judge(model: str, seed: int, answers: list[int]) -> tuple[str, str, str]:
    """Curves, pictures, and a status line for a game that was played."""
    dealt = deal(model, seed, PICTURES)
    scores = scores_of(model, dealt)
    many_real, many = _many(model, checkpoints.root())
    # D's scores have no zero: where half of many pictures score lower, it draws the line.
    line = float(np.median(many))
    grades = np.array([MIDDLE if answer == NO_ANSWER else answer for answer in answers])
    is_right = ((grades > MIDDLE) == dealt.real) & (grades != MIDDLE)
    of_line = [(each > line, truth) for each, truth in ((scores, dealt.real), (many, many_real))]
    few_right, many_right = (float((called == truth).mean()) for called, truth in of_line)
    judges = [
        measure("you", "you", dealt.real, grades, float(is_right.mean())),
        measure("few", f"D, the same {PICTURES}", dealt.real, scores, few_right),
        measure("many", f"D, {MANY} pictures", many_real, many, many_right),
    ]
    best = most_convincing(dealt, grades, scores)
    addresses = [address(pixels) for pixels in dealt.pixels]
    words = f"You: {ANSWERS[answers[best]]}. D's score: {signed(float(scores[best]))}."
    cards = [
        Card(url, bool(real), ANSWERS[answer], bool(right), signed(float(score)))
        for url, real, answer, right, score in zip(
            addresses, dealt.real, answers, is_right, scores, strict=True
        )
    ]
    told = (
        f"You got {int(is_right.sum())} of {PICTURES} right; area under your curve "
        f"{judges[0].area:.2f}, under D's {judges[1].area:.2f} on the same pictures. Seed {seed}."
    )
    return (
        roc.curves(
            judges,
            compare(judges[0].area, judges[1].area),
            roc.picture(addresses[best], "The most convincing forgery", words),
        ),
        roc.cards(cards),
        told,
    )


def build(tab: ModelTab) -> None:
    """The activity's contents, with the first picture of a game on the table."""
    models = tuple(name for name in tab.models if name in GAMES)

    def start(model: str, seed: float) -> tuple[dict[str, Any], str, str, str]:
        """The 20 pictures of a game, without their truth; the same for everyone with this seed."""
        model = inputs.choice(model, "Model", models)
        number = inputs.seed(seed)
        return duel.deck(deal(model, number, PICTURES).pixels, model, number), HOW, "", READY

    def next_game(model: str, seed: float) -> tuple[Any, ...]:
        """The game of the next seed."""
        number = (inputs.seed(seed) + 1) % inputs.LARGEST_SEED
        return number, *start(model, number)

    def finish(model: str, seed: float, answers: list[int]) -> tuple[str, str, str]:
        """The truth of a game: your ROC curve beside D's, and every picture."""
        model = inputs.choice(model, "Model", models)
        return judge(model, inputs.seed(seed), check(answers))

    def played(game: dict[str, Any]) -> tuple[str, str, str]:
        """`finish`, of what the table sends."""
        if not isinstance(game, dict):
            raise inputs.refusal("A game must have a model, a seed and answers.")
        return finish(*(game.get(name) for name in ("model", "seed", "answers")))  # pyright: ignore[reportArgumentType]

    first, *_ = start(models[0], 0)
    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=0, min_width=370):
            table = duel.duel(first, elem_id=f"{tab.id}-duel")
        with gr.Column(scale=1, min_width=336):
            with gr.Row():
                again = gr.Button("New game", variant="primary", min_width=120)
                model = model_dropdown(models)
                seed = gr.Number(0, label="Seed", min_width=100)
            told = status(READY, elem_id=f"{tab.id}-duel-status")
            result = roc.results(HOW, elem_id=f"{tab.id}-duel-result")
    cards = roc.results("", elem_id=f"{tab.id}-duel-cards")
    answers = gr.JSON(label="Answers", visible=False)

    events: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",
        **engine.event("quick"),
    }
    private: dict[str, Any] = events | {"api_visibility": "private"}
    shown = [table, result, cards, told]
    gr.on([model.input, seed.input], start, [model, seed], shown, api_name=f"{tab.id}_duel_deal",
          **events)  # fmt: skip
    again.click(next_game, [model, seed], [seed, *shown], **private)
    table.input(played, table, [result, cards, told], **private)
    # What the table sends, for everyone else.
    answers.change(
        finish, [model, seed, answers], [result, cards, told], api_name=f"{tab.id}_duel_judge",
        **events,
    )  # fmt: skip
