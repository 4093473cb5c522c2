"""What a program asks for when it starts a meeting.

It is apart from ``contract.py``, because ``gaps`` needs the request and the contract needs
``Capabilities``: one module would make an import cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

import attrs

from speech_adapters.audio import PcmFormat
from speech_adapters.masking import masked_repr

__all__ = ["SETTINGS", "Attendee", "MeetingRequest", "Mode"]


class Mode(Enum):
    """What a meeting is transcribed for: live events, a transcript by id later, or both."""

    LIVE = "live"
    STORED = "stored"
    BOTH = "both"

    @property
    def live(self) -> bool:
        """Whether events are wanted while the audio flows."""
        return self is not Mode.STORED

    @property
    def stored(self) -> bool:
        """Whether the transcript must be available by meeting id afterwards."""
        return self is not Mode.LIVE


@attrs.frozen
class Attendee:
    """An announced participant; all but the language is personal data and stays out of logs.

    Attributes:
        id: the id that names the participant in results.
        language: BCP-47 tag of the preferred language, or an empty text.
        voice_signature: the text of a signature, which may be of any origin (see
            :mod:`speech_adapters.signatures`), or an empty text.  It is biometric data.
    """

    id: str = attrs.field(repr=False)
    language: str = ""
    voice_signature: str = attrs.field(default="", repr=False)

    @property
    def has_voice_signature(self) -> bool:
        """Whether there is a signature, usable or not."""
        return bool(self.voice_signature)


@attrs.frozen
class MeetingRequest:
    """What a program asks for.

    Attributes:
        meeting_id: any non-empty text; the transcript is fetched by it.
        audio: the format of the pushed audio (always 16-bit PCM, interleaved).
        mode: live events, stored transcript or both.
        language: BCP-47 tag of the spoken language.
        differentiate_speakers: separate speakers; otherwise ``speaker`` is ``None``.
        max_speakers: the largest possible number of speakers, if known.
        attendees: the announced participants.
        immediate: whether events are wanted while the audio flows.  Otherwise they may come at
            its end, if the backend transcribes a whole recording better.
        participants: how many they are; kept with the recording, unlike their names.
        phrases: words the recognizer should expect.
        word_timestamps: whether word timings are wanted.
        notes: known defects of the audio, one sentence each; copied into the
            transcript's provenance.
        addresses: where the audio is, if it is not pushed: ``https`` addresses of files
            in order, or one address of a folder, which ends with a slash.  They may be
            signed, so they stay out of logs.
        languages: candidates for language detection: each a BCP-47 tag with the id of a
            custom model for it, or an empty text.
        settings: further wishes, by the names of :data:`SETTINGS`.
        group: recordings of the same group may share one job of a service; empty for a
            recording by itself.  Any text; it is sent nowhere.
    """

    meeting_id: str
    audio: PcmFormat = attrs.field(factory=PcmFormat)
    mode: Mode = Mode.LIVE
    language: str = "en-US"
    differentiate_speakers: bool = True
    max_speakers: int | None = None
    attendees: tuple[Attendee, ...] = ()
    # Often names, so as little a matter for logs as the attendees.
    phrases: tuple[str, ...] = attrs.field(default=(), repr=False)
    word_timestamps: bool = False
    notes: tuple[str, ...] = ()
    addresses: tuple[str, ...] = attrs.field(default=(), repr=masked_repr)
    languages: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, str] = attrs.field(factory=dict, repr=masked_repr)
    immediate: bool = True
    participants: int = attrs.field(
        default=attrs.Factory(lambda self: len(self.attendees), takes_self=True)
    )
    group: str = ""


# Wishes beside the fields of a request, each with what is lost without it.
SETTINGS: Final[Mapping[str, str]] = {
    "audio_logging": "no service keeps the audio",
    "detailed": "there are no alternatives",
    "diarize_hypotheses": "hypotheses have no speaker",
    "dictation": "dictation is not switched on",
    "end_silence_ms": "silence has no such timeout",
    "endpoint_id": "the custom model is not used",
    "initial_silence_ms": "silence has no such timeout",
    "post_processing": "text is not processed that way",
    "profanity": "profanity is left as it is",
    "proxy": "the proxy is not used",
    "segmentation_max_ms": "utterances end where the backend ends them",
    "segmentation_silence_ms": "utterances end where the backend ends them",
    "segmentation_strategy": "utterances end where the backend ends them",
}
