"""The table of the paradigms: every cell opens what there is, and says where there is nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest

from demo.components.paradigm_table import BETWEEN, PLACED, ROWS, Demonstration, paradigm_table
from demo.tabs import paradigms

TITLES = {
    "labels": "Labels", "budget": "Label budget", "clusters": "Map", "refuse": "Refuse",
    "nine": "Nine tasks", "price": "Price of data", "quiz": "Which paradigm?",
}  # fmt: skip
CELLS = [demonstration for row in ROWS.values() for cell in row for demonstration in cell]
PICTURES = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)


def render(titles: dict[str, str]) -> str:
    table = paradigm_table(titles, PICTURES, ["7", "<2>"], opens="tabs", elem_id="table")
    assert isinstance(table.html_template, str)
    return table.html_template


def opened(template: str) -> list[tuple[str, str]]:
    """Activity and task of every button."""
    return re.findall(r'data-activity="(\w+)"(?: data-task="([^"]+)")?', template)


def test_the_table_is_the_one_that_is_taught():
    supervised, unsupervised = ROWS["Examples"]
    assert [each.title for each in supervised] == [
        "classification", "regression", "object detection", "semantic segmentation",
        "image captioning",
    ]  # fmt: skip
    assert [each.title for each in unsupervised] == [
        "clustering", "dimensionality reduction", "feature learning", "density estimation"
    ]  # fmt: skip
    assert list(ROWS) == ["Data", "Price of data", "Goal", "Examples"]


def test_every_cell_opens_its_demonstration():
    found = opened(render(TITLES))
    every = [*CELLS, BETWEEN, PLACED]
    assert found == [(each.opens[0], each.task) for each in every]
    assert {task for _, task in found if task} == {
        each.title for cell in ROWS["Examples"] for each in cell
    }
    assert {activity for activity, _ in found} == set(TITLES)


def test_until_a_demonstration_is_there_the_nearest_one_opens():
    template = render({"price": "Price of data", "labels": "Labels & y"})
    assert ("labels", "classification") in opened(template)
    assert "regression" not in {task for _, task in opened(template)}
    assert '<div class="later"><span><b>regression</b></span><em>not built yet</em></div>' in (
        template
    )
    assert "Labels &amp; y" in template
    assert template.count("not built yet") == 12


def test_the_same_pictures_with_and_without_their_labels():
    template = render(TITLES)
    with_labels, without = (
        re.findall(r'<img src="([^"]+)" alt=""><i>(.*?)</i>', cell)
        for cell in template.split("</td>")[1:3]
    )
    assert [label for _, label in with_labels] == ["7", "&lt;2&gt;"]
    assert [label for _, label in without] == ["", ""]
    assert [url for url, _ in with_labels] == [url for url, _ in without]


@pytest.mark.parametrize("demonstration", CELLS, ids=lambda each: each.title)
def test_what_can_be_opened_has_a_name(demonstration: Demonstration):
    assert demonstration.opens
    assert set(demonstration.opens) <= set(TITLES)


def test_the_tab_says_what_its_activities_are_called():
    names = {module.__name__.rpartition(".")[2] for module in paradigms.ACTIVITIES}
    assert {"price", "quiz"} <= names <= set(TITLES)
