from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest

from double.voices import MODEL, RETIRED, signature, signature_text, vector
from speech_adapters.errors import VoiceSignatureError
from speech_adapters.signatures import (
    MODEL_ID_DIGITS,
    VoiceSignature,
    parse_signature,
    refusal,
    wrap_signature,
)

EVEN = tuple(1.0 / 16.0 for _ in range(256))


def changed(**fields: Any) -> str:
    return json.dumps({**json.loads(signature_text()), **fields})


def without(field: str) -> str:
    data = json.loads(signature_text())
    del data[field]
    return json.dumps(data)


def test_a_signature_survives_its_text() -> None:
    assert parse_signature(signature().dump()) == signature()
    assert parse_signature(signature().dump(), MODEL) == signature()
    assert "\n" not in signature().dump()


def test_the_document_states_what_it_is() -> None:
    data = json.loads(VoiceSignature(MODEL, EVEN, 21.456).dump())
    assert data["type"] == "speech-compat voice signature"
    assert (data["version"], data["model"], data["seconds"]) == (1, MODEL, 21.46)
    assert data["embedding"] == [0.0625] * 256


def test_it_names_the_model_by_the_start_of_its_hash() -> None:
    made = VoiceSignature.of("ab" * 32, vector(3, 8), 5)
    assert made.model == ("ab" * 32)[:MODEL_ID_DIGITS]
    assert made.embedding == vector(3, 8)
    assert parse_signature(made.dump()).seconds == 5.0


def test_rounded_values_still_have_unit_length() -> None:
    values = [math.sin(place) for place in range(256)]
    length = math.hypot(*values)
    made = VoiceSignature.of(MODEL, [value / length for value in values], 9.0)
    read = parse_signature(made.dump())
    assert sum(a * b for a, b in zip(made.embedding, read.embedding, strict=True)) > 0.99999


def test_its_values_are_not_shown() -> None:
    made = VoiceSignature(MODEL, EVEN, 5.0)
    assert "0.06" not in repr(made)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON"),
        ("x", "is not JSON"),
        ("[" * 90_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("{}", "is no document of the type"),
        ('{"a": "' + "x" * 100_000 + '"}', "is longer than any signature"),
        (changed(type="another"), "is no document of the type"),
        (changed(version=2), "has a version that is unknown here"),
        (changed(version=True), "has a version that is unknown here"),
        (without("version"), "has a version that is unknown here"),
        (changed(model="short"), 'its field "model" is missing or wrong'),
        (changed(model=5), 'its field "model" is missing or wrong'),
        (changed(seconds=-1), 'its field "seconds" is missing or wrong'),
        (changed(seconds="5"), 'its field "seconds" is missing or wrong'),
        (changed(seconds=True), 'its field "seconds" is missing or wrong'),
        (changed(embedding=[]), 'its field "embedding" is missing or wrong'),
        (changed(embedding=5), 'its field "embedding" is missing or wrong'),
        (changed(embedding=[0.0] * 256), 'its field "embedding" is missing or wrong'),
        (changed(embedding=[0.6, 0.7]), 'its field "embedding" is missing or wrong'),
        (changed(embedding=[1.0, None]), 'its field "embedding" is missing or wrong'),
        (changed(embedding=[1.0, True]), 'its field "embedding" is missing or wrong'),
        (changed(embedding=[10**400]), 'its field "embedding" is missing or wrong'),
        (changed(embedding=[float("nan")]), 'its field "embedding" is missing or wrong'),
        (changed(embedding=[float("inf")]), 'its field "embedding" is missing or wrong'),
        (changed(embedding=[1.0] + [0.0] * 5000), 'its field "embedding" is missing or wrong'),
    ],
)
def test_what_is_no_signature_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(VoiceSignatureError) as caught:
        parse_signature(text)
    assert reason in caught.value.reason
    assert reason in str(caught.value)
    assert "speech-compat enroll" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "text",
    [
        RETIRED,
        json.dumps({**json.loads(RETIRED), "Version": "0", "more": 1}),
        json.dumps({"Version": 0}),
        json.dumps({"Status": "OK", "Signature": json.loads(RETIRED), "Transcription": "x"}),
    ],
)
def test_a_signature_of_the_retired_service_is_recognized_and_refused(text: str) -> None:
    with pytest.raises(VoiceSignatureError, match=r"made by the retired service.*opaque") as caught:
        parse_signature(text, MODEL)
    assert "bWFkZSB1cA" not in str(caught.value)


def test_a_signature_of_another_model_is_refused() -> None:
    other = signature_text(model="f" * 16)
    assert parse_signature(other).model == "f" * 16
    with pytest.raises(VoiceSignatureError, match="another embedding model"):
        parse_signature(other, MODEL)


def test_a_refusal_is_the_reason_or_empty() -> None:
    assert refusal(signature_text(), MODEL) == ""
    assert refusal(signature_text(), "") == ""
    assert refusal(signature_text(), "f" * 16).startswith("was made with another embedding model")
    assert refusal(RETIRED, "").startswith("was made by the retired service")


def test_a_signature_survives_the_fields_of_the_retired_service() -> None:
    wrapped = wrap_signature(signature())
    assert set(wrapped) == {"Version", "Tag", "Data"}
    for field in ("Tag", "Data"):
        base64.b64decode(str(wrapped[field]), validate=True)
    assert parse_signature(json.dumps(wrapped), MODEL) == signature()
    assert "another embedding model" in refusal(json.dumps(wrapped), "f" * 16)


def test_a_placeholder_is_refused_as_such() -> None:
    assert "placeholder" in refusal(json.dumps(wrap_signature(None)), MODEL)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("!", '"Data"'),
        ("YQ", '"Data"'),
        (5, '"Data"'),
        (None, '"Data"'),
        ([], '"Data"'),
        ("\u00e9", '"Data"'),
        (base64.b64encode(b"\xff").decode(), '"Data"'),
        (base64.b64encode(b"secret").decode(), "not JSON"),
        (base64.b64encode(b"[]").decode(), "no JSON object|not a JSON object"),
        (base64.b64encode(b"{}").decode(), "no document of the type"),
    ],
)
def test_damaged_contents_are_refused(data: object, reason: str) -> None:
    text = json.dumps({**wrap_signature(signature()), "Data": data})
    with pytest.raises(VoiceSignatureError, match=reason) as caught:
        parse_signature(text)
    assert "secret" not in str(caught.value)


def test_a_wrapped_signature_cannot_be_wrapped_again() -> None:
    once = json.dumps(wrap_signature(signature()))
    twice = {**wrap_signature(signature()), "Data": base64.b64encode(once.encode()).decode()}
    assert "retired service" in refusal(json.dumps(twice), MODEL)
