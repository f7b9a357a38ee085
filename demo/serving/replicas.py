"""Work on replicas, for more students than one process serves: `python app.py --engine ray`.

Each group of the table is a Ray Serve deployment of its own: so many processes, each of which runs
one request at a time and streams its records back. The other groups stay in the app's process.

The cluster is the one that $RAY_ADDRESS names, where the same checkout must be importable, or else
a new one of this machine alone: open on loopback, behind a token, gone with the app.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import shutil
import tempfile
import tomllib
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from demo import engine
from demo.engine import EngineLost, Group
from gm_core import memory

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster
    from ray.serve import Application
    from ray.serve.handle import DeploymentHandle

MISSING = "--engine ray needs Ray Serve: pip install -r requirements-ray.txt"
ROOT = Path(__file__).parents[2]
OBJECTS = 300_000_000  # bytes of shared memory for records on their way
ATTEMPTS = 3  # to start a cluster: on a busy machine Ray gives itself too little time


class BadTable(ValueError):
    """A table of replicas says what can't be; the message names the place."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many processes a group has, and what each of them takes of its machine."""

    least: int = 1
    most: int = 1  # more than `least`: as many as there is work for
    cpus: float = 1
    gpus: float = 0  # 0.25: four share one


Table = Mapping[Group, Replicas]
DEFAULT: Table = {
    "sampling": Replicas(least=1, most=2), "live": Replicas(least=1, most=2), "editing": Replicas()
}  # fmt: skip


def are_possible() -> bool:
    """Whether Ray is installed; it is not imported yet."""
    return find_spec("ray") is not None


def read_table(path: Path) -> Table:
    """A table from a TOML file: a section a group, its entries those of `Replicas`.

    Raises BadTable.
    """
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadTable(f"{path} can't be read as a table of replicas: {error}") from error
    names = [field.name for field in fields(Replicas)]
    table: dict[Group, Replicas] = {}
    groups: tuple[Group, ...] = get_args(Group)
    if unknown := sections.keys() - set(groups):
        raise BadTable(f"{path}: [{min(unknown)}] is none of {', '.join(groups)}.")
    for group in groups:
        if group not in sections:
            continue
        entries = sections[group]
        if not isinstance(entries, dict) or set(entries) - set(names):
            raise BadTable(f"{path}: [{group}] may say {', '.join(names)}.")
        if any(type(value) not in (int, float) for value in entries.values()):
            raise BadTable(f"{path}: [{group}] says something that is no number.")
        wanted = Replicas(**({"most": entries.get("least", 1)} | entries))
        whole = isinstance(wanted.least, int) and isinstance(wanted.most, int)
        if not whole or not 1 <= wanted.least <= wanted.most:
            raise BadTable(f"{path}: [{group}] needs whole numbers, 1 <= least <= most.")
        if not (wanted.cpus >= 0 and wanted.gpus >= 0):
            raise BadTable(f"{path}: [{group}] can't take less than nothing of a machine.")
        table[group] = wanted
    return table


# --- in a replica --------------------------------------------------------------------------------


class Replica:
    """One process that runs calls of the engine, one at a time."""

    def __init__(self, *, gpus: bool) -> None:
        if not gpus:  # even where there is one: it belongs to others
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        _stay_at_home()
        self._thread = ThreadPoolExecutor(1)

    async def stream(
        self, call: str, group: Group, arguments: dict[str, Any]
    ) -> AsyncIterator[Any]:
        """The records of a call. Cancelled, it ends with the record that is being made."""
        step = partial(asyncio.get_running_loop().run_in_executor, self._thread)
        records = engine.in_process(call, group, arguments)
        spared = memory.spared(records)
        try:
            while (record := await step(next, spared, None)) is not None:
                yield record
        finally:  # in the same thread, and so after what it does now
            await asyncio.shield(step(records.close))


def _stay_at_home() -> None:
    """Serve lets each replica listen on all networks, for a way to be called that is not used here:
    bind that port to the address by which the cluster knows this machine."""
    import ray
    from ray._common.tls_utils import add_port_to_grpc_server
    from ray.serve._private import replica

    home = ray.util.get_node_ip_address()

    def bind(server: Any, address: str) -> int:
        return add_port_to_grpc_server(server, address.replace("[::]", home))

    replica.add_port_to_grpc_server = bind  # pyright: ignore[reportPrivateImportUsage]


# --- in the app ----------------------------------------------------------------------------------


@contextmanager
def serving(table: Table = DEFAULT) -> Iterator[engine.Backend]:
    """Send the engine's calls to replicas, until the end of the block."""
    groups = dict(engine.GROUPS)
    with ExitStack() as stack:
        handles = stack.enter_context(_deployed(table))
        stack.callback(engine.GROUPS.update, groups)
        for group, wanted in table.items():
            engine.GROUPS[group] = replace(groups[group], running=wanted.most)
        backend = _backend(handles)
        stack.callback(engine.use, engine.use(backend))
        yield backend


def _backend(handles: Mapping[Group, DeploymentHandle]) -> engine.Backend:
    from ray.exceptions import RayActorError, RayTaskError
    from ray.serve.exceptions import RayServeException

    def run(call: str, group: Group, arguments: dict[str, Any]) -> Generator[Any, None, None]:
        """The records of a call, from a replica if its group has any."""
        if group not in handles:
            yield from engine.in_process(call, group, arguments)
            return
        records: Any = handles[group].stream.remote(call, group, arguments)
        try:
            yield from records
        except RayTaskError as error:  # raised by the call itself: the same here as in-process
            raise error.cause from None
        except (RayActorError, RayServeException) as error:
            raise EngineLost from error
        finally:
            records.cancel()

    return run


@contextmanager
def _deployed(table: Table) -> Iterator[dict[Group, DeploymentHandle]]:
    """A deployment for each group of the table, on a cluster."""
    os.environ |= {  # which Ray reads as it is imported
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_AUTO_CONNECT": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
    }
    with ExitStack() as stack:
        address = os.environ.get("RAY_ADDRESS") or stack.enter_context(_local_cluster(table))
        import ray
        from ray import serve

        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
        stack.callback(ray.shutdown)
        serve.start(proxy_location="Disabled")
        app = secrets.token_hex(4)  # several apps may share a cluster
        targets = [
            serve.RunTarget(_deployment(group, wanted), f"{group}-{app}", route_prefix=None)
            for group, wanted in table.items()
        ]
        for target in targets:
            stack.callback(serve.delete, target.name, _blocking=False)
        handles = serve.run_many(targets)
        for handle in handles:
            stack.callback(handle.shutdown)
        yield {
            group: handle.options(stream=True) for group, handle in zip(table, handles, strict=True)
        }


def _deployment(group: Group, wanted: Replicas) -> Application:
    from ray import serve

    deployed = serve.deployment(
        name=group,
        max_ongoing_requests=1,
        autoscaling_config={
            "min_replicas": wanted.least,
            "max_replicas": wanted.most,
            "target_ongoing_requests": 1,
            "upscale_delay_s": 1,
        },
        ray_actor_options={"num_cpus": wanted.cpus, "num_gpus": wanted.gpus},
        health_check_period_s=1,
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=2,
    )
    return deployed(Replica).bind(gpus=wanted.gpus > 0)


@contextmanager
def _local_cluster(table: Table) -> Iterator[str]:
    """A cluster of this machine with room for the whole table; its address."""
    folder = Path(tempfile.mkdtemp(prefix="gm-ray-"))
    (folder / "ray").mkdir()
    os.environ |= {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # off means loopback, on Linux as well
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_TMPDIR": str(folder),
        # A replica imports what it runs from here.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        head = _start_head(cluster, table, folder / "ray")
        yield head.gcs_address
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _start_head(cluster: Cluster, table: Table, folder: Path) -> Any:
    for attempt in count(1):
        try:
            return cluster.add_node(
                num_cpus=math.ceil(sum(wanted.most * wanted.cpus for wanted in table.values())),
                num_gpus=math.ceil(sum(wanted.most * wanted.gpus for wanted in table.values())),
                node_ip_address="127.0.0.1",
                temp_dir=str(folder),
                object_store_memory=OBJECTS,
                include_dashboard=False,
                include_log_monitor=False,
                no_monitor=True,
            )
        except Exception:  # Ray raises nothing more special
            if attempt == ATTEMPTS:
                raise
