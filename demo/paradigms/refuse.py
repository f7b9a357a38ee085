"""Off the distribution: p(y | x) must answer, p(x) can refuse, and neither is a safe judge."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import torch
from gradio.events import api
from numpy.typing import NDArray
from torch import Tensor

from demo import engine, inputs, render
from demo.activities import ModelTab
from demo.activities.complete import Examples
from demo.components import judges, refusals
from demo.components.gallery import gallery
from demo.components.pad import Drawing, pad, read
from demo.components.rank import percent
from gm_core import checkpoints, data, outliers
from gm_core.outliers import Judged, Rule
from gm_core.randomness import stream

TITLE = "Off the distribution"
CLASSIFIER, DENSITY = "classifier-mnist", "pixelcnn-mnist"
NAMES = data.DATASETS["mnist"].class_names
PASSING = 99.0  # percent of the test digits, at first
FEWEST_PASSING = 50.0
COUNT = 12  # pictures of each other kind
SIMPLE = 0.005  # of the test digits are likelier than what is "too likely" here
SECONDS_BETWEEN_UPDATES = 0.25
DIGITS, TOTAL = "test digits", "all others"

# Places in the shipped samples.
SEVEN, THREE, FOUR = 0, 8, 9
CLOTHES = {"T-shirt": 9, "trousers": 10, "sneaker": 11}
LETTERS = {"letter H": "H", "letter W": "W"}
LETTER_SIZE = 25  # pixels
CHECK = 4  # pixels of a side
FIRST = "T-shirt"  # what lies on the pad at first

QUESTION = """
<div class="gm-question">Both models have seen digits and nothing else. Give them something that is
none. The supervised one has learnt p(y | x): <i>which digit, given the picture?</i> The
unsupervised one has learnt p(x): <i>how likely is such a picture at all?</i> Which of them notices?
</div>
"""
NOTE = f"""
<div class="gm-quiet">The rule is set so that this share of {{reference:,}} test digits passes, with
either judge; it is tried on {{others:,}} others and on {COUNT} pictures of every kind. AUROC: how
probably such a picture looks stranger to the judge than a digit does; 1 is always, 0.5 as good as
a coin, less takes them for <i>better</i> digits; the better judge is bold. p(x) sees black and
white: a grey pixel is white with its brightness as probability, as in training. It finds simple
pictures likely, whatever they show: a known flaw of densities as judges (Nalisnick et al. 2019).
</div>
"""
UNMEASURED = f"""
<p>“{DENSITY}” has not been measured on the test images yet, so there is nothing to compare a
picture with: run <code>python -m gm_core.evaluate {DENSITY}</code> once.</p>
"""
TYPICAL = (
    "Likelier than nearly every digit, but not typical of them: what is simple is easy to predict. "
    "Only a two-sided rule can refuse it."
)

Pixels = NDArray[np.uint8]  # (H, W)


# --- pictures to try -----------------------------------------------------------------------------


@functools.cache
def examples() -> Examples:
    """A test digit, what it can be turned into, and what never was one."""
    digits, clothes = (data.load(name, "sample").images for name in ("mnist", "fashion"))
    seven, dice = digits[SEVEN][None], stream(0)
    height, width = seven.shape[2:]
    turned = {
        name: outliers.KINDS[name](seven, dice)
        for name in ("upside down", "mirrored", "shifted", "inverted")
    }
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    checked = 255 * ((row // CHECK + column // CHECK) % 2)
    pictures = {
        "a 7": seven,
        **turned,
        "3 and 4": outliers.two_digits(digits[[THREE, FOUR]], dice)[:1],
        **{
            name: outliers.letter(text, LETTER_SIZE, height, width)
            for name, text in LETTERS.items()
        },
        **{name: clothes[index] for name, index in CLOTHES.items()},
        "noise": outliers.noise(seven, dice),
        "checks": checked,
        "blank": torch.zeros_like(seven),
    }
    pixels = [picture.reshape(height, width).byte().numpy() for picture in pictures.values()]
    return Examples(np.stack(pixels), tuple(pictures), ("mnist",) * len(pixels))


def in_colour(pixels: Pixels) -> Pixels:
    """(H, W) -> (H, W, 3)."""
    return np.repeat(pixels[:, :, None], 3, axis=2)


# --- scores --------------------------------------------------------------------------------------


def as_seen(pixels: Pixels) -> Tensor:
    """What the density model is given: int64 (1, H, W), binarised by always the same draw."""
    return data.binarise(torch.from_numpy(pixels)[None, None], stream(0))[0]


def probabilities(pixels: Pixels) -> list[float]:
    """p(y | x) of every class."""
    image = torch.from_numpy(pixels)[None, None] / 255
    [answer] = engine.stream("classify", model=CLASSIFIER, images=image.tolist())
    return answer.log_probabilities[0].exp().tolist()


def nats_of(pixels: Pixels) -> float:
    """-log p(x). As a threshold moves, the same picture is asked for again and again."""
    return _nats(pixels.tobytes(), pixels.shape, checkpoints.describe(DENSITY).weights)


@functools.lru_cache(maxsize=400)
def _nats(pixels: bytes, shape: tuple[int, int], _weights: str) -> float:
    levels = as_seen(np.frombuffer(pixels, np.uint8).reshape(shape).copy())
    records = engine.stream("surprise", model=DENSITY, levels=levels.tolist(), label=None)
    return next(records).unlabelled  # before the classes, which take ten times as long


def usual_nats() -> tuple[Tensor, Tensor]:
    """-log p(x) of the test digits, float64: of those that set the threshold, and of the others."""
    return _usual_nats(checkpoints.describe(DENSITY).weights)


@functools.cache
def _usual_nats(_weights: str) -> tuple[Tensor, Tensor]:
    nats = checkpoints.read_sample_nats(DENSITY)
    if nats is None:
        raise LookupError(f"{DENSITY} has not been measured on the test images.")
    middle = len(outliers.test_digits()[0])
    return nats[:middle].double(), nats[middle:].double()


def usual_doubt(half: int) -> Tensor:
    """The classifier's doubt of the same, of either half, float64."""
    return _usual_doubt(half, checkpoints.describe(CLASSIFIER).weights)


@functools.cache
def _usual_doubt(half: int, _weights: str) -> Tensor:
    images = outliers.test_digits()[half].images / 255
    [answer] = engine.stream("classify", model=CLASSIFIER, images=images.tolist())
    return answer.doubt


def judged(kind: str) -> Judged:
    """Pictures of another kind, scored once for everybody."""
    return _judged(kind, *(checkpoints.describe(name).weights for name in (DENSITY, CLASSIFIER)))


@functools.cache
def _judged(kind: str, *_weights: str) -> Judged:
    [record] = engine.stream(
        "outliers", density=DENSITY, classifier=CLASSIFIER, kind=kind, count=COUNT
    )
    return record


def rule_of(passing: float, *, two_sided: bool) -> Rule:
    """From where on the judges refuse, if this share of the test digits is to pass."""
    return outliers.rule(usual_nats()[0], usual_doubt(0), passing, two_sided=two_sided)


# --- one picture ---------------------------------------------------------------------------------


def rank_of(nats: float, reference: Tensor) -> str:
    """How a picture compares with the test digits, in words."""
    below, above = int((reference < nats).sum()), int((reference > nats).sum())
    words, count = ("less likely", below) if below >= above else ("likelier", above)
    share = "all" if count == len(reference) else f"{percent(count / len(reference))} of"
    return f"{words} than {share} {len(reference):,} test digits"


def score_of(pixels: Pixels, rule: Rule) -> judges.Score:
    """A picture's place among the test digits."""
    nats, reference = nats_of(pixels), usual_nats()[0]
    seen = (255 * as_seen(pixels)).byte().permute(1, 2, 0).numpy()
    return judges.Score(
        nats=nats,
        least=rule.least,
        most=rule.most,
        rank=rank_of(nats, reference),
        sees=render.data_url(render.png(seen[None], 1), "image/png"),
        remark=TYPICAL if nats < float(reference.quantile(SIMPLE)) else "",
    )


def show_answer(shares: list[float], rule: Rule) -> str:
    return judges.answer(NAMES, shares, 1 - rule.doubt)


def show_density(score: judges.Score) -> str:
    return judges.density(usual_nats()[0].numpy(), "nats", score)


def payload(rule: Rule) -> dict[str, Any]:
    return refusals.rule_payload(rule.least, rule.most, rule.doubt)


def tell(pixels: Pixels, shares: list[float], score: judges.Score) -> str:
    """What both say of a picture."""
    best = int(np.argmax(shares))
    start = "The" if pixels.any() else "Nothing is drawn, and still the"
    verb = "refuses" if score.refused else "answers"
    return (
        f"{start} classifier says {NAMES[best]} with {percent(shares[best])}. The density model "
        f"{verb}: −log p(x) = {score.nats:,.1f} nats, {score.rank}."
    )


# --- many pictures -------------------------------------------------------------------------------


def kinds() -> list[refusals.Kind]:
    """What is judged in the round."""
    first = {DIGITS: outliers.test_digits()[1].images}
    others = {kind: outliers.pictures(kind, COUNT) for kind in outliers.KINDS}
    pictures = {name: in_colour(images[0, 0].numpy()) for name, images in (first | others).items()}
    return [
        *(refusals.Kind(name, picture) for name, picture in pictures.items()),
        refusals.Kind(TOTAL, None),
    ]


def scores_of(nats: Tensor, doubt: Tensor) -> refusals.Scores:
    """Of pictures that are no test digits; with AUROC, of test digits against these."""
    reference, usual = usual_nats()
    areas = (
        outliers.auroc(usual, nats),
        outliers.auroc(*(outliers.extremeness(each, reference) for each in (usual, nats))),
        outliers.auroc(usual_doubt(1), doubt),
    )
    return refusals.Scores(nats.tolist(), doubt.tolist(), areas)


def scores() -> Iterator[list[refusals.Scores]]:
    """One more row at a time: the digits, every other kind, all other kinds together."""
    rows = [refusals.Scores(usual_nats()[1].tolist(), usual_doubt(1).tolist())]
    yield rows
    records = []
    for kind in outliers.KINDS:
        records.append(judged(kind))
        rows = [*rows, scores_of(records[-1].nats, records[-1].doubt)]
        yield rows
    nats = torch.cat([record.nats for record in records])
    doubt = torch.cat([record.doubt for record in records])
    yield [*rows, scores_of(nats, doubt)]


def rule_from(passing: Any, two_sided: Any) -> Rule:
    """The rule that a slider, in percent, and a checkbox ask for."""
    share = inputs.number(passing, "Test digits that pass", FEWEST_PASSING, 100) / 100
    return rule_of(share, two_sided=inputs.flag(two_sided, "Two-sided"))


def build(tab: ModelTab) -> None:
    """The activity's contents, with a T-shirt that both models have judged."""
    if checkpoints.read_sample_nats(DENSITY) is None:
        gr.HTML(UNMEASURED, padding=False)
        return
    reference, others = usual_nats()
    shelf = examples()
    height, width = shelf.pixels.shape[1:]
    uncovered = np.zeros((height, width), np.bool_)

    def look(drawing: dict[str, Any], passing: float, two_sided: bool) -> Iterator[tuple[Any, ...]]:
        """Judge a picture: the classifier's bars at once, then what p(x) says."""
        rule = rule_from(passing, two_sided)
        pixels = read(drawing, height, width).pixels
        shares, chosen = probabilities(pixels), {"chosen": shelf.find(pixels)}
        yield show_answer(shares, rule), gr.skip(), gr.skip(), chosen, refusals.ruled(payload(rule))
        score = score_of(pixels, rule)
        yield gr.skip(), show_density(score), tell(pixels, shares, score), gr.skip(), gr.skip()

    def take(chosen: dict[str, Any], passing: float, two_sided: bool) -> Iterator[tuple[Any, ...]]:
        """Lay a picture of the gallery on the pad and judge it."""
        place = chosen.get("chosen") if isinstance(chosen, dict) else None
        index = inputs.whole(place, "Picture", 0, len(shelf.names) - 1)
        value = Drawing(shelf.pixels[index], uncovered).payload()
        for turn, outputs in enumerate(look(value, passing, two_sided)):
            yield gr.skip() if turn else value, *outputs

    def measure() -> Iterator[dict[str, Any]]:
        """The round: score what is not yet scored, and show it kind by kind."""
        told, rows = 0.0, []
        for rows in scores():
            now = time.perf_counter()
            if now - told > SECONDS_BETWEEN_UPDATES:
                told = now
                yield refusals.payload(rows)
        yield refusals.payload(rows)

    def refuse(drawing: dict[str, Any], passing: float, two_sided: bool) -> dict[str, Any]:
        """Judge a drawing by p(y | x) and by p(x).

        drawing: as the drawing pad sends it, 28 by 28 pixels. passing: percent of the test digits
        that the rule lets pass, 50 to 100. two_sided: refuse what is too likely, too. Gives the
        probabilities of the ten digits, -log p(x) in nats, whether it is refused by p(x) and by the
        classifier's certainty, and a sentence.
        """
        rule = rule_from(passing, two_sided)
        pixels = read(drawing, height, width).pixels
        shares, score = probabilities(pixels), score_of(pixels, rule)
        return {
            "probabilities": dict(zip(NAMES, shares, strict=True)),
            "nats": score.nats,
            "refused": score.refused,
            "refused_by_certainty": max(shares) < 1 - rule.doubt,
            "verdict": tell(pixels, shares, score),
        }

    def refuse_round(passing: float, two_sided: bool) -> list[dict[str, Any]]:
        """How many digits and other pictures are refused, and how well either judge tells them
        apart.

        passing and two_sided: as for one drawing. Gives for every kind its name, the number of
        pictures, how many are refused by p(x) and by the classifier's certainty, and the area
        under the ROC curve of both, which the digits do not have.
        """
        rule = rule_from(passing, two_sided)
        *_, rows = scores()
        names = (DIGITS, *outliers.KINDS, TOTAL)
        return [
            {
                "kind": name,
                "pictures": len(row.nats),
                "refused": int(rule.refuses(torch.tensor(row.nats, dtype=torch.float64)).sum()),
                "refused_by_certainty": int(
                    rule.doubts(torch.tensor(row.doubt, dtype=torch.float64)).sum()
                ),
                "auroc": row.auroc and row.auroc[1 if two_sided else 0],
                "auroc_by_certainty": row.auroc and row.auroc[2],
            }
            for name, row in zip(names, rows, strict=True)
        ]

    first, rule = shelf.names.index(FIRST), rule_from(PASSING, False)
    pixels = shelf.pixels[first]
    shares, score = probabilities(pixels), score_of(pixels, rule)

    gr.HTML(QUESTION, padding=False)
    # Above the pad, so that on a phone it stays in sight.
    told = judges.verdict(tell(pixels, shares, score), elem_id=f"{tab.id}-refuse-verdict")
    with gr.Row():
        with gr.Column(scale=0, min_width=370):
            image = pad(
                Drawing(pixels, uncovered).payload(), label="Your picture",
                elem_id=f"{tab.id}-refuse-pad", hideable=False,
            )  # fmt: skip
        with gr.Column(scale=1, min_width=336):
            things = gallery(
                [in_colour(picture) for picture in shelf.pixels], shelf.names,
                label="Or try one of these", elem_id=f"{tab.id}-refuse-gallery", chosen=first,
            )  # fmt: skip
            bars = judges.judge(show_answer(shares, rule), elem_id=f"{tab.id}-refuse-classifier")
            strip = judges.judge(show_density(score), elem_id=f"{tab.id}-refuse-density")
        with gr.Column(scale=1, min_width=336):
            passing = gr.Slider(
                FEWEST_PASSING, 100, value=PASSING, step=0.5, label="Test digits that pass (%)",
                info="sets both thresholds",
            )  # fmt: skip
            two_sided = gr.Checkbox(False, label="Two-sided: p(x) also refuses what is too likely")
            table = refusals.refusals(
                payload(rule), kinds(), label="A round: who notices what is no digit?",
                elem_id=f"{tab.id}-refuse-round",
            )  # fmt: skip
    gr.HTML(NOTE.format(reference=len(reference), others=len(others)), padding=False)

    live: dict[str, Any] = {
        "api_visibility": "private",
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a stroke would be lost
        **engine.event("quick"),
    }
    settings, shown = [passing, two_sided], [bars, strip, told, things, table]
    gr.on([image.input, passing.input, two_sided.input], look, [image, *settings], shown, **live)
    things.input(take, [things, *settings], [image, *shown], **live)
    # One at a time: whoever comes second finds the scores of the first.
    table.select(measure, None, table, **live | engine.event("sampling"))
    api(refuse, api_name=f"{tab.id}_refuse", **engine.event("quick"))
    api(refuse_round, api_name=f"{tab.id}_refuse_round", **engine.event("sampling"))
