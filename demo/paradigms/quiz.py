"""Which paradigm?: place what this app does, question by question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from gradio.blocks import Block
from gradio.events import api

from demo import engine, inputs
from demo.activities import ModelTab
from demo.components.quiz import Asked, Choice, Judged, quiz, verdict

TITLE = "Which paradigm?"

Paradigm = Literal["supervised", "between", "unsupervised"]
CHOICES = (
    Choice("supervised", "supervised"),
    Choice("between", "both, or in between"),
    Choice("unsupervised", "unsupervised"),
)

IDEA = """
<p class="gm-quiet">Two questions place every model. What does the data set hold: pairs (x, y), or x
alone? And what is learnt: y given x, or x itself? If the two answers differ, or the data is of both
kinds, it lies in between. Predict, then see why. Keys 1 to 3 answer, too.</p>
"""
CLOSING = (
    "All ten stand where they belong. Not whether a loss has a target places a model, nor whether "
    "it makes pictures, nor what a label costs, but what the data set holds and what is learnt "
    "from it."
)


@dataclass(frozen=True, slots=True)
class Question:
    """Something that this app does, and where it belongs."""

    name: str
    text: str
    paradigm: Paradigm
    why: str
    tab: str  # the id of the tab that it is about


QUESTIONS = (
    Question(
        "The classifier that counts for the GAN",
        "The GAN tab counts how many of ten digits a generator draws. A classifier names the digit "
        "in each picture; it was trained on 60,000 digits that people had read.",
        "supervised",
        "It learnt a function x → y from pairs: a picture and the digit that a person saw in it. "
        "That the pictures it judges are generated changes nothing about how it learnt.",
        "gan",
    ),
    Question(
        "k-means",
        "Test images are divided into ten groups of pictures that are alike. Only afterwards do "
        "you give each group a name.",
        "unsupervised",
        "k-means sees x alone. Your names come when the groups are already there, and they move "
        "no picture from one group to another.",
        "paradigms-clusters",
    ),
    Question(
        "VAE",
        "The loss of the VAE compares each output with a target, pixel by pixel. The target is the "
        "picture that went in.",
        "unsupervised",
        "There is a target, but it is x itself: nobody had to write it. With β = 0, 1 or 10 the "
        "same holds; β only says how much the code may know.",
        "vae",
    ),
    Question(
        "PixelCNN completes a digit",
        "You draw the upper half and the network continues. In training it predicted every pixel "
        "from the pixels before it, like a classifier whose classes are black and white.",
        "unsupervised",
        "Each prediction looks supervised, but its answer is a part of x: this is called "
        "self-supervised. All predictions together are p(x), the goal of unsupervised learning.",
        "pixelcnn",
    ),
    Question(
        "PixelCNN, told to draw a 7",
        "In training every digit came with its label, so that now you can choose the class: the "
        "network gives p(x | y).",
        "between",
        "The data of supervised learning, pairs (x, y); but what is learnt is what the x of a "
        "class look like, the goal of unsupervised learning. Conditional generation is both.",
        "pixelcnn",
    ),
    Question(
        "The GAN of avatars",
        "Its discriminator D is a classifier: real or generated? Each picture that D learns from "
        "carries this label. The data set: 30,000 avatars without a word about them.",
        "unsupervised",
        "The data holds x alone. Whether a picture is real follows from where it was taken, so "
        "nobody had to label it; and D serves G, which learns what the x are like.",
        "gan",
    ),
    Question(
        "InstructPix2Pix",
        "It was trained on triples: a picture, an instruction, and the picture as it should be "
        "afterwards. All of them were made by a program.",
        "supervised",
        "Picture and instruction are the x, the edited picture is the y: pairs, and a function "
        "from one to the other. A y may be a picture, and it need not be written by hand.",
        "instruct_pix2pix",
    ),
    Question(
        "Label spreading",
        "100 digits have a label, ten a class; many others have none. The labels spread from "
        "picture to picture along those that are alike.",
        "between",
        "This is semi-supervised: the pictures without labels say which ones lie close to each "
        "other, the few labels say what the groups are called.",
        "paradigms-budget",
    ),
    Question(
        "The angle of a digit",
        "A network reads by how many degrees a digit is rotated. A program rotated the digits, so "
        "it knows every angle, and labels cost nothing.",
        "supervised",
        "Regression: pairs of a picture and a number, and a function x → y. What labels cost says "
        "nothing about the paradigm; whether there are any does.",
        "paradigms-nine",
    ),
    Question(
        "Glasses on an avatar",
        "A VAE of avatars was trained without labels. Then you pick a few avatars with glasses and "
        "a few without: the difference of their mean codes adds glasses to others.",
        "between",
        "The code was learnt from x alone, the direction from a handful of labels, yours. Features "
        "without labels, then a few labels on top: that is how labels are saved today.",
        "vae",
    ),
)  # fmt: skip


def judge(answers: list[str], titles: dict[str, str]) -> list[Judged]:
    """The answers so far; titles: of the tabs that can be opened."""
    return [
        Judged(
            answer,
            question.paradigm,
            answer == question.paradigm,
            question.why,
            titles.get(question.tab, ""),
        )
        for question, answer in zip(QUESTIONS, answers, strict=False)
    ]


def check(answers: Any) -> list[str]:
    """Answers to the first questions, as many as there are."""
    if not isinstance(answers, list | tuple) or len(answers) > len(QUESTIONS):
        raise inputs.refusal(f"There must be at most {len(QUESTIONS)} answers, one a question.")
    ids = tuple(choice.id for choice in CHOICES)
    return [inputs.choice(answer, "An answer", ids) for answer in answers]


def enclosing_tabs(block: Block) -> Iterator[gr.Tabs]:
    """The tabs that a component lies in, the innermost first."""
    parent = block.parent
    while parent is not None:
        if isinstance(parent, gr.Tabs):
            yield parent
        parent = parent.parent


def titles_in(tabs: gr.Tabs) -> dict[str, str]:
    """Ids and titles of what these tabs can open."""
    return {str(tab.id): str(tab.label) for tab in tabs.children if isinstance(tab, gr.Tab)}


def build(tab: ModelTab) -> None:
    """The activity's contents, at the first question."""

    def paradigms_of(answers: list[str]) -> list[dict[str, Any]]:
        """Judge answers (supervised, between, unsupervised) to the first questions: which paradigm
        is right, and why."""
        return verdict(judge(check(answers), openable()), CLOSING)["judged"]

    def questions() -> list[dict[str, str]]:
        """What is asked: a name and a text a question."""
        return [{"name": each.name, "text": each.text} for each in QUESTIONS]

    def openable() -> dict[str, str]:
        return {id: title for each in tabs for id, title in titles_in(each).items()}

    def answered(value: Any) -> dict[str, Any]:
        """The verdict on what the page sends."""
        if not isinstance(value, dict):
            raise inputs.refusal("What is sent must hold answers.")
        return verdict(judge(check(value.get("answers")), openable()), CLOSING)

    def open_tab(event: gr.EventData) -> list[Any]:
        """Select what a question is about, in whichever tabs have it."""
        at = inputs.whole(inputs.detail(event, "question"), "Question", 0, len(QUESTIONS) - 1)
        wanted = QUESTIONS[at].tab
        return [
            gr.Tabs(selected=wanted) if wanted in titles_in(each) else gr.skip() for each in tabs
        ]

    gr.HTML(IDEA, padding=False)
    asked = [Asked(each.name, each.text) for each in QUESTIONS]
    board = quiz(asked, CHOICES, elem_id=f"{tab.id}-quiz")
    tabs = list(enclosing_tabs(board))

    private: dict[str, Any] = {
        "show_progress": "hidden", "api_visibility": "private", **engine.event("quick")
    }  # fmt: skip
    board.input(answered, board, board, preprocess=False, trigger_mode="always_last", **private)
    if tabs:
        board.select(open_tab, None, tabs, **private)
    api(questions, api_name=f"{tab.id}_quiz_questions")
    api(paradigms_of, api_name=f"{tab.id}_quiz_judge")
