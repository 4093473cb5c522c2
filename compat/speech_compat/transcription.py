"""Meetings, conversations and their transcribers, in all three eras.

| to 1.30 | 1.31 and later | 1.31 and later |
|---|---|---|
| ``Conversation`` | ``Meeting`` | (none) |
| ``ConversationTranscriber(a)`` | ``MeetingTranscriber(a)`` | ``ConversationTranscriber(c, a)`` |
| result ``.user_id`` | result ``.user_id`` | result ``.speaker_id`` |

``a`` is the audio configuration, ``c`` the speech configuration.

The eras are documented in docs/protocol/legacy-interface.md, 4.1.  Their common
implementation is in :mod:`speech_compat._sdk.meeting` and
:mod:`speech_compat._sdk.transcriber`.
"""

from __future__ import annotations

from typing import Final, overload

from speech_compat import languageconfig
from speech_compat._sdk.config import SpeechConfig
from speech_compat._sdk.events import EventSignal, ResultFuture, future
from speech_compat._sdk.interop import checked
from speech_compat._sdk.meeting import SPEECH_CONFIG, Conversation, Meeting, Participant
from speech_compat._sdk.passthrough import passthrough
from speech_compat._sdk.recognizer import Recognizer
from speech_compat._sdk.results import (
    CancellationDetails,
    MeetingResult,
    RecognitionEventArgs,
    RecognitionResult,
    ResultEventArgs,
)
from speech_compat._sdk.transcriber import Transcriber, TranscriberVariant, languages_of
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

__getattr__ = passthrough(__name__)


class MeetingTranscriptionResult(MeetingResult):
    """A hypothesis or final result of a meeting."""


class MeetingTranscriptionEventArgs(ResultEventArgs[MeetingTranscriptionResult]):
    """The event of a meeting's result."""

    _result_class = MeetingTranscriptionResult


class MeetingTranscriptionCanceledEventArgs(MeetingTranscriptionEventArgs):
    """The end of the transcription of a meeting."""

    @property
    def cancellation_details(self) -> CancellationDetails:
        """The reason, and the error if there was one."""
        return CancellationDetails(self.result)


class ConversationTranscriptionResult(MeetingResult):
    """A hypothesis or final result of a conversation.

    Results of a transcriber created the old way have ``user_id`` and ``utterance_id``,
    those of one created the new way ``speaker_id``.  The other names raise AttributeError,
    as they did not exist.
    """

    @property
    def user_id(self) -> str:
        """The speaker (to 1.30): a participant's id, ``Guest_0``, ... or ``Unidentified``."""
        self._require(self._record.meeting_era, "user_id", "speaker_id")
        return super().user_id

    @property
    def utterance_id(self) -> str:
        """``{index}_{UserId}_{Offset}`` (to 1.30)."""
        self._require(self._record.meeting_era, "utterance_id", "result_id")
        return super().utterance_id

    @property
    def speaker_id(self) -> str:
        """The speaker (1.31 and later): ``Guest-1``, ``Guest-2``, ... or ``Unknown``."""
        self._require(not self._record.meeting_era, "speaker_id", "user_id")
        return self._record.speaker

    def __str__(self) -> str:
        if self._record.meeting_era:
            return super().__str__()
        return (
            f"{type(self).__name__}(result_id={self.result_id}, speaker_id={self.speaker_id},"
            f" text={self.text}, reason={self.reason})"
        )

    def _require(self, exists: bool, name: str, instead: str) -> None:
        # AttributeError, so that hasattr() is right in both eras.
        if not exists:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r} in this era of the"
                f" interface: use {instead!r}"
            )


class ConversationTranscriptionEventArgs(ResultEventArgs[ConversationTranscriptionResult]):
    """The event of a conversation's result."""

    _result_class = ConversationTranscriptionResult


class ConversationTranscriptionCanceledEventArgs(ConversationTranscriptionEventArgs):
    """The end of the transcription of a conversation."""

    @property
    def cancellation_details(self) -> CancellationDetails:
        """The reason, and the error if there was one."""
        return CancellationDetails(self.result)


_MEETING: Final = TranscriberVariant(
    MeetingTranscriptionEventArgs, MeetingTranscriptionCanceledEventArgs, joins=True
)
# Both eras of conversations have the same class names; their results differ.
_CONVERSATION: Final = TranscriberVariant(
    ConversationTranscriptionEventArgs, ConversationTranscriptionCanceledEventArgs, joins=True
)
_DIARIZATION: Final = TranscriberVariant(
    ConversationTranscriptionEventArgs, ConversationTranscriptionCanceledEventArgs, joins=False
)


class MeetingTranscriber(Transcriber):
    """Transcribes a meeting (1.31 and later).

    The property ``DifferentiateGuestSpeakers`` turns on diarization, and so do participants with
    voice signatures if it is not set.  The service property ``transcriptionMode`` decides whether
    a transcript is stored.
    """

    def __init__(self, audio_config: AudioConfig | None = None) -> None:
        super().__init__(_MEETING, audio_config)

    def join_meeting_async(self, meeting: Meeting) -> ResultFuture[None]:
        """Join ``meeting`` when ``get`` is called.

        Raises:
            RuntimeError: on ``get``: the transcriber has joined already, the audio file
                cannot be used, or a setting is wrong or an extra missing.
        """
        return future(lambda: self._join(meeting))

    def leave_meeting_async(self) -> ResultFuture[None]:
        """Stop delivering results when ``get`` is called; the final events still come."""
        return future(self._leave)


class ConversationTranscriber(Transcriber):
    """Transcribes a conversation; its first argument selects the era.

    * ``ConversationTranscriber(audio_config)`` or no argument (to 1.30): joins a
      :class:`Conversation`; results have a ``user_id``.
    * ``ConversationTranscriber(speech_config, audio_config, ...)`` (1.31 and later):
      joins nothing; results have a ``speaker_id``.

    Raises:
        ValueError: more than one language is passed (text as in the real package).
        RuntimeError: the audio file cannot be used, or a setting is wrong or an extra missing.
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
        # Only the type differs: both eras pass the first argument by position
        # (docs/protocol/legacy-interface.md, 4.1).
        if isinstance(speech_config, SpeechConfig):
            super().__init__(_DIARIZATION, audio_config)
            languages = languages_of(
                language, source_language_config, auto_detect_source_language_config
            )
            if languages:
                self._language, self._custom_model = languages[0]
            # With several languages each keeps its own model; there is no common one.
            if len(languages) > 1:
                self._languages, self._custom_model = languages, ""
            self._configure(speech_config)
            return
        if speech_config is not None and audio_config is not None:
            checked(speech_config, SpeechConfig, "speech_config", SPEECH_CONFIG, ValueError)
        super().__init__(_CONVERSATION, speech_config or audio_config)

    def join_conversation_async(self, conversation: Conversation) -> ResultFuture[None]:
        """Join ``conversation`` when ``get`` is called (to 1.30).

        Raises:
            RuntimeError: on ``get``: the transcriber has joined already, the audio file
                cannot be used, or a setting is wrong or an extra missing.
        """
        return future(lambda: self._join(conversation))

    def leave_conversation_async(self) -> ResultFuture[None]:
        """Stop delivering results when ``get`` is called; the final events still come (to 1.30)."""
        return future(self._leave)
