"""The results of jobs that several recordings share.

The list of files and the report of a job are read once for all of its recordings.  The report
names the audio of each outcome.  The list of files does not: only the content of a result states
its audio, and how the names of results are counted is not documented
(docs/protocol/batch-and-fast-rest.md, 2.6).  So the places in the job and in the report are
only used to guess which result to read first, and what each result states is remembered.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import anyio
import attrs

from speech_adapters import threads
from speech_adapters.azure.results import read_source
from speech_adapters.backends.batch.api import Job, Report, ReportDetail, ResultFile
from speech_adapters.backends.batch.chunks import audio_name
from speech_adapters.backends.batch.client import BatchClient, result_files
from speech_adapters.errors import BackendError

__all__ = ["JobListing", "JobPart", "MissingFileError", "SharedJobs"]

# Of 1000 files each at most, some hundred kilobytes.
_MOST_LISTINGS: Final = 16
# The addresses in a list are signed for 12 hours by default.
_LISTING_SECONDS: Final = 600.0
_SUCCEEDED: Final = "Succeeded"


class MissingFileError(Exception):
    """The final job of several recordings has no outcome for an audio file of this one."""


@attrs.define
class JobListing:
    """What the service lists of a final job.

    Attributes:
        files: its files.
        report: the outcome for each audio file.
        results: the results among the files.
        details: the outcome by the name of the audio file.
        ranks: how many successful outcomes the report has before one, by the same name.
        sources: the index of the result by the name of its audio file, as far as it is known.
        known: the indexes of the results whose content has been read.
        read_at: ``time.monotonic()`` of the request.
    """

    files: list[ResultFile]
    report: Report
    results: list[ResultFile] = attrs.field(init=False)
    details: dict[str, ReportDetail] = attrs.field(init=False)
    ranks: dict[str, int] = attrs.field(init=False)
    sources: dict[str, int] = attrs.field(init=False, factory=dict)
    known: set[int] = attrs.field(init=False, factory=set)
    read_at: float = attrs.field(init=False, factory=time.monotonic)

    def __attrs_post_init__(self) -> None:
        self.results = result_files(self.files)
        self.details, self.ranks = {}, {}
        succeeded = 0
        for detail in self.report.details:
            name = audio_name(detail.source)
            self.details[name], self.ranks[name] = detail, succeeded
            succeeded += detail.status == _SUCCEEDED

    def guess(self, name: str, place: int) -> Iterator[int]:
        """Yield the indexes of the results that may be those of an audio file, the likely first.

        Args:
            name: the name of the audio file.
            place: its place among the audio files of the job.
        """
        if name in self.sources:
            yield self.sources[name]
            return
        likely = [f"contenturl_{number}.json" for number in (place, self.ranks.get(name, place))]
        order = sorted(range(len(self.results)), key=lambda n: self.results[n].name not in likely)
        for index in order:
            # Read again each time: another recording may have read it meanwhile.
            if name in self.sources:
                yield self.sources[name]
                return
            if index not in self.known:
                yield index


@attrs.frozen
class JobPart:
    """The part of a job that belongs to one recording.

    Attributes:
        listing: what the service lists of the job.
        names: the names of the recording's audio files.
        position: the place of the first of them in the job.
    """

    listing: JobListing
    names: Sequence[str]
    position: int

    @property
    def report(self) -> Report:
        """The outcome for each audio file of the recording."""
        details = self.listing.details
        return Report(details=tuple(details[name] for name in self.names if name in details))

    async def download(self, client: BatchClient, folder: Path) -> dict[Path, str]:
        """Write the results of the recording into ``folder``; return names by path.

        Raises:
            BackendError: one cannot be fetched, or is not listed yet.
            MissingFileError: the job has no outcome for a file.
        """
        failed = {audio_name(detail.source) for detail in self.report.failed}
        found: dict[Path, str] = {}
        for number, name in enumerate(self.names):
            if name not in failed:
                path = folder / f"{number}.json"
                found[path] = (await self._fetch(client, name, number, path)).name
        return found

    async def _fetch(self, client: BatchClient, name: str, number: int, path: Path) -> ResultFile:
        """Write the result of one audio file to ``path``."""
        listing = self.listing
        for index in listing.guess(name, self.position + number):
            await client.download(listing.results[index], path)
            source = await threads.COMPUTE.run(_source, path)
            listing.known.add(index)
            listing.sources[source] = index
            if source == name:
                return listing.results[index]
            await threads.TRANSFER.run(path.unlink)  # it is another recording's
        if name in listing.details or not listing.details:
            raise BackendError("The service has no readable result of this recording yet.")
        raise MissingFileError


class SharedJobs:
    """Keeps what the service lists of the latest jobs, for a limited time.

    Args:
        client: the service.
    """

    def __init__(self, client: BatchClient) -> None:
        self._client = client
        # By the address of the job, the least recently read first.
        self._listings: dict[str, JobListing] = {}
        # Several recordings of a job are completed at a time.
        self._reading = anyio.Lock()

    async def listing(self, job: Job) -> JobListing:
        """Return the files and the report of a final job.

        Raises:
            BackendError: they cannot be fetched or read.
        """
        async with self._reading:
            known = self._listings.get(job.url)
            if known is not None and time.monotonic() - known.read_at < _LISTING_SECONDS:
                return known
            files = await self._client.files(job)
            listing = JobListing(files, await self._client.report(files))
            self._listings.pop(job.url, None)
            self._listings[job.url] = listing
            while len(self._listings) > _MOST_LISTINGS:
                del self._listings[next(iter(self._listings))]
            return listing

    def forget(self, job: Job) -> None:
        """Read the list again next time, since it could not be used."""
        self._listings.pop(job.url, None)


def _source(path: Path) -> str:
    """Return the name of the audio file of a result; empty if the result is damaged.

    It may be the result of another recording, whose own completion reports the damage.
    """
    try:
        return audio_name(read_source(path))
    except BackendError:
        return ""
