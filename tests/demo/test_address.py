"""Addresses: how settings are named, read, and carried out as if a student had moved them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest

from demo import address, inputs
from demo.components.gallery import gallery
from demo.components.setting import Setting, in_address, not_in_address, on_map

MOST = {"small": 8, "large": 64}


@pytest.fixture(scope="module")
def demo() -> gr.Blocks:
    """A tab with one activity that has a button and one that answers at once."""

    def fit(model: str) -> tuple[gr.Slider, gr.Dropdown]:
        return gr.Slider(maximum=MOST[model], value=4), gr.Dropdown(list(model), value=model[0])

    def paint(seed: float, noise: float, steps: int) -> Iterator[tuple[str, int]]:
        if noise == 0.5:
            raise inputs.refusal("Not this noise.")
        yield "painting", steps
        yield f"{seed:g} with {noise:g}", steps + 1

    with gr.Blocks() as demo, gr.Tabs(), gr.Tab("Family", id="family"):
        gr.Markdown("The idea")
        with gr.Tabs():
            with gr.Tab("Draw", id="family-draw"):
                draw = gr.Button("Draw", variant="primary")
                model = gr.Dropdown(list(MOST), value="small", label="Model")
                images = gr.Slider(1, MOST["small"], value=8, step=1, label="Images, at once")
                letter = gr.Dropdown(list("small"), value="a", label="Class")
                temperature = gr.Slider(0.1, 2, value=1, step=0.05, label="Temperature")
                seed = gr.Number(7, label="Seed")
                gr.Radio(["A", "B"], label="Your prediction")
                gr.Number(0, visible=False)
                with gr.Accordion("More", open=False):
                    gr.CheckboxGroup(["x", "y"], value=["x"], label="Methods")
                    gr.Checkbox(True, label="Mask")
                    gr.Textbox("a word", label="Instruction")
                shown = gr.HTML()
            with gr.Tab("Live", id="family-live"):
                dice = gr.Button("Randomise", variant="primary")
                again = gr.Number(0, label="Seed")
                noise = gr.Slider(0, 1, value=0.1, label="Noise")
                painted, steps = gr.HTML("as it started"), gr.State(3)
        draw.click(lambda *_: "drawn", [temperature, seed], shown)
        model.input(fit, model, [images, letter], api_visibility="private")
        dice.click(lambda: 5, None, again, api_visibility="private")
        gr.on([again.submit, noise.input], paint, [again, noise, steps], [painted, steps])
    return demo


def carried_out(demo: gr.Blocks, screen: str, query: str) -> tuple[dict[str, Any], list[str]]:
    """What the controls hold then, and what was wrong."""
    functions = list(demo.fns.values())
    chosen = address.find_screens(demo)[screen]
    restoring = address.Restoring(functions, chosen)
    wrong = restoring.carry_out(address.settings_in(query))
    return {name: restoring.held(each) for name, each in chosen.controls.items()}, wrong


def test_controls_are_called_by_their_labels(demo: gr.Blocks):
    screens = address.find_screens(demo)
    assert list(screens) == ["family-draw", "family-live"]
    draw = screens["family-draw"]
    assert list(draw.controls) == [
        "model", "images", "class", "temperature", "seed", "methods", "mask", "instruction"
    ]  # fmt: skip
    assert draw.hideable["more"] == ("More", "family-draw--more")
    assert {each.elem_id for each in draw.controls.values()} <= {
        element for _, element in draw.hideable.values()
    }


def test_only_a_button_that_draws_by_the_seed_is_pressed(demo: gr.Blocks):
    screens, functions = address.find_screens(demo), list(demo.fns.values())
    pressed = address.runs(functions, screens["family-draw"])
    assert pressed is not None
    assert pressed.value == "Draw"
    assert address.runs(functions, screens["family-live"]) is None  # it would change the seed


def test_what_a_model_fits_comes_before_what_the_address_says_of_it(demo: gr.Blocks):
    held, wrong = carried_out(demo, "family-draw", "images=60&model=large&class=g&seed=41")
    assert (held["model"], held["images"], held["class"], held["seed"]) == ("large", 60, "g", 41)
    held, wrong = carried_out(demo, "family-draw", "model=large")
    assert held["images"] == 8  # unsaid: as the app starts, and not as the model came with
    assert held["class"] == "a"
    assert wrong == []


def test_an_activity_that_answers_at_once_does_so_once(demo: gr.Blocks):
    screen = address.find_screens(demo)["family-live"]
    restoring = address.Restoring(list(demo.fns.values()), screen)
    assert restoring.carry_out({"seed": ["9"], "noise": ["0.25"]}) == []
    held = {restoring.held(component) for component in restoring.updates}
    assert held == {9, 0.25, "9 with 0.25", 4}


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("seed=NaN", "seed"), ("seed=-1", "seed"), ("seed=1.5", "seed"), ("seed=1e400", "seed"),
        ("seed=4294967296", "seed"), ("seed=", "seed"), ("seed=1&seed=2", "seed"),
        ("temperature=9", "temperature"), ("temperature=0.11", "temperature"),
        ("temperature=-inf", "temperature"), ("images=9", "images"),
        ("class=%3Cb%3E", "class"), ("model=../../etc", "model"), ("methods=z", "methods"),
        ("mask=maybe", "mask"), ("instruction=a%00b", "instruction"),
        ("instruction=" + "a" * 201, "instruction"), ("nothing=1", "nothing"),
        ("your-prediction=A", "your-prediction"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_named_and_the_rest_applied(demo: gr.Blocks, query: str, name: str):
    held, wrong = carried_out(demo, "family-draw", f"{query}&mask=off")
    assert wrong == [name]
    if name != "mask":
        assert held["mask"] is False
    assert (held["seed"], held["temperature"], held["model"]) == (7, 1, "small")


def test_every_kind_of_value_is_read(demo: gr.Blocks):
    query = (
        "methods=&mask=off&instruction=%3Cb%3Ehat%3C%2Fb%3E&temperature=0.3&__theme=dark&beamer=1"
    )
    held, wrong = carried_out(demo, "family-draw", query)
    assert (held["methods"], held["mask"], held["temperature"]) == ([], False, 0.3)
    assert held["instruction"] == "<b>hat</b>"  # a text, whatever it says
    assert wrong == []
    held, _ = carried_out(demo, "family-draw", "methods=x&methods=y")
    assert held["methods"] == ["x", "y"]


def test_what_a_script_draws_says_a_part_of_its_value():
    """A gallery, whose choice brings a picture, and what a press of the button would draw."""

    def bring(chosen: dict[str, Any]) -> str:
        return f"picture {chosen['chosen']}"

    with gr.Blocks() as demo, gr.Tabs(), gr.Tab("Family", id="family"):
        button, seed = gr.Button("Draw", variant="primary"), gr.Number(7, label="Seed")
        things = gallery(
            [np.zeros((2, 2, 3), np.uint8)] * 3, ["a", "b", "c"], label="Things",
            elem_id="family-things", chosen=1,
        )  # fmt: skip
        shown, drawn = gr.HTML(), gr.HTML("as it started")
        button.click(lambda seed: seed, seed, drawn)
        things.input(bring, things, shown)
        things.input(lambda: "drawn", None, drawn, concurrency_id="sampling")
    functions, screen = list(demo.fns.values()), address.find_screens(demo)["family"]

    def restored(query: str) -> tuple[list[str], dict[Any, Any]]:
        restoring = address.Restoring(functions, screen)
        wrong = restoring.carry_out(address.settings_in(query))
        return wrong, {each: update["value"] for each, update in restoring.updates.items()}

    assert restored("picture=2") == ([], {things: {"chosen": 2}, shown: "picture 2"})
    assert restored("picture=1") == ([], {})
    assert restored("seed=8") == ([], {seed: 8})
    for text in ("3", "-1", "1.5", "a", "", "1,2", "9" * 100, "%D9%A1"):
        assert restored(f"picture={text}") == (["picture"], {})
    assert "things" not in screen.hideable


def test_what_a_script_draws_is_read_in_place_of_what_an_answer_has_made_of_it():
    """A model brings a picture of its own, the picture its code, and the code is moved last."""
    called: list[list[float]] = []

    def switch(model: str) -> dict[str, str]:
        return {"picture": f"of {model}"}

    def encode(picture: dict[str, str]) -> dict[str, Any]:
        return {"of": picture["picture"], "z": [0.0, 0.0], "code": None}

    def move(text: str, held: dict[str, Any]) -> dict[str, Any]:
        z = [float(part) for part in text.split(",")]
        if len(z) != len(held["z"]):
            raise inputs.refusal("As many numbers as before.")
        return held | {"z": z, "code": z}

    with gr.Blocks() as demo, gr.Tabs(), gr.Tab("Family", id="family"):
        model = gr.Dropdown(["a", "b"], value="a", label="Model")
        picture = gr.HTML({"picture": "first"})
        code = gr.HTML({"of": "first", "z": [0.0, 0.0], "code": None})
        lab = gr.HTML({"setup": "eight"})
        not_in_address(gr.Number(0, label="Seed"))
        in_address(
            picture, Setting("picture", ("picture",), lambda text, held: held | {"picture": text})
        )
        in_address(code, Setting("code", ("code",), move))
        in_address(
            lab, Setting("settings", ("setup",), lambda text, _: {"setup": text}, by_script=True)
        )
        model.input(switch, model, picture)
        picture.input(encode, picture, code)
        code.input(lambda value: called.append(value["z"]), code, gr.HTML())
        lab.input(lambda: called.append([]), None, gr.HTML())

    held, wrong = carried_out(demo, "family", "model=b&code=1.5,0&settings=ring")
    assert (wrong, called) == ([], [[1.5, 0]])
    assert held == {
        "model": "b", "picture": {"picture": "first"}, "settings": {"setup": "ring"},
        "code": {"of": "first", "z": [1.5, 0], "code": [1.5, 0]},
    }  # fmt: skip
    held, wrong = carried_out(demo, "family", "picture=other&code=1")
    assert (wrong, held["code"]["of"]) == (["code"], "other")
    assert carried_out(demo, "family", "seed=1")[1] == ["seed"]


@pytest.mark.parametrize(
    ("text", "place"),
    [("1.25,-0.5", {"x": 1.25, "y": -0.5}), ("3,3", {"x": 3, "y": 3})],
)
def test_a_place_on_a_map_is_read(text: str, place: dict[str, float]):
    setting = on_map(3.0)
    assert setting.read(text, None) == place
    assert setting.said(place) == text
    assert setting.said({"x": 0.123456, "y": 2.0}) == "0.12,2"
    assert setting.said({"x": 1}) is None


@pytest.mark.parametrize("text", ["1", "1,2,3", "4,0", "nan,0", "inf,0", "1e400,0", "a,b", ","])
def test_no_place_on_a_map_is_refused(text: str):
    with pytest.raises((ValueError, gr.Error)):
        on_map(3.0).read(text, None)


def test_two_controls_of_one_name_are_refused():
    with gr.Blocks() as demo, gr.Tabs(), gr.Tab("Family", id="family"):
        gr.Number(1, label="Steps")
        gr.Number(2, label="Steps, again")
    with pytest.raises(ValueError, match="two “steps”"):
        address.find_screens(demo)
