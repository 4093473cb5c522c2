"""Tests of the double with Microsoft's own clients and with the published schemas."""

from __future__ import annotations

import base64
import io
import json
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from azure.ai.transcription import TranscriptionClient
from azure.ai.transcription.models import (
    TranscriptionContent,
    TranscriptionDiarizationOptions,
    TranscriptionOptions,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from referencing import Registry
from referencing.jsonschema import DRAFT7

from double import schemas
from double.node import run_node
from double.service import KEY, ServiceDouble, running


@pytest.fixture
def double() -> Iterator[ServiceDouble]:
    double = ServiceDouble(polls=0)
    with running(double):
        yield double


def sound(seconds: float = 1.0, channels: int = 1) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\x01\x00" * round(16_000 * seconds) * channels)
    return data.getvalue()


def client(double: ServiceDouble, key: str = KEY) -> TranscriptionClient:
    return TranscriptionClient(double.url, AzureKeyCredential(key))


def transcribe(double: ServiceDouble, **diarization: Any) -> Any:
    options = TranscriptionOptions(
        locales=["en-US"], diarization_options=TranscriptionDiarizationOptions(diarization)
    )
    content = TranscriptionContent(definition=options, audio=("a.wav", sound()))
    with client(double) as found:
        return found.transcribe(content)


def test_the_official_client_reads_its_result(double: ServiceDouble) -> None:
    result = transcribe(double, enabled=True, maxSpeakers=2)
    assert result.duration_milliseconds == 1000
    assert [phrase.text for phrase in result.phrases] == ["A double heard 1.000 seconds."]
    assert result.phrases[0].speaker == 1


def test_it_distinguishes_no_speakers_unless_the_official_client_enables_it(
    double: ServiceDouble,
) -> None:
    assert transcribe(double, maxSpeakers=2).phrases[0].speaker is None


def test_the_official_client_raises_its_refusals(double: ServiceDouble) -> None:
    with client(double, "wrong") as found, pytest.raises(HttpResponseError) as caught:
        found.transcribe(
            TranscriptionContent(definition=TranscriptionOptions(), audio=("a.wav", sound()))
        )
    assert caught.value.status_code == 401


@contextmanager
def connected(double: ServiceDouble, version: str = "2025-10-15") -> Iterator[httpx.Client]:
    dated = "v" not in version
    with httpx.Client(
        base_url=f"{double.url}/speechtotext{'' if dated else f'/{version}'}",
        headers={"Ocp-Apim-Subscription-Key": KEY},
        params={"api-version": version} if dated else {},
    ) as http:
        yield http


def submit(http: httpx.Client, address: str = "", version: str = "") -> httpx.Response:
    inline = f"data:audio/wav;base64,{base64.b64encode(sound()).decode()}"
    body = {
        "displayName": "m",
        "locale": "en-US",
        "contentUrls": [address or inline],
        "properties": {"timeToLiveHours": 48, "diarization": {"enabled": True}},
    }
    if version == "v3.2":
        body["properties"] = {"diarizationEnabled": True}
    path = "/transcriptions" if version == "v3.2" else "/transcriptions:submit"
    return http.post(path, json=body)


def published_schema(folder: Path, version: str) -> Any:
    """Return a validator of results; each version's schema extends that of the one before."""
    documents = [
        json.loads(path.read_text(encoding="utf-8-sig"))
        for path in (folder / "schemas").glob("transcriptionresult_*.schema.json")
    ]
    resources = [(document["$id"], DRAFT7.create_resource(document)) for document in documents]
    name = "v3_2" if version == "v3.2" else "v2024-11-15"
    (schema,) = [
        d for d in documents if d["$id"].endswith(f"transcriptionresult_{name}.schema.json")
    ]
    return jsonschema.Draft7Validator(schema, registry=Registry().with_resources(resources))


@pytest.mark.parametrize("version", ["2025-10-15", "2024-11-15", "v3.2"])
def test_its_batch_results_have_the_shape_that_each_version_publishes(
    double: ServiceDouble, shared_payloads: Path, tmp_path: Path, version: str
) -> None:
    audio = tmp_path / "a.wav"
    audio.write_bytes(sound())
    with connected(double, version) as http:
        made = submit(http, audio.as_uri(), version)
        assert made.status_code == 201
        assert made.headers["location"] == made.json()["self"]
        assert http.get("/transcriptions").json()["values"][0]["status"] == "Succeeded"
        files = http.get(made.json()["links"]["files"]).json()["values"]
    content = next(f["links"]["contentUrl"] for f in files if f["kind"] == "Transcription")
    result = httpx.get(content).json()
    published_schema(shared_payloads, version).validate(result)
    assert ("durationMilliseconds" in result) == (version != "v3.2")


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"diarizationEnabled": True, "timeToLiveHours": 48}, "InvalidPayload"),
        ({"diarization": {"maxSpeakers": 3}, "timeToLiveHours": 48}, "InvalidPayload"),
        ({"diarization": {"enabled": True, "maxSpeakers": 36}, "timeToLiveHours": 48}, "Invalid"),
        ({"diarization": {"enabled": True}}, "InvalidTimeToLive"),
    ],
)
def test_it_refuses_properties_that_the_version_does_not_support(
    double: ServiceDouble, properties: dict[str, Any], code: str
) -> None:
    body = {
        "displayName": "m",
        "locale": "en-US",
        "contentUrls": ["https://a/b"],
        "properties": properties,
    }
    answer = httpx.post(
        f"{double.url}/speechtotext/transcriptions:submit",
        params={"api-version": "2025-10-15"},
        headers={"Ocp-Apim-Subscription-Key": KEY},
        json=body,
    )
    assert answer.status_code == 400
    assert answer.json()["innerError"]["code"].startswith(code)


def test_the_official_javascript_client_reads_its_result(
    double: ServiceDouble, tmp_path: Path
) -> None:
    """This client may leave out ``enabled`` too; then no speakers are distinguished."""
    audio = tmp_path / "a.wav"
    audio.write_bytes(sound())
    answer = run_node("fast_client.mjs", double.url, KEY, str(audio))
    assert answer["durationInMs"] == 1000
    (phrase,) = answer["phrases"]
    assert phrase["text"] == "A double heard 1.000 seconds."
    sent = double.definitions[0]["diarization"]
    assert phrase.get("speaker") == (1 if sent.get("enabled") else None)
    assert run_node("fast_client.mjs", double.url, "wrong", str(audio)) == {"refused": 401}


@pytest.mark.parametrize(
    ("polls", "seconds"), [(2, None), (None, 0.05), (None, None)], ids=["calls", "time", "hand"]
)
def test_its_jobs_become_final_by_polls_time_or_hand(
    polls: int | None, seconds: float | None
) -> None:
    double = ServiceDouble(polls, seconds)
    with running(double), connected(double) as http:
        url = submit(http).json()["self"]
        assert http.get(url).json()["status"] == "Running"
        if polls is None and seconds is None:
            assert [http.get(url).json()["status"] for _ in range(5)] == ["Running"] * 5
            double.finish(double.submitted[0])
        time.sleep(seconds or 0)
        while polls and http.get(url).json()["status"] == "Running":
            polls -= 1
        assert http.get(url).json()["status"] == "Succeeded"
        assert not polls or polls > 0


def test_its_schemas_accept_the_published_examples(shared_payloads: Path) -> None:
    """The examples are Microsoft's, so the schemas are not only our own reading."""

    def load(name: str) -> Any:
        return json.loads((shared_payloads / f"{name}.json").read_text(encoding="utf-8-sig"))

    submitted = load("specs/2025-10-15_submit_multispeaker_diarization")
    listed, files = load("specs/2025-10-15_list_page1"), load("specs/2025-10-15_files_page1")
    mai = load("specs/2025-10-15_transcribe_mai_modelOptions")
    documents = [
        (submitted["request"], schemas.SUBMIT[""]),
        (submitted["response_201"], schemas.ENTITY),
        (load("specs/v3.1_create_multispeaker_diarization")["request"], schemas.SUBMIT["v3.2"]),
        (listed["response_200"], schemas.PAGE),
        (load("specs/2025-10-15_list_failed")["response_200"], schemas.PAGE),
        (files["response_200"], schemas.FILES),
        (load("batch_docs/files_v3.2"), schemas.FILES),
        (load("batch_docs/get_succeeded_v3.2"), schemas.ENTITY),
        (load("batch_docs/get_succeeded_2024-11-15"), schemas.ENTITY),
        (load("batch_docs/report_two_succeeded"), schemas.REPORT),
        (load("batch_docs/result_hello_world"), schemas.RESULT["v3.2"]),
        (mai["definition"], schemas.FAST),
    ]
    assert [schemas.defect(document, schema) for document, schema in documents] == [""] * 12
