"""The REST interface of batch transcription, in each version's own shape.

Requests follow the published specification.  Answers are read with tolerance: unknown
fields are ignored, and all but the address of a job may be missing.

- Operations: docs/protocol/batch-and-fast-rest.md, 2.1
- Request body: docs/protocol/batch-and-fast-rest.md, 2.2
- Files and report: docs/protocol/batch-and-fast-rest.md, 2.6
- Errors: docs/protocol/batch-and-fast-rest.md, 2.8
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from speech_adapters.masking import mask, masked_repr

__all__ = [
    "RECORDING",
    "Api",
    "Job",
    "Report",
    "ResultFile",
    "Submission",
    "job_id",
    "without_query",
]

# The custom property that holds the tag of the recording that the job belongs to.
RECORDING: Final = "speechCompatRecording"
_V32: Final = "v3.2"
# Longest reason of a failure that is kept.
_REASON_LENGTH: Final = 1000
# Jobs on a page of a list.  The largest number is not documented; the default of other lists
# is 100 (docs/protocol/batch-and-fast-rest.md, 2.3).
_PAGE: Final = 100
# Languages that may alternate in a recording (docs/protocol/batch-and-fast-rest.md, 2.2).
_MOST_CONTINUOUS: Final = 10


@attrs.frozen
class Submission:
    """A job that is to be created.

    Attributes:
        meeting_id: becomes the display name, by which any process finds the job; of a job that
            several recordings share, a name of its own.
        recording: the tag of the recording, or of the submission that several share, so that
            no job is created twice.
        audio_urls: where the service reads the audio, with a result for each; an address
            that ends with a slash is a container, with a result for each blob in it.
        locale: BCP-47 tag.
        max_speakers: largest number of speakers, or ``None`` without diarization.
        words: whether word timings are wanted.
        ttl_hours: how long the service keeps job and result.
        mono: whether all files are known to be mono.
        profanity: value of ``profanityFilterMode``; empty for the service's default.
        punctuation: value of ``punctuationMode``; empty for the service's default.
        candidates: languages of which the spoken one is detected; empty for ``locale`` only.
        model: address of a custom model; empty for the base model.
    """

    meeting_id: str
    recording: str
    audio_urls: tuple[str, ...] = attrs.field(repr=masked_repr)
    locale: str
    max_speakers: int | None
    words: bool
    ttl_hours: int
    mono: bool = True
    profanity: str = ""
    punctuation: str = ""
    candidates: tuple[str, ...] = ()
    model: str = ""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        # A field that is null is absent: one such field must not refuse a whole list of jobs.
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}


class Fault(_Answer):
    """The reason why a job failed."""

    code: str = ""
    message: str = ""


class JobProperties(_Answer):
    """Further properties of a job, partly those with which it was submitted."""

    error: Fault | None = None
    channels: Any = None
    diarization: Any = None
    diarization_enabled: Any = Field(default=None, alias="diarizationEnabled")


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

    @field_validator("custom", mode="before")
    @classmethod
    def _only_texts(cls, data: Any) -> Any:
        # Jobs of other programs have custom properties of their own.
        if not isinstance(data, dict):
            return {}
        return {name: value for name, value in data.items() if isinstance(value, str)}

    @property
    def failure(self) -> str:
        """The reason in the job itself, or an empty text; the report may have another."""
        fault = self.properties.error
        return _reason(fault.code, fault.message) if fault else ""

    @property
    def needs_mono(self) -> bool:
        """Whether it fails unless its audio, which is not known to be mono, has one channel."""
        properties = self.properties
        diarized = properties.diarization or properties.diarization_enabled
        return bool(diarized) and properties.channels != [0]

    @property
    def final(self) -> bool:
        """Whether the job does not change any more."""
        return self.status in ("Succeeded", "Failed")


class FileLinks(_Answer):
    """The signed address of a file's content."""

    content: str = Field(default="", alias="contentUrl", repr=False)


class ResultFile(_Answer):
    """One file of a job."""

    name: str = ""
    kind: str = ""
    links: FileLinks = FileLinks()


class ReportDetail(_Answer):
    """The outcome for one audio file, whose address may be signed."""

    source: str = Field(
        default="", validation_alias=AliasChoices("source", "sourceUrl"), repr=False
    )
    status: str = ""
    error_kind: str = Field(default="", alias="errorKind")
    error_message: str = Field(default="", alias="errorMessage")

    @property
    def reason(self) -> str:
        """Why the file failed."""
        return _reason(self.error_kind, self.error_message)


class Report(_Answer):
    """The outcome for each audio file of a job."""

    details: tuple[ReportDetail, ...] = ()

    @property
    def failed(self) -> tuple[ReportDetail, ...]:
        """The outcomes of the failed files."""
        return tuple(found for found in self.details if found.status != "Succeeded")

    @property
    def failure(self) -> str:
        """The reason of the first failed file, or an empty text."""
        return next((found.reason for found in self.failed), "")


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
            **({"model": {"self": submission.model}} if submission.model else {}),
            "properties": {
                "wordLevelTimestampsEnabled": submission.words,
                # With punctuation and capitals, as the text has them.
                "displayFormWordLevelTimestampsEnabled": submission.words,
                # The default is two channels.  Other audio may have them, and none may be lost.
                **({"channels": [0]} if submission.mono else {}),
                **self._speakers(submission.max_speakers),
                **self._time_to_live(submission.ttl_hours),
                **_text(submission),
            },
        }

    def since(self, created: datetime) -> dict[str, str]:
        """Return the query for the transcriptions created at a time or later."""
        moment = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._filtered(f"createdDateTime ge {moment}")

    def named(self, name: str) -> dict[str, str]:
        """Return the query for the transcriptions of a display name."""
        # How quotes are escaped is not documented; OData, which has the same operators,
        # doubles them.
        quoted = name.replace("'", "''")
        return self._filtered(f"displayName eq '{quoted}'")

    def _filtered(self, condition: str) -> dict[str, str]:
        return {**self.params, "filter": condition, "top": str(_PAGE)}

    def _speakers(self, max_speakers: int | None) -> dict[str, Any]:
        if max_speakers is None:
            return {}
        if self._old:
            counts = {"minCount": 1, "maxCount": max_speakers}
            return {"diarizationEnabled": True, "diarization": {"speakers": counts}}
        return {"diarization": {"enabled": True, "maxSpeakers": max_speakers}}

    def _time_to_live(self, hours: int) -> dict[str, Any]:
        return {"timeToLive": f"PT{hours}H"} if self._old else {"timeToLiveHours": hours}


def _text(submission: Submission) -> dict[str, Any]:
    found: dict[str, Any] = {
        "profanityFilterMode": submission.profanity,
        "punctuationMode": submission.punctuation,
    }
    if submission.candidates:
        identification: dict[str, Any] = {"candidateLocales": list(submission.candidates)}
        # The default, Continuous, accepts 10.
        if len(submission.candidates) > _MOST_CONTINUOUS:
            identification["mode"] = "Single"
        found["languageIdentification"] = identification
    return {name: value for name, value in found.items() if value}


def _content(urls: tuple[str, ...]) -> dict[str, Any]:
    # check_addresses ensures that a container is the only address.
    parts = urlsplit(urls[0])
    if parts.path.endswith("/"):
        return {"contentContainerUrl": parts._replace(path=parts.path.rstrip("/")).geturl()}
    return {"contentUrls": list(urls)}


def _reason(code: str, message: str) -> str:
    # The service's own words may quote the address of audio.
    return mask(f"{code}: {message}".strip(": "))[:_REASON_LENGTH]


def job_id(url: str) -> str:
    """Return the id in a job's address, which may have a query."""
    return without_query(url).rstrip("/").rsplit("/", 1)[-1]


def without_query(url: str) -> str:
    """Return an address without its query and fragment."""
    # Not urlsplit, which raises ValueError for some texts: the service's may be any.
    return url.partition("#")[0].partition("?")[0]
