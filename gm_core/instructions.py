"""Instructions in words: a grammar that says every edit in thousands of ways.

`phrase(edits, generator)` is one way to ask for the edits, `outside(generator)` asks for something
that the miniature does not know. Patterns are written with alternatives: "(a|b|)" is a, b or
nothing, "{whose}" stands for one of the words of a list. Beside the grammar stand 2,000 wordings
that no grammar gives (samples/wordings.json). Sentences whose fingerprint falls into a twentieth
are never used in training: `is_held_out`.
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gm_core.scenes import Edit

HELD_OUT = 20  # one sentence in so many
WRITTEN_SHARE = 0.35  # of the requests for one edit, that are not from the grammar
TYPO_SHARE = 0.06  # of the sentences

SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True, slots=True)
class Ways:
    """How an edit can be asked for: patterns of words."""

    do: tuple[str, ...] = ()  # whole imperative clauses
    has: tuple[str, ...] = ()  # what the person has afterwards: "a beard"
    wears: tuple[str, ...] = ()  # what the person puts on: "a cap"
    looks: tuple[str, ...] = ()  # what the person is afterwards: "bald"
    scene: tuple[str, ...] = ()  # what the picture is afterwards: "at night"


@dataclass(frozen=True, slots=True)
class Grammar:
    """samples/grammar.json: the words, and what is put around them."""

    words: Mapping[str, str]  # what stands for "{who}" and its like
    ways: Mapping[str, Ways]  # by edit
    frames: Mapping[str, tuple[str, ...]]  # clauses around a way's words, by the kind of words
    polite: tuple[tuple[str, str], ...]  # what stands before and behind a request
    join: tuple[str, ...]  # what stands between two clauses
    among: tuple[str, ...]  # what stands between two things
    outside: tuple[str, ...]  # what the miniature does not know


@functools.cache
def grammar() -> Grammar:
    """The grammar, read once."""
    read = json.loads((SAMPLES / "grammar.json").read_text("utf-8"))
    ways = dict(read["ways"])
    for thing, block in read["coloured"].items():
        for colour, synonyms in block["colours"].items():
            filled = json.dumps(block["ways"]).replace("<colour>", synonyms)
            ways[f"{colour} {thing}"] = json.loads(filled.replace("<name>", colour))
            if thing == "hair" and colour in read["looks"]:
                ways[f"{colour} {thing}"]["looks"] = read["looks"][colour]
    return Grammar(
        words=read["words"],
        ways={
            name: Ways(**{kind: tuple(patterns) for kind, patterns in of_one.items()})
            for name, of_one in ways.items()
        },
        frames={kind: tuple(frames) for kind, frames in read["frames"].items()},
        polite=tuple((before, after) for before, after in read["polite"]),
        join=tuple(read["join"]),
        among=tuple(read["with"]),
        outside=tuple(read["outside"]),
    )


OPTION = re.compile(r"\(([^()]*)\)")
SLOT = re.compile(r"\{(\w+)\}")


def expand(pattern: str, draw: random.Random) -> str:
    """One way to read a pattern: "(a|b) {who}" -> "b her"."""
    while "{" in pattern or "(" in pattern:
        pattern = SLOT.sub(lambda match: grammar().words[match[1]], pattern)
        pattern = OPTION.sub(lambda match: draw.choice(match[1].split("|")), pattern)
    return " ".join(pattern.split())


@functools.cache
def written() -> Mapping[str, tuple[str, ...]]:
    """Wordings that were written one by one, by edit; by "" what the miniature does not know."""
    wordings = json.loads((SAMPLES / "wordings.json").read_text("utf-8"))
    return {
        name: tuple(words for words in of_one if not is_held_out(words))
        for name, of_one in wordings.items()
    }


def clause(edit: Edit, draw: random.Random) -> str:
    """One edit as a clause, without a "please"."""
    if draw.random() < WRITTEN_SHARE:
        return draw.choice(written()[edit.name])
    ways, frames = grammar().ways[edit.name], grammar().frames
    choices = [(("{it}",), ways.do), (frames["has"], ways.has), (frames["looks"], ways.looks)]
    choices += [(frames["has"] + frames["wears"], ways.wears), (frames["scene"], ways.scene)]
    frame, words = draw.choice([choice for choice in choices if choice[1]])
    return _fill(frame, draw.choice(words), draw)


def _fill(frames: Sequence[str], words: str, draw: random.Random) -> str:
    return expand(draw.choice(frames).replace("{it}", words), draw)


def request(edits: Sequence[Edit], draw: random.Random) -> str:
    """One or two edits in a sentence."""
    if len(edits) == 1:
        return clause(edits[0], draw)
    ways = [grammar().ways[edit.name] for edit in edits]
    frames = grammar().frames
    things = [way.has + way.wears for way in ways]
    if all(things) and draw.random() < 0.4:  # "give her glasses and a beard"
        both = draw.choice(grammar().among).join(draw.choice(words) for words in things)
        return _fill(frames["has"], both, draw)
    if all(way.scene for way in ways) and draw.random() < 0.3:  # "in winter at night"
        both = draw.choice((" ", ", ", " and ")).join(draw.choice(way.scene) for way in ways)
        return _fill(frames["scene"], both, draw)
    if draw.random() < 0.3:  # "laughing, a yellow wall"
        bare = [
            draw.choice([*way.has, *way.wears, *way.looks, *way.scene] or way.do) for way in ways
        ]
        return expand(draw.choice(grammar().among).join(bare), draw)
    if ways[1].scene and draw.random() < 0.3:  # "make it winter with a moon"
        return clause(edits[0], draw) + " " + expand(draw.choice(ways[1].scene), draw)
    return draw.choice(grammar().join).join(clause(edit, draw) for edit in edits)


def phrase(edits: Sequence[Edit], generator: random.Random) -> str:
    """One way to ask for one or two edits; for none, for what the miniature does not know."""
    words = request(edits, generator) if edits else outside(generator)
    before, after = generator.choice(grammar().polite)
    words = before + words + after
    if generator.random() < TYPO_SHARE:
        words = _typo(words, generator)
    return words if generator.random() < 0.6 else words[:1].upper() + words[1:]


def outside(draw: random.Random) -> str:
    """A request for something that the miniature does not know."""
    if draw.random() < WRITTEN_SHARE:
        return draw.choice(written()[""])
    return expand(draw.choice(grammar().outside), draw)


def is_held_out(words: str) -> bool:
    """Whether a sentence is kept from training, whatever its case and punctuation."""
    fingerprint = hashlib.sha256(normal(words).encode()).digest()
    return int.from_bytes(fingerprint[:4], "big") % HELD_OUT == 0


def normal(words: str) -> str:
    """Letters and digits alone, in lower case, one blank between words."""
    return " ".join(re.findall(r"[a-z0-9]+", words.lower()))


def _typo(words: str, draw: random.Random) -> str:
    """A letter swapped with the next, doubled or left out, inside a word."""
    places = [
        index for index in range(1, len(words) - 2)
        if words[index - 1 : index + 2].isalpha()
    ]  # fmt: skip
    if not places:
        return words
    at = draw.choice(places)
    one, two = words[at], words[at + 1]
    return words[:at] + draw.choice((two + one, one + one + two, two)) + words[at + 2 :]
