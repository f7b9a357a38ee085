"""Price of data: label twenty images by hand, and see what a data set of labels would cost."""

from __future__ import annotations

import functools
import math
from statistics import median
from typing import Any

import gradio as gr
import torch
from gradio.events import api

from demo import engine, inputs, render
from demo.activities import ModelTab
from demo.components import bill, labelling
from demo.components.bill import WEEK, YEAR, Card, Job
from demo.components.labelling import deck
from demo.components.status import status
from gm_core import data
from gm_core.data import Images
from gm_core.randomness import stream

TITLE = "Price of data"
DATASETS = ("mnist", "fashion")
NAMES = {"mnist": "MNIST", "fashion": "Fashion-MNIST"}
IMAGES = 20  # of a round
WAGE = 15.0  # an hour, before the student says otherwise
HIGHEST_WAGE = 10_000
LONGEST = 3_600  # seconds for an image
GUESSES = {"a day": 8, "a week": WEEK, "a month": YEAR / 12, "a year": YEAR}  # of work: hours

TRAINING_IMAGES = 60_000  # of MNIST, and as many of Fashion-MNIST
IMAGENET = 1_281_167  # training images of ILSVRC 2012
CITYSCAPES = 5_000  # images with fine annotations
CITYSCAPES_SECONDS = 1.5 * 3_600  # an image, on average: Cordts et al. 2016

QUESTION = """
<p class="gm-question">
Supervised learning needs the label y of every picture, and somebody has to give
it. Be that person: label 20 test images, as fast as you can and still right. Keys 0 to 9 answer,
too.</p>
"""
READY = "The bill is made out once all 20 images are labelled."
DOUBT = (
    "Where you differ, are you sure who is right? Of ImageNet's validation labels at least 6 % are "
    "wrong (Northcutt et al. 2021)."
)
NOTE = (
    "Time: the mean of your last 19 images, without a break and without a second opinion. ImageNet "
    "at your pace is a lower bound: it has 1,000 classes, not ten. Cityscapes: more than 1.5 hours "
    "an image on average, says its paper (Cordts et al. 2016). Pictures without labels had to be "
    "taken, too, but so had those with labels."
)


@functools.cache
def sample(dataset: str) -> Images:
    return data.load(dataset, "sample")


def deal(dataset: str, seed: int) -> Images:
    """The images of a round, always the same for a seed, with the labels of the data set."""
    images = sample(dataset)
    order = torch.randperm(len(images), generator=stream(seed))[:IMAGES]
    return Images(images.images[order], images.labels[order], dataset)


def show_bill(pace: float | None, dataset: str, wage: float, guess: str | None) -> str:
    """What it all costs. pace: seconds an image; None: nobody has labelled yet."""
    name = NAMES[dataset]
    yours = "at your pace"
    jobs = [
        Job(f"{name}: a label each", yours, TRAINING_IMAGES, pace),
        Job("ImageNet: a label each", yours, IMAGENET, pace),
        Job(
            "Cityscapes: a class for every pixel", "1.5 hours an image",
            CITYSCAPES, CITYSCAPES_SECONDS,
        ),
        Job(f"{name} without labels", "unsupervised: x alone", TRAINING_IMAGES, 0),
    ]  # fmt: skip
    return bill.bill(jobs, wage, compare(pace, guess), NOTE)


def compare(pace: float | None, guess: str | None) -> str:
    """The guess beside what came out."""
    if pace is None:
        return "What is the first line? Label, and it will be filled in."
    seconds = pace * TRAINING_IMAGES
    if guess is None:
        return f"{bill.duration(seconds)} of work for one person, before any learning begins."
    nearest = min(GUESSES, key=lambda name: abs(math.log(GUESSES[name] / max(seconds / 3_600, 1))))
    start = f"You guessed {guess} of work; at your pace it is {bill.duration(seconds)}"
    return f"{start}: well guessed." if guess == nearest else f"{start}, nearer to {nearest}."


def show_cards(dealt: Images, answers: list[int], seconds: list[float]) -> str:
    names = data.DATASETS[dealt.dataset].class_names
    pixels = dealt.images.permute(0, 2, 3, 1).contiguous().numpy()
    return bill.cards(
        [
            Card(
                render.data_url(render.png(image[None], 1), "image/png"),
                names[answer],
                names[label],
                time,
            )
            for image, answer, label, time in zip(
                pixels, answers, dealt.labels.tolist(), [None, *seconds], strict=True
            )
        ]
    )


def summary(dealt: Images, answers: list[int], seconds: list[float], seed: int) -> str:
    """What came out, in a line."""
    same = int((torch.tensor(answers) == dealt.labels).sum())
    pace = sum(seconds) / len(seconds)
    name = NAMES[dealt.dataset]
    told = (
        f"You and {name} agree on {same} of {IMAGES} labels; {pace:.2f} s an image (median "
        f"{median(seconds):.2f} s). Seed {seed}."
    )
    return told if same == IMAGES else f"{told} {DOUBT}"


def check_answers(answers: Any, dataset: str) -> list[int]:
    """A class for every image."""
    if not isinstance(answers, list | tuple) or len(answers) != IMAGES:
        raise inputs.refusal(f"There must be {IMAGES} answers, one an image.")
    most = len(data.DATASETS[dataset].class_names) - 1
    return [inputs.whole(answer, "An answer", 0, most) for answer in answers]


def check_seconds(seconds: Any) -> list[float]:
    """How long every image but the first took."""
    if not isinstance(seconds, list | tuple) or len(seconds) != IMAGES - 1:
        raise inputs.refusal(f"There must be {IMAGES - 1} times, one an image after the first.")
    return [inputs.number(each, "A time in seconds", 0, LONGEST) for each in seconds]


def check_wage(wage: Any) -> float:
    return inputs.number(wage, "Wage an hour", 0, HIGHEST_WAGE)


def check_guess(guess: Any) -> str | None:
    """Nobody has to guess."""
    return None if guess is None else inputs.choice(guess, "Your guess", tuple(GUESSES))


def build(tab: ModelTab) -> None:
    """The activity's contents, with the first image of a round on the table."""

    def price_deal(dataset: str, seed: float) -> dict[str, Any]:
        """The 20 images of a round as one PNG, without their labels; the same for everyone with
        this seed. dataset: mnist or fashion."""
        dataset = inputs.choice(dataset, "Data", DATASETS)
        number = inputs.seed(seed)
        pixels = deal(dataset, number).images.permute(0, 2, 3, 1).contiguous().numpy()
        return deck(pixels, data.DATASETS[dataset].class_names, dataset, number)

    def price_check(
        dataset: str,
        seed: float,
        answers: list[int],
        seconds: list[float],
        wage: float = WAGE,
        guess: str | None = None,
    ) -> tuple[str, str, str]:
        """Compare 20 labels (0 to 9) with the data set's own: a line, the bill and the images as
        HTML. seconds: the time of each image but the first; wage: an hour; guess: a day, a week,
        a month or a year, for 60,000."""
        dataset = inputs.choice(dataset, "Data", DATASETS)
        number = inputs.seed(seed)
        labels, times = check_answers(answers, dataset), check_seconds(seconds)
        paid, guessed = check_wage(wage), check_guess(guess)
        dealt = deal(dataset, number)
        return (
            summary(dealt, labels, times, number),
            show_bill(sum(times) / len(times), dataset, paid, guessed),
            show_cards(dealt, labels, times),
        )

    def start(dataset: str, seed: float, wage: float, guess: str | None) -> tuple[Any, ...]:
        """Images to label, and an open bill."""
        if seed is None or wage is None:  # an empty field is no mistake but a beginning
            return (gr.skip(),) * 4
        dealt = price_deal(dataset, seed)
        opened = show_bill(None, dataset, check_wage(wage), check_guess(guess))
        return dealt, READY, opened, ""

    def again(dataset: str, seed: float, wage: float, guess: str | None) -> tuple[Any, ...]:
        """The images of the next seed."""
        number = (inputs.seed(seed) + 1) % inputs.LARGEST_SEED
        return number, *start(dataset, number, wage, guess)

    def finish(game: Any, wage: float, guess: str | None) -> tuple[Any, Any, Any]:
        """`price_check`, of what the table sends."""
        if not isinstance(game, dict):
            raise inputs.refusal("A round must have a data set, a seed, answers and seconds.")
        if wage is None:
            return gr.skip(), gr.skip(), gr.skip()
        dataset, seed, answers, seconds = (
            game.get(name) for name in ("dataset", "seed", "answers", "seconds")
        )
        if answers is None:  # another wage before anything is labelled
            dataset = inputs.choice(dataset, "Data", DATASETS)
            return gr.skip(), show_bill(None, dataset, check_wage(wage), check_guess(guess)), ""
        return price_check(dataset, seed, answers, seconds, wage, guess)  # pyright: ignore[reportArgumentType]

    gr.HTML(QUESTION, padding=False)
    guess = gr.Radio(
        list(GUESSES), label="Guess first: for one person, 60,000 labels are the work of",
        elem_id=f"{tab.id}-price-guess",
    )  # fmt: skip
    with gr.Row():
        with gr.Column(scale=0, min_width=380):
            table = labelling.labelling(price_deal(DATASETS[0], 0), elem_id=f"{tab.id}-price")
        with gr.Column(scale=1, min_width=336):
            with gr.Row():
                new = gr.Button("New images", variant="primary", min_width=120)
                dataset = gr.Dropdown(
                    [(NAMES[name], name) for name in DATASETS],
                    value=DATASETS[0],
                    label="Data",
                    min_width=170,
                )  # fmt: skip
                seed = gr.Number(0, label="Seed", min_width=80)
                wage = gr.Number(WAGE, label="Wage an hour", min_width=110)
            told = status(READY, elem_id=f"{tab.id}-price-status")
            costs = bill.results(
                show_bill(None, DATASETS[0], WAGE, None), elem_id=f"{tab.id}-price-bill"
            )
    cards = bill.results("", elem_id=f"{tab.id}-price-cards")

    private: dict[str, Any] = {
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",
        "api_visibility": "private",
        **engine.event("quick"),
    }
    chosen = [dataset, seed, wage, guess]
    shown = [told, costs, cards]
    gr.on([dataset.input, seed.input], start, chosen, [table, *shown], **private)
    new.click(again, chosen, [seed, table, *shown], **private)
    gr.on([table.input, wage.input, guess.input], finish, [table, wage, guess], shown, **private)
    api(price_deal, api_name=f"{tab.id}_price_deal")
    api(price_check, api_name=f"{tab.id}_price_check")
