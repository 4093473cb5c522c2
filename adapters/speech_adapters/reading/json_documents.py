"""JSON: the project's export, results of services, answers and events of the retired one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any, Final, TypeVar

import msgspec

from speech_adapters.azure.results import result_transcript
from speech_adapters.reading.document import Document, Part, Source, document_of, unreadable
from speech_adapters.transcript import Provenance, Word

__all__ = ["json_format", "parse_answer", "parse_events", "parse_export", "parse_result"]

T = TypeVar("T")
_EXPORT: Final = "speech-compat transcript"
_EXPORT_VERSION: Final = 1
_ORIGIN: Final = Provenance("azure", "batch or fast transcription")
_RECOGNIZED: Final = (None, 3, "3", "RecognizedSpeech")
# Larger numbers are no times.
_MOST_TICKS: Final = 10**15


class _Timed(msgspec.Struct):
    offset: float = 0
    duration: float = 0


class _ExportWord(_Timed, kw_only=True):
    text: str
    confidence: float | None = None


class _ExportUtterance(_Timed, kw_only=True):
    text: str
    speaker: str = ""
    language: str | None = None
    words: list[_ExportWord] = []


class _Export(msgspec.Struct):
    format: str
    version: int
    utterances: list[_ExportUtterance]
    duration: float = 0


class _AnswerItem(msgspec.Struct, rename="camel"):
    user_id: str | None = None
    text: str | None = None
    reason: str | int | None = None
    offset_in_ticks: float | None = None
    duration_in_ticks: float | None = None


class _Answer(msgspec.Struct):
    transcriptions: list[_AnswerItem] | None = None


class _EventWord(msgspec.Struct, rename="pascal"):
    word: str | None = None
    offset: float | None = None
    duration: float | None = None


class _Alternative(msgspec.Struct, rename="pascal"):
    display: str | None = None
    words: list[_EventWord] | None = None


class _Event(msgspec.Struct, rename="pascal"):
    """A ``speech.phrase``; ``UserId`` and ``Text`` are what programs saved of a result."""

    recognition_status: str | None = None
    display_text: str | None = None
    text: str | None = None
    speaker_id: str | None = None
    user_id: str | None = None
    offset: float | None = None
    duration: float | None = None
    n_best: list[_Alternative] | None = None


def json_format(document: Any) -> str:
    """Return the format of a JSON document, or an empty text."""
    if isinstance(document, list):
        return json_format(document[0]) if document and isinstance(document[0], dict) else ""
    if not isinstance(document, dict):
        return ""
    if document.get("format") == _EXPORT:
        return "json"
    if "recognizedPhrases" in document or "phrases" in document:
        return "result"
    if "transcriptions" in document:
        return "answer"
    return "events" if document.keys() & {"RecognitionStatus", "DisplayText", "NBest"} else ""


def parse_export(source: Source) -> Document:
    """Return the transcript in the project's own export.

    Raises:
        ConfigurationError: it is none, or of a newer version.
    """
    document = _decode(source, _Export)
    if document.format != _EXPORT or document.version != _EXPORT_VERSION:
        raise unreadable(
            source.name, f"it is no {_EXPORT} of version {_EXPORT_VERSION}; update speech-compat"
        )
    parts = [
        Part(
            one.speaker,
            one.text,
            _whole(one.offset),
            _whole(one.duration),
            tuple(Word(w.text, _whole(w.offset), _whole(w.duration)) for w in one.words),
            one.language,
        )
        for one in document.utterances
    ]
    return document_of(source, "json", parts, duration=_whole(document.duration))


def parse_result(source: Source) -> Document:
    """Return the transcript in a result of batch or fast transcription.

    Raises:
        BackendError: it is none.
    """
    data = source.text.encode(errors="surrogatepass")
    identity = PurePath(source.name).stem
    return Document(result_transcript(data, identity, _ORIGIN, source.name), "result")


def parse_answer(source: Source) -> Document:
    """Return the transcript in an answer of the retired service.

    Raises:
        ConfigurationError: it is none.
    """
    items = _decode(source, _Answer).transcriptions or []
    parts = [
        Part(
            item.user_id or "",
            item.text,
            _whole(item.offset_in_ticks),
            _whole(item.duration_in_ticks),
        )
        for item in items
        if item.text and item.reason in _RECOGNIZED
    ]
    return document_of(source, "answer", parts)


def parse_events(source: Source) -> Document:
    """Return the utterances of saved events.

    A correction of the speaker repeats an utterance at the same time, so the last one counts
    (docs/protocol/legacy-interface.md, 3.5).

    Raises:
        ConfigurationError: a document is no event.
    """
    latest: dict[tuple[int, int], Part] = {}
    for event in _events(source):
        part = _event_part(event)
        if part.text and event.recognition_status in (None, "Success"):
            latest[part.offset, part.duration] = part
    return document_of(source, "events", latest.values())


def _events(source: Source) -> Iterable[_Event]:
    text = source.text.lstrip()
    if text.startswith("["):
        return _decode(source, list[_Event])
    try:
        return [msgspec.json.decode(text, type=_Event)]
    except (msgspec.MsgspecError, RecursionError):
        return _event_lines(source)


def _event_lines(source: Source) -> Iterator[_Event]:
    for number, line in enumerate(source.text.splitlines(), start=1):
        if line.strip():
            yield _decode(Source(f"{source.name}, line {number},", line), _Event)


def _event_part(event: _Event) -> Part:
    best = event.n_best[0] if event.n_best else _Alternative()
    words = tuple(
        Word(word.word, _whole(word.offset), _whole(word.duration))
        for word in best.words or ()
        if word.word and word.offset is not None
    )
    return Part(
        event.speaker_id or event.user_id or "",
        event.display_text or best.display or event.text or "",
        _whole(event.offset),
        _whole(event.duration),
        words,
    )


def _decode(source: Source, kind: type[T]) -> T:
    # An escaped half character is valid JSON, which msgspec refuses; ``json`` reads it.
    try:
        return msgspec.convert(json.loads(source.text), kind, strict=True)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        # The text of a validation error has types and paths, and no value of the document.
        validation = isinstance(error, msgspec.ValidationError)
        reason = str(error) if validation else "it is no JSON document"
    raise unreadable(source.name, reason.rstrip("."))


def _whole(value: float | None) -> int:
    """Return whole ticks; an impossible time counts as missing."""
    return round(value) if value is not None and 0 <= value <= _MOST_TICKS else 0
