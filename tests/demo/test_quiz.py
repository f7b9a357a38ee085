"""Which paradigm?: the questions, their verdicts, the tabs that they open, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client

from demo.activities import ModelTab
from demo.paradigms import quiz
from demo.paradigms.quiz import CHOICES, QUESTIONS
from demo.ui import MODEL_TABS
from tests.demo.test_api import call, handler
from tests.demo.test_paradigm_table import TITLES

RIGHT = [question.paradigm for question in QUESTIONS]


@pytest.fixture(scope="module")
def demo() -> gr.Blocks:
    """The quiz as in the app: in tabs within tabs."""
    with gr.Blocks() as demo, gr.Tabs():
        with gr.Tab("Learning paradigms", id="paradigms"), gr.Tabs():
            with gr.Tab("Map", id="paradigms-clusters"):
                pass
            with gr.Tab(quiz.TITLE, id="paradigms-quiz"), gr.Row():
                quiz.build(ModelTab("paradigms", ()))
        with gr.Tab("GAN", id="gan"):
            pass
    return demo


def test_the_questions_are_of_all_kinds_and_about_tabs_of_the_app():
    assert 8 <= len(QUESTIONS) <= 10
    assert all(RIGHT.count(choice.id) >= 3 for choice in CHOICES)
    known = {tab.ID for tab in MODEL_TABS} | {f"paradigms-{name}" for name in TITLES}
    assert {question.tab for question in QUESTIONS} <= known
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)


def test_answers_are_judged_one_after_the_other(client: Client):
    asked = client.predict(api_name="/paradigms_quiz_questions")
    assert [each["name"] for each in asked] == [question.name for question in QUESTIONS]
    assert all(set(each) == {"name", "text"} for each in asked)  # nothing of what is right
    judged = client.predict(["supervised", "supervised"], api_name="/paradigms_quiz_judge")
    first, second = judged
    assert (first["paradigm"], first["right"], first["title"]) == ("supervised", True, "GAN")
    assert (second["paradigm"], second["right"], second["title"]) == ("unsupervised", False, "Map")
    assert second["why"] == QUESTIONS[1].why
    judged = client.predict(RIGHT, api_name="/paradigms_quiz_judge")
    assert all(each["right"] for each in judged)
    assert {each["title"] for each in judged} == {"GAN", "Map", ""}  # what this app can open
    assert client.predict([], api_name="/paradigms_quiz_judge") == []


def test_what_a_question_is_about_is_opened_where_it_is(demo: gr.Blocks):
    open_tab = handler(demo, "open_tab")

    def opened(question: int) -> list[str | None]:
        inner, outer = open_tab(gr.EventData(None, {"question": question}))
        return [getattr(update, "selected", None) for update in (inner, outer)]

    about = {question.tab: at for at, question in enumerate(QUESTIONS)}
    assert opened(about["gan"]) == [None, "gan"]
    assert opened(about["paradigms-clusters"]) == ["paradigms-clusters", None]
    assert opened(about["vae"]) == [None, None]
    for bad in (None, -1, 10, "0"):
        with pytest.raises(gr.Error, match="Question must be"):
            opened(bad)  # pyright: ignore[reportArgumentType]


NUMBER, ONE_OF = "There must be at most 10 answers", "An answer must be one of: supervised, between"
BAD = [
    (None, NUMBER), ({"a": 1}, NUMBER), ("supervised", NUMBER), ([*RIGHT, "between"], NUMBER),
    (["both"], ONE_OF), ([None], ONE_OF), ([1], ONE_OF), ([["between"]], ONE_OF),
]  # fmt: skip


@pytest.mark.parametrize(("answers", "sentence"), BAD, ids=range(len(BAD)))
def test_bad_answers_get_one_sentence(url: str, answers: Any, sentence: str):
    event, answer = call(url, "paradigms_quiz_judge", json.dumps({"data": [answers]}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)
    event, _ = call(url, "paradigms_quiz_judge", json.dumps({"data": [RIGHT[:1]]}))
    assert event == "complete"
