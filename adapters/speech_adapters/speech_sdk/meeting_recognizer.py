"""A recognizer for meetings, on the Speech SDK: all channels of the audio, named participants.

The SDK still has the classes of the retired service (docs/protocol/legacy-interface.md, 1), so
any service with its interface can be used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import azure.cognitiveservices.speech as sdk

from speech_adapters.azure.credentials import TokenProvider
from speech_adapters.request import MeetingRequest
from speech_adapters.speech_sdk.messages import RecognizerMessage
from speech_adapters.speech_sdk.options import Access
from speech_adapters.speech_sdk.recognizer import Recognizer, push_stream, refusals
from speech_adapters.speech_sdk.sdk_config import meeting_config

__all__ = ["MeetingRecognizer", "connect_meeting"]


class MeetingRecognizer(Recognizer):
    """A recognizer that has joined a meeting; see :class:`.recognizer.Recognizer`.

    Args:
        meeting: the meeting.
        transcriber: the transcriber, which has joined it.
        stream: the audio on its way to it.
        tokens: source of access tokens that are valid now.
        token: the token that the SDK has; empty for a key.
        on_message: receives the messages, on threads of the SDK.
    """

    def __init__(
        self,
        meeting: Any,
        transcriber: Any,
        stream: Any,
        tokens: TokenProvider,
        token: str,
        on_message: Callable[[RecognizerMessage], None],
    ) -> None:
        super().__init__(transcriber, stream, tokens, token, on_message)
        self._meeting = meeting  # the transcriber does not keep it alive

    def _start(self) -> None:
        # The SDK has a debug output in get() (docs/protocol/legacy-interface.md, 4.2), but must
        # not be released while it starts: a thread of its own would crash the process.
        sdk.transcription.__dict__.setdefault("print", _print_nothing)
        self._transcriber.start_transcribing_async().get()


def _print_nothing(*_: object) -> None:
    """Replace ``print`` in the SDK's module, which only prints lines of its developers."""


def connect_meeting(
    request: MeetingRequest,
    access: Access,
    pace: float,
    on_message: Callable[[RecognizerMessage], None],
) -> MeetingRecognizer:
    """Create a recognizer for a meeting, to which its participants have been added.

    Args:
        request: what the program requested.
        access: endpoint and credentials of the service.
        pace: largest speed of sending audio, in multiples of real time.
        on_message: receives the messages, on threads of the SDK.

    Raises:
        AuthenticationError: the credential or the program returns no token.
        BackendError: the SDK refuses an argument, or cannot run here.
    """
    with refusals():
        tokens = access.token_provider()
        token = tokens.token()
        config = meeting_config(request, access, token, pace)
        meeting = sdk.transcription.Meeting(config, request.meeting_id)
        for attendee in request.attendees:
            participant = sdk.transcription.Participant(
                attendee.id, attendee.language or request.language, attendee.voice_signature
            )
            # With get(): the SDK does nothing before (docs/protocol/legacy-interface.md, 4.3).
            meeting.add_participant_async(participant).get()
        stream = push_stream(request.audio.sample_rate, request.audio.channels)
        transcriber = sdk.transcription.MeetingTranscriber(sdk.audio.AudioConfig(stream=stream))
        transcriber.join_meeting_async(meeting).get()
        return MeetingRecognizer(meeting, transcriber, stream, tokens, token, on_message)
