"""Deletion of what runs of the kit created at the services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from anyio.to_thread import run_sync
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient

from live.checks import CHECKS, Check
from live.target import Target
from speech_adapters.azure.endpoint import address
from speech_adapters.azure.http import KeyAuth, RetryPolicy, ServiceClient
from speech_adapters.backends.batch.api import Api, job_id
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.fast.options import FastOptions
from speech_adapters.errors import SpeechError
from speech_adapters.masking import mask, mask_library_logs

__all__ = ["delete_all", "rest_address"]

_BATCH: Final = tuple(check for check in CHECKS if check.backend == "batch" and check.refusals)
_UNFINISHED: Final = (
    "has not finished, and the service does not delete such a job. It deletes it by itself 6 hours"
    " after its end, or run the kit with --clean then."
)
_RETRIES: Final = RetryPolicy(attempts=3, first=0.5)


def rest_address(target: Target) -> str:
    """Return the address to which all paths of the REST interface are added."""
    place = {"endpoint": target.endpoint} if target.endpoint else {"region": target.region}
    return address(FastOptions.model_validate({"key": target.key, **place}))


async def delete_all(target: Target, prefix: str, since: datetime) -> list[str]:
    """Delete all jobs and containers whose names begin with ``prefix``.

    Args:
        target: the services.
        prefix: the name of a run, or the beginning of the names of all runs.
        since: jobs that are older are left.

    Returns:
        A sentence for each that could not be deleted.
    """
    # By what it is about: the next version may succeed where the one before failed.
    failures: dict[str, str] = {}
    # In each version, because an older one cannot read the jobs of a newer one
    # (docs/protocol/batch-and-fast-rest.md, 1).
    for check in _BATCH:
        await _delete_jobs(target, check, prefix, since, failures)
    if target.storage:
        await run_sync(_delete_containers, target, prefix, failures)
    return list(failures.values())


async def _delete_jobs(
    target: Target, check: Check, prefix: str, since: datetime, failures: dict[str, str]
) -> None:
    service = ServiceClient(rest_address(target), KeyAuth(target.key), _RETRIES)
    client = BatchClient(service, Api(check.version))
    try:
        with _noted(f"The jobs of version {check.version}", failures):
            found, _ = await client.list_since(since)
            for job in found:
                if not job.display_name.startswith(prefix):
                    continue
                what = f"The job {job_id(job.url)}"
                with _noted(what, failures):
                    if not await client.delete(job.url):
                        failures[what] = f"{what} {_UNFINISHED}"
    finally:
        await client.aclose()


def _delete_containers(target: Target, prefix: str, failures: dict[str, str]) -> None:
    with (
        _noted("The containers of the storage account", failures),
        mask_library_logs(),
        BlobServiceClient.from_connection_string(target.storage) as service,
    ):
        for container in service.list_containers(name_starts_with=prefix):
            with _noted(f"The container {container.name}", failures):
                service.delete_container(container.name)


@contextmanager
def _noted(what: str, failures: dict[str, str]) -> Iterator[None]:
    """Note what could not be deleted, and go on."""
    failures.pop(what, None)
    try:
        yield
    except (SpeechError, AzureError, ValueError) as error:
        # The text of an error of the storage has several lines.
        reason = mask(str(error).strip().partition("\n")[0])
        failures[what] = f"{what}: {reason or type(error).__name__}"
