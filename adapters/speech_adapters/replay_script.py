"""Event scripts: the events of a meeting as a file, which the backend ``replay`` plays.

Three kinds of files are read, distinguished by their suffix and their first field:

``*.jsonl``
    JSON Lines: a header, then one event in each line.
``*.json``
    The same as one document, ``{"format": ..., "version": 1, "events": [...]}``.
``*.json`` of :mod:`speech_adapters.export`
    A transcript, as ``speech-compat show --format json`` writes it.

All times are seconds of the audio.  docs/testing.md describes the fields.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import attrs
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from speech_adapters.contract import (
    Hypothesis,
    NoMatch,
    Origin,
    Progress,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import ConfigurationError
from speech_adapters.transcript import Provenance, Transcript, Utterance, Word, seconds, ticks

__all__ = [
    "SCRIPT_FORMAT",
    "SCRIPT_VERSION",
    "ReplayScript",
    "dump_script",
    "load_script",
    "position_of",
    "start_of",
    "transcript_events",
]

SCRIPT_FORMAT: Final = "speech-compat replay script"
SCRIPT_VERSION: Final = 1
_TRANSCRIPT_FORMAT: Final = "speech-compat transcript"
_WRITTEN_BY_HAND: Final = Provenance("hand", "")


@attrs.frozen
class ReplayScript:
    """A script that was read.

    Attributes:
        events: all events in the order in which they are sent.
        source: the origin of the events.
    """

    events: tuple[SessionEvent, ...]
    source: Provenance

    def utterances(self) -> tuple[Utterance, ...]:
        """Return the last form of each final utterance, by offset."""
        latest = {e.utterance.id: e.utterance for e in self.events if isinstance(e, Recognized)}
        return tuple(sorted(latest.values(), key=lambda utterance: utterance.offset))


def start_of(event: SessionEvent) -> int:
    """Return the offset, in ticks, at which the audio of an event starts."""
    match event:
        case Hypothesis(utterance) | Recognized(utterance):
            return utterance.offset
        case SpeechStarted(offset) | SpeechEnded(offset) | NoMatch(offset) | Progress(offset):
            return offset
        case _:
            return 0


def position_of(event: SessionEvent) -> int:
    """Return the position, in ticks of the audio, that a service reaches before the event."""
    match event:
        case Hypothesis(utterance) | Recognized(utterance):
            return utterance.end
        case NoMatch(offset, duration):
            return offset + duration
        case _:
            return start_of(event)


def load_script(path: Path) -> ReplayScript:
    """Read a script or a transcript.  Blocks.

    Raises:
        ConfigurationError: the file cannot be read, or it is no valid script; the message names
            the file, the line or event, and the field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(
            f"The replay script {path} cannot be read: {reason}. Record one with"
            " speech-compat record, or correct the setting backends.replay.script."
        ) from error
    lines = path.suffix == ".jsonl"
    return _read_lines(path, text) if lines else _read_document(path, text)


def dump_script(events: Iterable[SessionEvent], source: Provenance) -> str:
    """Return a script as JSON Lines, which :func:`load_script` reads.

    Args:
        events: the events, in order; an :class:`Origin` replaces the source.
        source: the origin of the events.
    """
    lines = []
    for event in events:
        if isinstance(event, Origin):
            source = event.provenance
        else:
            line = _line_of(event)
            lines.append({"event": line.event, **line.model_dump(exclude_defaults=True)})
    header = _Header(format=SCRIPT_FORMAT, version=SCRIPT_VERSION, source=_Source.of(source))
    every = [header.model_dump(exclude={"events"}), *lines]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in every)


def transcript_events(utterances: Iterable[Utterance]) -> Iterator[SessionEvent]:
    """Yield the events of a meeting of which only the final utterances are known."""
    known = list(utterances)
    if not known:
        return
    yield SpeechStarted(min(utterance.offset for utterance in known))
    for utterance in known:
        yield Hypothesis(utterance)
        yield Recognized(utterance)
    yield SpeechEnded(max(utterance.end for utterance in known))


_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Span(_Strict):
    start: _Seconds
    end: _Seconds

    @model_validator(mode="after")
    def _check_order(self) -> _Span:
        if self.end < self.start:
            raise ValueError("end is before start")
        return self

    @property
    def ticks(self) -> tuple[int, int]:
        """Offset and duration in ticks."""
        offset = ticks(self.start)
        return offset, ticks(self.end) - offset


class _WordLine(_Span):
    text: str
    confidence: float | None = None


# The tags have no default: `exclude_defaults` must not leave them out.
class _UtteranceLine(_Span):
    text: str
    speaker: Annotated[int, Field(ge=0)] | None = None
    id: Annotated[str, Field(pattern="^([0-9a-f]{32})?$")] = ""
    channel: Annotated[int, Field(ge=0)] | None = None
    language: str | None = None
    participant: str | None = None
    words: tuple[_WordLine, ...] = ()

    def utterance(self) -> Utterance:
        """Return the utterance; without an id, its start identifies it."""
        offset, duration = self.ticks
        name = f"speech-compat replay {self.channel} {offset}"
        return Utterance(
            self.id or uuid.uuid5(uuid.NAMESPACE_OID, name).hex,
            self.text,
            offset,
            duration,
            self.speaker,
            self.channel,
            self.language,
            tuple(Word(word.text, *word.ticks, word.confidence) for word in self.words),
            self.participant,
        )


class _HypothesisLine(_UtteranceLine):
    event: Literal["hypothesis"]

    def parse(self) -> SessionEvent:
        return Hypothesis(self.utterance())


class _RecognizedLine(_UtteranceLine):
    event: Literal["recognized"]
    correction: bool = False

    def parse(self) -> SessionEvent:
        return Recognized(self.utterance(), self.correction)


class _NoMatchLine(_Span):
    event: Literal["no_match"]
    reason: Literal[
        "NotRecognized", "InitialSilenceTimeout", "InitialBabbleTimeout", "EndSilenceTimeout"
    ] = "NotRecognized"

    def parse(self) -> SessionEvent:
        return NoMatch(*self.ticks, self.reason)


class _MomentLine(_Strict):
    event: Literal["speech_started", "speech_ended", "progress"]
    at: _Seconds

    def parse(self) -> SessionEvent:
        match self.event:
            case "speech_started":
                return SpeechStarted(ticks(self.at))
            case "speech_ended":
                return SpeechEnded(ticks(self.at))
            case "progress":
                return Progress(ticks(self.at))


_Line = _HypothesisLine | _RecognizedLine | _NoMatchLine | _MomentLine
_LINE: Final[TypeAdapter[_Line]] = TypeAdapter(Annotated[_Line, Field(discriminator="event")])


class _Source(_Strict):
    backend: str
    version: str = ""

    @classmethod
    def of(cls, provenance: Provenance) -> _Source:
        return cls(backend=provenance.backend, version=provenance.version)


class _Header(_Strict):
    format: str
    version: int
    source: _Source = _Source.of(_WRITTEN_BY_HAND)
    events: tuple[Any, ...] = ()


def _read_lines(path: Path, text: str) -> ReplayScript:
    lines = [
        (number, line)
        for number, line in enumerate(text.split("\n"), 1)
        # Its first line may state its origin, as that of a cassette does.
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        raise _wrong(path, "", f'it is empty; its first line has the field "format": {_shape()}')
    parsed = [(f"line {number}", _json(path, f"line {number}", line)) for number, line in lines]
    header = _header(path, *parsed[0])
    return _script(path, header, parsed[1:])


def _read_document(path: Path, text: str) -> ReplayScript:
    data = _json(path, "", text)
    if isinstance(data, dict) and data.get("format") == _TRANSCRIPT_FORMAT:
        return _read_transcript(path, data)
    header = _header(path, "", data)
    events = [(f"event {number}", event) for number, event in enumerate(header.events, 1)]
    return _script(path, header, events)


def _read_transcript(path: Path, data: dict[str, Any]) -> ReplayScript:
    fields = ("id", "text", "offset", "duration", "channel", "language", "words", "participant")
    try:
        utterances = [
            {**{name: item[name] for name in fields}, "speaker": item["speaker_number"]}
            for item in data["utterances"]
        ]
        transcript = Transcript.from_dict({**data, "utterances": utterances})
    except (KeyError, TypeError) as error:
        raise _wrong(path, "", f"it is no transcript in JSON ({type(error).__name__})") from error
    return ReplayScript(tuple(transcript_events(transcript.utterances)), transcript.provenance)


def _header(path: Path, where: str, data: Any) -> _Header:
    if not isinstance(data, dict) or data.get("format") != SCRIPT_FORMAT:
        raise _wrong(path, where, f"it does not begin with {_shape()}")
    if data.get("version") != SCRIPT_VERSION:
        raise _wrong(path, where, f"version: only {SCRIPT_VERSION} can be read")
    try:
        return _Header.model_validate(data)
    except ValidationError as error:
        raise _wrong(path, where, _explain(error)) from None


def _script(path: Path, header: _Header, items: list[tuple[str, Any]]) -> ReplayScript:
    events: list[SessionEvent] = []
    seen: set[str] = set()
    for where, item in items:
        try:
            event = _LINE.validate_python(item).parse()
        except ValidationError as error:
            raise _wrong(path, where, _explain(error)) from None
        if isinstance(event, Recognized) and not event.correction:
            if event.utterance.id in seen:
                raise _wrong(path, where, 'two utterances start at the same time: add an "id"')
            seen.add(event.utterance.id)
        events.append(event)
    source = Provenance(header.source.backend, header.source.version)
    return ReplayScript(tuple(_completed(events)), source)


def _completed(events: list[SessionEvent]) -> Iterable[SessionEvent]:
    """Add the events around final utterances if a script has nothing but these."""
    if all(isinstance(event, Recognized) and not event.correction for event in events):
        return transcript_events(e.utterance for e in events if isinstance(e, Recognized))
    return events


def _json(path: Path, where: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        # The message of the parser names a place; it does not quote the text.
        raise _wrong(path, where, f"it is no JSON ({error})") from error


def _explain(error: ValidationError) -> str:
    """Return the first problem, without the input: a transcript stays out of messages."""
    problem = error.errors(include_input=False, include_url=False)[0]
    tags = {"hypothesis", "recognized", "no_match", "speech_started", "speech_ended", "progress"}
    place = ".".join(str(part) for part in problem["loc"] if part not in tags)
    if problem["type"].startswith("union_tag"):
        return f'"event" must be one of {", ".join(sorted(tags))}'
    message = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _shape() -> str:
    return json.dumps({"format": SCRIPT_FORMAT, "version": SCRIPT_VERSION})


def _wrong(path: Path, where: str, reason: str) -> ConfigurationError:
    place = f"{path}, {where}" if where else str(path)
    return ConfigurationError(
        f"The replay script {place} is wrong: {reason}. See docs/testing.md for the format."
    )


def _line_of(event: SessionEvent) -> _Line:
    match event:
        case Hypothesis(utterance):
            return _HypothesisLine(event="hypothesis", **_fields(utterance))
        case Recognized(utterance, correction):
            return _RecognizedLine(event="recognized", correction=correction, **_fields(utterance))
        case NoMatch(offset, duration, reason):
            return _NoMatchLine.model_validate(
                {"event": "no_match", "reason": reason, **_span(offset, duration)}
            )
        case SpeechStarted(offset):
            return _MomentLine(event="speech_started", at=seconds(offset))
        case SpeechEnded(offset):
            return _MomentLine(event="speech_ended", at=seconds(offset))
        case _:
            return _MomentLine(event="progress", at=seconds(start_of(event)))


def _fields(utterance: Utterance) -> dict[str, Any]:
    words = [
        {"text": w.text, "confidence": w.confidence, **_span(w.offset, w.duration)}
        for w in utterance.words
    ]
    names = ("id", "text", "speaker", "channel", "language", "participant")
    own = {name: getattr(utterance, name) for name in names}
    return {**own, **_span(utterance.offset, utterance.duration), "words": words}


def _span(offset: int, duration: int) -> dict[str, float]:
    return {"start": seconds(offset), "end": seconds(offset + duration)}
