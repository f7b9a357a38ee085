"""The grammar of instructions."""

from __future__ import annotations

import random

import pytest

from gm_core.edit_success import free_phrasings
from gm_core.instructions import expand, grammar, is_held_out, normal, outside, phrase, written
from gm_core.scenes import EDITS


def test_every_edit_can_be_asked_for():
    assert set(grammar().ways) == set(EDITS)
    assert set(written()) == {*EDITS, ""}
    assert min(len(wordings) for wordings in written().values()) >= 12


@pytest.mark.parametrize(
    ("pattern", "readings"),
    [
        ("plain", {"plain"}),
        ("(a|b|) c", {"a c", "b c", "c"}),
        ("(a (b|c)|d)", {"a b", "a c", "d"}),
        ("{colour}", {"colour", "color"}),
    ],
)
def test_patterns_are_read_in_every_way(pattern: str, readings: set[str]):
    draw = random.Random(0)
    assert {expand(pattern, draw) for _ in range(200)} == readings


def test_nothing_of_the_pattern_language_is_left():
    draw = random.Random(0)
    edits = list(EDITS.values())
    for _ in range(4000):
        words = phrase(draw.sample(edits, draw.choice((0, 1, 2))), draw)
        assert not set(words) & set("(){}|"), words
        assert words == " ".join(words.split())
        assert words


def test_a_wording_follows_from_its_generator():
    edits = [EDITS["glasses"], EDITS["night"]]
    assert phrase(edits, random.Random(3)) == phrase(edits, random.Random(3))
    assert len({phrase(edits, random.Random(seed)) for seed in range(200)}) > 190


def test_both_of_two_edits_are_asked_for():
    draw = random.Random(0)
    edits = [EDITS["moustache"], EDITS["turquoise shirt"]]
    sentences = [phrase(edits, draw).lower() for _ in range(300)]
    both = [
        any(word in sentence for word in ("stache", "tash", "lip"))
        and any(word in sentence for word in ("teal", "turq", "aqua", "cyan", "mint"))
        for sentence in sentences
    ]
    assert sum(both) > 150  # the others say it otherwise


def test_held_out_is_a_twentieth_whatever_the_case():
    draw = random.Random(0)
    sentences = {normal(outside(draw)) for _ in range(6000)}
    share = sum(map(is_held_out, sentences)) / len(sentences)
    assert 0.03 < share < 0.07
    for sentence in list(sentences)[:50]:
        assert is_held_out(sentence) == is_held_out(f"  {sentence.upper()}!")


def test_free_phrasings_are_many_and_not_what_training_says():
    phrasings = free_phrasings()
    asked = [one for one in phrasings if one["edits"]]
    assert len(asked) >= 200
    assert {name for one in asked for name in one["edits"]} == set(EDITS)
    assert len({one["text"].lower() for one in phrasings}) == len(phrasings)
    trained = {normal(words) for wordings in written().values() for words in wordings}
    draw = random.Random(0)
    trained |= {normal(phrase([edit], draw)) for edit in EDITS.values() for _ in range(100)}
    same = [one["text"] for one in asked if normal(one["text"]) in trained]
    assert len(same) <= 0.05 * len(asked), same
