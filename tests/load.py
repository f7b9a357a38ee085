"""A class at once: `python -m tests.load` starts the app and lets students use it over plain HTTP.

Each student opens the page, thinks, asks for something, waits for the answer, and thinks again.
Who hears that the app is busy tries again, as the app says. Some leave in the middle of an answer.
Printed are what was lost (no answer, or a wrong one), how long the answers took, how long a probe
of the server's health waited at most, and the memory that the server took.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import json
import multiprocessing
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parent.parent
TABS = (
    "overview", "paradigms", "pixelrnn", "pixelcnn", "vae", "gan", "instruct_pix2pix", "mixed"
)  # fmt: skip
OPEN = 20.0  # seconds that the app has been open for when the students come
ROUNDS = 4  # requests a student
THINKS = 8.0  # seconds between two requests, on average
LEAVES = 0.05  # of the answers are not waited for
TRIES = 20  # of a request that meets a busy app
LONGEST = 120.0  # seconds; an answer that takes longer hangs

# What a student does in a tab: endpoint -> inputs by label or, for an endpoint without controls,
# all inputs in turn. SEED stands for a seed of the student's own; the rest has its default.
SEED = object()
ACTIONS: dict[str, dict[str, dict[str, Any] | list[Any]]] = {
    "overview": {"overview_prompt": {"Prompt": "a 7", "Seed": SEED}},
    "paradigms": {
        "paradigms_nine": [SEED, 3],
        "paradigms_price_deal": ["mnist", SEED],
        "paradigms_labels_seen": ["mnist", "wrong", 40, SEED],
        "paradigms_clusters": ["mnist", 10, "PCA", "linkage"],
    },
    "pixelrnn": {
        "pixelrnn_sample": {"Seed": SEED},
        "pixelrnn_complete": {"Seed": SEED},
        "pixelrnn_surprise": {},
        "pixelrnn_sees": {},
        "pixelrnn_forcing": {"Seed": SEED},
    },
    "pixelcnn": {
        "pixelcnn_sample": {"Seed": SEED},
        "pixelcnn_complete": {"Seed": SEED},
        "pixelcnn_surprise": {},
        "pixelcnn_sees": {},
    },
    "vae": {
        "vae_encode": {},
        "vae_path": {},
        "vae_blur": {"Seed": SEED},
        "vae_prior": {"Seed": SEED},
        "vae_bound": {"Seed": SEED},
    },
    "gan": {
        "gan_generate": ["gan-mnist", "any", 1.0, SEED],
        "gan_duel_deal": {"Seed": SEED},
        "gan_critic": {},
        "gan_walk": ["gan-mnist", "4 and back", "any", "the same", SEED, 24],
    },
    "instruct_pix2pix": {"instruct_pix2pix_edit": {"Seed": SEED}},
}


@dataclass
class Endpoint:
    """One action as the page sends it."""

    number: int
    labels: list[str]
    values: list[Any]

    def data(self, inputs: dict[str, Any] | list[Any], seed: int) -> list[Any]:
        """The inputs of one request."""
        if isinstance(inputs, dict):
            inputs = [inputs.get(*each) for each in zip(self.labels, self.values, strict=True)]
        return [seed if value is SEED else value for value in inputs]


@dataclass
class Report:
    """What happened to the requests of one run."""

    seconds: list[float] = field(default_factory=list)  # of each answer, from its last click on
    busy: int = 0  # times that the app said so
    lost: int = 0
    hung: int = 0
    left: int = 0
    refused: int = 0  # requests that met a busy app TRIES times
    answers: set[str] = field(default_factory=set)  # to the same question
    errors: set[str] = field(default_factory=set)


class Busy(Exception):
    """The app says that it is busy."""


class Wrong(Exception):
    """An answer that is none."""


def endpoints(config: dict[str, Any]) -> dict[str, Endpoint]:
    """The app's endpoints by name, from its own description."""
    components = {each["id"]: each["props"] for each in config["components"]}
    return {
        each["api_name"]: Endpoint(
            each["id"],
            [components[number].get("label") or "" for number in each["inputs"]],
            [components[number].get("value") for number in each["inputs"]],
        )
        for each in config["dependencies"]
        if each["api_name"]
    }


async def ask(
    http: httpx.AsyncClient, session: str, endpoint: Endpoint, data: list[Any], patience: float
) -> Any:
    """The answer to one request, as the page gets it. Leaves after `patience` seconds."""
    joined = await http.post(
        "/gradio_api/queue/join",
        json={"fn_index": endpoint.number, "data": data, "session_hash": session},
    )
    if joined.status_code == 503:
        raise Busy
    if joined.status_code != 200:
        raise Wrong(f"{joined.status_code} {joined.text[:200]}")
    with suppress(TimeoutError):
        async with (
            asyncio.timeout(patience),
            http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as lines,
        ):
            async for line in lines.aiter_lines():
                if not line.startswith('data: {"msg":"process_completed"'):
                    continue
                message = json.loads(line.removeprefix("data: "))
                if not message["success"]:
                    raise Wrong(str(message["output"])[:200])
                return message["output"]["data"]
            raise Wrong("the stream ended without an answer")
    return None


async def student(
    http: httpx.AsyncClient, known: dict[str, Endpoint], tab: str, seed: int, report: Report
) -> None:
    """Open the page, and ask for some of what a tab offers."""
    dice = random.Random(seed)
    session = uuid.uuid4().hex
    await asyncio.sleep(dice.uniform(0, THINKS))
    page = await http.get("/", headers={"accept-encoding": "br"})
    if page.status_code != 200:
        report.lost += 1
        return
    for _ in range(ROUNDS):
        chosen = dice.choice(list(ACTIONS)) if tab == "mixed" else tab
        name = dice.choice(list(ACTIONS[chosen]))
        data = known[name].data(ACTIONS[chosen][name], dice.randrange(2**32))
        leaves = dice.random() < LEAVES
        for _ in range(TRIES):
            started = time.monotonic()
            try:
                patience = dice.uniform(0, 2) if leaves else LONGEST
                answer = await ask(http, session, known[name], data, patience)
            except Busy:
                report.busy += 1
                await asyncio.sleep(dice.uniform(1, 5))
                continue
            except (Wrong, httpx.HTTPError) as error:
                report.lost += 1
                report.errors.add(f"{name}: {error!r}"[:300])
            else:
                if answer is not None:
                    report.seconds.append(time.monotonic() - started)
                elif leaves:
                    report.left += 1
                    session = uuid.uuid4().hex  # comes back as a new page
                else:
                    report.hung += 1
            break
        else:
            report.refused += 1
        await asyncio.sleep(dice.expovariate(1 / THINKS))


async def same_question(
    http: httpx.AsyncClient, known: dict[str, Endpoint], times: int, report: Report
) -> None:
    """Ask for the same picture again and again: the same seed must give the same bytes."""
    endpoint = known["pixelcnn_sample"]
    data = endpoint.data({"Seed": 7, "Images": 2}, 7)
    for _ in range(times):
        with suppress(Busy):
            answer = await ask(http, uuid.uuid4().hex, endpoint, data, LONGEST)
            if answer is not None:
                report.answers.add(digest(answer[0]))


def digest(player: dict[str, Any]) -> str:
    """A name for what a player shows, without what differs between two answers: its number."""
    shown = {key: value for key, value in player.items() if key != "serial"}
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def probe(address: str, longest: Synchronized[float], ends: Synchronized[bool]) -> None:
    """Ask for a small page ten times a second; note the longest wait, in seconds."""
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    while not ends.value:
        started = time.monotonic()
        try:
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            connection.request("GET", "/gradio_api/startup-events")
            connection.getresponse().read()
            connection.close()
        except OSError:
            longest.value = max(longest.value, 60.0)
        longest.value = max(longest.value, time.monotonic() - started)
        time.sleep(0.1)


@contextmanager
def serve(arguments: list[str]) -> Iterator[tuple[str, psutil.Process]]:
    """The app in a process of its own: its address, and the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port), *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "GRADIO_TEMP_DIR": folder},
        )
        address = f"http://127.0.0.1:{port}"
        try:
            while True:
                with suppress(httpx.TransportError):
                    httpx.get(address, timeout=60)
                    break
                if process.poll() is not None:
                    raise SystemExit("The app ended by itself.")
                time.sleep(0.2)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def memory(process: psutil.Process) -> float:
    """Of the app and the processes it started, MB."""
    sizes = []
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            sizes.append(each.memory_info().rss / 1e6)
    return sum(sizes)


async def watch(process: psutil.Process, peak: list[float]) -> None:
    """Note the most memory that the server takes."""
    while True:
        peak[0] = max(peak[0], memory(process))
        await asyncio.sleep(0.5)


async def run(address: str, process: psutil.Process, tab: str, clients: int) -> None:
    """One line of the table."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    report, peak = Report(), [0.0]
    longest = multiprocessing.Value("d", 0.0)
    ends = multiprocessing.Value("b", False)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=LONGEST) as http:
        known = endpoints((await http.get("/config")).json())
        await same_question(http, known, 1, report)  # alone
        prober = multiprocessing.Process(target=probe, args=(address, longest, ends))
        prober.start()
        watcher = asyncio.create_task(watch(process, peak))
        students = [student(http, known, tab, number, report) for number in range(clients)]
        await asyncio.gather(*students, same_question(http, known, 3, report))
        watcher.cancel()
        ends.value = True
        prober.join()
    seconds = sorted(report.seconds) or [0.0]
    p95 = seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))]
    print(
        f"| {tab} | {clients} | {len(report.seconds)} | {report.lost} | {report.hung} "
        f"| {report.busy} | {report.refused} | {report.left} | {statistics.median(seconds):.1f} s "
        f"| {p95:.1f} s | {longest.value:.2f} s | {peak[0]:.0f} MB "
        f"| {'yes' if len(report.answers) == 1 else 'NO'} |",
        flush=True,
    )
    for error in sorted(report.errors):
        print(error, file=sys.stderr)


async def visit(address: str, process: psutil.Process, count: int) -> None:
    """Open the page and use it `count` times, each time as somebody new; print the growth."""
    warm_up, before = min(1_500, count // 4), 0.0
    async with httpx.AsyncClient(base_url=address, timeout=LONGEST) as http:
        known = endpoints((await http.get("/config")).json())
        point = known["vae_point"]

        async def visitors(numbers: Iterator[int]) -> None:
            nonlocal before
            for number in numbers:
                if number == warm_up:
                    before = memory(process)
                await http.get("/", headers={"accept-encoding": "br"})
                answer = await ask(http, uuid.uuid4().hex, point, point.values, LONGEST)
                assert answer is not None

        numbers = iter(range(count))
        await asyncio.gather(*(visitors(numbers) for _ in range(4)))
    growth = (memory(process) - before) / (count - warm_up) * 1000
    print(
        f"{count:,} new sessions: {growth:.2f} MB more a thousand after the first {warm_up:,}, "
        f"{memory(process):.0f} MB in all."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tabs", nargs="+", default=TABS, choices=TABS)
    parser.add_argument("--clients", nargs="+", type=int, default=[30, 200])
    parser.add_argument("--sessions", type=int, default=10_000, help="how many new ones; 0: none")
    parser.add_argument("--engine", help="as the app's option")
    parser.add_argument("--workers", help="as the app's option")
    arguments = parser.parse_args()
    options = [
        word
        for name in ("engine", "workers")
        if (value := getattr(arguments, name))
        for word in (f"--{name}", value)
    ]
    with serve(options) as (address, process):
        time.sleep(OPEN)
        print(
            "| tab | students | answers | lost | hung | told busy | given up | left | p50 | p95 "
            "| longest stall | memory | same bytes |"
        )
        print("|" + "---|" * 13)
        for clients in arguments.clients:
            for tab in arguments.tabs:
                asyncio.run(run(address, process, tab, clients))
        if arguments.sessions:
            asyncio.run(visit(address, process, arguments.sessions))


if __name__ == "__main__":
    main()
