"""Lessons: every step can be done, in this app, and says what was measured."""

from __future__ import annotations

import re

import pytest

from demo.components import lesson
from demo.tabs import overview
from demo.ui import MODEL_TABS

ACTIVITIES = {
    tab.ID: [module.__name__.rpartition(".")[2] for module in tab.ACTIVITIES] for tab in MODEL_TABS
} | {overview.ID: []}


@pytest.mark.parametrize("tab", ACTIVITIES)
def test_a_lesson_is_short_asks_once_and_names_what_there_is(tab: str):
    steps = lesson.read(tab)
    assert 3 <= len(steps) <= 6
    assert any("question" in step for step in steps)
    shown = lesson.lesson(tab, ACTIVITIES[tab]).props["steps"]
    assert len(shown) == len(steps)  # no step is of an activity that there is not
    for step in shown:
        assert len(re.sub("<[^>]+>", "", step["words"])) < 400  # a phone's screen
        assert not re.search(r"\{[\w-]+:", step["words"] + step["reveal"])
        assert step["done"].get("element", tab).startswith(tab)
        assert "(?P<" not in step["done"].get("says", "")


def test_there_is_a_lesson_for_every_tab_and_no_other():
    assert {path.stem for path in lesson.LESSONS.glob("*.toml")} == set(ACTIVITIES)


def test_a_figure_is_the_measured_one():
    assert lesson.words("{gan-mnist: precision}") == "<p>85.2 %</p>\n"
    with pytest.raises(LookupError, match="no figure “charm”"):
        lesson.words("{gan-mnist: charm}")


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ('activity = "a"\ncolour = "red"', "unknown keys: colour"),
        ("", "never be done"),
        ('element = "line"', "never be done"),
        ('element = "line"\nsays = "a (?P<b>c)"\nreveal = "{d}"', "never finds: d"),
        ('activity = "a"\nquestion = "?"\nchoices = ["x"]\nanswer = 2', "no such answer"),
    ],
)
def test_a_step_that_can_not_work_is_refused(step: str, says: str, tmp_path, monkeypatch):
    (tmp_path / "wrong.toml").write_text(f'[[step]]\ntitle = "T"\ntext = "t"\n{step}\n')
    monkeypatch.setattr(lesson, "LESSONS", tmp_path)
    lesson.read.cache_clear()
    with pytest.raises(ValueError, match=says):
        lesson.read("wrong")
