"""What a backend can do, as data, and what a request would lose on it.

A program learns of a loss before its meeting starts: :func:`gaps` compares the request
with the backend's :class:`Capabilities`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from speech_adapters.gap import Gap
from speech_adapters.request import SETTINGS, Attendee, MeetingRequest
from speech_adapters.signatures import refusal

__all__ = ["Capabilities", "Gap", "gaps", "with_usable_signatures"]


@attrs.frozen
class Capabilities:
    """What a backend can do; ``None`` means without limit.

    Attributes:
        live: emits events while the audio flows.
        stored: keeps a transcript that is fetched by meeting id.
        diarization: separates speakers.
        identification: names speakers by their voice signatures.
        signature_model: the model id of the signatures it can use; empty for any.
        passes_signatures: passes signatures of any origin on to a service, which judges them.
        max_speakers_hint: uses the announced number of speakers.
        word_timestamps: returns word timings.
        phrases: uses a phrase list.
        languages: the language subtags (``en``) it recognizes.
        max_channels: channels it transcribes separately; more are mixed down.
        most_speakers: the largest number of speakers it can separate.
        addresses: fetches audio from addresses by itself.
        detects_languages: detects which of several languages is spoken.
        settings: the names of :data:`SETTINGS` it uses.
    """

    live: bool
    stored: bool
    diarization: bool = True
    identification: bool = False
    signature_model: str = ""
    passes_signatures: bool = False
    max_speakers_hint: bool = False
    word_timestamps: bool = False
    phrases: bool = False
    languages: frozenset[str] | None = None
    max_channels: int | None = 1
    most_speakers: int | None = None
    addresses: bool = False
    detects_languages: bool = False
    settings: frozenset[str] = frozenset()

    def limited_to(self, other: Capabilities) -> Capabilities:
        """Return these without the wishes about the text that another backend does not serve."""
        return attrs.evolve(
            self,
            phrases=self.phrases and other.phrases,
            detects_languages=self.detects_languages and other.detects_languages,
            settings=self.settings & other.settings,
        )


def gaps(request: MeetingRequest, capabilities: Capabilities) -> tuple[Gap, ...]:
    """Compare a request with what a backend can do."""
    checks = [
        *_blocking_gaps(request, capabilities),
        *_speaker_gaps(request, capabilities),
        *_detail_gaps(request, capabilities),
    ]
    return tuple(gap for missing, gap in checks if missing)


def with_usable_signatures(request: MeetingRequest, capabilities: Capabilities) -> MeetingRequest:
    """Return a request without the voice signatures that a backend cannot use.

    They are biometric data, so none is stored or passed on without a use.
    """
    attendees = tuple(
        attendee
        if capabilities.identification and not _refusals((attendee,), capabilities)
        else attrs.evolve(attendee, voice_signature="")
        for attendee in request.attendees
    )
    return attrs.evolve(request, attendees=attendees)


_Check = tuple[bool, Gap]


def _blocking_gaps(request: MeetingRequest, capabilities: Capabilities) -> list[_Check]:
    language = request.language.split("-")[0].lower()
    languages = capabilities.languages
    most, wanted = capabilities.most_speakers, request.max_speakers
    return [
        (request.mode.live and not capabilities.live, _NO_LIVE),
        (request.mode.stored and not capabilities.stored, _NO_STORED),
        (bool(request.addresses) and not capabilities.addresses, _NO_ADDRESSES),
        (
            most is not None and wanted is not None and wanted > most,
            Gap(
                "too-many-speakers",
                f"{wanted} speakers are announced; it separates at most {most}",
                f"announce at most {most}, or choose another backend",
                blocking=True,
                code="SC104",
            ),
        ),
        (
            languages is not None and language not in languages,
            Gap(
                "language",
                f"language {request.language!r} is not supported"
                f" (only {', '.join(sorted(languages or ()))})",
                "choose another backend or, for the local one, another model",
                blocking=True,
                code="SC105",
            ),
        ),
    ]


def _speaker_gaps(request: MeetingRequest, capabilities: Capabilities) -> list[_Check]:
    signed = any(attendee.has_voice_signature for attendee in request.attendees)
    identifies = capabilities.identification
    refused = _refusals(request.attendees, capabilities) if identifies else []
    return [
        (request.differentiate_speakers and not capabilities.diarization, _NO_DIARIZATION),
        (signed and not identifies, _NO_IDENTIFICATION),
        (bool(refused), _refused_signatures(refused)),
        (request.max_speakers is not None and not capabilities.max_speakers_hint, _NO_HINT),
    ]


def _refusals(attendees: tuple[Attendee, ...], capabilities: Capabilities) -> list[str]:
    """Return why signatures cannot be used, one reason for each of those."""
    if capabilities.passes_signatures:
        return []
    model = capabilities.signature_model
    reasons = (refusal(a.voice_signature, model) for a in attendees if a.has_voice_signature)
    return [reason for reason in reasons if reason]


def _refused_signatures(reasons: list[str]) -> Gap:
    # The reason once, however many participants it concerns; their ids are no matter for logs.
    listed = "; ".join(f"it {reason}" for reason in dict.fromkeys(reasons))
    return Gap(
        "voice-signature",
        f"{len(reasons)} of the voice signatures cannot be used, so the speakers get numbers"
        f" instead of the participants' ids ({listed})",
        "create a signature from a recording of the person: speech-compat enroll",
        code="SC107",
    )


def _detail_gaps(request: MeetingRequest, capabilities: Capabilities) -> list[_Check]:
    channels, most = request.audio.channels, capabilities.max_channels
    return [
        (
            most is not None and channels > most,
            Gap(
                "channels",
                f"{channels} channels are mixed down to {most}; the directions that a"
                " microphone array records are lost",
                'choose how in the setting "downmix"',
                code="SC109",
            ),
        ),
        (request.word_timestamps and not capabilities.word_timestamps, _NO_WORDS),
        (bool(request.phrases) and not capabilities.phrases, _NO_PHRASES),
        (len(request.languages) > 1 and not capabilities.detects_languages, _NO_DETECTION),
        *((name not in capabilities.settings, _unused(name)) for name in _settings(request)),
    ]


def _settings(request: MeetingRequest) -> list[str]:
    """Return the names of the settings, with that of a custom model for one of the languages."""
    custom = {"endpoint_id"} if any(model for _, model in request.languages) else set()
    return sorted({*request.settings, *custom})


def _unused(name: str) -> Gap:
    return Gap(
        f"setting {name}",
        f"it is set, but {SETTINGS.get(name, 'it has no meaning here')}",
        "leave it out, or choose another backend",
        code=_SETTING_CODES.get(name, ""),
    )


# Codes are never given to another setting: programs have filters for them.
_SETTING_CODES: Final[Mapping[str, str]] = {
    "audio_logging": "SC201",
    "detailed": "SC202",
    "diarize_hypotheses": "SC203",
    "dictation": "SC204",
    "end_silence_ms": "SC205",
    "endpoint_id": "SC206",
    "initial_silence_ms": "SC207",
    "post_processing": "SC208",
    "profanity": "SC209",
    "proxy": "SC210",
    "segmentation_max_ms": "SC211",
    "segmentation_silence_ms": "SC212",
    "segmentation_strategy": "SC213",
}

_NO_LIVE = Gap(
    "live-events",
    "it emits no events while the audio flows",
    'use transcriptionMode "async", or another backend',
    blocking=True,
    code="SC101",
)
_NO_STORED = Gap(
    "stored-transcript",
    "it keeps no transcript for later",
    "use the live events instead, or choose another backend",
    blocking=True,
    code="SC102",
)
_NO_ADDRESSES = Gap(
    "addresses",
    "it reads no audio from addresses",
    "download the audio, or choose the backend batch",
    blocking=True,
    code="SC103",
)
_NO_DIARIZATION = Gap(
    "diarization",
    "speakers are not separated",
    "choose another backend",
    blocking=True,
    code="SC106",
)
_NO_IDENTIFICATION = Gap(
    "voice-signature",
    "voice signatures are not used: speakers get numbers instead of the participants' ids",
    "map the numbers to people in your program; no current service accepts the old signatures",
    code="SC107",
)
_NO_HINT = Gap(
    "speaker-count",
    "the announced number of speakers is not used: the engine estimates it",
    "leave it out, or choose another backend",
    code="SC108",
)
_NO_WORDS = Gap(
    "word-timestamps",
    "word timings are not available",
    "choose another backend",
    code="SC110",
)
_NO_DETECTION = Gap(
    "language-detection",
    "several languages are named, but only the first is recognized",
    "name the spoken one, or choose another backend",
    code="SC112",
)
_NO_PHRASES = Gap("phrases", "the phrase list is not used", "choose another backend", code="SC111")
