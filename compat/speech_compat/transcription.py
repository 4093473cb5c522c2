"""Meetings, conversations and their transcribers, of all three eras.

==================================  ==========================  =====================
to 1.30                             1.31 and later              1.31 and later
==================================  ==========================  =====================
``Conversation``                    ``Meeting``                 (none)
``ConversationTranscriber(audio)``  ``MeetingTranscriber``      ``ConversationTranscriber(config)``
result ``.user_id``                 result ``.user_id``         result ``.speaker_id``
==================================  ==========================  =====================

The three eras are documented in docs/protocol/legacy-interface.md, 4.1.
What is not implemented here is in :mod:`speech_compat._sdk.meeting` (who takes part)
and :mod:`speech_compat._sdk.transcriber` (how a transcriber runs).
"""

from __future__ import annotations

from typing import Final, overload

from speech_compat import languageconfig
from speech_compat._sdk.config import SpeechConfig
from speech_compat._sdk.events import EventSignal, ResultFuture, future
from speech_compat._sdk.meeting import Conversation, Meeting, Participant
from speech_compat._sdk.recognizer import Recognizer
from speech_compat._sdk.results import (
    CancellationDetails,
    RecognitionEventArgs,
    RecognitionResult,
)
from speech_compat._sdk.transcriber import (
    Era,
    MeetingResult,
    ResultEventArgs,
    Transcriber,
    languages_of,
)
from speech_compat._sdk.unsupported import left_out_of
from speech_compat.audio import AudioConfig
from speech_compat.properties import PropertyCollection, PropertyId

__all__ = [
    "AudioConfig",
    "CancellationDetails",
    "Conversation",
    "ConversationTranscriber",
    "ConversationTranscriptionCanceledEventArgs",
    "ConversationTranscriptionEventArgs",
    "ConversationTranscriptionResult",
    "EventSignal",
    "Meeting",
    "MeetingTranscriber",
    "MeetingTranscriptionCanceledEventArgs",
    "MeetingTranscriptionEventArgs",
    "MeetingTranscriptionResult",
    "Participant",
    "PropertyCollection",
    "PropertyId",
    "RecognitionEventArgs",
    "RecognitionResult",
    "Recognizer",
    "ResultFuture",
    "SpeechConfig",
    "languageconfig",
]

__getattr__ = left_out_of(__name__)


class MeetingTranscriptionResult(MeetingResult):
    """An utterance of a meeting."""


class MeetingTranscriptionEventArgs(ResultEventArgs[MeetingTranscriptionResult]):
    """A result of a meeting."""

    _result_class = MeetingTranscriptionResult


class MeetingTranscriptionCanceledEventArgs(MeetingTranscriptionEventArgs):
    """The end of a meeting's transcription."""

    @property
    def cancellation_details(self) -> CancellationDetails:
        """Why it ended."""
        return CancellationDetails(self.result)


class ConversationTranscriptionResult(MeetingResult):
    """An utterance of a conversation.

    A transcriber made the old way gives ``user_id`` and ``utterance_id``, one made
    the new way ``speaker_id``; the others raise AttributeError, as they were not there.
    """

    @property
    def user_id(self) -> str:
        """Who spoke (to 1.30): a participant's id, ``Guest_0``, ... or ``Unidentified``."""
        self._require(self._record.of_meeting, "user_id", "speaker_id")
        return super().user_id

    @property
    def utterance_id(self) -> str:
        """``{index}_{UserId}_{Offset}`` (to 1.30)."""
        self._require(self._record.of_meeting, "utterance_id", "result_id")
        return super().utterance_id

    @property
    def speaker_id(self) -> str:
        """Who spoke (1.31 and later): ``Guest-1``, ``Guest-2``, ... or ``Unknown``."""
        self._require(not self._record.of_meeting, "speaker_id", "user_id")
        return self._record.speaker

    def __str__(self) -> str:
        if self._record.of_meeting:
            return super().__str__()
        return (
            f"{type(self).__name__}(result_id={self.result_id}, speaker_id={self.speaker_id},"
            f" text={self.text}, reason={self.reason})"
        )

    def _require(self, there: bool, name: str, instead: str) -> None:
        if not there:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r} in this era of the"
                f" interface: use {instead!r}"
            )


class ConversationTranscriptionEventArgs(ResultEventArgs[ConversationTranscriptionResult]):
    """A result of a conversation."""

    _result_class = ConversationTranscriptionResult


class ConversationTranscriptionCanceledEventArgs(ConversationTranscriptionEventArgs):
    """The end of a conversation's transcription."""

    @property
    def cancellation_details(self) -> CancellationDetails:
        """Why it ended."""
        return CancellationDetails(self.result)


_MEETING: Final = Era(
    MeetingTranscriptionEventArgs, MeetingTranscriptionCanceledEventArgs, joins=True
)
_CONVERSATION: Final = Era(
    ConversationTranscriptionEventArgs, ConversationTranscriptionCanceledEventArgs, joins=True
)
_DIARIZATION: Final = Era(
    ConversationTranscriptionEventArgs, ConversationTranscriptionCanceledEventArgs, joins=False
)


class MeetingTranscriber(Transcriber):
    """Transcribes a meeting with its speakers told apart (1.31 and later).

    Whether they are told apart is the property ``DifferentiateGuestSpeakers``;
    whether a transcript is stored, the service property ``transcriptionMode``.
    """

    def __init__(self, audio_config: AudioConfig | None = None) -> None:
        super().__init__(_MEETING, audio_config)

    def join_meeting_async(self, meeting: Meeting) -> ResultFuture[None]:
        """Make ``meeting`` the one transcribed, when ``get`` is called.

        Raises:
            RuntimeError: on ``get``: one was joined already, or the audio file cannot
                be used.
        """
        return future(lambda: self._join(meeting))

    def leave_meeting_async(self) -> ResultFuture[None]:
        """Be told no results any more, when ``get`` is called."""
        return future(self._leave)


class ConversationTranscriber(Transcriber):
    """Transcribes with speakers told apart; its first argument tells which way.

    * ``ConversationTranscriber(audio_config)`` or no argument (to 1.30): joins a
      :class:`Conversation`, and results have a ``user_id``.
    * ``ConversationTranscriber(speech_config, audio_config, ...)`` (1.31 and later):
      nothing to join, and results have a ``speaker_id``.

    Raises:
        ValueError: more than one language is given (text as in the real package).
        RuntimeError: the audio file cannot be used.
    """

    @overload
    def __init__(self, audio_config: AudioConfig | None = None, /) -> None: ...

    @overload
    def __init__(self, *, audio_config: AudioConfig | None = None) -> None: ...

    @overload
    def __init__(
        self,
        speech_config: SpeechConfig,
        audio_config: AudioConfig | None = None,
        language: str | None = None,
        source_language_config: languageconfig.SourceLanguageConfig | None = None,
        auto_detect_source_language_config: (
            languageconfig.AutoDetectSourceLanguageConfig | None
        ) = None,
    ) -> None: ...

    def __init__(
        self,
        speech_config: SpeechConfig | AudioConfig | None = None,
        audio_config: AudioConfig | None = None,
        language: str | None = None,
        source_language_config: languageconfig.SourceLanguageConfig | None = None,
        auto_detect_source_language_config: (
            languageconfig.AutoDetectSourceLanguageConfig | None
        ) = None,
    ) -> None:
        if isinstance(speech_config, SpeechConfig):
            super().__init__(_DIARIZATION, audio_config)
            languages = languages_of(
                language, source_language_config, auto_detect_source_language_config
            )
            if languages:
                self._language, self._custom_model = languages[0]
            if len(languages) > 1:
                self._languages, self._custom_model = languages, ""
            self._configure(speech_config)
            return
        if speech_config is not None and audio_config is not None:
            raise ValueError("speech_config must be a SpeechConfig instance")
        super().__init__(_CONVERSATION, speech_config or audio_config)

    def join_conversation_async(self, conversation: Conversation) -> ResultFuture[None]:
        """Make ``conversation`` the one transcribed, when ``get`` is called (to 1.30).

        Raises:
            RuntimeError: on ``get``: one was joined already, or the audio file cannot
                be used.
        """
        return future(lambda: self._join(conversation))

    def leave_conversation_async(self) -> ResultFuture[None]:
        """Be told no results any more, when ``get`` is called (to 1.30)."""
        return future(self._leave)
