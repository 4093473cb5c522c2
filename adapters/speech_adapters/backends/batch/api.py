"""The REST interface of batch transcription, in each version's own shape.

Requests follow the published specification.  Answers are read with tolerance: unknown
fields are ignored, and all but the address of a job may be missing.

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

# The custom property that holds the tag of the recording that the job belongs to.
RECORDING: Final = "speechCompatRecording"
_V32: Final = "v3.2"


@attrs.frozen
class Submission:
    """A job that is to be created.

    Attributes:
        meeting_id: becomes the display name, by which any process finds the job.
        recording: the recording's tag, so that no job is created twice.
        audio_urls: where the service reads the audio, with a result for each; an address
            that ends with a slash is a container, with a result for each blob in it.
        locale: BCP-47 tag.
        max_speakers: largest number of speakers, or ``None`` without diarization.
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
    """The reason why a job failed."""

    code: str = ""
    message: str = ""


class JobProperties(_Answer):
    """Further properties of a job."""

    error: Fault | None = None


class JobLinks(_Answer):
    """The address of the list of a job's files."""

    files: str = ""


class Job(_Answer):
    """A transcription job, as the service describes it."""

    url: str = Field(alias="self")
    display_name: str = Field(default="", alias="displayName")
    status: str = ""
    created: datetime | None = Field(default=None, alias="createdDateTime")
    custom: dict[str, str] = Field(default_factory=dict, alias="customProperties")
    links: JobLinks = JobLinks()
    properties: JobProperties = JobProperties()

    @property
    def failure(self) -> str:
        """The reason in the job itself, or an empty text; the report may have another."""
        fault = self.properties.error
        return _reason(fault.code, fault.message) if fault else ""

    @property
    def final(self) -> bool:
        """Whether the job does not change any more."""
        return self.status in ("Succeeded", "Failed")


class FileLinks(_Answer):
    """The signed address of a file's content."""

    content: str = Field(default="", alias="contentUrl")


class ResultFile(_Answer):
    """One file of a job."""

    name: str = ""
    kind: str = ""
    links: FileLinks = FileLinks()


class ReportDetail(_Answer):
    """The outcome for one audio file, without its address, which may be signed."""

    status: str = ""
    error_kind: str = Field(default="", alias="errorKind")
    error_message: str = Field(default="", alias="errorMessage")


class Report(_Answer):
    """The outcome for each audio file of a job."""

    details: tuple[ReportDetail, ...] = ()

    @property
    def failure(self) -> str:
        """The reason of the first failed file, or an empty text."""
        failed = (found for found in self.details if found.status != "Succeeded")
        return next((_reason(found.error_kind, found.error_message) for found in failed), "")


class Api:
    """Paths, queries and bodies of one version of the service.

    Args:
        version: ``v3.2``, or a date for the versions after it.
    """

    def __init__(self, version: str) -> None:
        self.version = version
        self._old = version == _V32

    @property
    def params(self) -> dict[str, str]:
        """The query of all addresses but those that the service returned."""
        return {} if self._old else {"api-version": self.version}

    @property
    def collection(self) -> str:
        """The path of all transcriptions."""
        return "/v3.2/transcriptions" if self._old else "/transcriptions"

    @property
    def submit(self) -> str:
        """The path that creates a transcription."""
        return self.collection if self._old else "/transcriptions:submit"

    def body(self, submission: Submission) -> dict[str, Any]:
        """Return the body that creates a transcription."""
        return {
            "displayName": submission.meeting_id,
            "locale": submission.locale,
            **_content(submission.audio_urls),
            "customProperties": {RECORDING: submission.recording},
            "properties": {
                "wordLevelTimestampsEnabled": submission.words,
                # The default is two channels, but the service diarizes only one.
                "channels": [0],
                **self._speakers(submission.max_speakers),
                **self._time_to_live(submission.ttl_hours),
            },
        }

    def named(self, name: str) -> dict[str, str]:
        """Return the query for the transcriptions of a display name."""
        # How quotes are escaped is not documented; OData, which has the same operators,
        # doubles them.
        quoted = name.replace("'", "''")
        return {**self.params, "filter": f"displayName eq '{quoted}'"}

    def _speakers(self, max_speakers: int | None) -> dict[str, Any]:
        if max_speakers is None:
            return {}
        if self._old:
            counts = {"minCount": 1, "maxCount": max_speakers}
            return {"diarizationEnabled": True, "diarization": {"speakers": counts}}
        return {"diarization": {"enabled": True, "maxSpeakers": max_speakers}}

    def _time_to_live(self, hours: int) -> dict[str, Any]:
        return {"timeToLive": f"PT{hours}H"} if self._old else {"timeToLiveHours": hours}


def _content(urls: tuple[str, ...]) -> dict[str, Any]:
    # check_addresses ensures that a container is the only address.
    parts = urlsplit(urls[0])
    if parts.path.endswith("/"):
        return {"contentContainerUrl": parts._replace(path=parts.path.rstrip("/")).geturl()}
    return {"contentUrls": list(urls)}


def _reason(code: str, message: str) -> str:
    return f"{code}: {message}".strip(": ")


def job_id(url: str) -> str:
    """Return the id in a job's address, which may have a query."""
    return urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1]
