"""Masks: what they let a pixel see, and what a network learns when one of them is broken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import torch
from torch import Tensor

import gm_core
from demo import engine, inputs
from demo.activities import TITLES, ModelTab
from demo.components.mask_losses import MaskLosses, Tiles, mask_losses
from demo.components.mask_view import Cell, Grid, MaskView, Network, mask_view
from demo.components.status import status
from gm_core import checkpoints, data
from gm_core.mask_lab import BATCH_SIZE, Drawings, views
from gm_core.masked_pixelcnn import MaskedPixelCNN
from gm_core.pixelcnn import PixelCNN
from gm_core.pixelrnn import DiagonalBiLSTM, PixelRNN, RowLSTM, skew

TITLE = "Masks"
HONEST = "pixelcnn-mnist"  # whose measured figure is the line in the plot
PIXEL = (14, 12)  # row and column of the one whose view grows
FEWEST_STEPS, STEPS, MOST_STEPS = 50, 200, 400
SECONDS = 18.0  # after which training ends, however few steps are done
SECONDS_BETWEEN_UPDATES = 0.1
RECENT = 20  # steps that a final loss is the mean of
RIGHT, BROKEN, ALIKE = PREDICTIONS = ("right mask", "broken mask", "both alike")

QUESTION = """
<div class="gm-question">How can a convolution, which looks all around, predict a pixel from earlier
ones only? A mask multiplies its weights: 1 keeps a weight, 0 silences it. Green is the pixel that
looks.</div>
"""
EXPERIMENT = """
<h3>What if one mask is broken?</h3>
<div class="gm-quiet">Two small networks learn here, live: same size, same first weights, same
batches of the 2,000 digits that ship with this demo. They differ in one tap: the broken mask has a
1 in the centre of its first layer, so that the network sees the pixel that it is to predict.</div>
"""
READY = "Nothing is trained yet."
INVITATION = (
    "Predict first, then press Train both: the curves fall as the networks learn, and in the end "
    "each of them draws."
)


# --- the masks, from the networks themselves ---------------------------------------------------


def taps(mask: Tensor) -> tuple[tuple[Cell, ...], ...]:
    """A mask (rows, columns) as cells."""
    return tuple(
        tuple(Cell("1", "open") if tap else Cell("0", "closed") for tap in row)
        for row in mask.tolist()
    )


def mask_grid(title: str, mask: Tensor, words: str) -> Grid:
    rows, columns = mask.shape
    return Grid(f"{title}, {rows}×{columns}", taps(mask), words, centre=(rows // 2, columns // 2))


def masked_grids(model: MaskedPixelCNN) -> tuple[Grid, ...]:
    return (
        mask_grid(
            "A: first layer",
            model.first.mask,
            "Sees the rows above and its own row to the left, but not the pixel itself: that is "
            "what it has to predict.",
        ),
        mask_grid(
            "B: all later layers",
            model.blocks()[0].around.mask,
            "The centre is open: what stands there now was computed without the pixel.",
        ),
    )


def gated_grids(model: PixelCNN) -> tuple[Grid, ...]:
    layer = model.gated_layers()[0]
    return (
        mask_grid(
            "Vertical: first layer",
            model.vertical.mask,
            "Sees the rows above, to both sides.",
        ),
        mask_grid(
            "Vertical: later layers",
            layer.vertical.mask,
            "Its own row is open: those features know only the rows above it.",
        ),
        mask_grid(
            "Horizontal: first layer",
            model.horizontal.mask,
            "Sees its own row, to the left.",
        ),
        mask_grid(
            "Horizontal: later layers",
            layer.horizontal.mask,
            "The same and the centre. In every layer it takes in what the vertical stack knows.",
        ),
    )


def row_grids(model: PixelRNN) -> tuple[Grid, ...]:
    layer = next(layer for layer in model.layers if isinstance(layer, RowLSTM))
    columns = layer.state_to_state.shape[0] // layer.states
    above = (Cell("1", "open"),) * columns
    own = tuple(
        Cell("?", "plain") if at == columns // 2 else Cell("", "gap") for at in range(columns)
    )
    return (
        mask_grid(
            "Input to state",
            layer.input_to_state.mask,
            "Masked: reads the features of its own row, which come from a first layer with mask A.",
        ),
        Grid(
            f"State to state, 1×{columns} over the row above",
            (above, own),
            "No mask: that row is finished. Three states see five, five see seven: a triangle.",
            centre=(1, columns // 2),
        ),
    )


def diagonal_grids(model: PixelRNN) -> tuple[Grid, ...]:
    layer = next(layer for layer in model.layers if isinstance(layer, DiagonalBiLSTM))
    open_tap, nothing = Cell("1", "open"), Cell("", "gap")
    return (
        Grid(
            "State to state, two taps",
            ((nothing, open_tap), (open_tap, Cell("?", "plain"))),
            "The state beside and the state above; mirrored for the direction from the right.",
            centre=(1, 1),
        ),
        skewed_grid(),
        shifted_grid(layer),
    )


def skewed_grid() -> Grid:
    """Twelve numbered pixels, skewed as the network does it; number 7 looks at 6 and 3."""
    numbers = skew(torch.arange(1, 13).view(3, 4, 1))[..., 0].tolist()
    kinds = {0: Cell("", "gap"), 3: Cell("3", "open"), 6: Cell("6", "open")}
    return Grid(
        "Skewed: row r moves r places",
        tuple(
            tuple(kinds.get(number, Cell(str(number), "plain")) for number in row)
            for row in numbers
        ),
        "A diagonal (4, 7, 10) stands upright and is computed at once; both taps, 6 and 3, lie in "
        "the column before.",
        centre=(1, numbers[1].index(7)),
    )


def shifted_grid(layer: DiagonalBiLSTM) -> Grid:
    """What reaches a pixel by the one state and by the other."""
    row, column = 2, 2
    marked = torch.zeros(3, 6, dtype=torch.bool)
    marked[row, column] = True
    seen, from_the_right = layer.sees(marked)

    def cell(y: int, x: int) -> Cell:
        if (y, x) == (row, column):
            return Cell("?", "plain")
        if from_the_right[y, x]:
            return Cell("r", "open")
        return Cell("l", "open") if seen[y, x] else Cell("0", "closed")

    return Grid(
        "From the right: moved down one row",
        tuple(tuple(cell(y, x) for x in range(6)) for y in range(3)),
        "r comes with the state from the right, taken from the row above: in its own row it would "
        "have seen later pixels. l comes from the left.",
        centre=(row, column),
    )


NETWORKS: dict[str, Callable[[Any], tuple[Grid, ...]]] = {
    "pixelcnn-masked-mnist": masked_grids,
    "pixelcnn-mnist": gated_grids,
    "pixelrnn-row-mnist": row_grids,
    "pixelrnn-diagonal-mnist": diagonal_grids,
}


def show_masks() -> dict[str, Any]:
    """All masks, and the views that they give."""
    networks = []
    for name, grids in NETWORKS.items():
        model = gm_core.load(name)
        networks.append(Network(TITLES[name], grids(model), views(model, *PIXEL).numpy()))
    return MaskView(tuple(networks), *PIXEL).payload()


# --- the broken mask ---------------------------------------------------------------------------


def honest_figure() -> float | None:
    """What the shipped gated PixelCNN reaches on the test digits, nats an image."""
    metrics = checkpoints.describe(HONEST).metrics
    return metrics["figures"][0]["value"] if metrics else None


def train(steps: float, seed: float, prediction: str | None) -> Iterator[tuple[Any, Any]]:
    """Train a network with the right mask and one with a broken mask: their curves, a status."""
    count = inputs.whole(steps, "Steps", FEWEST_STEPS, MOST_STEPS)
    number = inputs.seed(seed)
    if prediction is not None:
        inputs.choice(prediction, "Prediction", PREDICTIONS)
    honest = honest_figure()
    yield MaskLosses(count, honest=honest, invitation="Training ...").payload(), "Training both ..."
    right: list[float] = []
    broken: list[float] = []
    drawings: tuple[Tiles, ...] = ()
    started = told = time.perf_counter()
    for record in engine.stream("train_masks", steps=count, seed=number, seconds=SECONDS):
        if record.drawings is not None:
            drawings = show_drawings(record.drawings)
            break
        right.append(record.right_loss)
        broken.append(record.broken_loss)
        now = time.perf_counter()
        if now - told > SECONDS_BETWEEN_UPDATES:  # each update is also a chance to be stopped
            told = now
            yield MaskLosses(count, tuple(right), tuple(broken), honest=honest).payload(), gr.skip()
    losses = MaskLosses(
        count,
        tuple(right),
        tuple(broken),
        honest=honest,
        answer=answer(right, broken, prediction),
        drawings=drawings,
    )
    yield losses.payload(), status_line(len(right), count, number, time.perf_counter() - started)


def answer(right: list[float], broken: list[float], prediction: str | None) -> str:
    """Which network reached the lower loss, and what that is worth."""
    ends = {name: sum(losses[-RECENT:]) / len(losses[-RECENT:])
            for name, losses in ((RIGHT, right), (BROKEN, broken))}  # fmt: skip
    lower = min(PREDICTIONS[:2], key=lambda name: ends[name])
    start = "The"
    if prediction is not None:
        is_so = prediction == lower
        start = "As you predicted, the" if is_so else f"You predicted: {prediction}. But the"
    words = (
        f"{start} {lower} reached the lower loss: {ends[BROKEN]:.2f} nats an image with the broken "
        f"mask, {ends[RIGHT]:.1f} with the right one."
    )
    if ends[BROKEN] > ends[RIGHT] / 2:
        return f"{words} So few steps teach neither of them much: train for longer."
    return f"{words} It has not learnt digits but to copy the pixel that it should predict."


def show_drawings(drawings: Drawings) -> tuple[Tiles, ...]:
    """What both drew, beside the noise that was on the canvas."""

    def tiles(title: str, levels: Tensor, words: str) -> Tiles:
        return Tiles(title, (levels[:, :, 0] * 255).byte().numpy(), words)

    def differing(levels: Tensor) -> str:
        differ = int((levels[0] != levels[1]).sum())
        return f"{differ:,} of {levels[0].numel():,} pixels differ between the two"

    copied = float((drawings.broken == drawings.starts).double().mean())
    return (
        tiles(
            "Two canvases of noise",
            drawings.starts,
            "each network draws the same four images over both, pixel by pixel, with the same "
            "dice.",
        ),
        tiles(
            "Right mask",
            drawings.right,
            f"strokes. {differing(drawings.right)}. It never looks at what is not drawn yet.",
        ),
        tiles(
            "Broken mask",
            drawings.broken,
            f"garbage. {differing(drawings.broken)}. The pixel to copy is not there yet, so it "
            f"copies the noise in its place: {100 * copied:.0f} % of the pixels.",
        ),
    )


def status_line(done: int, steps: int, seed: int, seconds: float) -> str:
    """What was done."""
    digits = len(data.load("mnist", "sample"))
    work = f"{done} steps each" if done == steps else f"Out of time after {done} of {steps} steps"
    return (
        f"{work}, with batches of {BATCH_SIZE} of {digits:,} binarised digits, in {seconds:.1f} s. "
        f"Seed {seed}."
    )


def stopped() -> str:
    """What the status line says once the work was stopped."""
    return "Stopped: nothing is training now. Train both begins again at step 1."


def build(tab: ModelTab) -> None:
    """The activity's contents, with all masks and views drawn."""
    gr.HTML(QUESTION, padding=False)
    mask_view(show_masks(), label="Masks", elem_id=f"{tab.id}-masks-view")
    gr.HTML(EXPERIMENT, padding=False)
    with gr.Row():
        with gr.Column(scale=1, min_width=260):
            prediction = gr.Radio(
                list(PREDICTIONS), label="Which network will reach the lower loss?",
                elem_id=f"{tab.id}-masks-prediction",
            )  # fmt: skip
            with gr.Row():
                start = gr.Button("Train both", variant="primary", scale=2, min_width=140)
                stop = gr.Button("Stop", scale=1, min_width=80)
            steps = gr.Slider(
                FEWEST_STEPS, MOST_STEPS, value=STEPS, step=10, label="Steps",
                info=f"training ends after {SECONDS:.0f} s at the latest",
            )  # fmt: skip
            seed = gr.Number(0, label="Seed", info="of first weights, batches and dice")
        with gr.Column(scale=5, min_width=336):
            first = MaskLosses(STEPS, honest=honest_figure(), invitation=INVITATION)
            told = status(READY, elem_id=f"{tab.id}-masks-status")
            losses = mask_losses(first.payload(), label="Losses", elem_id=f"{tab.id}-masks-losses")

    running = start.click(
        train,
        [steps, seed, prediction],
        [losses, told],
        api_name=f"{tab.id}_masks",
        preprocess=False,  # the handler validates, whoever calls
        show_progress="full",  # whoever has to wait for another's training sees the queue
        show_progress_on=told,
        **engine.event("live"),
    )
    # Two listeners: one with both would cancel only after its answer has come.
    stop.click(None, cancels=[running], api_visibility="private")
    stop.click(stopped, None, told, api_visibility="private", show_progress="hidden", queue=False)
