"""Map: test images in groups that nobody labelled, for the student to name."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, cast

import gradio as gr
from gradio.events import api

from demo import engine, inputs
from demo.activities import ModelTab
from demo.components import cluster_map, worth
from demo.components.cluster_map import CANT_SAY, LETTERS, MOST_CLUSTERS, Board
from demo.components.status import status
from demo.components.worth import Accuracy
from gm_core import clusters as gm_clusters
from gm_core import data
from gm_core.clusters import CLUSTERS, GROUPINGS, METHODS, Chart, Grouping, Method, Naming

TITLE = "Map"
DATASETS = {"mnist": "Digits", "fashion": "Clothes"}
LABELLED = 60_000  # images of either data set that the classifier learnt from
FEWEST = 2
MIXED = 0.8  # a cluster with a smaller share of one class is mixed
LISTED = 4  # mixed clusters that are told of

QUESTION = """
<div class="gm-question">Each point is a test image, placed by features that a network learnt
<b>without any label</b>, and put into clusters: by <b>linkage</b>, which joins the clusters nearest
to each other on the map of t-SNE, again and again, or by <b>k-means</b> of the features. A cluster
has no name: name each one by its typical images, which costs <b>one label a cluster</b>. How many
of all images will your names get right? Guess, name them all, then check: the truth stays hidden
until then.</div>
"""
EMPTY = """
<div class="gm-quiet">Here will stand what your names are worth, beside the best names that these
clusters can have, and a classifier that learnt from {labels:,} labels.</div>
"""
COMPUTING = "t-SNE looks for the near neighbours of each image: about 15 seconds, once ..."


def check(
    dataset: Any, clusters: Any, projection: Any, grouping: Any
) -> tuple[str, int, Method, Grouping]:
    """What the controls say, validated."""
    return (
        inputs.choice(dataset, "Images", tuple(DATASETS)),
        inputs.whole(clusters, "Clusters", FEWEST, MOST_CLUSTERS),
        cast(Method, inputs.choice(projection, "Map by", METHODS)),
        cast(Grouping, inputs.choice(grouping, "Group by", GROUPINGS)),
    )


def check_names(dataset: str, clusters: int, names: Any) -> list[str]:
    """A name for each cluster, a class or "can't say"; nothing where there is none yet."""
    if not isinstance(names, list) or len(names) != clusters:
        raise inputs.refusal(f"Names must be a list of {clusters}, one for each cluster.")
    allowed = (*data.DATASETS[dataset].class_names, CANT_SAY)
    for letter, name in zip(LETTERS, names, strict=False):
        if name != "":
            inputs.choice(name, f"The name of cluster {letter}", allowed)
    return names


def chart(dataset: str, clusters: int, projection: Method, grouping: Grouping) -> Chart:
    """The map of a data set's test images."""
    [record] = engine.stream(
        "chart", dataset=dataset, clusters=clusters, method=projection, grouping=grouping
    )
    return record


def show_board(
    dataset: str, clusters: int, projection: Method, grouping: Grouping
) -> dict[str, Any]:
    """The map as the browser takes it."""
    record = chart(dataset, clusters, projection, grouping)
    return Board(
        dataset=dataset,
        grouping=grouping,
        places=record.places.numpy(),
        assigned=record.clusters.assigned.numpy(),
        typical=record.clusters.typical,
        predicted=record.predicted.numpy(),
        truth=gm_clusters.pictures(dataset).labels.numpy(),
        class_names=data.DATASETS[dataset].class_names,
    ).payload()


@functools.cache
def show_pictures(dataset: str) -> dict[str, Any]:
    """All images of a map."""
    return cluster_map.sheet(dataset, gm_clusters.pictures(dataset).images[:, 0].numpy())


def compare(dataset: str, grouping: Grouping, names: list[str]) -> tuple[Naming, float]:
    """What the names of as many clusters are worth, and the classifier's accuracy."""
    quickest, _ = gm_clusters.opening(dataset)
    record = chart(dataset, len(names), quickest, grouping)
    truth, classes = gm_clusters.pictures(dataset).labels, data.DATASETS[dataset].class_names
    given = [None if name == CANT_SAY else classes.index(name) for name in names]
    naming = gm_clusters.naming(truth, record.clusters.assigned, given, len(classes))
    return naming, float((record.predicted == truth).float().mean())


def enumerate_letters(clusters: list[int]) -> str:
    """[0, 2, 3] -> "A, C and D"."""
    *others, last = (LETTERS[cluster] for cluster in clusters)
    return f"{', '.join(others)} and {last}" if others else last


def missing(names: list[str]) -> str:
    """What is still to be named; nothing once all clusters are."""
    unnamed = [cluster for cluster, name in enumerate(names) if not name]
    if not unnamed:
        return ""
    return (
        f"{len(names) - len(unnamed)} of {len(names)} clusters are named. Still to be named: "
        f"{enumerate_letters(unnamed)}."
    )


def mixtures(naming: Naming, class_names: tuple[str, ...]) -> list[str]:
    """Which clusters are of more than one class, the most mixed first."""
    shares = naming.counts / naming.counts.sum(dim=1, keepdim=True)
    purity = shares.max(dim=1).values
    mixed = [cluster for cluster in purity.argsort().tolist() if purity[cluster] < MIXED]
    if not mixed:
        return [f"No cluster is mixed: each has at least {100 * MIXED:.0f} % of one class."]
    told = []
    for cluster in mixed[:LISTED]:
        first, second = shares[cluster].topk(2).indices.tolist()
        parts = (
            f"{100 * shares[cluster, at]:.0f}\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}{class_names[at]}"
            for at in (first, second)
        )
        told.append(f"{LETTERS[cluster]} ({', '.join(parts)})")
    more = f", and {len(mixed) - LISTED} more" if len(mixed) > LISTED else ""
    return [
        f"Mixed, with less than {100 * MIXED:.0f} % of one class: {'; '.join(told)}{more}. One "
        "name can't be right for all of such a cluster."
    ]


def better(naming: Naming, names: list[str], class_names: tuple[str, ...]) -> list[str]:
    """Where another name would have been right more often."""
    told = []
    for cluster, (name, counts) in enumerate(zip(names, naming.counts, strict=True)):
        best = int(counts.argmax())
        given = 0 if name == CANT_SAY else int(counts[class_names.index(name)])
        if given < counts[best]:
            told.append(f"{LETTERS[cluster]} ({class_names[best]})")
    return [f"Another name fits more of its images: {', '.join(told)}."] if told else []


def absent(naming: Naming, class_names: tuple[str, ...]) -> list[str]:
    """Classes that no cluster is made of, whatever it is called."""
    found = set(naming.counts.argmax(dim=1).tolist())
    lost = [name for label, name in enumerate(class_names) if label not in found]
    return [f"The most frequent class of no cluster: {', '.join(lost)}."] if lost else []


def show_worth(dataset: str, grouping: Grouping, names: list[str]) -> tuple[str, str]:
    """What the names are worth, in a sentence and in full."""
    naming, supervised = compare(dataset, grouping, names)
    class_names, count = data.DATASETS[dataset].class_names, len(names)
    images = len(gm_clusters.pictures(dataset))
    labels = sum(name != CANT_SAY for name in names)
    rows = (
        Accuracy("Your names", "student", naming.accuracy, f"{labels:,}: one a cluster"),
        Accuracy("Best names for these clusters", "best", naming.most, f"{count:,}: one a cluster"),
        Accuracy("Classifier", "supervised", supervised, f"{LABELLED:,}: one an image"),
    )
    sentences = [
        *better(naming, names, class_names),
        *mixtures(naming, class_names),
        *absent(naming, class_names),
    ]
    note = (
        f"Measured on the {images:,} test images of the map. Best names: each cluster bears that "
        "of its most frequent class; if no two may bear the same one (Hungarian matching), "
        f"{100 * naming.one_to_one:.1f} %. “{CANT_SAY.capitalize()}” counts as wrong. The "
        "features and the clusters used no label."
    )
    told = (
        f"Your {labels} label{'' if labels == 1 else 's'} got {100 * naming.accuracy:.1f} % of "
        f"{images:,} images right; {LABELLED:,} labels get {100 * supervised:.1f} %. The truth is "
        "shown now: colour the map by it, and by your names."
    )
    return told, worth.show(rows, sentences, note)


def waiting(clusters: int) -> str:
    return f"Name {clusters} clusters by their typical images, then check your names."


def build(tab: ModelTab) -> None:
    """The activity's contents, with the map that ships."""
    empty = EMPTY.format(labels=LABELLED)
    dataset, *_ = DATASETS
    opening = gm_clusters.opening(dataset)

    def clusters(dataset: str, clusters: float, projection: str, grouping: str) -> dict[str, Any]:
        """The map of 1,000 test images: the place, the cluster, the predicted and the true class of
        each, and the images nearest to each cluster's centre.

        dataset: mnist or fashion; clusters: 2 to 20; projection: t-SNE or PCA; grouping: linkage
        (of the places by t-SNE) or k-means (of the features)."""
        return show_board(*check(dataset, clusters, projection, grouping))

    def name_clusters(dataset: str, grouping: str, names: list[str]) -> dict[str, Any]:
        """What names of clusters are worth: shares of the images that they, the best names and a
        classifier get right, and how many images of each class each cluster has.

        grouping: as for the map; names: of all clusters, in order; each one a class or "can't
        say"."""
        given = len(names) if isinstance(names, list) else None
        dataset, count, _, by = check(dataset, given, METHODS[0], grouping)
        if told := missing(check_names(dataset, count, names)):
            raise inputs.refusal(told)
        naming, supervised = compare(dataset, by, names)
        return {
            "accuracy": naming.accuracy,
            "best": naming.most,
            "one_to_one": naming.one_to_one,
            "supervised": supervised,
            "counts": naming.counts.tolist(),
        }

    def redraw(*values: Any) -> Iterator[tuple[Any, ...]]:
        """Other clusters, which have no names yet."""
        settings = check(*values)
        if told := delay(*settings):
            yield gr.skip(), told, gr.skip()
        yield cluster_map.redrawn(show_board(*settings)), waiting(settings[1]), empty

    def switch(*values: Any) -> Iterator[tuple[Any, ...]]:
        """Another data set's images."""
        settings = check(*values)
        if told := delay(*settings):
            yield gr.skip(), told, gr.skip()
        board = show_board(*settings)
        pictures = show_pictures(settings[0])
        yield cluster_map.redrawn(board, pictures), waiting(settings[1]), empty

    def move(*values: Any) -> Iterator[Any]:
        """The same clusters, placed another way."""
        *controls, value = values
        settings = check(*controls)
        if told := delay(*settings):
            yield gr.skip(), told
        yield cluster_map.redrawn(show_board(*settings)), follow(value)[0]

    def delay(dataset: str, _: int, projection: Method, grouping: Grouping) -> str:
        """What is said while the map is computed; nothing if it ships."""
        needs_map = projection == "t-SNE" or grouping == "linkage"
        return COMPUTING if needs_map and not gm_clusters.is_kept(dataset) else ""

    def follow(value: Any) -> tuple[str, str]:
        """What is still to be named, or what the names are worth."""
        if not isinstance(value, dict):
            raise inputs.refusal("The names must come as the map sends them.")
        dataset, count, _, grouping = check(
            value.get("dataset"), value.get("clusters"), METHODS[0], value.get("grouping")
        )
        names = check_names(dataset, count, value.get("names"))
        if not any(names):
            return waiting(count), empty
        if told := missing(names):
            return told, empty
        if not inputs.flag(value.get("checked"), "Checked"):
            return f"All {count} clusters are named: check your names.", empty
        return show_worth(dataset, grouping, names)

    gr.HTML(QUESTION, padding=False)
    with gr.Row():
        images = gr.Radio(
            [(title, name) for name, title in DATASETS.items()], value=dataset, label="Images",
            elem_id=f"{tab.id}-clusters-dataset", min_width=200,
        )  # fmt: skip
        number = gr.Slider(
            FEWEST, MOST_CLUSTERS, value=CLUSTERS, step=1, label="Clusters", buttons=[],
            min_width=260,
        )  # fmt: skip
        method = gr.Radio(
            list(METHODS), value=opening[0], label="Map by",
            elem_id=f"{tab.id}-clusters-projection", min_width=200,
        )  # fmt: skip
        groups = gr.Radio(
            list(GROUPINGS), value=opening[1], label="Group by",
            elem_id=f"{tab.id}-clusters-grouping", min_width=220,
        )  # fmt: skip
    board = cluster_map.cluster_map(
        show_board(dataset, CLUSTERS, *opening), show_pictures(dataset),
        label="Test images, near where alike", elem_id=f"{tab.id}-clusters",
    )  # fmt: skip
    told = status(waiting(CLUSTERS), elem_id=f"{tab.id}-clusters-status")
    result = worth.worth(empty, elem_id=f"{tab.id}-clusters-result")

    settings = [images, number, method, groups]
    live: dict[str, Any] = {
        "api_visibility": "private",
        "preprocess": False,  # the handlers validate, whoever calls
        "show_progress": "hidden",
        "trigger_mode": "always_last",  # or the end of a movement would be lost
    }
    computing = live | engine.event("quick")
    for control in (number, groups):
        control.input(redraw, settings, [board, told, result], **computing)
    images.input(switch, settings, [board, told, result], **computing)
    method.input(move, [*settings, board], [board, told], **computing)
    board.input(follow, board, [told, result], queue=False, **live)
    api(clusters, api_name=f"{tab.id}_clusters")
    api(name_clusters, api_name=f"{tab.id}_name_clusters")
