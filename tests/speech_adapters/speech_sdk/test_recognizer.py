"""The recognizer over the real Speech SDK: errors, options and credentials."""

from __future__ import annotations

import threading
import time
from typing import Any

import anyio
import pytest
from azure.core.credentials import AccessToken

from double.recognition import (
    SECOND,
    Configure,
    Play,
    audio,
    lines,
    run,
    texts,
    transcribe,
)
from speech_adapters.config import Settings
from speech_adapters.contract import (
    MeetingRequest,
    Recognized,
    SessionEvent,
)
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    RefusedError,
    SpeechError,
    ThrottledError,
    UnavailableError,
    UnreachableError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.speech_sdk import recognizer
from speech_adapters.speech_sdk.messages import (
    Failed,
    PartialResult,
    RecognizerMessage,
)
from speech_adapters.speech_sdk.options import Access
from speech_compat.testing.loopback import (
    Line,
    Script,
)


@pytest.mark.parametrize(
    ("script", "kind", "complaint"),
    [
        (Script(refuse=401), AuthenticationError, r"401.*Check key, token, region and roles"),
        (Script(refuse=403), AuthenticationError, "403"),
        (Script(refuse=400), RefusedError, "Check language, custom model and the audio's format"),
        (Script(refuse=429), ThrottledError, "429"),
        (Script(refuse=503), UnavailableError, "503"),
        (Script(lines(1), close=1007), RefusedError, "1007"),
        (Script((Line("", 0, 1, status="Forbidden"),)), AuthenticationError, "Forbidden"),
    ],
)
def test_what_the_service_refuses(
    play: Play, configure: Configure, script: Script, kind: type[SpeechError], complaint: str
) -> None:
    _, url = play(script)
    with pytest.raises(kind, match=complaint) as caught:
        run(configure(url, attempts="1"), lambda meetings: transcribe(meetings, 2))
    assert "CALL STACK" not in str(caught.value)


def test_a_port_without_a_service(configure: Configure, play: Play) -> None:
    with pytest.raises(UnreachableError, match="Check the network, the region and the endpoint"):
        run(configure("ws://127.0.0.1:9", attempts="2"), lambda meetings: transcribe(meetings, 1))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_temporary_refusal_is_retried(play: Play, configure: Configure, status: int) -> None:
    service, url = play(Script(lines(2), refusals=(status,) * 7))
    assert len(texts(run(configure(url), lambda meetings: transcribe(meetings, 2)))) == 2
    assert len(service.connections) == 1


def test_the_request_reaches_the_service(play: Play, configure: Configure) -> None:
    words = {"NBest": [{"Display": "Hi there.", "Words": [
        {"Word": "hi", "Offset": SECOND + 5, "Duration": 7}]}]}  # fmt: skip
    service, url = play(Script((Line("Hi there.", SECOND, SECOND, fields=words),)))
    events = run(
        configure(url),
        lambda meetings: transcribe(
            meetings,
            3,
            language="de-DE",
            phrases=("Contoso",),
            word_timestamps=True,
            settings={
                "diarize_hypotheses": "true",
                "profanity": "raw",
                "endpoint_id": "my-model",
                "segmentation_silence_ms": "700",
            },
        ),
    )
    (context,) = service.contexts
    (connected,) = service.connections
    assert connected.query["language"] == "de-DE"
    assert connected.query["profanity"] == "raw"
    assert connected.query["cid"] == "my-model"
    assert context["phraseDetection"]["speakerDiarization"]["diarizeIntermediates"] == "True"
    assert "Contoso" in str(context["dgi"])
    assert "700" in str(context)
    (utterance,) = [e.utterance for e in events if isinstance(e, Recognized)]
    assert [(w.text, w.offset, w.duration) for w in utterance.words] == [("hi", SECOND + 5, 7)]


def test_several_languages_are_detected(play: Play, configure: Configure) -> None:
    found = {"PrimaryLanguage": {"Language": "de-DE", "Confidence": "High"}}
    service, url = play(Script((Line("Guten Tag.", 0, SECOND, fields=found),)))
    asked = (("en-US", ""), ("de-DE", "my-model"))
    events = run(configure(url), lambda meetings: transcribe(meetings, 2, languages=asked))
    assert service.contexts[0]["languageId"]["languages"] == ["en-US", "de-DE"]
    (utterance,) = [e.utterance for e in events if isinstance(e, Recognized)]
    assert utterance.language == "de-DE"


class Credential:
    """Its tokens are valid for a second."""

    def __init__(self) -> None:
        self.asked = 0

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.asked += 1
        return AccessToken(f"token-{self.asked}", int(time.time()) + 1)


async def slowly(meetings: MeetingService) -> list[SessionEvent]:
    session = await meetings.open_session(MeetingRequest("m"))
    await session.push(audio(0, 2))
    await anyio.sleep(2)
    await session.push(audio(2, 4))
    await session.finish()
    events = [event async for event in session.events()]
    await session.aclose()
    return events


def test_a_programs_credential_signs_in_and_its_token_is_renewed_in_time(
    play: Play, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.speech_sdk.feeder._REFRESH_SECONDS", 0.0)
    service, url = play(Script(lines(6), cuts=((3 * SECOND, 1011),)))
    given = configure(url, key="", pace="2")
    settings = given.model_copy(
        update={"service": given.service.model_copy(update={"credential": Credential()})}
    )
    assert len(texts(run(settings, slowly))) == 6
    first, later = [found.credential for found in service.connections]
    assert first == "token-1"
    assert later.startswith("token-")
    assert later != first


def test_a_token_that_expires_is_renewed(
    play: Play, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program renews its token; a connection made later shows the new one."""
    monkeypatch.setattr("speech_adapters.speech_sdk.feeder._REFRESH_SECONDS", 0.0)
    valid = ["first"]
    service, url = play(
        Script(lines(6), tokens=frozenset({"first", "second"}), cuts=((3 * SECOND, 1011),))
    )
    given = configure(url, key="", pace="2")
    settings = given.model_copy(
        update={"service": given.service.model_copy(update={"token": lambda: valid[-1]})}
    )

    timer = threading.Timer(0.5, valid.append, ["second"])
    timer.start()
    assert len(texts(run(settings, slowly))) == 6
    timer.join()
    assert [found.credential for found in service.connections] == ["first", "second"]


class Failing(Credential):
    """Returns one token that is valid for a second, and fails afterwards."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        if self.asked:
            raise SignInError("SECRET")
        return super().get_token(*scopes)


class SignInError(Exception):
    """An error that only the credential's package knows."""


def with_credential(settings: Settings, credential: Any) -> Settings:
    service = settings.service.model_copy(update={"credential": credential})
    return settings.model_copy(update={"service": service})


def test_a_credential_that_returns_no_token_is_an_error_without_its_text(
    play: Play, configure: Configure
) -> None:
    _, url = play(Script(lines(1)))
    credential = Failing()
    credential.asked = 1
    settings = with_credential(configure(url, key=""), credential)
    with pytest.raises(AuthenticationError, match="returns no token") as caught:
        run(settings, lambda meetings: transcribe(meetings, 1))
    assert "SECRET" not in str(caught.value)


def test_a_token_that_cannot_be_renewed_is_used_until_the_service_refuses_it(
    play: Play,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("speech_adapters.speech_sdk.feeder._REFRESH_SECONDS", 0.0)
    _, url = play(Script(lines(2)))
    settings = with_credential(configure(url, key=""), Failing())
    assert len(texts(run(settings, slowly))) == 2
    assert "The token cannot be renewed" in caplog.text
    assert "SECRET" not in caplog.text


def test_what_the_sdk_refuses_is_an_error_of_the_backend() -> None:
    access = Access(region="", token=lambda: "t")
    with pytest.raises(BackendError, match="The Speech SDK refuses"):
        recognizer.connect(MeetingRequest("m"), access, 1.0, print)


def test_an_event_that_cannot_be_read_is_a_failure_without_its_text(play: Play) -> None:
    _, url = play(Script())
    received: list[RecognizerMessage] = []
    access = Access(endpoint=url, key="k")
    created = recognizer.connect(MeetingRequest("m"), access, 1.0, received.append)

    def read(_: Any) -> RecognizerMessage:
        raise ValueError("what was said")

    created._send(read, None)
    partial = PartialResult("hi", 0, 5)
    created._send(lambda _: partial, None)
    message, after = received
    assert after == partial
    assert isinstance(message, Failed)
    assert str(message.error) == "The service's answer cannot be read (ValueError)."


def test_an_sdk_that_does_not_start_is_an_error_of_the_backend(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = play(Script())
    access = Access(endpoint=url, key="k")
    created = recognizer.connect(MeetingRequest("m"), access, 1.0, print)

    class Refusing:
        def get(self) -> None:
            raise RuntimeError("Exception with error code: 0x5 [CALL STACK BEGIN]")

    monkeypatch.setattr(created._transcriber, "start_transcribing_async", Refusing)
    with pytest.raises(BackendError, match=r"does not start: Exception with error code: 0x5$"):
        created.start()
