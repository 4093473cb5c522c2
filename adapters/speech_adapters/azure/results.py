"""Result files of the batch and fast services, read into utterances.

A batch result has ``recognizedPhrases`` with ``nBest`` alternatives and times as ticks,
milliseconds or ISO 8601; a fast one has ``phrases`` with text and milliseconds.  Both
are read with tolerance, as the services write them (docs/protocol/batch-and-fast-rest.md, 2.7):
every time form is optional, ticks may be fractions, durations negative, alternatives
unsorted, statuses of any name, phrases grouped by channel, speakers counted from 0 or 1.

A file of 100 MB is not turned into objects as a whole: its phrases are found first,
then read one by one.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from speech_adapters.errors import BackendError
from speech_adapters.transcript import TICKS_PER_SECOND, Provenance, Transcript, Utterance, Word

__all__ = ["read_result", "read_source", "result_transcript", "utterance_id"]

_NO_PHRASES: Final = (
    'is no result of batch or fast transcription: it has neither "recognizedPhrases" nor "phrases".'
)
_TICKS_PER_MILLISECOND: Final = 10_000
_PHRASES_BETWEEN: Final = 2_000
_ISO: Final = re.compile(
    r"(?P<minus>-)?P(?:(?P<days>[\d.]+)D)?T?(?:(?P<hours>[\d.]+)H)?(?:(?P<minutes>[\d.]+)M)?"
    r"(?:(?P<seconds>[\d.]+)S)?"
)
_SECONDS: Final = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


class _Timed(msgspec.Struct, rename="camel"):
    offset: str | float | None = None
    duration: str | float | None = None
    offset_in_ticks: float | None = None
    duration_in_ticks: float | None = None
    offset_milliseconds: float | None = None
    duration_milliseconds: float | None = None


class _Word(_Timed, rename="camel"):
    word: str = ""  # in "words" of a batch result
    display_text: str = ""  # in "displayWords" of a batch result
    text: str = ""  # in a fast result
    confidence: float | None = None


class _Alternative(msgspec.Struct, rename="camel"):
    display: str = ""
    itn: str = ""
    lexical: str = ""
    words: list[_Word] | None = None
    display_words: list[_Word] | None = None


class _Phrase(_Timed, rename="camel"):
    channel: int | None = None
    speaker: int | None = None
    locale: str | None = None
    text: str = ""
    words: list[_Word] | None = None
    n_best: list[_Alternative] | None = None


class _Document(msgspec.Struct, rename="camel"):
    recognized_phrases: list[msgspec.Raw] | None = None
    phrases: list[msgspec.Raw] | None = None
    duration: str | float | None = None
    duration_in_ticks: float | None = None
    duration_ticks: float | None = None  # seen in files of Microsoft's own tests
    duration_milliseconds: float | None = None


class _Sourced(msgspec.Struct):
    source: str = ""


_read_source: Final = msgspec.json.Decoder(_Sourced).decode
_read_document: Final = msgspec.json.Decoder(_Document).decode
_read_phrase: Final = msgspec.json.Decoder(_Phrase).decode


@attrs.frozen
class _Heard:
    """A phrase, before speakers are numbered."""

    offset: int
    duration: int
    text: str
    channel: int | None
    speaker: int | None
    language: str | None
    words: tuple[Word, ...]


def read_result(path: Path, meeting_id: str, provenance: Provenance, what: str = "") -> Transcript:
    """Read a result file, which errors call ``what``, or by its path.

    Raises:
        BackendError: it cannot be read, or is no result.
    """
    what = what or str(path)
    with _mapped(path, what) as data:
        return result_transcript(data, meeting_id, provenance, what)


@contextmanager
def _mapped(path: Path, what: str) -> Iterator[mmap.mmap]:
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise BackendError(f"{what} is empty: there is no result in it.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield data
    except OSError as error:
        raise BackendError(f"{what} cannot be read: {error.strerror or error}.") from error


def read_source(path: Path) -> str:
    """Give the address or path of the audio that a result file is of; it may be signed.

    Raises:
        BackendError: it is no JSON document.
    """
    problem = ""
    with _mapped(path, "The service's result") as data:
        try:
            return _read_source(memoryview(data)).source
        except msgspec.MsgspecError as error:  # raised below: see result_transcript
            problem = str(error)
    raise BackendError(f"The service's result is no transcription result: {problem}.")


def utterance_id(meeting_id: str, index: int) -> str:
    """Give the id of an utterance: the same whenever the result is read."""
    return hashlib.md5(f"{meeting_id}:{index}".encode(), usedforsecurity=False).hexdigest()


def result_transcript(
    data: bytes | mmap.mmap, meeting_id: str, provenance: Provenance, what: str = "The result"
) -> Transcript:
    """Read a result: utterances by time, speakers numbered by first appearance.

    Where nobody was told apart but there are several channels, each channel is a
    speaker, and the provenance says so.

    Args:
        data: the JSON document.
        meeting_id: the id that goes into the transcript.
        provenance: where the result comes from.
        what: how errors call it.

    Raises:
        BackendError: it is no result of the batch or fast service.
    """
    problem = _NO_PHRASES
    try:
        parsed = _parse(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # Raised below: the error's frames hold on to the data, which could not be closed.
        problem = f"is no transcription result: {error}."
    else:
        if parsed is not None:
            return _transcript(*parsed, meeting_id, provenance)
    raise BackendError(f"{what} {problem}")


def _parse(data: bytes | mmap.mmap) -> tuple[list[_Heard], int | None] | None:
    """Give phrases by time and the audio's length, or ``None`` where there are no phrases."""
    document = _read_document(memoryview(data))
    phrases = document.recognized_phrases
    phrases = document.phrases if phrases is None else phrases
    if phrases is None:
        return None
    heard = sorted(_heard(phrases, data), key=lambda phrase: (phrase.offset, phrase.channel or 0))
    return heard, _duration(document)


def _heard(phrases: list[msgspec.Raw], data: bytes | mmap.mmap) -> Iterator[_Heard]:
    for number, raw in enumerate(phrases):
        if number % _PHRASES_BETWEEN == 0:
            _let_go(data)
        phrase = _read_phrase(raw)
        text, words = _said(phrase)
        if text:
            yield _Heard(
                *_times(phrase), text, phrase.channel, phrase.speaker, phrase.locale, words
            )


def _let_go(data: bytes | mmap.mmap) -> None:
    """Let the system take back the file's pages; what is needed again is read again."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)


def _said(phrase: _Phrase) -> tuple[str, tuple[Word, ...]]:
    """Give text and words; of alternatives the first is the service's choice."""
    if not phrase.n_best:
        return phrase.text, _words(phrase.words)
    best = phrase.n_best[0]
    return best.display or best.itn or best.lexical, _words(best.display_words or best.words)


def _words(words: list[_Word] | None) -> tuple[Word, ...]:
    return tuple(
        # People use the same words again and again: one text for all of them.
        Word(
            sys.intern(word.display_text or word.text or word.word),
            *_times(word),
            word.confidence,
        )
        for word in words or ()
    )


def _times(timed: _Timed) -> tuple[int, int]:
    if timed.offset_in_ticks is not None and timed.duration_in_ticks is not None:
        return max(round(timed.offset_in_ticks), 0), max(round(timed.duration_in_ticks), 0)
    offset = _ticks(timed.offset_in_ticks, timed.offset_milliseconds, timed.offset)
    duration = _ticks(timed.duration_in_ticks, timed.duration_milliseconds, timed.duration)
    return offset or 0, duration or 0


def _ticks(
    ticks: float | None, milliseconds: float | None, other: str | float | None
) -> int | None:
    """Choose among the forms of a time; a bare number is milliseconds, as in early previews."""
    if ticks is not None:
        return max(round(ticks), 0)
    if milliseconds is None and isinstance(other, int | float):
        milliseconds = other
    if milliseconds is not None:
        return max(round(milliseconds * _TICKS_PER_MILLISECOND), 0)
    return _iso(other) if isinstance(other, str) else None


def _iso(text: str) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    total = sum(float(match[unit] or 0) * size for unit, size in _SECONDS.items())
    return 0 if match["minus"] else round(total * TICKS_PER_SECOND)


def _duration(document: _Document) -> int | None:
    ticks = document.duration_in_ticks
    return _ticks(
        document.duration_ticks if ticks is None else ticks,
        document.duration_milliseconds,
        document.duration,
    )


def _transcript(
    heard: list[_Heard], duration: int | None, meeting_id: str, provenance: Provenance
) -> Transcript:
    channels = {phrase.channel for phrase in heard}
    apart = any(phrase.speaker is not None for phrase in heard)
    by_channel = len(channels) > 1 and not apart
    if by_channel:
        emulated = (*provenance.emulated, "Each audio channel is taken for a speaker.")
        provenance = attrs.evolve(provenance, emulated=emulated)
    numbers: dict[Any, int] = {}
    utterances = []
    for index, phrase in enumerate(heard):
        key = _speaker_key(phrase, len(channels) > 1, by_channel)
        utterances.append(
            Utterance(
                id=utterance_id(meeting_id, index),
                text=phrase.text,
                offset=phrase.offset,
                duration=phrase.duration,
                speaker=None if key is None else numbers.setdefault(key, len(numbers)),
                channel=phrase.channel if len(channels) > 1 else None,
                language=phrase.language,
                words=phrase.words,
            )
        )
    end = max((utterance.end for utterance in utterances), default=0)
    return Transcript(
        meeting_id, tuple(utterances), end if duration is None else duration, provenance
    )


def _speaker_key(phrase: _Heard, several: bool, by_channel: bool) -> Any:
    """Speakers are told apart within a channel only, so the channel is part of the key."""
    if by_channel:
        return phrase.channel
    if phrase.speaker is None:
        return None
    return (phrase.channel, phrase.speaker) if several else phrase.speaker
