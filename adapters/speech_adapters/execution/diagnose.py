"""The checks of the executor: package, scheduler, and whether its workers fit this program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import anyio

from speech_adapters import threads
from speech_adapters.config import DaskOptions, Settings
from speech_adapters.diagnosis import Check, Finding, failed, ok, package_check, warning
from speech_adapters.execution.dask import check_options, close, connect
from speech_adapters.store import AsyncStore, Store

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["executor_checks"]

_EXTRA: Final = "dask"
# Packages whose versions must be equal: tasks and answers are pickled.
_PACKAGES: Final = ("dask", "distributed", "cloudpickle", "msgpack", "tornado")
_ANSWER_SECONDS: Final = 30.0
_SHOWN: Final = 3


def executor_checks(settings: Settings) -> Sequence[Check]:
    """Return the checks of the executor ``dask``.

    Those that connect to the cluster are run with ``--online`` only.
    """
    options = settings.dask

    async def address() -> Finding:
        await threads.COMPUTE.run(check_options, options)
        return ok(options.scheduler)

    async def cluster() -> Finding:
        client = await connect(options)
        try:
            return _workers((await _identity(client))["workers"], options)
        finally:
            await close(client)

    async def workers() -> Finding:
        client = await connect(options)
        try:
            with anyio.fail_after(_ANSWER_SECONDS):
                return await _compare(client, settings)
        finally:
            await close(client)

    return (
        package_check(_EXTRA, {"distributed": "distributed", "dask": "dask"}),
        Check("scheduler", "Scheduler", address),
        Check("cluster", "Workers", cluster, online=True),
        Check("equality", "Versions and store", workers, online=True),
    )


async def _identity(client: Client) -> Mapping[str, Any]:
    # The client's own copy may be some seconds old, and has a few of the workers only.
    answer: Any = client.scheduler
    found: Mapping[str, Any] = await answer.identity(n_workers=-1)
    return found


def _workers(found: Mapping[str, Any], options: DaskOptions) -> Finding:
    if not found:
        return warning(
            "The scheduler has no workers, so stored meetings wait.",
            f"Start one on each machine: dask worker {options.scheduler} --nthreads 1",
        )
    for backend, needed in options.resources.items():
        fitting = [
            worker
            for worker in found.values()
            if all(worker["resources"].get(name, 0) >= amount for name, amount in needed.items())
        ]
        if not fitting:
            wanted = " ".join(f"{name}={amount:g}" for name, amount in needed.items())
            return warning(
                f"No worker has the resources {wanted}, which dask.resources demands for the"
                f" backend {backend}: its meetings wait.",
                f'Start a worker with: dask worker {options.scheduler} --resources "{wanted}"',
            )
    count = sum(worker["nthreads"] for worker in found.values())
    return ok(f"workers: {len(found)}, threads: {count}")


async def _compare(client: Client, settings: Settings) -> Finding:
    """Compare versions and store of the scheduler and of all workers with those of this process."""
    versions: Any = client.get_versions(packages=[])  # awaitable: the client is asynchronous
    differences = list(_differing(await versions))
    newest = await _newest(settings)
    from speech_adapters.execution.dask_worker import describe

    for worker, (installed, problem) in (await client.run(describe, newest)).items():
        if installed != version("speech-compat"):
            differences.append(f"{worker} has speech-compat {installed}")
        elif problem:
            differences.append(f"{worker}: {problem}")
    if differences:
        more = f", and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        return failed(
            f"The cluster differs from this program: {'; '.join(differences[:_SHOWN])}{more}.",
            "Install the same versions on all machines, with the same settings and store, and"
            " start the workers again.",
        )
    return ok("equal" if newest else "versions equal; there is no recording to compare stores")


def _differing(versions: Mapping[str, Any]) -> Iterator[str]:
    """Yield the differences between the packages of this process and those of the others."""
    ours = versions["client"]["packages"]
    others = {"the scheduler": versions["scheduler"], **versions["workers"]}
    for name, found in others.items():
        for package in ("python", *_PACKAGES):
            theirs = found["packages"].get(package)
            if theirs != ours.get(package):
                yield f"{name} has {package} {theirs}, not {ours.get(package)}"


async def _newest(settings: Settings) -> str:
    """Return the id of the newest recording of this machine's store; empty if there is none."""
    if not await threads.STORE.run(Store.inspect, settings.state_dir, settings.store):
        return ""  # opening it would create it
    store = AsyncStore(settings.state_dir, settings.store)
    try:
        found = await store.run(Store.listed, (), None, 1)
    finally:
        await store.aclose()
    return found[0].id if found else ""
