"""What the README says is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from gm_core import checkpoints

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block_after(line: str, language: str) -> str:
    """The first code block after a line."""
    found = re.search(rf"^{re.escape(line)}$.*?^```{language}\n(.*?)^```$", README, re.M | re.S)
    assert found, line
    return found[1]


def test_both_commands_make_their_own_environment():
    opens, tests = block_after("Open it:", "bash"), block_after("Test it:", "bash")
    assert opens.splitlines()[0] == "python3 -m venv .venv"
    assert tests.splitlines()[0] == "python3 -m venv .venv-test"
    assert opens.splitlines()[-1] == ".venv/bin/python app.py"
    assert tests.splitlines()[-1] == ".venv-test/bin/pytest"


def test_the_library_example_runs():
    names: dict = {}
    exec(compile(block_after("## Use the library", "python"), "README.md", "exec"), names)
    assert names["frame"].images.shape == (4, 1, 28, 28)
    assert names["nats"].shape == (4,)
    assert 20 < names["nats"].mean() < 150


def test_it_is_a_space_as_it_stands():
    _, front, _ = README.split("---\n", 2)
    space = yaml.safe_load(front)
    assert space["sdk"] == "gradio"
    assert (ROOT / space["app_file"]).exists()
    required = (ROOT / "requirements.txt").read_text()
    major_minor = ".".join(space["sdk_version"].split(".")[:2])
    assert f"gradio>={major_minor}" in required
    assert len(space["short_description"]) <= 60


def test_figures_are_those_that_were_measured():
    for name in checkpoints.available():
        metrics = json.loads((checkpoints.root() / name / "metrics.json").read_text())
        for figure in metrics["figures"]:
            is_count = figure["unit"].startswith("of ")  # "10 of 32"
            digits = 0 if is_count else 3 if figure["unit"] == "bits/dim" else 2
            rest = f" {figure['unit']}" if is_count else ""
            assert f"{figure['value']:.{digits}f}{rest}" in README, figure["name"]


def test_pictures_exist():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file()
