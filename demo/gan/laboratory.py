"""Laboratory: a GAN of points in the plane that learns while it is watched, broken and mended."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread
import gradio as gr

from demo import engine, inputs
from demo.activities import ModelTab
from demo.components.lab_view import SETTINGS, LabView, Preset, lab_view
from gm_core import gan_lab
from gm_core.gan_lab import Distribution, LabRecord, LabSettings, LabState, Player

TITLE = "Laboratory"
TURN = 0.04  # seconds of work that one answer takes, if nobody waits
ROUND_OF_ALL = 0.4  # seconds in which everybody who plays gets a turn
LEAST_TURN = 0.01
KEPT = 1800  # seconds that a training is kept while nobody goes on with it
OPENING_ROUNDS, OPENING_EVERY = 36, 4
MOST_ROUNDS, EVERY, SECONDS = 2000, 25, 20.0  # of the endpoint
MOST_POINTS = 600  # of a drawing
MOST_TURN_ROUNDS = 1000  # more than a turn has time for

PRESETS = {
    "balanced": Preset(
        "Balanced",
        gan_lab.BALANCED,
        "Relativistic loss, and D's slope is kept small (R1 + R2): neither wins.",
    ),
    "strong": Preset(
        "D too strong",
        gan_lab.D_TOO_STRONG,
        "The first loss of 2014, and D is far ahead: 300 steps alone, then 10 for each of G.",
        "D is far ahead. What will G's points do?",
        reveal_after=10,
    ),
    "collapse": Preset(
        "Mode collapse",
        gan_lab.MODE_COLLAPSE,
        "No slope is kept small, and G learns much faster than D.",
        "G runs ahead of D. What will its points do?",
        reveal_after=200,
    ),
}
PREDICTIONS = ("cover the data", "hardly move", "crowd together and jump")
DRAWN = "drawn"
# Name, title, and what has to be covered: all of a kind, or a share of one thing.
SETS = (
    ("line", "Line", ""),
    ("ring", "Ring", ""),
    ("eight", "8 Gaussians", "Gaussians"),
    (DRAWN, "Draw", ""),
)
SHAPES = {"line": gan_lab.line, "ring": gan_lab.ring, "eight": gan_lab.eight_gaussians}
FIRST = ("balanced", "eight", 0)
LOSSES = (
    ("relativistic", "relativistic (R3GAN)"),
    ("non-saturating", "−log D(G(z))"),
    ("saturating", "log(1 − D(G(z)))"),
)
LIMITS: dict[str, float] = {
    "d_rate": gan_lab.MOST_RATE,
    "g_rate": gan_lab.MOST_RATE,
    "d_steps": gan_lab.MOST_D_STEPS,
    "gamma": gan_lab.MOST_GAMMA,
    "head_start": gan_lab.MOST_HEAD_START,
}
NAMES = {
    "d_rate": "Learning rate of D",
    "g_rate": "Learning rate of G",
    "d_steps": "Steps of D for one of G",
    "gamma": "Gamma",
    "head_start": "Head start of D",
}
ACTIONS = ("play", "discriminator", "generator", "reset")

QUESTION = """
<p class="gm-question">
G makes points of the plane out of random numbers z, D scores every place. Both
learn here and now. Press Play. Then break it: move a slider or begin with another preset, while it
runs. Then mend it.</p>
"""
PUT_AWAY = "This training had rested for so long that it was put away: it begins anew."
TRY_THIS = """
<p class="gm-quiet"><b>Break it.</b> Let <i>Balanced</i> play until all is covered, then raise G's
learning rate to 0.05. <b>Mend it.</b> <i>Balanced settings</i> keeps both networks: in some hundred
steps G spreads out again. After <i>D too strong</i>, first choose only the loss
−log D(G(z)), under More: for the same D and G there is a slope again, and G runs, but to one, two
or three heaps, D being far ahead.</p>
"""


@dataclass(frozen=True, slots=True)
class Training:
    """What is kept of one student's training; small, and nobody else's."""

    state: LabState
    data: Distribution


# --- what comes in -------------------------------------------------------------------------------


def read_settings(given: Any) -> LabSettings:
    if not isinstance(given, dict):
        raise inputs.refusal("Settings must be given by their names.")
    loss = inputs.choice(given.get("loss"), "Loss", gan_lab.LOSSES)
    numbers: dict[str, Any] = {
        name: inputs.number(given.get(name), NAMES[name], 0, LIMITS[name])
        for name in ("d_rate", "g_rate", "gamma")
    }
    for name, least in (("d_steps", 1), ("head_start", 0)):
        numbers[name] = inputs.whole(given.get(name), NAMES[name], least, int(LIMITS[name]))
    return LabSettings(loss=loss, **numbers)  # pyright: ignore[reportArgumentType]


def read_setup(text: str) -> tuple[str, int, LabSettings]:
    """The data, the seed and the settings that an address asks for. Raises ValueError or
    gr.Error."""
    data, seed, loss, *numbers = text.split(",")
    given = dict(zip(SETTINGS, (loss, *map(float, numbers)), strict=True))
    name = inputs.choice(data, "Real data", tuple(SHAPES))
    return name, inputs.seed(float(seed)), read_settings(given)


def read_data(name: Any, strokes: Any) -> Distribution:
    """What is to be learned; own strokes as lists of [x, y]."""
    chosen = inputs.choice(name, "Real data", tuple(name for name, *_ in SETS))
    return gan_lab.drawn(read_strokes(strokes)) if chosen == DRAWN else SHAPES[chosen]()


def read_strokes(strokes: Any) -> list[list[tuple[float, float]]]:
    shape = inputs.refusal("A drawing is a list of strokes, each a list of points [x, y].")
    if not isinstance(strokes, list) or not all(isinstance(stroke, list) for stroke in strokes):
        raise shape
    count = sum(map(len, strokes))
    if count > MOST_POINTS:
        raise inputs.refusal(f"A drawing has at most {MOST_POINTS} points, not {count}.")
    if count == 0:
        raise inputs.refusal("Nothing is drawn yet: draw the real data first.")
    if any(
        not isinstance(point, list) or len(point) != 2 for stroke in strokes for point in stroke
    ):
        raise shape
    return [
        [
            (
                inputs.number(x, "x", -gan_lab.REACH, gan_lab.REACH),
                inputs.number(y, "y", -gan_lab.REACH, gan_lab.REACH),
            )
            for x, y in stroke
        ]
        for stroke in strokes
    ]


# --- turns ---------------------------------------------------------------------------------------


def take_turn(wish: Any, training: Training | None, seconds: float) -> tuple[LabView, Training]:
    """What a student asks for: a turn of training, a single step, or to begin anew."""
    if not isinstance(wish, dict):
        raise inputs.refusal("The laboratory must be asked as its view does.")
    ask = inputs.whole(wish.get("ask"), "The number of what is asked", 0, 2**31)
    action = inputs.choice(wish.get("do"), "What to do", ACTIONS)
    settings = read_settings(wish.get("settings"))
    data = read_data(wish.get("data"), wish.get("strokes"))
    seed = inputs.seed(wish.get("seed"))
    begins = action == "reset" or training is None
    note = PUT_AWAY if training is None and action != "reset" else ""
    if action == "reset" or training is None:
        training = Training(gan_lab.begin(seed), data)
    only: Player | None = action if action in ("discriminator", "generator") else None  # pyright: ignore[reportAssignmentType]
    rounds = {"play": MOST_TURN_ROUNDS, "reset": 0}.get(action, 1)
    began = time.perf_counter()
    *_, record = engine.stream(
        "train_gan",
        state=training.state,
        data=training.data,
        settings=settings,
        rounds=rounds,
        seconds=seconds,
        only=only,
    )
    took = time.perf_counter() - began
    name = None if wish["data"] == DRAWN else wish["data"]
    view = LabView(
        record, settings, name, seed, ask=ask, seconds=took, begins=begins, note=note
    )  # fmt: skip
    return view, dataclasses.replace(training, state=record.state)


def train(
    preset: str,
    distribution: str,
    rounds: float,
    seed: float,
    changes: dict[str, Any] | None = None,
    strokes: list[Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Train from the beginning: the numbers after every 25 rounds, and after the last.

    changes: settings that differ from the preset's (d_rate, g_rate, d_steps, loss, gamma,
    head_start). strokes: the distribution "drawn", as lists of points [x, y].
    """
    first = PRESETS[inputs.choice(preset, "Preset", tuple(PRESETS))].settings
    if changes is not None and not isinstance(changes, dict):
        raise inputs.refusal("Settings must be given by their names.")
    wanted = dataclasses.asdict(first) | (changes or {})
    if set(wanted) - set(dataclasses.asdict(first)):
        raise inputs.refusal(f"Settings are: {', '.join(dataclasses.asdict(first))}.")
    settings, data = read_settings(wanted), read_data(distribution, strokes)
    count = inputs.whole(rounds, "Rounds", 1, MOST_ROUNDS)
    for record in engine.stream(
        "train_gan",
        state=gan_lab.begin(inputs.seed(seed)),
        data=data,
        settings=settings,
        rounds=count,
        every=EVERY,
        seconds=SECONDS,
    ):
        yield numbers(record)


def numbers(record: LabRecord) -> dict[str, Any]:
    """A record, as numbers of plain Python."""
    return {
        "d_steps": record.state.discriminator_steps,
        "g_steps": record.state.generator_steps,
        "d_loss": record.d_loss,
        "g_loss": record.g_loss,
        "margin": record.margin,
        "push": record.push,
        "covered": record.covered,
        "parts": record.parts,
        "near": record.near,
        "generated": [[round(at, 4) for at in point] for point in record.generated.tolist()],
    }


def opening() -> tuple[LabView, Training]:
    """A short while of the balanced game."""
    preset, name, seed = FIRST
    settings, data = PRESETS[preset].settings, SHAPES[name]()
    *history, record = engine.stream(
        "train_gan",
        state=gan_lab.begin(seed),
        data=data,
        settings=settings,
        rounds=OPENING_ROUNDS,
        every=OPENING_EVERY,
    )
    view = LabView(record, settings, name, seed, tuple(history), begins=True)
    return view, Training(record.state, data)


def build(tab: ModelTab) -> None:
    """The activity's contents, with both networks a little trained."""
    first, beginning = opening()
    gr.HTML(QUESTION, padding=False)
    view = lab_view(
        first.payload(),
        tuple(PRESETS.values()),
        data=SETS,
        first=FIRST[1],
        drawn=DRAWN,
        losses=LOSSES,
        predictions=PREDICTIONS,
        limits=LIMITS,
        label="Laboratory",
        elem_id=f"{tab.id}-laboratory",
        read=read_setup,
    )
    gr.HTML(TRY_THIS, padding=False)
    # A session's own, dropped by Gradio: it comes with a turn and goes with it. The browser is the
    # clock, which asks for one short turn after another. So settings may change between any two,
    # a closed page asks for nothing more, and nothing runs on that anybody would have to stop.
    kept = gr.State(None, time_to_live=KEPT)
    # One line for all, first come, first served; who waits there holds no thread.
    line = anyio.CapacityLimiter(1)

    async def take_turns(
        wish: dict[str, Any], training: Training | None
    ) -> tuple[dict[str, Any], Training]:
        if training is None and isinstance(wish, dict) and wish.get("ask") == 1:
            training = beginning  # a page just opened goes on from what it shows
        waiting = line.statistics().tasks_waiting
        seconds = max(LEAST_TURN, min(TURN, ROUND_OF_ALL / (1 + waiting)))
        answer, after = await anyio.to_thread.run_sync(
            take_turn, wish, training, seconds, limiter=line
        )
        return answer.payload(), after

    view.input(
        take_turns, [view, kept], [view, kept], api_visibility="private", preprocess=False,
        queue=False, show_progress="hidden", trigger_mode="multiple",
    )  # fmt: skip

    # The same for everyone else.
    preset, name, seed = FIRST
    asked = [
        gr.Dropdown(list(PRESETS), value=preset, label="Preset", visible=False),
        gr.Dropdown([each for each, *_ in SETS], value=name, label="Distribution", visible=False),
        gr.Number(200, label="Rounds", visible=False),
        gr.Number(seed, label="Seed", visible=False),
        gr.JSON(None, label="Changes", visible=False),
        gr.JSON(None, label="Strokes", visible=False),
    ]
    answer = gr.JSON(label="Numbers", visible=False)
    asked[2].input(
        train, asked, answer, api_name=f"{tab.id}_laboratory", preprocess=False,
        show_progress="hidden", **engine.event("live"),
    )  # fmt: skip
