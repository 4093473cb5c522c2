"""What a program asks for: its era, its features, and the request it would make."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, EnumMeta
from types import ModuleType
from typing import Any, Final

import speech_compat
from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Attendee, MeetingRequest
from speech_compat._migration.names import MODULES
from speech_compat._migration.usage import Usage, Use
from speech_compat._session.mapping.requests import DIFFERENTIATE, Plan, differentiates, mode_of

__all__ = ["Era", "Feature", "Program", "eras_of", "read_program"]

# In place of values that only a run of the program has.
_UNKNOWN_VALUE: Final = "value"
_LANGUAGE: Final = "en-US"
# A signature of the retired service has these fields (docs/protocol/legacy-interface.md, 3.4).
_RETIRED_SIGNATURE: Final = '{"Version": 0, "Tag": "dGFn", "Data": "ZGF0YQ=="}'
# Parts of the retired service's addresses (docs/protocol/legacy-interface.md, 2.5 and 3.4).
_RETIRED_HOST: Final = ".cts.speech.microsoft.com"
_ENROLLMENT: Final = "GenerateVoiceSignature"
_MOST_CHANNELS: Final = 64
_MODE: Final = "transcriptionMode"
_SETTERS: Final = ("set_p", "set_service_property", "enable_", "request_")
_ATTRIBUTES: Final = ("speech_recognition_language", "output_format", "endpoint_id")


class Era(Enum):
    """The generation of the interface that a program was written for.

    A file may use several; the first of them in this order is the one that is reported.
    """

    MEETING = "meeting"
    CONVERSATION = "conversation"
    DIARIZATION = "diarization"
    RECOGNIZER = "recognizer"
    OTHER = "other"

    @property
    def transcribes(self) -> bool:
        """Whether programs of it use classes that the facade implements by its backends."""
        return self in {Era.MEETING, Era.CONVERSATION, Era.DIARIZATION}


class Feature(Enum):
    """What a program uses, beside classes, that matters for the choice of a backend."""

    PARTICIPANTS = "participants"
    SIGNATURES = "voice signatures"
    CHANNELS = "several channels"
    MICROPHONE = "microphone"
    FILE = "audio file"
    STREAM = "audio stream"
    COMPRESSED = "compressed audio"
    MODE = "transcriptionMode"
    LANGUAGES = "language detection"
    PHRASES = "phrase list"
    WORDS = "word timings"
    ADDRESS = "address of the retired service"


# Enumerations, and classes that a static method creates.
_CLASSES: Final = {
    "AudioStreamContainerFormat": Feature.COMPRESSED,
    "PhraseListGrammar": Feature.PHRASES,
}


@dataclass
class Program:
    """What one file asks for.

    Attributes:
        eras: the eras that it uses, the one that is reported first.
        features: the lines of each feature, as in the tree.
        requests: what it asks for, once for each language; empty if it transcribes nothing.
        channels: the largest number of channels that a stream declares.
        mode: the value of transcriptionMode, or an empty text.
        undifferentiated: whether nothing asks to separate the speakers of a meeting.
    """

    eras: tuple[Era, ...]
    features: dict[Feature, list[int]] = field(default_factory=dict)
    requests: tuple[MeetingRequest, ...] = ()
    channels: int = 1
    mode: str = ""
    undifferentiated: bool = False


def read_program(usage: Usage) -> Program:
    """Derive from the uses in a file what it asks for."""
    program = Program(eras_of(usage))
    for feature, line in _features(usage, program):
        lines = program.features.setdefault(feature, [])
        if line not in lines:
            lines.append(line)
    if program.eras[0].transcribes:
        _add_requests(usage, program)
    return program


def eras_of(usage: Usage) -> tuple[Era, ...]:
    """Return the eras that a file uses; the order is that of :class:`Era`."""
    found = {era for use in usage.uses if (era := _era_of(use, usage))}
    names = {_name(use) for use in usage.uses}
    calls = {name for name, _ in usage.calls}
    if "join_conversation_async" in calls:
        found.add(Era.CONVERSATION)
    if "join_meeting_async" in calls:
        found.add(Era.MEETING)
    joined = found & {Era.CONVERSATION, Era.MEETING}
    # A class that is imported or annotated, but created elsewhere, has no arguments to judge by.
    if "ConversationTranscriber" in names and not joined:
        found.add(Era.DIARIZATION)
    return tuple(era for era in Era if era in found) or (Era.OTHER,)


def _era_of(use: Use, usage: Usage) -> Era | None:
    name = _name(use)
    if name.startswith("Meeting"):
        return Era.MEETING
    if name == "Conversation":
        return Era.CONVERSATION
    if name == "ConversationTranscriber":
        return _era_of_call(use, usage)
    return Era.RECOGNIZER if name.endswith("Recognizer") and name != "Recognizer" else None


def _era_of_call(use: Use, usage: Usage) -> Era | None:
    """Return the era by the arguments: only the newer class has a SpeechConfig among them."""
    call = use.call
    if call is None or use.path[-1] != "ConversationTranscriber()":
        return None
    keywords = {keyword.arg for keyword in call.keywords}
    if len(call.args) > 1 or keywords - {"audio_config", None}:
        return Era.DIARIZATION
    if call.args:
        # One argument: an AudioConfig in the older class, a SpeechConfig in the newer one.
        path = usage.path(call.args[0])
        if path[-1:] == ("SpeechConfig()",) or "audio_config" in keywords:
            return Era.DIARIZATION
        return Era.CONVERSATION if path[-1:] == ("AudioConfig()",) else None
    return Era.CONVERSATION if keywords == {"audio_config"} else None


def _name(use: Use) -> str:
    """Return the name after the modules, such as that of a class."""
    names = (part.removesuffix("()") for part in use.path)
    return next((name for name in names if name not in MODULES), "")


def _features(usage: Usage, program: Program) -> Iterator[tuple[Feature, int]]:
    for use in usage.uses:
        if use.call is not None and use.path[-1] == f"{_name(use)}()":
            yield from ((feature, use.line) for feature in _of_object(use, usage, program))
        elif _name(use) in _CLASSES:
            yield _CLASSES[_name(use)], use.line
    for name, call in usage.calls:
        if feature := _of_method(name, call, usage, program):
            yield feature, call.lineno
    for text in usage.texts:
        if _ENROLLMENT in text.value:
            yield Feature.SIGNATURES, text.line
        elif _RETIRED_HOST in text.value:
            yield Feature.ADDRESS, text.line


def _of_object(use: Use, usage: Usage, program: Program) -> Iterator[Feature]:
    """Yield what the creation of an object uses."""
    name, call = _name(use), use.call
    assert call is not None
    if name == "Participant":
        yield Feature.PARTICIPANTS
        signature = _argument(call, 2, "voice_signature")
        if signature is not None and usage.value(signature) != "":
            yield Feature.SIGNATURES
    elif name == "AudioStreamFormat":
        channels = usage.value(_argument(call, 2, "channels"))
        if isinstance(channels, int) and 1 < channels <= _MOST_CHANNELS:
            program.channels = max(program.channels, channels)
            yield Feature.CHANNELS
    elif name == "AudioConfig":
        yield from _of_audio(call)
    elif name in {"PushAudioInputStream", "PullAudioInputStream"}:
        yield Feature.STREAM
    elif name == "AutoDetectSourceLanguageConfig":
        yield Feature.LANGUAGES
    elif name == "ConversationTranscriber" and _has_no_audio(call):
        yield Feature.MICROPHONE


def _of_audio(call: ast.Call) -> Iterator[Feature]:
    if _argument(call, 3, "device_name") is not None:
        yield Feature.MICROPHONE
    microphone = _argument(call, 0, "use_default_microphone")
    is_off = isinstance(microphone, ast.Constant) and not microphone.value
    if microphone is not None and not is_off:
        yield Feature.MICROPHONE
    if _argument(call, 1, "filename") is not None:
        yield Feature.FILE


def _has_no_audio(call: ast.Call) -> bool:
    """Return whether real-time diarization has no audio: it reads the default microphone then."""
    passed = {keyword.arg for keyword in call.keywords}
    # Unpacked arguments (``**options``) have no name here, and may be the audio.
    return "speech_config" in passed and not call.args and not passed & {"audio_config", None}


def _of_method(name: str, call: ast.Call, usage: Usage, program: Program) -> Feature | None:
    if name == "set_voice_signature":
        return Feature.SIGNATURES
    if name == "request_word_level_timestamps":
        return Feature.WORDS
    if name == "set_service_property" and usage.value(_argument(call, 0, "name")) == _MODE:
        value = usage.value(_argument(call, 1, "value"))
        program.mode = str(value or _UNKNOWN_VALUE)
        return Feature.MODE
    return None


def _argument(call: ast.Call, index: int, name: str) -> ast.expr | None:
    """Return an argument by its position or name."""
    if len(call.args) > index:
        return call.args[index]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _add_requests(usage: Usage, program: Program) -> None:
    """Add the requests that the facade would make of the program's configuration.

    The literal calls on configurations are repeated on one of our own, so the meaning of each
    property is defined in one place only, the facade.
    """
    config = speech_compat.SpeechConfig(subscription=_UNKNOWN_VALUE, region=_UNKNOWN_VALUE)
    _configure(config, usage)
    signed = Attendee(_UNKNOWN_VALUE, voice_signature=_RETIRED_SIGNATURE)
    people = (signed,) if Feature.SIGNATURES in program.features else ()
    joins = program.eras[0] is not Era.DIARIZATION
    differentiate = differentiates(config.get_property_by_name(DIFFERENTIATE), people)
    program.undifferentiated = joins and differentiate is None
    plans = (
        Plan(
            config=config,
            meeting_id=_UNKNOWN_VALUE,
            mode=mode_of(config, stored=joins),
            language=language,
            differentiate=not joins or bool(differentiate),
            attendees=people,
            phrases=(_UNKNOWN_VALUE,) if Feature.PHRASES in program.features else (),
            # Two of them ask for detection, whatever they are.
            languages=((language, ""),) * 2 if Feature.LANGUAGES in program.features else (),
        )
        for language in _languages(usage)
    )
    audio = PcmFormat(channels=program.channels)
    program.requests = tuple(plan.request(audio) for plan in plans)


def _configure(config: speech_compat.SpeechConfig, usage: Usage) -> None:
    for name, call in usage.calls:
        if name.startswith(_SETTERS) and hasattr(type(config), name):
            arguments = [_literal(node, usage) for node in call.args]
            keywords = {k.arg: _literal(k.value, usage) for k in call.keywords if k.arg}
            # A program may pass what the facade refuses; it will be refused at its run.
            with suppress(Exception):
                getattr(config, name)(*arguments, **keywords)
    for name, value in usage.assignments:
        if name in _ATTRIBUTES:
            with suppress(Exception):
                setattr(config, name, _literal(value, usage))


def _literal(node: ast.expr, usage: Usage) -> Any:
    """Return a text, or a member of an enumeration of the facade; or a text in their place."""
    found: Any = usage.value(node)
    if found is None and (path := usage.path(node)):
        found = speech_compat
        for name in path:
            # Only what the modules and enumerations have themselves: nothing is fetched.
            found = _members(found).get(name)
    return _UNKNOWN_VALUE if found is None else found


def _members(owner: object) -> Mapping[str, Any]:
    if isinstance(owner, EnumMeta):
        return owner.__members__
    return vars(owner) if isinstance(owner, ModuleType) else {}


def _languages(usage: Usage) -> Iterable[str]:
    """Return the languages that the file names, or the default."""
    named = [value for name, value in usage.assignments if name == "speech_recognition_language"]
    for use in usage.uses:
        if use.call is not None:
            keywords = {"speech_recognition_language", "language"}
            named += [k.value for k in use.call.keywords if k.arg in keywords]
    texts = (usage.value(node) for node in named)
    return dict.fromkeys(text for text in texts if isinstance(text, str) and text) or [_LANGUAGE]
