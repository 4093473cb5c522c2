"""Result files of the batch and fast services, parsed into utterances.

A batch result has ``recognizedPhrases`` with ``nBest`` alternatives and times as ticks,
milliseconds or ISO 8601; a fast result has ``phrases`` with text and milliseconds.  The
parser accepts every form that the services write
(docs/protocol/batch-and-fast-rest.md, 2.7): each time form is optional, ticks may be
fractions, durations negative, alternatives unsorted, statuses of any name, phrases grouped
by channel, speakers counted from 0 or 1.  A phrase that was not recognized is left out.

A file of 100 MB never becomes objects as a whole: its phrases are located first, then
parsed one by one.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from speech_adapters.errors import BackendError
from speech_adapters.transcript import TICKS_PER_SECOND, Provenance, Transcript, Utterance, Word

__all__ = ["CHANNEL_IS_SPEAKER", "read_result", "read_source", "result_transcript", "utterance_id"]

# A note for the provenance.
CHANNEL_IS_SPEAKER: Final = "Each audio channel is taken for a speaker."
_NO_PHRASES: Final = (
    'is no result of batch or fast transcription: it has neither "recognizedPhrases" nor "phrases".'
)
_TICKS_PER_MILLISECOND: Final = 10_000
# Number of phrases after which the pages of a mapped file are released.
_PHRASES_PER_RELEASE: Final = 2_000
_NUMBER: Final = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_ISO: Final = re.compile(
    rf"(?P<minus>-)?P(?:(?P<days>{_NUMBER})D)?T?(?:(?P<hours>{_NUMBER})H)?"
    rf"(?:(?P<minutes>{_NUMBER})M)?(?:(?P<seconds>{_NUMBER})S)?"
)
# Three years: a time beyond it is a defect, and counts as missing.
_LONGEST_TICKS: Final = 10**15
# A larger number of a channel or speaker is a defect, and counts as missing.
_LARGEST_NUMBER: Final = 2**31
_BOM: Final = b"\xef\xbb\xbf"
# Statuses of a phrase with a text to read; many others exist, and their texts are guesses.
_RECOGNIZED: Final = (None, "", "Success")
_SECONDS: Final = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


class _TimeFields(msgspec.Struct, rename="camel"):
    offset: str | float | None = None
    duration: str | float | None = None
    offset_in_ticks: float | None = None
    duration_in_ticks: float | None = None
    offset_milliseconds: float | None = None
    duration_milliseconds: float | None = None


# Any field may be null: other services of the same family write it for an absent value.
class _Word(_TimeFields, rename="camel"):
    word: str | None = None  # in "words" of a batch result
    display_text: str | None = None  # in "displayWords" of a batch result
    text: str | None = None  # in a fast result
    confidence: float | None = None


class _Alternative(msgspec.Struct, rename="camel"):
    display: str | None = None
    itn: str | None = None
    lexical: str | None = None
    words: list[_Word] | None = None
    display_words: list[_Word] | None = None


class _Phrase(_TimeFields, rename="camel"):
    recognition_status: str | None = None  # only in a batch result
    # Numbers may be written as 1.0.
    channel: float | None = None
    speaker: float | None = None
    locale: str | None = None
    text: str | None = None
    words: list[_Word] | None = None
    n_best: list[_Alternative] | None = None


class _Document(msgspec.Struct, rename="camel"):
    recognized_phrases: list[msgspec.Raw] | None = None
    phrases: list[msgspec.Raw] | None = None
    duration: str | float | None = None
    duration_in_ticks: float | None = None
    duration_ticks: float | None = None  # seen in files of Microsoft's own tests
    duration_milliseconds: float | None = None


class _SourceOnly(msgspec.Struct):
    source: str | None = None


# Nested arrays of any depth are valid JSON, so the depth is no msgspec error.
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode_source: Final = msgspec.json.Decoder(_SourceOnly).decode
_decode_document: Final = msgspec.json.Decoder(_Document).decode
_decode_phrase: Final = msgspec.json.Decoder(_Phrase).decode


@attrs.frozen
class _ParsedPhrase:
    """A phrase before speakers are numbered; times in ticks."""

    offset: int
    duration: int
    text: str
    channel: int | None
    speaker: int | None
    language: str | None
    words: tuple[Word, ...]


def read_result(path: Path, meeting_id: str, provenance: Provenance, name: str = "") -> Transcript:
    """Return the transcript in a result file.

    Args:
        path: the file.
        meeting_id: id of the meeting that the transcript belongs to.
        provenance: backend and service that made the result.
        name: subject of error messages; the path if empty.

    Raises:
        BackendError: the file cannot be read or is no result.
    """
    name = name or str(path)
    with _mapped_file(path, name) as data:
        return result_transcript(data, meeting_id, provenance, name)


@contextmanager
def _mapped_file(path: Path, name: str) -> Iterator[mmap.mmap]:
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise BackendError(f"{name} is empty: there is no result in it.")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            try:
                yield data
            finally:
                # An error on its way out may still refer to the content, which is then
                # closed with it.
                with suppress(BufferError):
                    data.close()
    except OSError as error:
        raise BackendError(f"{name} cannot be read: {error.strerror or error}.") from error


def read_source(path: Path) -> str:
    """Return the address or path of the audio of a result file; it may hold a signature.

    Raises:
        BackendError: the file is no JSON document.
    """
    problem = ""
    with _mapped_file(path, "The service's result") as data:
        try:
            return _decode_source(_without_bom(data)).source or ""
        except _UNREADABLE as error:  # raised below: see result_transcript
            problem = str(error)
    raise BackendError(f"The service's result is no transcription result: {problem}.")


def utterance_id(meeting_id: str, index: int) -> str:
    """Return the id of an utterance: the same each time a result is read."""
    return hashlib.md5(f"{meeting_id}:{index}".encode(), usedforsecurity=False).hexdigest()


def result_transcript(
    data: bytes | mmap.mmap, meeting_id: str, provenance: Provenance, name: str = "The result"
) -> Transcript:
    """Return the transcript of a result: utterances by time, speakers by first appearance.

    If the result has several channels and no speakers, each channel becomes a speaker, and
    the provenance notes it.

    Args:
        data: the JSON document.
        meeting_id: id of the meeting that the transcript belongs to.
        provenance: backend and service that made the result.
        name: subject of error messages.

    Raises:
        BackendError: the document is no result of the batch or fast service.
    """
    problem = _NO_PHRASES
    try:
        parsed = _parse(data)
    except _UNREADABLE as error:
        # Raised below: the frames of this error refer to the data, so that the mapped file
        # could not be closed.
        problem = f"is no transcription result: {error}."
    else:
        if parsed is not None:
            return _transcript(*parsed, meeting_id, provenance)
    raise BackendError(f"{name} {problem}")


def _parse(data: bytes | mmap.mmap) -> tuple[list[_ParsedPhrase], int | None] | None:
    """Return phrases by time and the audio's length in ticks; ``None`` without phrases."""
    document = _decode_document(_without_bom(data))
    phrases = document.recognized_phrases
    phrases = document.phrases if phrases is None else phrases
    if phrases is None:
        return None
    parsed = sorted(
        _parse_phrases(phrases, data), key=lambda phrase: (phrase.offset, phrase.channel or 0)
    )
    return parsed, _duration(document)


def _without_bom(data: bytes | mmap.mmap) -> memoryview:
    return memoryview(data)[len(_BOM) if data[: len(_BOM)] == _BOM else 0 :]


def _parse_phrases(phrases: list[msgspec.Raw], data: bytes | mmap.mmap) -> Iterator[_ParsedPhrase]:
    for number, raw in enumerate(phrases):
        if number % _PHRASES_PER_RELEASE == 0:
            _release_pages(data)
        phrase = _decode_phrase(raw)
        text, words = _text_and_words(phrase)
        if text and phrase.recognition_status in _RECOGNIZED:
            yield _ParsedPhrase(
                *_times(phrase),
                text,
                _integer(phrase.channel),
                _integer(phrase.speaker),
                phrase.locale,
                words,
            )


def _release_pages(data: bytes | mmap.mmap) -> None:
    """Return the file's pages to the system; it reads them again if they are needed."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)


def _text_and_words(phrase: _Phrase) -> tuple[str, tuple[Word, ...]]:
    """Return text and words of the first alternative, which is the service's choice."""
    if not phrase.n_best:
        return phrase.text or "", _words(phrase.words)
    best = phrase.n_best[0]
    text = best.display or best.itn or best.lexical or ""
    return text, _words(best.display_words or best.words)


def _words(words: list[_Word] | None) -> tuple[Word, ...]:
    return tuple(
        # Speech repeats its words: one string for all occurrences saves memory.
        Word(
            sys.intern(word.display_text or word.text or word.word or ""),
            *_times(word),
            word.confidence,
        )
        for word in words or ()
    )


def _times(fields: _TimeFields) -> tuple[int, int]:
    # The usual form, of which a large result has millions.
    if fields.offset_in_ticks is not None and fields.duration_in_ticks is not None:
        return _whole(fields.offset_in_ticks) or 0, _whole(fields.duration_in_ticks) or 0
    offset = _ticks(fields.offset_in_ticks, fields.offset_milliseconds, fields.offset)
    duration = _ticks(fields.duration_in_ticks, fields.duration_milliseconds, fields.duration)
    return offset or 0, duration or 0


def _ticks(
    ticks: float | None, milliseconds: float | None, other: str | float | None
) -> int | None:
    """Return a time in ticks, from the most exact form; a bare number is milliseconds.

    Early previews of the service wrote bare numbers.
    """
    if ticks is not None:
        return _whole(ticks)
    if milliseconds is None and isinstance(other, int | float):
        milliseconds = other
    if milliseconds is not None:
        return _whole(milliseconds * _TICKS_PER_MILLISECOND)
    return _iso(other) if isinstance(other, str) else None


def _iso(text: str) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    total = sum(float(match[unit] or 0) * size for unit, size in _SECONDS.items())
    return 0 if match["minus"] else _whole(total * TICKS_PER_SECOND)


def _whole(ticks: float) -> int | None:
    """Return whole ticks, negative ones as 0; ``None`` for an impossible number."""
    return max(round(ticks), 0) if ticks <= _LONGEST_TICKS else None


def _integer(number: float | None) -> int | None:
    return None if number is None or abs(number) > _LARGEST_NUMBER else int(number)


def _duration(document: _Document) -> int | None:
    ticks = document.duration_in_ticks
    return _ticks(
        document.duration_ticks if ticks is None else ticks,
        document.duration_milliseconds,
        document.duration,
    )


def _transcript(
    phrases: list[_ParsedPhrase], duration: int | None, meeting_id: str, provenance: Provenance
) -> Transcript:
    several = len({phrase.channel for phrase in phrases}) > 1
    by_channel = several and all(phrase.speaker is None for phrase in phrases)
    if by_channel:
        emulated = (*provenance.emulated, CHANNEL_IS_SPEAKER)
        provenance = attrs.evolve(provenance, emulated=emulated)
    numbers: dict[Any, int] = {}
    utterances = []
    for index, phrase in enumerate(phrases):
        key = _speaker_key(phrase, several, by_channel)
        utterances.append(
            Utterance(
                id=utterance_id(meeting_id, index),
                text=phrase.text,
                offset=phrase.offset,
                duration=phrase.duration,
                speaker=None if key is None else numbers.setdefault(key, len(numbers)),
                channel=phrase.channel if several else None,
                language=phrase.language,
                words=phrase.words,
            )
        )
    end = max((utterance.end for utterance in utterances), default=0)
    return Transcript(
        meeting_id, tuple(utterances), end if duration is None else duration, provenance
    )


def _speaker_key(phrase: _ParsedPhrase, several: bool, by_channel: bool) -> Any:
    """Return what identifies a speaker: the service numbers the speakers of each channel anew."""
    if by_channel:
        return phrase.channel
    if phrase.speaker is None:
        return None
    return (phrase.channel, phrase.speaker) if several else phrase.speaker
