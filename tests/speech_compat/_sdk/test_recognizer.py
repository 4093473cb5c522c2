from __future__ import annotations

from typing import Any

import pytest

from oracle.scenario import Scenario
from oracle.scripted import Played, install
from speech_compat import Connection, PhraseListGrammar, SpeechConfig
from speech_compat.audio import AudioConfig, PushAudioInputStream
from speech_compat.transcription import ConversationTranscriber


@pytest.fixture
def stream() -> PushAudioInputStream:
    return PushAudioInputStream()


@pytest.fixture
def transcriber(stream: PushAudioInputStream) -> ConversationTranscriber:
    return ConversationTranscriber(SpeechConfig("key", "region"), AudioConfig(stream=stream))


@pytest.mark.parametrize(
    "name",
    [
        "recognize_once",
        "recognize_once_async",
        "start_continuous_recognition",
        "start_continuous_recognition_async",
        "stop_continuous_recognition",
        "stop_continuous_recognition_async",
        "stop_keyword_recognition",
        "stop_keyword_recognition_async",
    ],
)
def test_what_transcribers_do_not_do(transcriber: Any, name: str) -> None:
    with pytest.raises(NotImplementedError):
        getattr(transcriber, name)()


@pytest.mark.parametrize("name", ["recognizing", "recognized"])
def test_what_transcribers_do_not_signal(transcriber: Any, name: str) -> None:
    with pytest.raises(NotImplementedError):
        getattr(transcriber, name)


@pytest.mark.parametrize("name", ["start_keyword_recognition", "start_keyword_recognition_async"])
def test_keywords_are_not_recognized(transcriber: Any, name: str) -> None:
    with pytest.raises(NotImplementedError):
        getattr(transcriber, name)(None)


def test_the_token_can_be_renewed(transcriber: ConversationTranscriber) -> None:
    assert transcriber.authorization_token == ""
    transcriber.authorization_token = "t"
    assert transcriber.authorization_token == "t"
    assert transcriber.endpoint_id == ""


def test_phrases_are_kept_until_cleared(transcriber: ConversationTranscriber) -> None:
    phrases = PhraseListGrammar.from_recognizer(transcriber)
    phrases.addPhrase("Katie")
    PhraseListGrammar(transcriber).addPhrase("Steve")
    assert transcriber._phrases == ["Katie", "Steve"]
    phrases.setWeight(1.5)
    for wrong in (-1, 5):
        with pytest.raises(RuntimeError, match="5"):
            phrases.setWeight(wrong)
    phrases.clear()
    assert transcriber._phrases == []


def test_a_connection_is_signaled_with_the_session(
    monkeypatch: pytest.MonkeyPatch,
    transcriber: ConversationTranscriber,
    stream: PushAudioInputStream,
) -> None:
    install(monkeypatch, Played(Scenario()))
    signaled = list[str]()
    connection = Connection.from_recognizer(transcriber)
    connection.connected.connect(lambda event: signaled.append(f"connected {event.session_id}"))
    connection.disconnected.connect(lambda event: signaled.append(f"gone {event.session_id}"))
    connection.open(True)
    transcriber.start_transcribing_async().get()
    stream.close()
    transcriber.stop_transcribing_async().get()
    connection.close()
    session = transcriber.properties.get_property_by_name("SessionId")
    assert signaled == [f"connected {session}", f"gone {session}"]


def test_messages_to_the_service_cannot_be_sent(transcriber: ConversationTranscriber) -> None:
    connection = Connection(transcriber)
    connection.set_message_property("speech.config", "MicSpec", '"1_0_0"')
    assert transcriber.properties.get_property_by_name("speech.config#MicSpec") == '"1_0_0"'
    with pytest.raises(RuntimeError, match="5"):
        connection.set_message_property("", "a", "b")
    with pytest.raises(RuntimeError, match="cannot be sent"):
        connection.send_message_async("speech.context", "{}").get()
