"""Directions: what examples have in common, found in the codes of generated avatars."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
import torch
from gradio.events import api
from numpy.typing import NDArray
from torch import Tensor

import gm_core
from demo import engine, inputs
from demo.activities import ModelTab
from demo.activities.generate import randomise
from demo.components import decoded
from demo.components.marks import Sheet, marks, turned
from demo.components.rows import Row, payload, rows
from demo.components.status import status
from demo.latent.attributes import group_of, signed
from demo.latent.paths import as_bytes, compared
from gm_core import data
from gm_core.attributes import ATTRIBUTES, DATASET, as_pixels
from gm_core.gan import GAN
from gm_core.latent_walk import (
    FEWEST,
    Separation,
    agreement,
    difference,
    regression,
    right_when_left_out,
    separate,
)

TITLE = "Directions"
MODEL = "gan-avatars"
SHEET = 32  # avatars on a sheet
SHEETS = 8
POOL_SEED, OTHERS_SEED = 0, 1  # of the avatars to mark, and of those that are moved
FIRST_SEED = 2  # of the avatar with the slider
OTHERS = 7  # that are shown
JUDGED = 32  # of them, by the judge
LARGEST, STEP = 3.0, 0.1  # sigma of the prior
FIRST_AMOUNT = 2.0
STOPS = tuple(range(-3, 4))  # sigma: the row of one avatar
FIRST_ATTRIBUTE = "glasses"
METHODS = {"difference of means": difference, "regression": regression}
FEW = 10  # of each, below which a direction is told to be mostly chance
PENALTY = 1.0  # of the judge's regression
TEST_EVERY = 4  # of the real avatars, every fourth tests the judge

QUESTION = """
<div class="gm-question">
No one told G what glasses are. Mark avatars that have something and avatars
that have not: from the mean code of these to the mean code of those leads a direction d. Move other
avatars along it: z′ = z + t · d. What changes with it that you never asked for?</div>
"""

Pixels = NDArray[np.uint8]  # (N, H, W, 3)


# --- codes and pictures --------------------------------------------------------------------------


def generate(z: Tensor) -> Pixels:
    """The avatars of codes (B, latent)."""
    return as_bytes(pictures_of(z))


def pictures_of(z: Tensor) -> Tensor:
    """(B, latent) -> (B, 3, H, W) in [0, 1]."""
    [frame] = engine.stream("forge", model=MODEL, z=z.tolist())
    return frame.images


def sample_latent(count: int, seed: int) -> Tensor:
    network: GAN = gm_core.load(MODEL)
    return network.sample_latent(count, seed=seed)


def along(z: Tensor, direction: Tensor, amounts: Tensor) -> Tensor:
    """A code (latent,) moved by so much, (B,): (B, latent)."""
    return z + amounts[:, None] * direction


# --- the judge -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judge:
    """Tells from pixels whether an avatar has an attribute; learned from real ones."""

    separation: Separation
    accuracy: dict[str, float]  # on real avatars that it did not learn from
    tested: int  # how many these are

    def __call__(self, pictures: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) in [0, 1] -> attribute: bool (N,)."""
        said = self.separation(torch.from_numpy(as_pixels(pictures)))
        return dict(zip(ATTRIBUTES, said.T, strict=True))


def learn_judge() -> Judge:
    """By regression on pixels of the shipped sample, three in four of which it learns from."""
    sample = data.load(DATASET, "sample")
    has = data.attributes(DATASET, sample.labels)
    known = torch.stack([has[name] for name in ATTRIBUTES], dim=1)
    pixels = torch.from_numpy(as_pixels(sample.images / 255))
    held_out = torch.arange(len(sample)) % TEST_EVERY == 0
    separation = separate(pixels[~held_out], known[~held_out], PENALTY)
    right = (separation(pixels[held_out]) == known[held_out]).double().mean(dim=0)
    accuracy = dict(zip(ATTRIBUTES, right.tolist(), strict=True))
    return Judge(separation, accuracy, int(held_out.sum()))


# --- the direction -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Marks:
    """Avatars of the pool with and without what the student means."""

    having: tuple[int, ...]
    lacking: tuple[int, ...]

    @property
    def are_enough(self) -> bool:
        return min(len(self.having), len(self.lacking)) >= FEWEST

    @property
    def has(self) -> Tensor:
        """bool (N,), those with it first."""
        return torch.tensor([True] * len(self.having) + [False] * len(self.lacking))


def read_marks(having: Any, lacking: Any) -> Marks:
    having = group_of(having, "with", SHEETS * SHEET)
    lacking = group_of(lacking, "without", SHEETS * SHEET)
    if set(having) & set(lacking):
        raise inputs.refusal("An avatar must be “with” or “without”, not both.")
    return Marks(tuple(having), tuple(lacking))


def read_value(value: Any) -> tuple[Marks, int]:
    """The marks and the number of the sheet that the component sends."""
    if not isinstance(value, dict):
        raise inputs.refusal("The marks must be lists of avatars, as the sheet sends them.")
    number = inputs.whole(value.get("sheet"), "Sheet", 0, SHEETS - 1)
    return read_marks(value.get("with"), value.get("without")), number


def too_few(found: Marks) -> str:
    return (
        f"Too few marks: {len(found.having)} with it, {len(found.lacking)} without. Mark at least "
        f"{FEWEST} of each, better {FEW} of each; until then there is no direction."
    )


def tell(found: Marks, z: Tensor, method: str) -> str:
    """How sure a direction is; z: the codes of the marked avatars."""
    find, has = METHODS[method], found.has
    right, cosine = right_when_left_out(z, has, find), agreement(z, has, find)
    usual = max(len(found.having), len(found.lacking))
    told = (
        f"{len(found.having)} marked with it, {len(found.lacking)} without. Left out one at a "
        f"time, {right} of {len(z)} fall on the right side ({usual} by always guessing the "
        f"commoner). Directions of two halves of the marks: cosine {signed(cosine)} (by chance 0 "
        f"± {z.shape[1] ** -0.5:.2f}, 1 if the same)."
    )
    if min(len(found.having), len(found.lacking)) < FEW:
        told += f" Fewer than {FEW} of each: mostly chance."
    return told


def name_amount(amount: float) -> str:
    return f"{'+' if amount > 0 else ''}{signed(amount, 1)}σ"


# --- the page ------------------------------------------------------------------------------------


def show_judged(judged: tuple[dict[str, Tensor], ...] | None, judge: Judge) -> str:
    """How many avatars show each attribute, moved down, left alone and moved up, as a table; None:
    they are yet to be counted."""
    heads = (f"−{LARGEST:g}σ", "0", f"+{LARGEST:g}σ", "judge right*")
    head = "".join(f"<th scope=col>{each}</th>" for each in heads)
    body = "".join(
        f"<tr><th scope=row>{name}</th>"
        + (
            "".join(f"<td>{int(each[name].sum())}</td>" for each in judged or ())
            or 3 * "<td>…</td>"
        )
        + f"<td>{100 * judge.accuracy[name]:.0f} %</td></tr>"
        for name in ATTRIBUTES
    )
    return (
        f"<h4>What changes: of {JUDGED} unmarked avatars, so many have</h4><table><thead><tr>"
        f'<th></th>{head}</tr></thead><tbody>{body}</tbody></table><p class="quiet">Judged from '
        f"pixels. * How often on {judge.tested} real avatars that the judge did not learn from.</p>"
    )


def build(tab: ModelTab) -> None:
    """The activity's contents, with glasses marked and their direction found."""
    judge_of = functools.cache(learn_judge)

    @functools.cache
    def pool() -> Tensor:
        """The codes of all avatars that can be marked: (N, latent)."""
        return sample_latent(SHEETS * SHEET, POOL_SEED)

    @functools.cache
    def others() -> Tensor:
        """The codes of avatars that are never marked, of which a few are shown."""
        return sample_latent(JUDGED, OTHERS_SEED)

    @functools.cache
    def others_pictures() -> Tensor:
        return pictures_of(others())

    @functools.cache
    def sheet_pictures(number: int) -> Tensor:
        return pictures_of(pool()[number * SHEET : (number + 1) * SHEET])

    @functools.cache
    def page(number: int) -> dict[str, Any]:
        return Sheet(number, as_bytes(sheet_pictures(number))).payload()

    def codes_of(found: Marks) -> Tensor:
        return pool()[[*found.having, *found.lacking]]

    @functools.lru_cache(maxsize=256)
    def direction(found: Marks, method: str) -> Tensor:
        """Of length 1; zero while there are too few marks."""
        if not found.are_enough:
            return torch.zeros_like(pool()[0])
        return METHODS[method](codes_of(found), found.has)

    @functools.lru_cache(maxsize=256)
    def told(found: Marks, method: str) -> str:
        return tell(found, codes_of(found), method) if found.are_enough else too_few(found)

    @functools.lru_cache(maxsize=64)
    def still(found: Marks, method: str, seed: int) -> dict[str, Any]:
        """The rows that the slider leaves alone."""
        amounts = torch.tensor(STOPS, dtype=torch.float32)
        codes = along(sample_latent(1, seed)[0], direction(found, method), amounts)
        names = tuple(f"{stop:+d}σ".replace("-", "−") if stop else "0" for stop in STOPS)
        return payload(
            [
                Row("This avatar along the direction", generate(codes), names),
                Row("Other avatars", as_bytes(others_pictures()[:OTHERS])),
            ]
        )

    def move(found: Marks, method: str, seed: int, amount: float) -> tuple[Any, Any]:
        """The chosen avatar and seven others moved: a picture and a row."""
        z = torch.cat([sample_latent(1, seed), others()[:OTHERS]])
        drawn = generate(z + amount * direction(found, method))
        title = f"The others moved by {name_amount(amount)}"
        said = f"The avatar moved by {name_amount(amount)}"
        return decoded.payload(drawn[0], said), payload([Row(title, drawn[1:])])

    @functools.lru_cache(maxsize=256)
    def judged(found: Marks, method: str) -> str:
        """What the judge sees in unmarked avatars, moved to both ends."""
        judge, shift = judge_of(), LARGEST * direction(found, method)
        low, high = (judge(pictures_of(others() + way)) for way in (-shift, shift))
        return show_judged((low, judge(others_pictures()), high), judge)

    def check(method: Any, seed: Any, amount: Any) -> tuple[str, int, float]:
        return (
            inputs.choice(method, "Method", tuple(METHODS)),
            inputs.seed(seed),
            inputs.number(amount, "t", -LARGEST, LARGEST),
        )

    def answer(found: Marks, method: str, seed: int, amount: float) -> tuple[Any, ...]:
        """All that depends on the marks and takes little time."""
        return (
            *move(found, method, seed, amount),
            still(found, method, seed),
            told(found, method),
        )

    def find(
        with_avatars: list[int], without_avatars: list[int], method: str, seed: float, amount: float
    ) -> tuple[Any, ...]:
        """Find a direction from marked avatars and move others along it: a picture, the row of the
        others, the rows that stay, how sure the direction is, and what a judge sees change."""
        found = read_marks(with_avatars, without_avatars)
        method, seed, amount = check(method, seed, amount)
        return *answer(found, method, seed, amount), judged(found, method)

    def mark(attribute: str, sheets: float) -> dict[str, list[int]]:
        """The avatars of the first sheets, sorted by the judge."""
        attribute = inputs.choice(attribute, "Attribute", ATTRIBUTES)
        count = inputs.whole(sheets, "Sheets", 1, SHEETS)
        seen = torch.cat([sheet_pictures(number) for number in range(count)])
        has = judge_of()(seen)[attribute]
        return {
            "with": has.nonzero()[:, 0].tolist(),
            "without": (~has).nonzero()[:, 0].tolist(),
        }

    def follow_marks(value: Any, method: str, seed: float, amount: float) -> tuple[Any, ...]:
        """`find`, of the marks that the sheet sends, but for what the judge sees."""
        found, _ = read_value(value)
        return answer(found, *check(method, seed, amount))

    def count(value: Any, method: str) -> str:
        """What the judge sees, which takes longer than all else."""
        found, _ = read_value(value)
        return judged(found, inputs.choice(method, "Method", tuple(METHODS)))

    def follow(value: Any, method: str, seed: float, amount: float) -> tuple[Any, Any]:
        """The pictures alone, as the slider moves."""
        found, _ = read_value(value)
        return move(found, *check(method, seed, amount))

    def turn(value: Any) -> gr.HTML:
        """Another sheet; the marks stay."""
        _, number = read_value(value)
        return turned(page(number))

    def mark_for_me(value: Any) -> dict[str, Any]:
        """The judge's marks on this sheet and all before it, in place of what was marked."""
        _, number = read_value(value)
        return {"sheet": number, **mark(value.get("preset"), number + 1)}

    def draw(value: Any, method: str, seed: float, amount: float) -> tuple[Any, ...]:
        """Another avatar, moved along the same direction."""
        found, _ = read_value(value)
        method, seed, amount = check(method, seed, amount)
        return *move(found, method, seed, amount), still(found, method, seed)

    def roll(value: Any, method: str, seed: float, amount: float) -> tuple[Any, ...]:
        """Another avatar each time, and the seed that gives it again."""
        seed = randomise()
        return seed, *draw(value, method, seed, amount)

    first_value = {"sheet": 0, **mark(FIRST_ATTRIBUTE, 1)}
    method = next(iter(METHODS))
    first = follow_marks(first_value, method, FIRST_SEED, FIRST_AMOUNT)

    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        with gr.Column(scale=9, min_width=345):
            sheet = marks(
                first_value, page(0), SHEETS, ATTRIBUTES, label="Avatars that G drew: mark them",
                elem_id=f"{tab.id}-directions-marks",
            )  # fmt: skip
            line = status(first[3], elem_id=f"{tab.id}-directions-status")
        with gr.Column(scale=7, min_width=345):
            picture = decoded.decoded(
                first[0], title="z′ = z + t · d", elem_id=f"{tab.id}-directions-picture"
            )
            amount = gr.Slider(
                -LARGEST, LARGEST, value=FIRST_AMOUNT, step=STEP, buttons=[],
                label="t, how far along the direction d, in σ",
            )  # fmt: skip
            dice = gr.Button("Randomise", variant="primary")
            with gr.Accordion("More", open=False):
                seed = gr.Number(FIRST_SEED, label="Seed", info="of the avatar; press Enter")
                how = gr.Radio(
                    list(METHODS), value=method, label="Direction by",
                    info="regression pays off from about 30 marks of each",
                )  # fmt: skip
        with gr.Column(scale=9, min_width=345):
            fixed = rows(first[2], elem_id=f"{tab.id}-directions-rows")
            moved = rows(first[1], elem_id=f"{tab.id}-directions-moved")
            table = compared(show_judged(None, judge_of()), elem_id=f"{tab.id}-directions-table")

    settings = [sheet, how, seed, amount]
    shown = [picture, moved, fixed]
    answers = [*shown, line]
    live: dict[str, Any] = {
        "api_visibility": "private",
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a movement would be lost
    }
    quick = live | engine.event("quick")
    amount.input(follow, settings, [picture, moved], queue=False, **live)
    gr.on([sheet.input, how.input], follow_marks, settings, answers, **quick)
    sheet.mounted(count, [sheet, how], table, **quick)
    gr.on([sheet.input, how.input], count, [sheet, how], table, **quick)
    sheet.submit(mark_for_me, sheet, sheet, **quick)
    sheet.select(turn, sheet, sheet, **quick)
    seed.submit(draw, settings, shown, **quick)
    dice.click(roll, settings, [seed, *shown], **quick)
    api(find, api_name=f"{tab.id}_direction")
    api(mark, api_name=f"{tab.id}_mark")
