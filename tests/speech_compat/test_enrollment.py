from __future__ import annotations

import logging
from typing import Any

import pytest

import speech_compat as speechsdk
from double.voices import EnrollingBackend, signature
from speech_adapters import meetings as module
from speech_adapters.errors import AudioError
from speech_adapters.signatures import parse_signature


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> list[EnrollingBackend]:
    """Make every backend one that enrolls; returns those that were created."""
    created: list[EnrollingBackend] = []

    def create_backend(_: object, name: str, host: Any) -> EnrollingBackend:
        created.append(EnrollingBackend(host, name))
        return created[-1]

    monkeypatch.setattr(module, "create_backend", create_backend)
    return created


def test_the_text_is_a_participants_voice_signature(backends: list[EnrollingBackend]) -> None:
    text = speechsdk.create_voice_signature("one.wav", "two.wav")
    assert parse_signature(text) == signature(4)
    assert [file.name for file in backends[0].files] == ["one.wav", "two.wav"]
    participant = speechsdk.transcription.Participant("katie", "en-US", text)
    participant.set_voice_signature(text)


def test_the_programs_configuration_selects_the_backend(backends: list[EnrollingBackend]) -> None:
    config = speechsdk.SpeechConfig("key", "region")
    config.set_property_by_name("speech-compat.backend", "ours")
    speechsdk.create_voice_signature("one.wav", speech_config=config)
    assert backends[0].name == "ours"


def test_defects_of_the_recordings_are_logged(
    backends: list[EnrollingBackend],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(EnrollingBackend, "enroll", _with_warnings(EnrollingBackend.enroll))
    with caplog.at_level(logging.WARNING, "speech_compat"):
        text = speechsdk.create_voice_signature("one.wav")
    assert [record.getMessage() for record in caplog.records] == ["one.wav is too 100% loud."]
    assert text not in caplog.text


def _with_warnings(enroll: Any) -> Any:
    async def warning(backend: EnrollingBackend, files: Any) -> Any:
        backend.warnings = ("one.wav is too 100% loud.",)
        return await enroll(backend, files)

    return warning


def test_an_unusable_recording_is_an_error(
    backends: list[EnrollingBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise AudioError("one.wav is silent.")

    monkeypatch.setattr(EnrollingBackend, "enroll", fail)
    with pytest.raises(AudioError, match="silent"):
        speechsdk.create_voice_signature("one.wav")


def test_at_least_one_file_is_needed(backends: list[EnrollingBackend]) -> None:
    with pytest.raises(ValueError, match="at least one WAV file"):
        speechsdk.create_voice_signature()
    assert backends == []
