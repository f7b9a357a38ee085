"""Whatever is refused is refused in one sentence that names the thing."""

from __future__ import annotations

import math

import gradio as gr
import pytest

from demo import inputs

NOT_NUMBERS = [
    None,
    "3",
    "",
    [3],
    {"a": 1},
    True,
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    -(10**400),
]


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 0.99, 2.01])
def test_a_number_must_be_in_range(value):
    with pytest.raises(gr.Error, match=r"^'?Temperature must be .*from 1 to 2\.'?$"):
        inputs.number(value, "Temperature", 1, 2)


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 0, 65, 1.5, 2 - 1e-12])
def test_a_whole_number_must_be_whole(value):
    with pytest.raises(gr.Error, match="Images must be"):
        inputs.whole(value, "Images", 1, 64)


def test_good_values_come_back():
    assert inputs.number(1, "Temperature", 1, 2) == 1.0
    assert inputs.whole(3.0, "Images", 1, 64) == 3
    assert isinstance(inputs.whole(3.0, "Images", 1, 64), int)
    assert inputs.seed(2**32 - 1) == 2**32 - 1
    assert inputs.choice("7", "Class", ("any", "7")) == "7"


@pytest.mark.parametrize("value", [None, 7, "8", ["7"], "x" * 10**6])
def test_a_choice_must_be_one_of_them(value):
    with pytest.raises(gr.Error, match=r"Class must be one of: any, 7\."):
        inputs.choice(value, "Class", ("any", "7"))


@pytest.mark.parametrize("value", [-1, 2**32, 4294967290.5, *NOT_NUMBERS])
def test_a_seed_must_fit(value):
    with pytest.raises(gr.Error, match="Seed must be"):
        inputs.seed(value)


@pytest.mark.parametrize("value", [None, 0, 1, "true", "", [True], {}])
def test_a_flag_must_be_true_or_false(value):
    with pytest.raises(gr.Error, match=r"Average must be true or false\."):
        inputs.flag(value, "Average")
    assert inputs.flag(True, "Average") is True
    assert inputs.flag(False, "Average") is False
