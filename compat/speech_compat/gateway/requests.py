"""From what a client announces before its audio to a contract request.

An announcement consists of the query of the websocket's address, the body of
``speech.context`` and, for a meeting, that of ``speech.event``
(docs/protocol/speech-websocket.md, 2.2 and 2.4).  The clients differ in which of them they use
for an option, so each option is looked up in all of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from speech_adapters.audio.pcm import PcmFormat
from speech_adapters.contract import Attendee, MeetingRequest, Mode
from speech_adapters.transcript import replace_surrogates
from speech_compat._session.mapping.requests import (
    DIFFERENTIATE,
    MODES,
    UNIDENTIFIED,
    differentiates,
    log_gaps,
)
from speech_compat._session.mapping.results import DIARIZATION, MEETING, LabelRules
from speech_compat.gateway.dialogue import MeetingEvent, object_at
from speech_compat.gateway.framing import FramingError

__all__ = ["Announcement"]

_LANGUAGE: Final = "en-US"
# Longer ids fit neither into a report nor into the key of a table.
_LONGEST_ID: Final = 512
# Four times the SDK's own limit (docs/protocol/legacy-interface.md, 3.1).
_MOST_ATTENDEES: Final = 200
# Parameters of the query in lower case, with their names in the contract's SETTINGS.
_PARAMETERS: Final = {
    "cid": "endpoint_id",
    "endsilencetimeoutms": "end_silence_ms",
    "initialsilencetimeoutms": "initial_silence_ms",
    "postprocessing": "post_processing",
    "profanity": "profanity",
    "segmentationmaximumtimems": "segmentation_max_ms",
    "segmentationsilencetimeoutms": "segmentation_silence_ms",
    "segmentationstrategy": "segmentation_strategy",
    "storeaudio": "audio_logging",
}
# The same options in speech.context, with their paths below "phraseDetection".
_DETECTION: Final = (
    ("initialSilenceTimeout", "initial_silence_ms"),
    ("trailingSilenceTimeout", "end_silence_ms"),
    ("enrichment.profanity", "profanity"),
    ("enrichment.conversation.postprocessingoption", "post_processing"),
    ("conversation.segmentation.mode", "segmentation_strategy"),
    ("conversation.segmentation.segmentationForcedTimeoutMs", "segmentation_max_ms"),
    ("conversation.segmentation.segmentationSilenceTimeoutMs", "segmentation_silence_ms"),
)
# Values that ask for nothing.
_OFF: Final = ("", "false", "none")


class Announcement:
    """What a client announced; the format of its audio is known only later.

    Args:
        query: the parameters of the websocket's address; names in any case.
        context: the body of ``speech.context``.

    Attributes:
        meeting: the body of ``speech.event``; ``None`` if the turn belongs to no meeting.
    """

    def __init__(self, query: Mapping[str, str], context: dict[str, Any]) -> None:
        self._query = {name.lower(): value for name, value in query.items()}
        self._context = context
        self.meeting: dict[str, Any] | None = None
        # By their ids, in the order of their arrival.
        self._attendees: dict[str, Attendee] = {}

    @property
    def attendees(self) -> tuple[Attendee, ...]:
        """The participants that the meeting has now."""
        return tuple(self._attendees.values())

    @property
    def rules(self) -> LabelRules:
        """How the client's era of the interface labels speakers."""
        return DIARIZATION if self.meeting is None else MEETING

    @property
    def detailed(self) -> bool:
        """Whether final results in the detailed format are wanted."""
        output = object_at(self._context, "phraseOutput")
        return "detailed" in (_word(output.get("format")), self._query.get("format", "").lower())

    @property
    def words(self) -> bool:
        """Whether word timings are wanted."""
        options = object_at(self._context, "phraseOutput", "detailed").get("options")
        in_context = isinstance(options, list) and "WordTimings" in options
        return in_context or self._query.get("wordleveltimestamps", "").lower() == "true"

    def note(self, event: MeetingEvent) -> None:
        """Note a meeting or a change of its participants.

        Raises:
            FramingError: the event lacks what it needs.
        """
        listed = event.meeting.get("attendees") or []
        if not isinstance(listed, list):
            raise FramingError("The attendees of a meeting are not a list.")
        attendees = {found.id: found for found in map(_attendee, listed)}
        if event.name == "start":
            self.meeting, self._attendees = event.meeting, attendees
        elif event.name == "join":
            self._attendees |= attendees
        elif event.name == "leave":
            for name in attendees:
                self._attendees.pop(name, None)
        if len(self._attendees) > _MOST_ATTENDEES:
            raise FramingError(f"A meeting has at most {_MOST_ATTENDEES} participants.")

    def request(self, pcm: PcmFormat) -> MeetingRequest:
        """Return the request for audio of format ``pcm``.

        Raises:
            FramingError: the meeting has no id, or a field has the wrong type.
        """
        languages = self._languages()
        return MeetingRequest(
            meeting_id=self._meeting_id(),
            audio=pcm,
            mode=self._mode(),
            language=languages[0][0] if languages else self._language(),
            differentiate_speakers=self._differentiates(),
            attendees=self.attendees,
            phrases=self._phrases(),
            word_timestamps=self.words,
            languages=languages,
            settings=self._settings(),
        )

    def _meeting_id(self) -> str:
        if self.meeting is None:
            # Nothing is stored, so no one asks for it later.
            return uuid.uuid4().hex
        return _identifier(self.meeting.get("id"), "meeting")

    def _mode(self) -> Mode:
        # Real-time diarization has no id by which a transcript could be fetched.
        if self.meeting is None:
            return Mode.LIVE
        return MODES.get(self._query.get("transcriptionmode", "").lower(), Mode.LIVE)

    def _differentiates(self) -> bool:
        meeting = self.meeting
        if meeting is None:
            return True
        wanted = differentiates(_word(meeting.get(DIFFERENTIATE)), self.attendees)
        if wanted is None:
            log_gaps("", (UNIDENTIFIED,))
        return bool(wanted)

    def _language(self) -> str:
        named = object_at(self._context, "phraseDetection").get("language")
        return _text(named) or self._query.get("language", "") or _LANGUAGE

    def _languages(self) -> tuple[tuple[str, str], ...]:
        """Return the candidates for language detection with the ids of their custom models."""
        named = _listed(object_at(self._context, "languageId").get("languages"))
        custom = _listed(object_at(self._context, "phraseDetection").get("customModels"))
        models = {
            _text(model.get("language")): _text(model.get("endpoint"))
            for model in custom
            if isinstance(model, dict)
        }
        tags = [tag for tag in map(_text, named) if tag]
        return tuple((tag, models.get(tag, "")) for tag in tags)

    def _phrases(self) -> tuple[str, ...]:
        groups = _listed(object_at(self._context, "dgi").get("Groups"))
        items = [
            item
            for group in groups
            if isinstance(group, dict)
            for item in _listed(group.get("Items"))
        ]
        phrases = [_text(item.get("Text")) for item in items if isinstance(item, dict)]
        return tuple(replace_surrogates(phrase) for phrase in phrases if phrase)

    def _settings(self) -> dict[str, str]:
        detection = object_at(self._context, "phraseDetection")
        diarization = object_at(detection, "speakerDiarization")
        found = {name: self._query.get(key, "") for key, name in _PARAMETERS.items()}
        for path, name in _DETECTION:
            *parents, leaf = path.split(".")
            found[name] = _text(object_at(detection, *parents).get(leaf)) or found[name]
        found["diarize_hypotheses"] = _word(diarization.get("diarizeIntermediates"))
        found["detailed"] = "true" if self.detailed else ""
        return {name: value for name, value in found.items() if value.lower() not in _OFF}


def _attendee(found: Any) -> Attendee:
    if not isinstance(found, dict):
        raise FramingError("An attendee is not a JSON object.")
    language, voice = (replace_surrogates(_text(found.get(k))) for k in _OPTIONAL)
    return Attendee(_identifier(found.get("id"), "attendee"), language, voice)


_OPTIONAL: Final = ("preferredLanguage", "voice")


def _identifier(found: Any, kind: str) -> str:
    if not isinstance(found, str) or not 0 < len(found) <= _LONGEST_ID:
        raise FramingError(f"The id of the {kind} is missing, or not 1 to {_LONGEST_ID} long.")
    # Replaced, two ids could become one.
    if found != replace_surrogates(found):
        raise FramingError(f"The id of the {kind} has half a surrogate pair.")
    return found


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _text(found: Any) -> str:
    """Return a text, or a number as a text; empty for anything else."""
    return str(found) if isinstance(found, str | int | float) else ""


def _word(found: Any) -> str:
    return _text(found).lower()
