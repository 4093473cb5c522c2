"""From a program's configuration and calls to a contract request and settings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote

from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Attendee, MeetingRequest, Mode
from speech_adapters.errors import UnsupportedError
from speech_adapters.gap import Gap, GapWarning, describe
from speech_compat._session.call_site import CallSite, call_site
from speech_compat.properties import PropertyId

if TYPE_CHECKING:
    from speech_adapters.config import Settings
    from speech_compat._sdk.config import SpeechConfig
    from speech_compat._sdk.meeting import MeetingBase

__all__ = [
    "DIFFERENTIATE",
    "MODES",
    "UNIDENTIFIED",
    "Plan",
    "attendees",
    "differentiates",
    "log_gaps",
    "mode_of",
    "settings_of",
    "warn_gaps",
]

_PREFIX: Final = "speech-compat."
# The property by name that separates speakers (docs/protocol/legacy-interface.md, 3.1).
DIFFERENTIATE: Final = "DifferentiateGuestSpeakers"
# Not the fault of a backend: the retired service did the same.
UNIDENTIFIED: Final = Gap(
    "unidentified",
    f'the property {DIFFERENTIATE!r} is not set, so the user id of every speaker is "Unidentified"',
    f'call set_property_by_name("{DIFFERENTIATE}", "true") of the SpeechConfig, or set "false" if'
    " that is intended",
    code="SC301",
)
# Values of the service property "transcriptionMode", in lower case; any other means real time.
MODES: Final = {"async": Mode.STORED, "realtimeandasync": Mode.BOTH}
# Properties that a backend may support, with their names in the contract's SETTINGS.
_SETTINGS: Final = {
    PropertyId.SpeechServiceConnection_EndpointId: "endpoint_id",
    PropertyId.SpeechServiceConnection_EnableAudioLogging: "audio_logging",
    PropertyId.SpeechServiceConnection_ProxyHostName: "proxy",
    PropertyId.SpeechServiceConnection_RecoMode: "dictation",
    PropertyId.SpeechServiceConnection_InitialSilenceTimeoutMs: "initial_silence_ms",
    PropertyId.SpeechServiceConnection_EndSilenceTimeoutMs: "end_silence_ms",
    PropertyId.SpeechServiceResponse_DiarizeIntermediateResults: "diarize_hypotheses",
    PropertyId.SpeechServiceResponse_PostProcessingOption: "post_processing",
    PropertyId.SpeechServiceResponse_ProfanityOption: "profanity",
    PropertyId.SpeechServiceResponse_RequestDetailedResultTrueFalse: "detailed",
    PropertyId.Speech_SegmentationMaximumTimeMs: "segmentation_max_ms",
    PropertyId.Speech_SegmentationSilenceTimeoutMs: "segmentation_silence_ms",
    PropertyId.Speech_SegmentationStrategy: "segmentation_strategy",
}
# Values that ask for nothing; reporting them as unsupported would only be noise.
_OFF: Final = ("", "false")
_logger = logging.getLogger("speech_compat")
# Backend and gap id of the gaps already logged in this process.
_logged: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Plan:
    """A meeting as the program requested it; the audio format is known only later.

    Attributes:
        config: the program's configuration.
        meeting_id: the meeting's id, or a random one where nothing was joined.
        mode: live, stored or both.
        language: BCP-47 tag.
        differentiate: whether speakers are differentiated.
        attendees: the participants that the program added.
        phrases: the phrase list.
        languages: candidates for language detection, each with a custom model's id.
        custom_model: id of the custom model; overrides the configuration's endpoint id.
        token: returns the authorization token that is valid now.
        present_attendees: returns the participants that the meeting has now.
        site: the line of the program that warnings belong to; by default the calling one.
    """

    config: SpeechConfig
    meeting_id: str
    mode: Mode
    language: str
    differentiate: bool
    attendees: tuple[Attendee, ...]
    phrases: tuple[str, ...]
    languages: tuple[tuple[str, str], ...] = ()
    custom_model: str = ""
    token: Callable[[], str] | None = None
    present_attendees: Callable[[], tuple[Attendee, ...]] | None = None
    site: CallSite = field(default_factory=call_site)

    def with_present_attendees(self) -> Plan | None:
        """Return the plan with the present participants; ``None`` if they are the same."""
        present = self.attendees if self.present_attendees is None else self.present_attendees()
        return None if present == self.attendees else replace(self, attendees=present)

    def request(self, audio: PcmFormat, notes: tuple[str, ...] = ()) -> MeetingRequest:
        """Return the request for audio of format ``audio``.

        Args:
            audio: format of the audio that will be pushed.
            notes: known defects of the audio, one sentence each.
        """
        words = PropertyId.SpeechServiceResponse_RequestWordLevelTimestamps
        return MeetingRequest(
            meeting_id=self.meeting_id,
            audio=audio,
            mode=self.mode,
            language=self.language,
            differentiate_speakers=self.differentiate,
            attendees=self.attendees,
            phrases=self.phrases,
            word_timestamps=self.config.get_property(words) == "true",
            notes=notes,
            languages=self.languages,
            settings={
                **_requested_settings(self.config),
                **({"endpoint_id": self.custom_model} if self.custom_model else {}),
            },
        )


def attendees(meeting: MeetingBase | None) -> tuple[Attendee, ...]:
    """Return the participants of a meeting; none where nothing was joined."""
    # A copy: the program may add one in another thread meanwhile.
    people = tuple(meeting._participants.values()) if meeting is not None else ()
    return tuple(
        Attendee(p.participant_id, p._preferred_language, p._voice_signature) for p in people
    )


def settings_of(config: SpeechConfig, token: Callable[[], str] | None = None) -> Settings:
    """Load the settings; properties that begin with ``speech-compat.`` override all others.

    Args:
        config: the program's configuration.
        token: returns the authorization token that is valid now; by default, the token
            of ``config``.

    Raises:
        ConfigurationError: a setting is invalid.
    """
    from speech_adapters.config import load_settings

    items = config._properties._items()
    own = {k.removeprefix(_PREFIX): v for k, v in items if k.startswith(_PREFIX)}
    return load_settings(
        {**_service_settings(config, token or (lambda: config.authorization_token)), **own}
    )


def _service_settings(config: SpeechConfig, token: Callable[[], str]) -> dict[str, Any]:
    """Return the resource and credentials of ``config``, without those that are not set."""
    endpoint = config.get_property(PropertyId.SpeechServiceConnection_Endpoint)
    found = {
        "service.key": config.subscription_key,
        "service.region": config.region,
        "service.endpoint": endpoint
        or config.get_property(PropertyId.SpeechServiceConnection_Host),
        "service.credential": config.token_credential,
        # The function, not its value: programs renew the token while a meeting runs.
        "service.token": token if token() else None,
    }
    return {name: value for name, value in found.items() if value}


def mode_of(config: SpeechConfig, stored: bool) -> Mode:
    """Return the mode that the service property ``transcriptionMode`` selects.

    ``async`` and ``RealTimeAndAsync`` are the documented values
    (docs/protocol/legacy-interface.md, 3.1); any other value means real time, as in the
    legacy service.

    Args:
        config: the program's configuration.
        stored: whether the interface has a meeting id, by which a stored transcript can
            be fetched; without one, the mode is always live.
    """
    if not stored:
        return Mode.LIVE
    query = config.get_property(PropertyId.SpeechServiceConnection_UserDefinedQueryParameters)
    values = parse_qs(query).get("transcriptionMode", [""])
    return MODES.get(values[-1].lower(), Mode.LIVE)


def _requested_settings(config: SpeechConfig) -> dict[str, str]:
    """Return the settings that the program changed, by their names in the contract."""
    found = {name: config.get_property(id_) for id_, name in _SETTINGS.items()}
    if found["proxy"]:
        found["proxy"] = _proxy_url(config)
    return {name: value for name, value in found.items() if value.lower() not in _OFF}


def _proxy_url(config: SpeechConfig) -> str:
    """Return the proxy as ``http://user:password@host:port``."""
    host, port, user, password = (
        config.get_property(name)
        for name in (
            PropertyId.SpeechServiceConnection_ProxyHostName,
            PropertyId.SpeechServiceConnection_ProxyPort,
            PropertyId.SpeechServiceConnection_ProxyUserName,
            PropertyId.SpeechServiceConnection_ProxyPassword,
        )
    )
    owner = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    return f"http://{owner}{host}:{port}"


def differentiates(value: str, participants: tuple[Attendee, ...]) -> bool | None:
    """Return whether speakers of a meeting are separated; ``None`` if the program left it open.

    The program's property decides.  Without it, participants with voice signatures request it:
    they are enrolled to be distinguished.  The retired service then returned "Unidentified" for the
    others (docs/protocol/legacy-interface.md, 3.1); here they are guests with numbers, because
    its signatures cannot be used any more, and all would be unidentified.

    Args:
        value: the value of the property, or an empty text if it is not set.
        participants: those that the program added.
    """
    if value:
        return value.lower() == "true"
    return True if any(person.has_voice_signature for person in participants) else None


def warn_gaps(site: CallSite, backend: str, gaps: tuple[Gap, ...]) -> None:
    """Issue a warning for each gap, which points at a line of the program.

    Raises:
        UnsupportedError: a filter of the program makes the warning an error, so the meeting is
            refused as in strict mode.
    """
    for gap in gaps:
        try:
            site.warn(GapWarning(gap, backend))
        except GapWarning as warning:
            raise UnsupportedError(str(warning)) from warning


def log_gaps(backend: str, gaps: tuple[Gap, ...]) -> None:
    """Log each gap, once per backend and process; for commands, which have no line to warn of."""
    for gap in gaps:
        # Once is enough: a service that transcribes all day would repeat it per meeting.
        if (backend, gap.id) not in _logged:
            _logged.add((backend, gap.id))
            _logger.warning("%s See %s", describe(gap, backend), gap.link)
