"""The double is looked at from outside: by Microsoft's own client, and by its schemas."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator
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


def ask(double: ServiceDouble, **diarization: Any) -> Any:
    options = TranscriptionOptions(
        locales=["en-US"], diarization_options=TranscriptionDiarizationOptions(diarization)
    )
    content = TranscriptionContent(definition=options, audio=("a.wav", sound()))
    with client(double) as found:
        return found.transcribe(content)


def test_the_official_client_is_content(double: ServiceDouble) -> None:
    result = ask(double, enabled=True, maxSpeakers=2)
    assert result.duration_milliseconds == 1000
    assert [phrase.text for phrase in result.phrases] == ["A double heard 1.000 seconds."]
    assert result.phrases[0].speaker == 1


def test_it_tells_nobody_apart_when_the_official_client_forgets_to_ask(
    double: ServiceDouble,
) -> None:
    assert ask(double, maxSpeakers=2).phrases[0].speaker is None


def test_the_official_client_sees_its_refusals(double: ServiceDouble) -> None:
    with client(double, "wrong") as found, pytest.raises(HttpResponseError) as caught:
        found.transcribe(
            TranscriptionContent(definition=TranscriptionOptions(), audio=("a.wav", sound()))
        )
    assert caught.value.status_code == 401


def test_its_batch_results_have_the_published_shape(
    double: ServiceDouble, shared_payloads: Path, tmp_path: Path
) -> None:
    audio = tmp_path / "a.wav"
    audio.write_bytes(sound())
    body = {
        "displayName": "m",
        "locale": "en-US",
        "contentUrls": [audio.as_uri()],
        "properties": {"timeToLiveHours": 48, "diarization": {"enabled": True}},
    }
    with httpx.Client(
        base_url=f"{double.url}/speechtotext",
        headers={"Ocp-Apim-Subscription-Key": KEY},
        params={"api-version": "2025-10-15"},
    ) as http:
        made = http.post("/transcriptions:submit", json=body)
        assert made.status_code == 201
        assert made.headers["location"] == made.json()["self"]
        assert http.get("/transcriptions").json()["values"][0]["status"] == "Succeeded"
        files = http.get(made.json()["links"]["files"]).json()["values"]
    content = next(f["links"]["contentUrl"] for f in files if f["kind"] == "Transcription")
    result = httpx.get(content).json()
    schema = shared_payloads / "schemas" / "transcriptionresult_v3.schema.json"
    jsonschema.validate(result, json.loads(schema.read_text(encoding="utf-8-sig")))


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"diarizationEnabled": True, "timeToLiveHours": 48}, "InvalidPayload"),
        ({"diarization": {"maxSpeakers": 3}, "timeToLiveHours": 48}, "InvalidPayload"),
        ({"diarization": {"enabled": True, "maxSpeakers": 36}, "timeToLiveHours": 48}, "Invalid"),
        ({"diarization": {"enabled": True}}, "InvalidTimeToLive"),
    ],
)
def test_it_refuses_what_the_version_does_not_know(
    double: ServiceDouble, properties: dict[str, Any], code: str
) -> None:
    body = {"displayName": "m", "locale": "en-US", "contentUrls": [], "properties": properties}
    answer = httpx.post(
        f"{double.url}/speechtotext/transcriptions:submit",
        params={"api-version": "2025-10-15"},
        headers={"Ocp-Apim-Subscription-Key": KEY},
        json=body,
    )
    assert answer.status_code == 400
    assert answer.json()["innerError"]["code"].startswith(code)
