from __future__ import annotations

from datetime import UTC, datetime

import pytest
from vcr.serializers import jsonserializer, yamlserializer

from speech_compat.testing.cassettes import CassetteSerializer, origin_line, service_of
from speech_compat.testing.scrubbing import Scrubber

INTERACTION = {
    "request": {"uri": "https://host/speechtotext/transcriptions:submit?api-version=2025-10-15"},
    "response": {"headers": {}, "body": {"string": "PLANTED-late"}},
}
CASSETTE = {"version": 1, "interactions": [INTERACTION]}


def serializer(inner: object = yamlserializer, *, active: bool = True) -> CassetteSerializer:
    return CassetteSerializer(inner, Scrubber(["PLANTED-late"]), lambda: active)


def test_the_first_line_states_service_and_date() -> None:
    first, _, rest = serializer().serialize(CASSETTE).partition("\n")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert first == f"# recorded from batch transcription 2025-10-15 at host, {today}"
    assert yamlserializer.deserialize(rest)["interactions"][0]["response"] == {
        "headers": {},
        "body": {"string": "scrubbed"},
    }


def test_the_first_line_of_a_cassette_that_was_read_is_kept() -> None:
    old = "# recorded from fast transcription at host, 2020-01-01, westeurope\n"
    used = serializer()
    used.deserialize(old + yamlserializer.serialize(CASSETTE))
    used.deserialize("# recorded from another, 2021-01-01\n" + yamlserializer.serialize(CASSETTE))
    assert used.serialize(CASSETTE).startswith(old)


def test_a_cassette_without_an_origin_gets_none_later() -> None:
    """Its older part has another date."""
    used = serializer()
    used.deserialize(yamlserializer.serialize(CASSETTE))
    assert used.serialize(CASSETTE).startswith("interactions:")


def test_a_format_without_comments_has_no_first_line() -> None:
    text = serializer(jsonserializer).serialize(CASSETTE)
    assert jsonserializer.deserialize(text)["version"] == 1
    assert "PLANTED" not in text


def test_a_cassette_of_another_program_is_left_as_it_is() -> None:
    assert serializer(active=False).serialize(CASSETTE) == yamlserializer.serialize(CASSETTE)


BATCH = "https://h/speechtotext"


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["https://b.blob/x", f"{BATCH}/v3.2/transcriptions"], "batch transcription v3.2 at h"),
        ([f"{BATCH}/transcriptions/1?api-version=7"], "batch transcription 7 at h"),
        ([f"{BATCH}/transcriptions:transcribe?api-version=7"], "fast transcription 7 at h"),
        (["https://h:1/api/v1/offlinetask?id=1"], "the meeting service at h:1"),
        (["https://a/1", "https://b/2", "https://a/3"], "a and b"),
        ([], "nothing"),
    ],
)
def test_the_service_of_a_cassette(addresses: list[str], expected: str) -> None:
    assert service_of(addresses) == expected


def test_the_line_of_an_origin() -> None:
    date = datetime(2026, 11, 5, tzinfo=UTC)
    assert origin_line("x at y", date) == "# recorded from x at y, 2026-11-05"
    assert origin_line("x", date, "westeurope") == "# recorded from x, 2026-11-05, westeurope"
