from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest

from double.schemas import SUBMIT, defect
from speech_adapters.backends.batch.api import Api, Job, Report, ResultFile, Submission, job_id

ASKED = Submission("it's a meeting", "f" * 32, ("https://store/a.wav?sig=x",), "en-US", 4, True, 48)


def test_the_dated_versions_shape() -> None:
    api = Api("2025-10-15")
    assert (api.submit, api.params) == (
        "/transcriptions:submit",
        {"api-version": "2025-10-15"},
    )
    assert api.body(ASKED) == {
        "displayName": "it's a meeting",
        "locale": "en-US",
        "contentUrls": ["https://store/a.wav?sig=x"],
        "customProperties": {"speechCompatRecording": "f" * 32},
        "properties": {
            "wordLevelTimestampsEnabled": True,
            "displayFormWordLevelTimestampsEnabled": True,
            "channels": [0],
            "diarization": {"enabled": True, "maxSpeakers": 4},
            "timeToLiveHours": 48,
        },
    }


def test_the_older_versions_shape() -> None:
    api = Api("v3.2")
    assert (api.submit, api.params) == ("/v3.2/transcriptions", {})
    assert api.body(ASKED)["properties"] == {
        "wordLevelTimestampsEnabled": True,
        "displayFormWordLevelTimestampsEnabled": True,
        "channels": [0],
        "diarizationEnabled": True,
        "diarization": {"speakers": {"minCount": 1, "maxCount": 4}},
        "timeToLive": "PT48H",
    }


@pytest.mark.parametrize("version", ["2025-10-15", "v3.2"])
def test_without_diarization_the_body_has_none(version: str) -> None:
    alone = Submission("m", "f", ("https://store/a.wav",), "en-US", None, False, 48)
    assert not {"diarization", "diarizationEnabled"} & set(Api(version).body(alone)["properties"])


def test_quotes_in_a_filter_are_doubled() -> None:
    assert Api("2025-10-15").named("it's")["filter"] == "displayName eq 'it''s'"


def test_lists_are_filtered_and_have_large_pages() -> None:
    noon = datetime(2026, 1, 2, 13, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    assert Api("v3.2").since(noon) == {
        "filter": "createdDateTime ge 2026-01-02T12:00:00Z",
        "top": "100",
    }
    assert Api("2025-10-15").named("m")["top"] == "100"


@pytest.mark.parametrize(
    "url",
    [
        "https://host/speechtotext/transcriptions/788a1f24?api-version=2024-11-15",
        "https://host/speechtotext/v3.2/transcriptions/788a1f24",
        "https://host/speechtotext/transcriptions/788a1f24/?api-version=3.2",
        "https://[host/transcriptions/788a1f24",  # no address for urllib
    ],
)
def test_a_jobs_id_is_read_from_its_address(url: str) -> None:
    assert job_id(url) == "788a1f24"


def test_a_job_is_read_with_tolerance() -> None:
    job = Job.model_validate({"self": "u", "status": "SomethingNew", "unheardOf": {"x": 1}})
    assert not job.final


def test_the_first_failure_of_a_report_is_its_reason() -> None:
    good = {"status": "Succeeded", "source": "https://a?sig=x"}
    bad = {"status": "Failed", "errorKind": "InvalidUri", "errorMessage": "no"}
    assert Report.model_validate({"details": [good]}).failure == ""
    assert Report.model_validate({"details": [good, bad]}).failure == "InvalidUri: no"
    assert Report.model_validate({}).failure == ""


def load(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_documented_answers_are_read(shared_payloads: Path) -> None:
    for name in (
        "submit_201_2024-11-15",
        "create_201_v3.2",
        "get_succeeded_2024-11-15",
        "get_succeeded_v3.2",
    ):
        job = Job.model_validate(load(shared_payloads, f"batch_docs/{name}.json"))
        assert job.links.files.startswith("https://")
        assert len(job_id(job.url)) == 36
        assert job.final == name.startswith("get")
    for name in ("files_2024-11-15", "files_v3.2"):
        page = load(shared_payloads, f"batch_docs/{name}.json")
        files = [ResultFile.model_validate(item) for item in page["values"]]
        assert {file.kind for file in files} == {"Transcription", "TranscriptionReport"}
    report = Report.model_validate(load(shared_payloads, "batch_docs/report_two_succeeded.json"))
    assert len(report.details) == 2
    assert report.failure == ""


def test_what_is_sent_has_the_shape_of_the_published_example(shared_payloads: Path) -> None:
    example = load(shared_payloads, "specs/2025-10-15_submit_multispeaker_diarization.json")
    sent = Api("2025-10-15").body(ASKED)["properties"]
    published = example["request"]["properties"]
    assert sent.keys() <= published.keys()
    assert sent["diarization"].keys() == published["diarization"].keys()


@pytest.mark.parametrize(
    ("properties", "needed"),
    [
        ({"diarization": {"enabled": True}}, True),
        ({"diarizationEnabled": True, "channels": [0, 1]}, True),
        ({"diarization": {"enabled": True}, "channels": [0]}, False),  # audio of our own
        ({"channels": [0, 1]}, False),
        ({}, False),
    ],
)
def test_only_diarized_audio_of_others_must_be_mono(
    properties: dict[str, Any], needed: bool
) -> None:
    job = Job.model_validate({"self": "u", "properties": properties})
    assert job.needs_mono is needed


def test_all_channels_of_audio_that_may_not_be_mono_are_requested() -> None:
    body = Api("2025-10-15").body(attrs.evolve(ASKED, mono=False))
    assert "channels" not in body["properties"]


@pytest.mark.parametrize("version", ["2025-10-15", "2024-11-15", "v3.2"])
@pytest.mark.parametrize(("count", "mode"), [(2, {}), (10, {}), (11, {"mode": "Single"})])
def test_wishes_about_the_text_are_sent_as_each_version_publishes(
    version: str, count: int, mode: dict[str, str]
) -> None:
    languages = tuple(f"l{chr(97 + n)}-XX" for n in range(count))
    asked = attrs.evolve(
        ASKED,
        profanity="Removed",
        punctuation="Dictated",
        candidates=languages,
        model="https://host/speechtotext/models/1",
    )
    body = Api(version).body(asked)
    assert body["model"] == {"self": "https://host/speechtotext/models/1"}
    assert body["properties"]["profanityFilterMode"] == "Removed"
    assert body["properties"]["punctuationMode"] == "Dictated"
    identification = {"candidateLocales": list(languages), **mode}
    assert body["properties"]["languageIdentification"] == identification
    assert defect(body, SUBMIT[version if version == "v3.2" else ""]) == ""
