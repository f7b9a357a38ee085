"""The map of clusters, with tiny networks: what is shown, what names are worth, what is refused."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client

from demo.activities import ModelTab
from demo.components import worth
from demo.components.cluster_map import CANT_SAY, SPRITE_COLUMNS, Board, sheet
from demo.components.worth import Accuracy
from demo.paradigms import clusters
from gm_core.clusters import group, pictures, predict, project
from gm_core.unlabelled import features
from tests.demo.test_api import call, handler
from tests.demo.test_latent_map import pictures as read_sprite
from tests.gm_core.test_clusters import save_networks

TAB = ModelTab("paradigms", ())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    for dataset in clusters.DATASETS:
        save_networks(folder, dataset, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GM_CHECKPOINTS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def demo(folder: Path) -> gr.Blocks:
    assert folder.exists()
    with gr.Blocks() as demo:
        clusters.build(TAB)
    return demo


def test_the_actions_are_named_and_typed(client: Client):
    api: Any = client.view_api(return_format="dict", print_info=False)
    endpoints = api["named_endpoints"]
    assert set(endpoints) == {"/paradigms_clusters", "/paradigms_name_clusters"}
    names = {
        endpoint: [p["parameter_name"] for p in described["parameters"]]
        for endpoint, described in endpoints.items()
    }
    assert names["/paradigms_clusters"] == [
        "dataset", "clusters", "projection", "grouping",
    ]  # fmt: skip
    assert names["/paradigms_name_clusters"] == ["dataset", "grouping", "names"]


def test_the_map_is_what_the_library_finds(client: Client):
    shown = client.predict("fashion", 4, "PCA", "k-means", api_name="/paradigms_clusters")
    images = pictures("fashion")
    points = features("fashion", images.images)
    found = group(points, 4)
    assert shown["classNames"][7] == "sneaker"
    assert shown["assigned"] == found.assigned.tolist()
    assert shown["typical"] == [list(row) for row in found.typical]
    assert np.allclose(shown["places"], project(points, "PCA"), atol=6e-4)
    assert shown["predicted"] == predict("fashion", images.images).tolist()
    assert shown["truth"] == images.labels.tolist()


def test_names_are_worth_what_one_counts(client: Client):
    shown = clusters.show_board("mnist", 3, "PCA", "k-means")
    names = ["7", CANT_SAY, "0"]
    told = client.predict("mnist", "k-means", names, api_name="/paradigms_name_clusters")
    pairs = Counter(zip(shown["assigned"], shown["truth"], strict=True))
    assert told["accuracy"] == pytest.approx((pairs[0, 7] + pairs[2, 0]) / 1000)
    best = sum(max(pairs[cluster, label] for label in range(10)) for cluster in range(3))
    assert told["best"] == pytest.approx(best / 1000)
    assert told["counts"] == [
        [pairs[cluster, label] for label in range(10)] for cluster in range(3)
    ]
    right = np.equal(shown["predicted"], shown["truth"]).mean()
    assert told["supervised"] == pytest.approx(right)


def sent(names: list[Any], **changes: Any) -> dict[str, Any]:
    """As the map sends its value."""
    value = {"dataset": "mnist", "grouping": "k-means", "clusters": 3, "names": names}
    return value | {"checked": False} | changes


def test_what_is_missing_is_told_first(demo: gr.Blocks):
    follow = handler(demo, "follow")
    opening = follow(sent(["", "", ""]))
    assert opening[0] == "Name 3 clusters by their typical images, then check your names."
    told, table = follow(sent(["", "4", ""], checked=True))
    assert told == "1 of 3 clusters are named. Still to be named: A and C."
    assert table == opening[1]
    told, table = follow(sent(["1", "4", "can't say"]))
    assert told == "All 3 clusters are named: check your names."
    assert table == opening[1]


def test_checked_names_get_their_worth(demo: gr.Blocks):
    names = ["1", "4", CANT_SAY]
    told, table = handler(demo, "follow")(sent(names, checked=True))
    naming, supervised = clusters.compare("mnist", "k-means", names)
    assert told.startswith(
        f"Your 2 labels got {100 * naming.accuracy:.1f} % of 1,000 images right; 60,000 labels get "
        f"{100 * supervised:.1f} %."
    )
    for share in (naming.accuracy, naming.most, supervised, naming.one_to_one):
        assert f"{100 * share:.1f} %" in table
    best = naming.counts.argmax(dim=1).tolist()
    assert f"C ({best[2]})" in table  # another name fits more of its images
    assert "Mixed, with less than 80 % of one class: " in table
    assert "The most frequent class of no cluster: " in table


def test_pure_clusters_are_not_called_mixed():
    naming = clusters.Naming(1.0, 1.0, 1.0, counts=torch.eye(3).long() * 8)
    assert clusters.mixtures(naming, ("a", "b", "c")) == [
        "No cluster is mixed: each has at least 80 % of one class."
    ]
    assert clusters.better(naming, ["a", "b", "c"], ("a", "b", "c")) == []
    assert clusters.better(naming, ["a", "a", CANT_SAY], ("a", "b", "c")) == [
        "Another name fits more of its images: B (b), C (c)."
    ]
    assert clusters.absent(naming, ("a", "b", "c")) == []
    assert clusters.absent(naming, ("a", "b", "c", "d")) == [
        "The most frequent class of no cluster: d."
    ]


def test_other_clusters_begin_without_names(demo: gr.Blocks):
    [(board, told, _)] = handler(demo, "redraw")("mnist", 2.0, "PCA", "k-means")
    assert board.props["board"]["clusters"] == 2
    assert "sheet" not in board.props  # the pictures stay
    assert told.startswith("Name 2 clusters")
    [(board, told, _)] = handler(demo, "switch")("fashion", 3, "PCA", "k-means")
    assert board.props["sheet"]["dataset"] == board.props["board"]["dataset"] == "fashion"
    [(board, told)] = handler(demo, "move")("mnist", 3, "PCA", "k-means", sent(["5", "", ""]))
    assert told == "1 of 3 clusters are named. Still to be named: B and C."


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("move", ("mnist", 3, "t-SNE", "k-means", sent(["", "", ""]))),
        ("redraw", ("mnist", 3, "PCA", "linkage")),
        ("switch", ("fashion", 3, "PCA", "linkage")),
    ],
)
def test_the_wait_for_a_new_map_is_told(demo: gr.Blocks, name: str, arguments: Any):
    steps = handler(demo, name)(*arguments)
    assert clusters.COMPUTING in next(steps)
    steps.close()  # before it is computed


CLUSTERS = "Clusters must be from 2 to 20."
NUMBER = "Clusters must be a number from 2 to 20."
BAD = [
    (("mnist", math.nan, "PCA", "linkage"), CLUSTERS),
    (("mnist", math.inf, "PCA", "linkage"), CLUSTERS),
    (("mnist", 0, "PCA", "linkage"), CLUSTERS), (("mnist", 1, "PCA", "linkage"), CLUSTERS),
    (("mnist", 1001, "PCA", "linkage"), CLUSTERS),
    (("mnist", 10**400, "PCA", "linkage"), CLUSTERS),
    (("mnist", 2.5, "PCA", "linkage"), "Clusters must be a whole number from 2 to 20."),
    (("mnist", None, "PCA", "linkage"), NUMBER), (("mnist", "3", "PCA", "linkage"), NUMBER),
    (("mnist", [3], "PCA", "linkage"), NUMBER),
    (("avatars", 3, "PCA", "linkage"), "Images must be one of: mnist, fashion."),
    ((None, 3, "PCA", "linkage"), "Images must be one of"),
    (("mnist", 3, "UMAP", "linkage"), "Map by must be one of"),
    (("mnist", 3, {}, "linkage"), "Map by must be one of: t-SNE, PCA."),
    (("mnist", 3, "PCA", "DBSCAN"), "Group by must be one of: linkage, k-means."),
    (("mnist", 3, "PCA", None), "Group by must be one of"),
]  # fmt: skip
BAD_NAMES = [
    (("mnist", "k-means", ["1", "", ""]), "1 of 3 clusters are named. Still to be named: B and C."),
    (("mnist", "k-means", ["1", "2", "ten"]), "The name of cluster C must be one of: 0, 1, "),
    (("mnist", "k-means", ["1", "2", 3]), "The name of cluster C must be one of"),
    (("mnist", "k-means", ["1", None, "3"]), "The name of cluster B must be one of"),
    (("mnist", "k-means", ["coat", "1"]), "The name of cluster A must be one of"),
    (("mnist", "k-means", []), CLUSTERS), (("mnist", "k-means", ["1"]), CLUSTERS),
    (("mnist", "k-means", ["1"] * 21), CLUSTERS), (("mnist", "k-means", "123"), NUMBER),
    (("mnist", "k-means", None), NUMBER), (("mnist", "k-means", {"A": "1"}), NUMBER),
    (("edits", "k-means", ["1", "2"]), "Images must be one of"),
    (([], "k-means", ["1", "2"]), "Images must be one of"),
    (("mnist", "DBSCAN", ["1", "2"]), "Group by must be one of"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [("clusters", *case) for case in BAD] + [("name_clusters", *case) for case in BAD_NAMES],
    ids=lambda value: str(value)[:20],
)
def test_bad_input_gets_one_sentence(url: str, endpoint: str, arguments: Any, sentence: str):
    event, answer = call(url, f"paradigms_{endpoint}", json.dumps({"data": arguments}))
    assert event == "error"
    assert json.loads(answer)["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "The names must come as the map sends them."),
        ([], "The names must come as the map sends them."),
        ({}, "Images must be one of"),
        (sent(["1", "2", "3"], grouping="DBSCAN"), "Group by must be one of: linkage, k-means."),
        (sent(["1"]), "Names must be a list of 3, one for each cluster."),
        (sent(["1", "2", "3"], clusters=math.nan), CLUSTERS),
        (sent(["1", "2", "3"], checked="yes"), "Checked must be true or false."),
        (sent(["1", ["2"], "3"]), "The name of cluster B must be one of"),
    ],
)
def test_what_no_map_sends_is_refused(demo: gr.Blocks, value: Any, sentence: str):
    with pytest.raises(gr.Error, match=sentence):
        handler(demo, "follow")(value)


BOARD = Board(
    dataset="mnist",
    grouping="k-means",
    places=np.array([[0.0, 1.0], [-1.0, 0.5], [0.25, 0.0]]),
    assigned=np.array([0, 1, 0]),
    typical=((0, 2), (1,)),
    predicted=np.array([2, 1, 0]),
    truth=np.array([2, 1, 1]),
    class_names=("a", "b", "c"),
)


def test_the_board_holds_what_it_was_given():
    shown = json.loads(json.dumps(BOARD.payload()))
    assert shown["places"] == [[0.0, 1.0], [-1.0, 0.5], [0.25, 0.0]]
    assert (shown["assigned"], shown["typical"]) == ([0, 1, 0], [[0, 2], [1]])
    assert (shown["predicted"], shown["truth"]) == ([2, 1, 0], [2, 1, 1])
    assert (shown["clusters"], shown["grouping"]) == (2, "k-means")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"places": 2 * BOARD.places}, "not \\(N, 2\\) within"),
        ({"places": np.full((3, 2), np.nan)}, "not \\(N, 2\\) within"),
        ({"places": BOARD.places[:, :1]}, "not \\(N, 2\\) within"),
        ({"assigned": np.array([0, 2, 0])}, "assigned must be 3 numbers from 0 to 1"),
        ({"predicted": np.array([0, 1])}, "predicted must be 3 numbers from 0 to 2"),
        ({"truth": np.array([0, -1, 0])}, "truth must be 3 numbers"),
        ({"typical": ((0, 3), (1,))}, "numbers from 0 to 2"),
        ({"typical": ((0,),) * 21}, "21 clusters"),
        ({"class_names": tuple("abcdefghijk")}, "11 classes"),
    ],
)
def test_a_board_that_does_not_fit_is_refused(changes: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        replace(BOARD, **changes).payload()


def test_the_sheet_holds_the_pictures():
    images = np.random.default_rng(0).integers(0, 256, (SPRITE_COLUMNS + 3, 4, 6), np.uint8)
    shown = read_sprite(sheet("mnist", images)["src"]).reshape(-1, 4, 6)
    assert np.array_equal(shown[: len(images)], images)


def test_an_impossible_share_is_refused():
    with pytest.raises(ValueError, match=r"can't get a share of 1\.2"):
        worth.show([Accuracy("x", "best", 1.2, "1")], [], "")
