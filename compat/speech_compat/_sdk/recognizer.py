"""The base class of recognizers, phrase lists and connections."""

from __future__ import annotations

from typing import Any

from speech_compat._sdk.events import EventSignal, ResultFuture, future
from speech_compat._sdk.interop import SdkInstances
from speech_compat._sdk.real import is_sdk_object, load
from speech_compat._sdk.results import RecognitionResult
from speech_compat.properties import PropertyCollection, PropertyId

__all__ = ["Connection", "PhraseListGrammar", "Recognizer"]

_MAX_WEIGHT = 2.0


class Recognizer(metaclass=SdkInstances):
    """Base class of the transcribers.

    Methods that recognize a single utterance or keyword raise NotImplementedError, as in
    the transcribers of the real package (docs/protocol/legacy-interface.md, 4.2).
    """

    def _to_sdk(self) -> Any:
        name = type(self).__name__
        raise TypeError(
            f"A speech_compat {name} cannot be used here: backends transcribe its audio, not the"
            " Speech SDK."
        )

    def __init__(self, handle: object) -> None:  # noqa: ARG002
        self._properties = PropertyCollection(None)
        # Shared with every PhraseListGrammar of this recognizer.
        self._phrases: list[str] = []
        self._session_started = EventSignal(None, None)
        self._session_stopped = EventSignal(None, None)
        self._speech_start_detected = EventSignal(None, None)
        self._speech_end_detected = EventSignal(None, None)
        self._canceled = EventSignal(None, None)

    @property
    def properties(self) -> PropertyCollection:
        """The properties, initially those of the configuration."""
        return self._properties

    @property
    def endpoint_id(self) -> str:
        """The id of the custom model; empty without one."""
        return self._properties.get_property(PropertyId.SpeechServiceConnection_EndpointId)

    @property
    def authorization_token(self) -> str:
        """The authorization token; may be renewed while a meeting runs."""
        return self._properties.get_property(PropertyId.SpeechServiceAuthorization_Token)

    @authorization_token.setter
    def authorization_token(self, authorization_token: str) -> None:
        token = PropertyId.SpeechServiceAuthorization_Token
        self._properties.set_property(token, authorization_token)

    @property
    def session_started(self) -> EventSignal:
        """Signals :class:`SessionEventArgs` when a session begins."""
        return self._session_started

    @property
    def session_stopped(self) -> EventSignal:
        """Signals :class:`SessionEventArgs` when a session has ended, as the last event."""
        return self._session_stopped

    @property
    def speech_start_detected(self) -> EventSignal:
        """Signals :class:`RecognitionEventArgs` when speech begins."""
        return self._speech_start_detected

    @property
    def speech_end_detected(self) -> EventSignal:
        """Signals :class:`RecognitionEventArgs` when speech ends."""
        return self._speech_end_detected

    @property
    def canceled(self) -> EventSignal:
        """Signals the end of the audio (EndOfStream) or an error."""
        return self._canceled

    @property
    def recognizing(self) -> EventSignal:
        """Not supported by transcribers."""
        raise NotImplementedError

    @property
    def recognized(self) -> EventSignal:
        """Not supported by transcribers."""
        raise NotImplementedError

    def recognize_once(self) -> RecognitionResult:
        """Not supported by transcribers."""
        raise NotImplementedError

    def recognize_once_async(self) -> ResultFuture[RecognitionResult]:
        """Not supported by transcribers."""
        raise NotImplementedError

    def start_continuous_recognition(self) -> None:
        """Not supported by transcribers."""
        raise NotImplementedError

    def start_continuous_recognition_async(self) -> ResultFuture[None]:
        """Not supported by transcribers."""
        raise NotImplementedError

    def stop_continuous_recognition(self) -> None:
        """Not supported by transcribers."""
        raise NotImplementedError

    def stop_continuous_recognition_async(self) -> ResultFuture[None]:
        """Not supported by transcribers."""
        raise NotImplementedError

    def start_keyword_recognition(self, model: object) -> None:
        """Not supported by transcribers."""
        raise NotImplementedError

    def start_keyword_recognition_async(self, model: object) -> ResultFuture[None]:
        """Not supported by transcribers."""
        raise NotImplementedError

    def stop_keyword_recognition(self) -> None:
        """Not supported by transcribers."""
        raise NotImplementedError

    def stop_keyword_recognition_async(self) -> ResultFuture[None]:
        """Not supported by transcribers."""
        raise NotImplementedError


class PhraseListGrammar(metaclass=SdkInstances):
    """Words the recognizer should expect; takes effect when the recognizer starts."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._list = recognizer._phrases

    @classmethod
    def from_recognizer(cls, recognizer: Recognizer) -> PhraseListGrammar:
        """Return the phrase list of ``recognizer``, of either package."""
        if is_sdk_object(recognizer):
            found: PhraseListGrammar = _real(cls).from_recognizer(recognizer)
            return found
        return cls(recognizer)

    def addPhrase(self, phrase: str) -> None:  # noqa: N802
        """Add a phrase."""
        self._list.append(phrase)

    def setWeight(self, weight: float) -> None:  # noqa: N802
        """Check the weight of the phrases, 0 to 2 (1.45); no backend uses it.

        Raises:
            RuntimeError: the weight is out of range (the real package's code 5).
        """
        if not 0.0 <= weight <= _MAX_WEIGHT:
            raise RuntimeError(5)

    def clear(self) -> None:
        """Remove all phrases."""
        self._list.clear()


class Connection(metaclass=SdkInstances):
    """The connection of a recognizer to its service.

    Backends connect by themselves, so opening and closing do nothing.  ``connected`` and
    ``disconnected`` are signaled when a session begins and ends.
    """

    def __init__(self, handle: Recognizer) -> None:
        self._recognizer = handle
        self._connected = EventSignal(None, None)
        self._disconnected = EventSignal(None, None)
        # The session's events stand for the connection's, which backends do not report.
        handle._session_started.connect(self._connected.signal)
        handle._session_stopped.connect(self._disconnected.signal)

    @classmethod
    def from_recognizer(cls, recognizer: Recognizer) -> Connection:
        """Return the connection of ``recognizer``, of either package."""
        if is_sdk_object(recognizer):
            found: Connection = _real(cls).from_recognizer(recognizer)
            return found
        return cls(recognizer)

    @classmethod
    def from_speech_synthesizer(cls, speech_synthesizer: Any) -> Connection:
        """Return the connection of a SpeechSynthesizer of the real package."""
        found: Connection = _real(cls).from_speech_synthesizer(speech_synthesizer)
        return found

    @classmethod
    def from_dialog_service_connector(cls, dialog_service_connector: Any) -> Connection:
        """Return the connection of a DialogServiceConnector of the real package."""
        found: Connection = _real(cls).from_dialog_service_connector(dialog_service_connector)
        return found

    @property
    def connected(self) -> EventSignal:
        """Signals when a session begins."""
        return self._connected

    @property
    def disconnected(self) -> EventSignal:
        """Signals when a session has ended."""
        return self._disconnected

    def open(self, for_continuous_recognition: bool) -> None:
        """Do nothing: the backend connects when the session begins."""

    def close(self) -> None:
        """Do nothing: the backend disconnects when the session ends."""

    def set_message_property(self, path: str, property_name: str, property_value: str) -> None:
        """Store a property of a service message; no backend uses it.

        Raises:
            RuntimeError: an argument is empty (the real package's code 5).
        """
        if not (path and property_name and property_value):
            raise RuntimeError(5)
        name = f"{path}#{property_name}"
        self._recognizer._properties.set_property_by_name(name, property_value)

    def send_message_async(
        self,
        path: str,
        payload: str,  # noqa: ARG002
    ) -> ResultFuture[None]:
        """Raise RuntimeError on ``get``: backends have no wire messages."""

        def refuse() -> None:
            raise RuntimeError(
                f"The message {path!r} cannot be sent: backends have no wire messages. Remove the"
                " call."
            )

        return future(refuse)


def _real(kind: type) -> Any:
    """Return the class of the same name of the real package."""
    return getattr(load(), kind.__name__)
