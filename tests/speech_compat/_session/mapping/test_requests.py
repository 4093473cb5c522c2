from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Attendee, Gap, Mode
from speech_compat import OutputFormat, ProfanityOption, PropertyId, ServicePropertyChannel
from speech_compat import SpeechConfig as Config
from speech_compat._session.mapping import requests
from speech_compat._session.mapping.requests import (
    Plan,
    attendees,
    log_gaps,
    mode_of,
    settings_of,
)
from speech_compat.transcription import Meeting, Participant


@pytest.fixture
def config() -> Config:
    return Config("key", "region")


def plan(config: Config, custom_model: str = "") -> Plan:
    return Plan(config, "m", Mode.LIVE, "en-US", True, (), (), custom_model=custom_model)


def test_the_request_has_the_format_and_the_defects_of_the_audio(config: Config) -> None:
    pcm = PcmFormat(8_000, 2)
    request = plan(config).request(pcm, ("The file is truncated.",))
    assert (request.audio, request.notes) == (pcm, ("The file is truncated.",))
    assert (request.meeting_id, request.mode, request.language) == ("m", Mode.LIVE, "en-US")
    assert not request.word_timestamps
    assert request.settings == {}


def test_settings_have_the_names_of_the_contract(config: Config) -> None:
    config.set_profanity(ProfanityOption.Removed)
    config.output_format = OutputFormat.Detailed
    config.enable_dictation()
    config.set_property(PropertyId.Speech_SegmentationSilenceTimeoutMs, "300")
    config.request_word_level_timestamps()
    request = plan(config).request(PcmFormat())
    assert request.word_timestamps
    assert request.settings == {
        "profanity": "removed",
        "detailed": "true",
        "dictation": "DICTATION",
        "segmentation_silence_ms": "300",
    }


def test_settings_that_are_off_are_not_requested(config: Config) -> None:
    config.output_format = OutputFormat.Simple
    config.set_property(PropertyId.SpeechServiceConnection_EnableAudioLogging, "False")
    assert plan(config).request(PcmFormat()).settings == {}


def test_the_custom_model_of_a_language_overrides_the_endpoint_id(config: Config) -> None:
    config.endpoint_id = "general"
    assert plan(config).request(PcmFormat()).settings == {"endpoint_id": "general"}
    own = plan(config, custom_model="for German").request(PcmFormat())
    assert own.settings == {"endpoint_id": "for German"}


@pytest.mark.parametrize(
    ("user", "password", "url"),
    [
        (None, None, "http://proxy:8080"),
        ("u@corp", "p:/ß", "http://u%40corp:p%3A%2F%C3%9F@proxy:8080"),
    ],
)
def test_the_proxy_is_one_url(
    config: Config, user: str | None, password: str | None, url: str
) -> None:
    config.set_proxy("proxy", 8080, user, password)
    assert plan(config).request(PcmFormat()).settings == {"proxy": url}


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("", Mode.LIVE),
        ("Realtime", Mode.LIVE),
        ("async", Mode.STORED),
        ("ASYNC", Mode.STORED),
        ("RealTimeAndAsync", Mode.BOTH),
    ],
)
def test_the_transcription_mode_selects_the_mode(config: Config, value: str, mode: Mode) -> None:
    if value:
        channel = ServicePropertyChannel.UriQueryParameter
        config.set_service_property("transcriptionMode", value, channel)
    assert mode_of(config, stored=True) is mode
    assert mode_of(config, stored=False) is Mode.LIVE


def test_the_last_transcription_mode_counts(config: Config) -> None:
    for value in ("async", "RealTimeAndAsync"):
        channel = ServicePropertyChannel.UriQueryParameter
        config.set_service_property("transcriptionMode", value, channel)
    assert mode_of(config, stored=True) is Mode.BOTH


def test_attendees_are_the_participants_with_their_signatures(config: Config) -> None:
    meeting = Meeting(config, "m")
    meeting.add_participant_async(Participant("a", "en-GB", '{"Data": "biometric"}')).get()
    meeting.add_participant_async(Participant("b", "")).get()
    signed = Attendee("a", "en-GB", '{"Data": "biometric"}')
    assert attendees(meeting) == (signed, Attendee("b", "", ""))
    assert attendees(None) == ()
    request = replace(plan(config), attendees=attendees(meeting)).request(PcmFormat())
    assert request.participants == 2, "the largest number of speakers, if none is announced"


def test_a_plan_notices_participants_that_come_and_go(config: Config) -> None:
    meeting = Meeting(config, "m")
    first = replace(plan(config), attendees=(), present_attendees=lambda: attendees(meeting))
    assert plan(config).with_present_attendees() is None
    assert first.with_present_attendees() is None
    meeting.add_participant_async(Participant("late", "", "{}")).get()
    changed = first.with_present_attendees()
    assert changed is not None
    assert changed.request(PcmFormat()).attendees == (Attendee("late", "", "{}"),)
    assert changed.with_present_attendees() is None


def test_own_properties_override_the_programs_resource(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_BACKEND", "fast")
    config.set_property_by_name("speech-compat.backend", "local")
    config.set_property_by_name("speech-compat.service.region", "other")
    settings = settings_of(config)
    assert (settings.backend, settings.service.region) == ("local", "other")
    assert settings.service.key is not None
    assert settings.service.token is None


def test_the_endpoint_comes_before_the_host() -> None:
    assert settings_of(Config(host="wss://host")).service.endpoint == "wss://host"
    both = Config(endpoint="wss://endpoint")
    both.set_property(PropertyId.SpeechServiceConnection_Host, "wss://host")
    assert settings_of(both).service.endpoint == "wss://endpoint"


def test_the_token_is_read_when_it_is_needed() -> None:
    tokens = ["first"]
    settings = settings_of(Config(region="r", auth_token="t"), lambda: tokens[-1])
    assert settings.service.token is not None
    tokens.append("renewed")
    assert settings.service.token() == "renewed"


def test_a_gap_is_logged_once_per_backend(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(requests, "_logged", set())
    gap = Gap("phrases", "the phrase list is not used", "choose another backend", code="SC111")
    with caplog.at_level(logging.WARNING, "speech_compat"):
        log_gaps("a", (gap, gap))
        log_gaps("a", (gap,))
        log_gaps("b", (gap,))
    line = (
        "Backend {!r} [phrases]: the phrase list is not used; choose another backend."
        " In the environment: SPEECH_COMPAT_BACKEND. See docs/warnings.md#sc111"
    )
    assert caplog.messages == [line.format("a"), line.format("b")]
