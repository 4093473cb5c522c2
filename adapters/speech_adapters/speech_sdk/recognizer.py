"""A recognizer for one connection, on the Speech SDK.

Only this module, ``meeting_recognizer``, ``sdk_config`` and ``sdk_events`` next to it use the
SDK.  A recognizer is one of the SDK's transcribers with a push stream; :func:`connect` creates
the ``ConversationTranscriber`` of 1.31 and later, for mono audio.  Events of the SDK come on its
own threads and become messages (:mod:`speech_adapters.speech_sdk.messages`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

import azure.cognitiveservices.speech as sdk

from speech_adapters.azure.credentials import TokenProvider
from speech_adapters.errors import AuthenticationError, BackendError
from speech_adapters.request import MeetingRequest
from speech_adapters.speech_sdk.messages import (
    Completed,
    Failed,
    RecognizerMessage,
    SpeechBoundary,
)
from speech_adapters.speech_sdk.options import Access
from speech_adapters.speech_sdk.sdk_config import language_arguments, speech_config
from speech_adapters.speech_sdk.sdk_events import (
    final_result,
    last_message,
    partial_result,
    shorten,
)

__all__ = ["Recognizer", "connect", "push_stream", "refusals"]

# Between the SDK's events canceled and session_stopped.
_STOPPED_SECONDS: Final = 3.0
_logger = logging.getLogger("speech_adapters")


class Recognizer:
    """One transcriber of the SDK, for one connection.

    ::

        created ──start()──▶ running ──canceled, session_stopped──▶ ended
                                └──────────────stop()──────────────▶ released

    Args:
        transcriber: the transcriber, which is not started yet.
        stream: the audio on its way to it.
        tokens: source of access tokens that are valid now.
        token: the token that the SDK has; empty for a key.
        on_message: receives the messages, on threads of the SDK.
    """

    def __init__(
        self,
        transcriber: Any,
        stream: Any,
        tokens: TokenProvider,
        token: str,
        on_message: Callable[[RecognizerMessage], None],
    ) -> None:
        self._transcriber = transcriber
        self._stream = stream
        self._tokens = tokens
        self._token = token
        self._on_message = on_message
        self._ended = threading.Event()  # canceled received
        self._stopped = threading.Event()  # session_stopped received
        # Stops the SDK and releases it; a thread, because that may take ten seconds.
        self._stopping = threading.Thread(target=self._stop, name="speech-compat-stop", daemon=True)
        self._subscribe()

    def start(self) -> None:
        """Start to recognize; later errors come as a message.

        Raises:
            BackendError: the SDK itself refuses.
        """
        try:
            self._start()
        except RuntimeError as error:
            raise BackendError(f"The Speech SDK does not start: {shorten(str(error))}") from None

    def _start(self) -> None:
        self._transcriber.start_transcribing_async().get()

    def write(self, pcm: bytes) -> None:
        """Send audio; the SDK copies it and sends it at its own speed."""
        self._stream.write(pcm)

    def end(self) -> None:
        """End the audio."""
        self._stream.close()

    def refresh(self) -> None:
        """Pass the token that is valid now to the SDK, which does not renew one by itself.

        In 1.53 the SDK requests a token from a credential once, before the first connection.
        """
        try:
            token = self._tokens.token()
        except AuthenticationError as error:
            # The present token may last until the end; if not, the service refuses it.
            _logger.warning("The token cannot be renewed now: %s", error)
            return
        if token != self._token:
            self._token = token
            # The transcriber's own setter is broken in 1.53; that of its base class works.
            renew = sdk.Recognizer.authorization_token.fset
            assert renew is not None
            renew(self._transcriber, token)

    def stop(self) -> None:
        """Begin to stop and to release everything; no message follows."""
        self._stopping.start()

    def wait_stopped(self, seconds: float) -> None:
        """Wait until everything is released, at most ``seconds``.

        When the service is silent, the SDK needs ten seconds
        (docs/protocol/speech-websocket.md, 4.3).
        """
        self._stopping.join(seconds)

    def _stop(self) -> None:
        transcriber = self._transcriber
        # A transcriber that has ended by itself must not be stopped: the SDK would wait ten
        # seconds for an answer that never comes.
        ended = self._ended.is_set() and self._stopped.wait(_STOPPED_SECONDS)
        for signal in (*self._signals(), transcriber.session_stopped):
            signal.disconnect_all()
        if not ended:
            with suppress(RuntimeError):  # released all the same
                transcriber.stop_transcribing_async().get()
        self._stream.close()

    def _subscribe(self) -> None:
        for signal, read in self._signals().items():
            signal.connect(partial(self._send, read))
        self._transcriber.session_stopped.connect(lambda _: self._stopped.set())

    def _signals(self) -> dict[Any, Callable[[Any], RecognizerMessage]]:
        """Return the signals of the SDK, each with the function that reads its events."""
        transcriber = self._transcriber
        return {
            transcriber.transcribing: lambda event: partial_result(event.result),
            transcriber.transcribed: lambda event: final_result(event.result),
            transcriber.canceled: last_message,
            transcriber.speech_start_detected: lambda event: SpeechBoundary(True, event.offset),
            transcriber.speech_end_detected: lambda event: SpeechBoundary(False, event.offset),
        }

    def _send(self, read: Callable[[Any], RecognizerMessage], event: Any) -> None:
        """Send the message of an event of the SDK."""
        try:
            message = read(event)
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            # The SDK drops exceptions of callbacks; the text of this one may quote speech.
            name = type(error).__name__
            message = Failed(BackendError(f"The service's answer cannot be read ({name})."))
        if isinstance(message, Completed | Failed):
            self._ended.set()
        self._on_message(message)


def connect(
    request: MeetingRequest,
    access: Access,
    pace: float,
    on_message: Callable[[RecognizerMessage], None],
) -> Recognizer:
    """Create a recognizer for one channel, whose speakers are separated.

    Args:
        request: what the program requested.
        access: endpoint and credentials of the Speech resource.
        pace: largest speed of sending audio, in multiples of real time.
        on_message: receives the messages, on threads of the SDK.

    Raises:
        AuthenticationError: the credential or the program returns no token.
        BackendError: the SDK refuses an argument, or cannot run here.
    """
    with refusals():
        tokens = access.token_provider()
        token = tokens.token()
        config = speech_config(request, access, token, pace)
        stream = push_stream(request.audio.sample_rate, 1)
        audio = sdk.audio.AudioConfig(stream=stream)
        transcriber = sdk.transcription.ConversationTranscriber(
            config, audio, **language_arguments(request)
        )
        if request.phrases:
            grammar = sdk.PhraseListGrammar.from_recognizer(transcriber)
            for phrase in request.phrases:
                grammar.addPhrase(phrase)
        return Recognizer(transcriber, stream, tokens, token, on_message)


def push_stream(sample_rate: int, channels: int) -> Any:
    """Return a stream for 16-bit PCM."""
    form = sdk.audio.AudioStreamFormat(sample_rate, 16, channels)
    return sdk.audio.PushAudioInputStream(form)


@contextmanager
def refusals() -> Iterator[None]:
    """Raise a BackendError for what the SDK refuses inside the block."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise BackendError(f"The Speech SDK refuses: {shorten(str(error))}") from None
