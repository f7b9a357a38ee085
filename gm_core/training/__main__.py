"""Train a checkpoint: `python -m gm_core.training NAME --preset cpu|gpu`.

A run saves itself under `runs/NAME` and goes on from there when it is started again; a recipe of
several stages does so stage by stage. To continue from weights that were exported earlier, name
their folder with `--from-checkpoint`. On several processes or machines:
`accelerate launch -m gm_core.training NAME ...`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import PartialState
from tqdm import tqdm

from gm_core import checkpoints, data
from gm_core.data import Images
from gm_core.families import FAMILIES, split_name
from gm_core.files import DiskFull, write_safetensors
from gm_core.training import history
from gm_core.training.loop import Recipe, Stage, Staged, train

STATE = "state.safetensors"


def recipes() -> dict[str, dict[str, Recipe | Staged]]:
    """All recipes: checkpoint name -> preset -> recipe."""
    found: dict[str, dict[str, Recipe | Staged]] = {}
    for family in FAMILIES.values():
        found |= importlib.import_module(family.recipes).RECIPES
    return found


def main(argv: list[str] | None = None) -> None:
    table = recipes()
    parser = argparse.ArgumentParser(prog="python -m gm_core.training", description=__doc__)
    parser.add_argument("name", choices=sorted(table))
    parser.add_argument("--preset", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="instead of the preset's")
    parser.add_argument("--batch-size", type=int, help="instead of the preset's")
    parser.add_argument(
        "--validation", type=int, default=0, metavar="N",
        help="hold out the last N training images and print their loss",
    )  # fmt: skip
    parser.add_argument("--from-checkpoint", type=Path, help="start from this folder's weights")
    parser.add_argument("--stage", help="train this one alone, where a recipe has several")
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler")
    parser.add_argument("--data", help="folder of the full data (default: $GM_DATA_DIR)")
    parser.add_argument("--run", type=Path, help="where the run's state lies (default: runs/NAME)")
    parser.add_argument("--output", type=Path, help="default: checkpoints/NAME")
    arguments = parser.parse_args(argv)

    recipe = table[arguments.name][arguments.preset]
    names = recipe.names if isinstance(recipe, Staged) else ()
    if arguments.stage and arguments.stage not in names:
        parser.error(f"{arguments.name} has no stage {arguments.stage!r}, only {names or 'one'}")
    if names and arguments.validation:
        parser.error("the stages of a recipe have no validation in common")
    if names and arguments.steps and not arguments.stage:
        parser.error(f"name the --stage that --steps is for: {', '.join(names)}")
    with PartialState().local_main_process_first():  # one process downloads, the others read
        images = data.load(recipe.dataset, "train", arguments.data)
    held_out = None
    if arguments.validation:
        cut = len(images) - arguments.validation
        images, held_out = images[:cut], images[cut:]

    family, _ = split_name(arguments.name)
    run = arguments.run or Path("runs") / arguments.name
    torch.manual_seed(arguments.seed)
    if arguments.from_checkpoint:
        if state := next(run.rglob(STATE), None):
            parser.error(f"{state} is of a run that has begun; name another folder with --run")
        model = checkpoints.read(arguments.from_checkpoint).train().requires_grad_(True)
    else:
        model = FAMILIES[family].model(recipe.config)

    started = time.perf_counter()
    if isinstance(recipe, Staged):
        stages = recipe.stages(model, images)
    else:
        stages = iter([Stage("", model, recipe, images)])
    schedule = None
    for stage in stages:
        if arguments.stage in (None, stage.name):
            asked = shortened(stage.recipe, arguments.steps, arguments.batch_size)
            run_stage(replace(stage, recipe=asked), held_out, run, arguments)
            schedule = asked.schedule
    assert schedule is not None
    if PartialState().is_main_process:
        output = arguments.output or checkpoints.root() / arguments.name
        checkpoints.save(
            output,
            model,
            family=family,
            dataset=recipe.dataset,
            training={
                "preset": arguments.preset,
                "seed": arguments.seed,
                "steps": schedule.steps,
                "batch_size": schedule.batch_size,
                "images": len(images),
            },
        )
        if kept := history.gather(run, schedule.steps):
            write_safetensors(output / checkpoints.HISTORY, kept)
        print(f"{output} written after {(time.perf_counter() - started) / 60:.1f} minutes")


def shortened(recipe: Recipe, steps: int | None, batch_size: int | None) -> Recipe:
    """A recipe with what is asked for on the command line."""
    changes = {"steps": steps, "batch_size": batch_size}
    changes = {key: value for key, value in changes.items() if value is not None}
    return replace(recipe, schedule=replace(recipe.schedule, **changes))


def run_stage(
    stage: Stage, held_out: Images | None, run: Path, arguments: argparse.Namespace
) -> None:
    """Train a stage to its end, and say how it goes."""
    folder = run / stage.name
    is_main = PartialState().is_main_process
    with tqdm(
        total=stage.recipe.schedule.steps, unit="step", desc=stage.name, disable=not is_main
    ) as bar:
        for record in train(
            stage.module,
            stage.recipe,
            stage.data,
            validation=held_out,
            seed=arguments.seed,
            state=folder / STATE,
            compiles=arguments.compile,
        ):
            bar.update(record.step - bar.n)
            losses = ", ".join(f"{name} {value:.3f}" for name, value in record.losses.items())
            bar.set_postfix_str(f"{losses} {record.unit}")
            if is_main:
                history.keep(folder, record)
            if is_main and record.validation_loss is not None:
                tqdm.write(
                    f"step {record.step}: validation {record.validation_loss:.3f} {record.unit}"
                )


if __name__ == "__main__":
    try:
        main()
    except (DiskFull, FloatingPointError) as error:
        sys.exit(str(error))
