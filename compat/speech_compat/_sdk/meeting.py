"""Participants, meetings and conversations.

Methods of a meeting do nothing before their future's ``get``
(docs/protocol/legacy-interface.md, 4.3).  Errors have the texts of the real package where
these are known (docs/protocol/legacy-interface.md, 4.2).
"""

from __future__ import annotations

import json
import uuid

from speech_compat._sdk.config import SpeechConfig
from speech_compat._sdk.events import ResultFuture, future
from speech_compat._sdk.interop import checked
from speech_compat.properties import PropertyCollection, PropertyId

__all__ = ["SPEECH_CONFIG", "Conversation", "Meeting", "MeetingBase", "Participant"]

_BAD_ARGUMENTS = "bad arguments: pass either participant object or user id string "
# The first words are those of the real package.
SPEECH_CONFIG = "a SpeechConfig instance of speech_compat"
_PARTICIPANT = "a speech_compat.transcription.Participant"
_UNSUPPORTED_CODE = "0x2b (SPXERR_UNSUPPORTED_API_ERROR)"


class Participant:
    """A participant of a meeting or conversation.

    ``voice_signature`` is the text that :func:`speech_compat.create_voice_signature` returns.
    Results then have the ``user_id`` of the participant who speaks.  A signature of the
    retired service is accepted but cannot be used; a warning is logged when the meeting starts.

    Raises:
        RuntimeError: the user id is empty, or the signature is not a JSON object.
    """

    def __init__(
        self, user_id: str, preferred_language: str, voice_signature: str | None = None
    ) -> None:
        if not user_id:
            raise RuntimeError(5)
        self._user_id = user_id
        self._preferred_language = preferred_language or ""
        self._voice_signature = _checked_signature(voice_signature or "")
        self._properties = PropertyCollection(None)

    @property
    def participant_id(self) -> str:
        """The user id."""
        return self._user_id

    @property
    def avatar(self) -> str:
        """Always empty (until 1.50)."""
        return ""

    @property
    def display_name(self) -> str:
        """Always empty (until 1.50)."""
        return ""

    @property
    def is_using_tts(self) -> bool:
        """Always false (until 1.50)."""
        return False

    @property
    def is_muted(self) -> bool:
        """Always false (until 1.50)."""
        return False

    @property
    def is_host(self) -> bool:
        """Always false (until 1.50)."""
        return False

    @property
    def properties(self) -> PropertyCollection:
        """The participant's properties; no backend uses them."""
        return self._properties

    def set_preferred_language(self, language: str) -> None:
        """Set the preferred language.

        Raises:
            RuntimeError: the language is empty (the real package's code 5).
        """
        if not language:
            raise RuntimeError(5)
        self._preferred_language = language

    def set_voice_signature(self, signature: str) -> None:
        """Set the voice signature.

        Raises:
            RuntimeError: the signature is empty or not a JSON object.
        """
        if not signature:
            raise RuntimeError(5)
        self._voice_signature = _checked_signature(signature)


class MeetingBase:
    """Base class of ``Meeting`` and ``Conversation``.

    Raises:
        ValueError: ``speech_config`` is not a SpeechConfig.
    """

    def __init__(self, speech_config: SpeechConfig, id: str) -> None:  # noqa: A002
        checked(speech_config, SpeechConfig, "speech_config", SPEECH_CONFIG, ValueError)
        self._config = speech_config
        self._id = id
        # By user id, so that adding a participant again replaces the first one.
        self._participants: dict[str, Participant] = {}
        self._properties = PropertyCollection(None)
        for name, value in speech_config._properties._items():
            self._properties.set_property_by_name(name, value)

    @property
    def properties(self) -> PropertyCollection:
        """The properties, initially those of the configuration."""
        return self._properties

    @property
    def authorization_token(self) -> str:
        """The authorization token; may be renewed while the meeting runs."""
        return self._properties.get_property(PropertyId.SpeechServiceAuthorization_Token)

    @authorization_token.setter
    def authorization_token(self, authorization_token: str) -> None:
        token = PropertyId.SpeechServiceAuthorization_Token
        self._properties.set_property(token, authorization_token)

    def add_participant_async(
        self, participant: Participant | None = None, user_id: str | None = None
    ) -> ResultFuture[Participant]:
        """Add a participant; an id that was added before is replaced.

        The form with ``user_id`` works here; in the real package it always fails
        (docs/protocol/legacy-interface.md, 4.2).

        Raises:
            ValueError: not exactly one argument is passed.
            TypeError: ``participant`` is not a Participant of this package.
        """
        subject = _one_of(participant, user_id)

        def add() -> Participant:
            added = Participant(subject, "") if isinstance(subject, str) else subject
            self._participants[added.participant_id] = added
            return added

        return future(add)

    def remove_participant_async(
        self, participant: Participant | None = None, user_id: str | None = None
    ) -> ResultFuture[None]:
        """Remove a participant.

        Raises:
            ValueError: not exactly one argument is passed.
            TypeError: ``participant`` is not a Participant of this package.
            RuntimeError: on ``get``: no participant of that id was added.
        """
        subject = _one_of(participant, user_id)
        key = subject if isinstance(subject, str) else subject.participant_id

        def remove() -> None:
            if self._participants.pop(key, None) is None:
                raise RuntimeError(
                    f"Invalid argument exception: {key} has not been added before. So, it can't"
                    " be removed this time!"
                )

        return future(remove)

    def mute_all_participants_async(self) -> ResultFuture[None]:
        """Raise on ``get``, as the real package does for transcribed meetings."""
        return _unsupported("mute_all_participants_async")

    def unmute_all_participants_async(self) -> ResultFuture[None]:
        """Raise on ``get``, as the real package does for transcribed meetings."""
        return _unsupported("unmute_all_participants_async")

    def mute_participant_async(self, participant_id: str) -> ResultFuture[None]:  # noqa: ARG002
        """Raise on ``get``, as the real package does for transcribed meetings."""
        return _unsupported("mute_participant_async")

    def unmute_participant_async(self, participant_id: str) -> ResultFuture[None]:  # noqa: ARG002
        """Raise on ``get``, as the real package does for transcribed meetings."""
        return _unsupported("unmute_participant_async")


class Meeting(MeetingBase):
    """A meeting; its id later fetches the stored transcript.

    Raises:
        ValueError: ``speech_config`` is not a SpeechConfig, or the id is empty.
        TypeError: the id is not a string.
    """

    def __init__(self, speech_config: SpeechConfig, meeting_id: str) -> None:
        if not isinstance(meeting_id, str):
            # The real package calls len() on it first; its text is kept.
            raise TypeError(f"object of type '{type(meeting_id).__name__}' has no len()")
        super().__init__(speech_config, meeting_id)
        if not meeting_id:
            raise ValueError("meeting_id must not be empty")

    @property
    def meeting_id(self) -> str:
        """The id."""
        return self._id

    def start_meeting_async(self) -> ResultFuture[None]:
        """Raise on ``get``, as the real package does for transcribed meetings."""
        return _unsupported("start_meeting_async")

    def end_meeting_async(self) -> ResultFuture[None]:
        """Raise on ``get``: it ended a call in Microsoft Teams, which is not emulated."""
        return _unsupported("end_meeting_async")

    def delete_meeting_async(self) -> ResultFuture[None]:
        """Raise on ``get``, as the real package does for transcribed meetings."""
        return _unsupported("delete_meeting_async")

    def lock_meeting_async(self) -> ResultFuture[None]:
        """Raise on ``get``, as the real package does for transcribed meetings."""
        return _unsupported("lock_meeting_async")

    def unlock_meeting_async(self) -> ResultFuture[None]:
        """Raise on ``get``, as the real package does for transcribed meetings."""
        return _unsupported("unlock_meeting_async")


class Conversation(MeetingBase):
    """A conversation (to 1.30); without an id it receives a random one.

    Raises:
        ValueError: ``speech_config`` is not a SpeechConfig.
    """

    def __init__(self, speech_config: SpeechConfig, conversation_id: str | None = None) -> None:
        super().__init__(speech_config, conversation_id or str(uuid.uuid4()))

    @property
    def conversation_id(self) -> str:
        """The id."""
        return self._id

    def start_conversation_async(self) -> ResultFuture[None]:
        """Raise on ``get``, as the real package does for transcribed conversations."""
        return _unsupported("start_conversation_async")

    def end_conversation_async(self) -> ResultFuture[None]:
        """Raise on ``get``: it ended a call in Microsoft Teams, which is not emulated."""
        return _unsupported("end_conversation_async")

    def delete_conversation_async(self) -> ResultFuture[None]:
        """Raise on ``get``, as the real package does for transcribed conversations."""
        return _unsupported("delete_conversation_async")

    def lock_conversation_async(self) -> ResultFuture[None]:
        """Raise on ``get``, as the real package does for transcribed conversations."""
        return _unsupported("lock_conversation_async")

    def unlock_conversation_async(self) -> ResultFuture[None]:
        """Raise on ``get``, as the real package does for transcribed conversations."""
        return _unsupported("unlock_conversation_async")


def _checked_signature(text: str) -> str:
    try:
        valid = not text or isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        valid = False
    if not valid:
        # Unlike the real package, without the text: it is biometric data.
        raise RuntimeError(
            "Invalid argument exception: Voice signature does not parse as JSON object."
        )
    return text


def _one_of(participant: Participant | None, user_id: str | None) -> Participant | str:
    if participant is not None and user_id is None:
        return checked(participant, Participant, "participant", _PARTICIPANT)
    if participant is None and user_id is not None:
        return user_id
    raise ValueError(_BAD_ARGUMENTS)


def _unsupported(name: str) -> ResultFuture[None]:
    def refuse() -> None:
        raise RuntimeError(f"{name}: {_UNSUPPORTED_CODE}: not supported for transcribed meetings.")

    return future(refuse)
