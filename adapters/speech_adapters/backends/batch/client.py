"""The client of the batch transcription service."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urljoin

from pydantic import BaseModel, ValidationError

from speech_adapters.azure.http import RejectedError, ServiceClient, retry_after
from speech_adapters.azure.http_errors import had_no_effect
from speech_adapters.backends.batch.api import Api, Job, Report, ResultFile, Submission
from speech_adapters.errors import BackendError

__all__ = ["BatchClient", "result_files"]

_GONE: Final = 404
_REFUSED_FILTER: Final = 400
_FILTER_CODES: Final = (
    "UnsupportedFilter",
    "UnsupportedPagination",
    "InvalidArgument",
    "InvalidRequest",
    "",
)
_UNFINISHED: Final = "DeleteNotAllowed"
_REPORT: Final = "TranscriptionReport"
_RESULT: Final = "Transcription"
# A page has about 100 jobs or files.
_LIST_PAGES: Final = 1000
_LIST_SECONDS: Final = 600.0

ModelT = TypeVar("ModelT", bound=BaseModel)


class BatchClient:
    """Creates, finds, reads and deletes jobs; raises the errors of :class:`ServiceClient`.

    Args:
        service: the HTTP client.
        api: paths and bodies of the service's version.
    """

    def __init__(self, service: ServiceClient, api: Api) -> None:
        self._service = service
        self._api = api

    async def submit(self, submission: Submission) -> Job:
        """Create a job; repeated only if the service certainly created none."""
        body = self._api.body(submission)
        found, response = await self._service.document(
            "POST", self._api.submit, params=self._api.params, json=body, may_retry=had_no_effect
        )
        location = response.headers.get("location", "")
        if location and isinstance(found, dict) and not found.get("self"):
            # The address is in both places; either is enough, and the job is billed already.
            # An address that cannot be joined is none: the answer is refused below.
            with suppress(ValueError):
                found["self"] = urljoin(str(response.url), location)
        return _parse(Job, found)

    async def get(self, url: str) -> tuple[Job | None, float]:
        """Return a job, or ``None`` if it does not exist any more.

        The second value is the pause in seconds that the service requests.
        """
        try:
            found, response = await self._service.document("GET", url)
        except RejectedError as error:
            if error.status == _GONE:
                return None, 0.0
            raise
        return _parse(Job, found), retry_after(response) or 0.0

    async def find(self, name: str) -> list[Job]:
        """Return the jobs of a display name, the newest first."""
        found, _ = await self._jobs(self._api.named(name))
        # Compared again: an unknown filter may also have been ignored.
        same = [job for job in found if job.display_name == name]
        return sorted(same, key=lambda job: str(job.created or ""), reverse=True)

    async def list_since(self, created: datetime) -> tuple[list[Job], float]:
        """Return the jobs that were created at that time or later.

        The second value is the longest pause in seconds that the service requests.
        """
        return await self._jobs(self._api.since(created))

    async def files(self, job: Job) -> list[ResultFile]:
        """Return the files of a job."""
        return (await self._list(ResultFile, job.links.files, {}))[0]

    async def report(self, files: list[ResultFile]) -> Report:
        """Return the report among a job's files; an empty one if there is none."""
        address = next((file.links.content for file in files if file.kind == _REPORT), "")
        if not address:
            return Report()
        found, _ = await self._service.document("GET", address, signed=True)
        return _parse(Report, found)

    async def results(self, files: list[ResultFile], folder: Path) -> dict[Path, str]:
        """Write the results among a job's files into ``folder``; return names by path."""
        found = result_files(files)
        # Not under the service's names, which might point out of the folder.
        names = {folder / f"{number}.json": file.name for number, file in enumerate(found)}
        for file, path in zip(found, names, strict=True):
            await self.download(file, path)
        return names

    async def download(self, file: ResultFile, path: Path) -> None:
        """Write the content of a job's file to ``path``."""
        await self._service.download(file.links.content, path)

    async def delete(self, url: str) -> bool:
        """Delete a job; return whether it is gone.  A running job cannot be deleted."""
        try:
            await self._service.request("DELETE", url)
        except RejectedError as error:
            if error.status == _GONE:
                return True
            if error.code == _UNFINISHED:
                return False
            raise
        return True

    async def aclose(self) -> None:
        """Close all connections.  Idempotent."""
        await self._service.aclose()

    async def _jobs(self, params: dict[str, str]) -> tuple[list[Job], float]:
        """Return the jobs of a filtered list; of all jobs if the service refuses the filter."""
        try:
            return await self._list(Job, self._api.collection, params)
        except RejectedError as error:
            if error.status != _REFUSED_FILTER or error.code not in _FILTER_CODES:
                raise
            # How a filter escapes quotes is not documented, so a name with quotes may be
            # refused (docs/protocol/batch-and-fast-rest.md, 2.3).
            return await self._list(Job, self._api.collection, self._api.params)

    async def _list(
        self, model: type[ModelT], url: str, params: dict[str, str]
    ) -> tuple[list[ModelT], float]:
        """Return the items of all pages, and the longest pause in seconds that one requests.

        Args:
            model: the class of the items.
            url: address of the first page; an empty list has none.
            params: query of the first page.
        """
        found, longest = list[ModelT](), 0.0
        following, visited = url, set[str]()
        until = time.monotonic() + _LIST_SECONDS
        while following:
            _check_list(following, visited, until)
            page, response = await self._service.document("GET", following, params=params or None)
            items, link = _page(page)
            found += [_parse(model, item) for item in items]
            longest = max(longest, retry_after(response) or 0.0)
            # The address of the next page has its query already.
            following, params = link, {}
        return found, longest


def result_files(files: list[ResultFile]) -> list[ResultFile]:
    """Return the results among a job's files."""
    return [file for file in files if file.kind == _RESULT and file.links.content]


def _page(page: Any) -> tuple[list[Any], str]:
    """Return the items of a page and the address of the next one; both may be null."""
    if isinstance(page, dict):
        items, link = page.get("values") or [], page.get("@nextLink") or ""
        if isinstance(items, list) and isinstance(link, str):
            return items, link
    raise BackendError("The service answered a list request with something else.")


def _check_list(following: str, visited: set[str], until: float) -> None:
    """Check before each page that a list comes to an end, and keep the page's address."""
    if following in visited:
        raise BackendError("The service's list refers to a page that was read already.")
    visited.add(following)
    if len(visited) > _LIST_PAGES or time.monotonic() > until:
        raise BackendError(
            f"The service's list has more than {_LIST_PAGES} pages or takes longer than"
            f" {_LIST_SECONDS / 60:g} minutes. Delete old jobs at the service."
        )


def _parse(model: type[ModelT], data: Any) -> ModelT:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # Without the values: they may be signed addresses.
        where = ", ".join(".".join(map(str, e["loc"])) for e in error.errors(include_input=False))
        raise BackendError(
            f"The service answered with a {model.__name__.lower()} that cannot be read ({where})."
        ) from None
