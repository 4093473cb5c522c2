"""The REST interface of batch transcription, in each version's own shape.

Requests and answers follow the published specification; answers are read with tolerance.
- Operations: docs/protocol/batch-and-fast-rest.md, 2.1
- Request body: docs/protocol/batch-and-fast-rest.md, 2.2
- Files and report: docs/protocol/batch-and-fast-rest.md, 2.6
- Errors: docs/protocol/batch-and-fast-rest.md, 2.8
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["RECORDING", "Api", "Job", "Report", "ResultFile", "Submission", "job_id"]

# The property by which a job is known to be a recording's own.
RECORDING: Final = "speechCompatRecording"
_V32: Final = "v3.2"


@attrs.frozen
class Submission:
    """A job to be made.

    Attributes:
        meeting_id: becomes the display name, by which any process finds the job.
        recording: the recording's id, so that a job is never made twice.
        audio_urls: where the service reads the audio, a result for each; one that ends
            with a slash is a container, with a result for each blob in it.
        locale: BCP-47 tag.
        max_speakers: how many speakers at most, or ``None`` to tell none apart.
        words: whether word timings are wanted.
        ttl_hours: how long the service keeps job and result.
    """

    meeting_id: str
    recording: str
    audio_urls: tuple[str, ...]
    locale: str
    max_speakers: int | None
    words: bool
    ttl_hours: int


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Fault(_Answer):
    """Why a job failed."""

    code: str = ""
    message: str = ""


class JobProperties(_Answer):
    """What else is known of a job."""

    error: Fault | None = None


class JobLinks(_Answer):
    """Where a job's files are listed."""

    files: str = ""


class Job(_Answer):
    """A transcription as the service tells of it."""

    url: str = Field(alias="self")
    display_name: str = Field(default="", alias="displayName")
    status: str = ""
    created: datetime | None = Field(default=None, alias="createdDateTime")
    custom: dict[str, str] = Field(default_factory=dict, alias="customProperties")
    links: JobLinks = JobLinks()
    properties: JobProperties = JobProperties()

    @property
    def failure(self) -> str:
        """Why it failed, as far as the job itself tells, or an empty text."""
        fault = self.properties.error
        return _reason(fault.code, fault.message) if fault else ""

    @property
    def final(self) -> bool:
        """Whether it will not change any more."""
        return self.status in ("Succeeded", "Failed")


class FileLinks(_Answer):
    """Where a file's content is."""

    content: str = Field(default="", alias="contentUrl")


class ResultFile(_Answer):
    """One file of a job."""

    name: str = ""
    kind: str = ""
    links: FileLinks = FileLinks()


class ReportDetail(_Answer):
    """What became of one audio file; its address may hold a signature and is not kept."""

    status: str = ""
    error_kind: str = Field(default="", alias="errorKind")
    error_message: str = Field(default="", alias="errorMessage")


class Report(_Answer):
    """What became of a job's audio files."""

    details: tuple[ReportDetail, ...] = ()

    @property
    def failure(self) -> str:
        """Why the first file that failed did, or an empty text."""
        failed = (found for found in self.details if found.status != "Succeeded")
        return next((_reason(found.error_kind, found.error_message) for found in failed), "")


class Api:
    """Paths, queries and bodies of one version."""

    def __init__(self, version: str) -> None:
        self.version = version
        self._old = version == _V32

    @property
    def params(self) -> dict[str, str]:
        """The query of every address that is not given by the service."""
        return {} if self._old else {"api-version": self.version}

    @property
    def collection(self) -> str:
        """The path of all transcriptions."""
        return "/v3.2/transcriptions" if self._old else "/transcriptions"

    @property
    def submit(self) -> str:
        """The path that makes one."""
        return self.collection if self._old else "/transcriptions:submit"

    def body(self, submission: Submission) -> dict[str, Any]:
        """Give the body that makes a transcription."""
        return {
            "displayName": submission.meeting_id,
            "locale": submission.locale,
            **_content(submission.audio_urls),
            "customProperties": {RECORDING: submission.recording},
            "properties": {
                "wordLevelTimestampsEnabled": submission.words,
                "channels": [0],
                **self._speakers(submission.max_speakers),
                **self._life(submission.ttl_hours),
            },
        }

    def named(self, name: str) -> dict[str, str]:
        """Give the query for transcriptions of a display name."""
        quoted = name.replace("'", "''")
        return {**self.params, "filter": f"displayName eq '{quoted}'"}

    def _speakers(self, most: int | None) -> dict[str, Any]:
        if most is None:
            return {}
        if self._old:
            counts = {"minCount": 1, "maxCount": most}
            return {"diarizationEnabled": True, "diarization": {"speakers": counts}}
        return {"diarization": {"enabled": True, "maxSpeakers": most}}

    def _life(self, hours: int) -> dict[str, Any]:
        return {"timeToLive": f"PT{hours}H"} if self._old else {"timeToLiveHours": hours}


def _content(urls: tuple[str, ...]) -> dict[str, Any]:
    parts = urlsplit(urls[0])
    if parts.path.endswith("/"):
        return {"contentContainerUrl": parts._replace(path=parts.path.rstrip("/")).geturl()}
    return {"contentUrls": list(urls)}


def _reason(code: str, message: str) -> str:
    return f"{code}: {message}".strip(": ")


def job_id(url: str) -> str:
    """Give the id in a job's address, which may have a query."""
    return urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1]
