"""Who takes part: participants, meetings and conversations.

Calls on a meeting do nothing before their future's ``get``
(docs/protocol/legacy-interface.md, 4.3). Errors have the texts of the real package
(docs/protocol/legacy-interface.md, 4.2).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import NoReturn

from speech_compat._sdk.config import SpeechConfig
from speech_compat._sdk.events import ResultFuture, future
from speech_compat.properties import PropertyCollection, PropertyId

__all__ = ["Conversation", "Gathering", "Meeting", "Participant"]

_BAD_ARGUMENTS = "bad arguments: pass either participant object or user id string "
_UNSUPPORTED = "0x2b (SPXERR_UNSUPPORTED_API_ERROR)"


class Participant:
    """Someone who takes part.

    ``voice_signature`` is kept but not used: no backend identifies people by their
    voices, and that is said when a meeting starts.

    Raises:
        RuntimeError: the user id is empty, or the signature is no JSON object.
    """

    def __init__(
        self, user_id: str, preferred_language: str, voice_signature: str | None = None
    ) -> None:
        if not user_id:
            raise RuntimeError(5)
        self._user_id = user_id
        self._preferred_language = preferred_language or ""
        self._voice_signature = _signature(voice_signature or "")
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
        """Properties; no backend makes use of them."""
        return self._properties

    def set_preferred_language(self, language: str) -> None:
        """Set the language.

        Raises:
            RuntimeError: it is empty (the real package's code 5).
        """
        if not language:
            raise RuntimeError(5)
        self._preferred_language = language

    def set_voice_signature(self, signature: str) -> None:
        """Set the voice signature.

        Raises:
            RuntimeError: it is empty, or no JSON object.
        """
        if not signature:
            raise RuntimeError(5)
        self._voice_signature = _signature(signature)


class Gathering:
    """What ``Meeting`` and ``Conversation`` share."""

    def __init__(self, speech_config: SpeechConfig, id: str) -> None:  # noqa: A002
        if not isinstance(speech_config, SpeechConfig):
            raise ValueError("speech_config must be a SpeechConfig instance")
        self._config = speech_config
        self._id = id
        self._participants: dict[str, Participant] = {}
        self._properties = PropertyCollection(None)
        for name, value in speech_config._properties._items():
            self._properties.set_property_by_name(name, value)

    @property
    def properties(self) -> PropertyCollection:
        """Properties, begun with those of the configuration."""
        return self._properties

    @property
    def authorization_token(self) -> str:
        """The token."""
        return self._properties.get_property(PropertyId.SpeechServiceAuthorization_Token)

    @authorization_token.setter
    def authorization_token(self, authorization_token: str) -> None:
        token = PropertyId.SpeechServiceAuthorization_Token
        self._properties.set_property(token, authorization_token)

    def add_participant_async(
        self, participant: Participant | None = None, user_id: str | None = None
    ) -> ResultFuture[Participant]:
        """Add someone; adding again renews.

        ``user_id`` works here; in the real package that form always fails
        (docs/protocol/legacy-interface.md, 4.2).

        Raises:
            ValueError: not exactly one argument is given.
        """
        someone = _one(participant, user_id)

        def add() -> Participant:
            person = Participant(someone, "") if isinstance(someone, str) else someone
            self._participants[person.participant_id] = person
            return person

        return future(add)

    def remove_participant_async(
        self, participant: Participant | None = None, user_id: str | None = None
    ) -> ResultFuture[None]:
        """Remove someone.

        Raises:
            ValueError: not exactly one argument is given.
            RuntimeError: on ``get``: nobody of that id was added.
        """
        someone = _one(participant, user_id)
        key = someone if isinstance(someone, str) else someone.participant_id

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


class Meeting(Gathering):
    """A meeting, known by its id; the same id fetches a stored transcript later.

    Raises:
        ValueError: no configuration is given or the id is empty.
        TypeError: the id is no text.
    """

    def __init__(self, speech_config: SpeechConfig, meeting_id: str) -> None:
        if not isinstance(meeting_id, str):
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
        """Raise on ``get``: this ended a call in Microsoft Teams, which is not there."""
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


class Conversation(Gathering):
    """A conversation (to 1.30), known by its id; one is made up where none is given.

    Raises:
        ValueError: no configuration is given.
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
        """Raise on ``get``: this ended a call in Microsoft Teams, which is not there."""
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


def _signature(text: str) -> str:
    """Check a voice signature; the message does not quote it, since it is biometric."""
    try:
        good = not text or isinstance(json.loads(text), dict)
    except ValueError:
        good = False
    if not good:
        raise RuntimeError(
            "Invalid argument exception: Voice signature does not parse as JSON object."
        )
    return text


def _one(participant: Participant | None, user_id: str | None) -> Participant | str:
    if participant is not None and user_id is None:
        return participant
    if participant is None and user_id is not None:
        return user_id
    raise ValueError(_BAD_ARGUMENTS)


def _unsupported(name: str) -> ResultFuture[None]:
    def refuse() -> NoReturn:
        raise RuntimeError(f"{name}: {_UNSUPPORTED}: not supported where a meeting is transcribed.")

    work: Callable[[], None] = refuse
    return future(work)
