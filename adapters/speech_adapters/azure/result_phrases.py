"""Phrases of the batch and fast services, decoded and brought into one form.

A batch result has ``nBest`` alternatives and times as ticks, milliseconds or ISO 8601; a fast
result has text and milliseconds (docs/protocol/batch-and-fast-rest.md, 2.7).  Each time form is
optional, ticks may be fractions, durations negative, statuses of any name, speakers counted
from 0 or 1.  A phrase that was not recognized is left out.

Three decoders read them.  Two are for exactly what the services write today, where the decoder
itself checks all values, which a large result has millions of.  They refuse everything else, and
then the third one, which accepts every form, reads the same phrases.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from speech_adapters.transcript import TICKS_PER_SECOND, Word

__all__ = ["ParsedPhrase", "PhraseDecoder", "decode_phrase", "ticks_of"]

_TICKS_PER_MILLISECOND: Final = 10_000
_NUMBER: Final = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_ISO: Final = re.compile(
    rf"(?P<minus>-)?P(?:(?P<days>{_NUMBER})D)?T?(?:(?P<hours>{_NUMBER})H)?"
    rf"(?:(?P<minutes>{_NUMBER})M)?(?:(?P<seconds>{_NUMBER})S)?"
)
# Three years: a time beyond it is a defect, and counts as missing.
_LONGEST_TICKS: Final = 10**15
# A larger number of a channel or speaker is a defect, and counts as missing.
_LARGEST_NUMBER: Final = 2**31
# Statuses of a phrase with a text to read; many others exist, and their texts are guesses.
_RECOGNIZED: Final = (None, "", "Success")
_SECONDS: Final = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


class ParsedPhrase(msgspec.Struct, gc=False):
    """A phrase before speakers are numbered; times in ticks."""

    offset: int
    duration: int
    text: str
    channel: int | None
    speaker: int | None
    language: str | None
    words: tuple[Word, ...]


# --- any form ------------------------------------------------------------------------------


class _TimeFields(msgspec.Struct, rename="camel", gc=False):
    offset: str | float | None = None
    duration: str | float | None = None
    offset_in_ticks: float | None = None
    duration_in_ticks: float | None = None
    offset_milliseconds: float | None = None
    duration_milliseconds: float | None = None


# Any field may be null: other services of the same family write it for an absent value.
class _Word(_TimeFields, rename="camel", gc=False):
    word: str | None = None  # in "words" of a batch result
    display_text: str | None = None  # in "displayWords" of a batch result
    text: str | None = None  # in a fast result
    confidence: float | None = None


class _Alternative(msgspec.Struct, rename="camel", gc=False):
    display: str | None = None
    itn: str | None = None
    lexical: str | None = None
    words: list[_Word] | None = None
    display_words: list[_Word] | None = None


class _Phrase(_TimeFields, rename="camel", gc=False):
    recognition_status: str | None = None  # only in a batch result
    # Numbers may be written as 1.0.
    channel: float | None = None
    speaker: float | None = None
    locale: str | None = None
    text: str | None = None
    words: list[_Word] | None = None
    n_best: list[_Alternative] | None = None


def _of_any(phrase: _Phrase, words: bool) -> ParsedPhrase | None:
    # The first alternative is the service's choice.
    best = phrase.n_best[0] if phrase.n_best else None
    text = phrase.text if best is None else best.display or best.itn or best.lexical
    if not text or phrase.recognition_status not in _RECOGNIZED:
        return None
    spoken = phrase.words if best is None else best.display_words or best.words
    return ParsedPhrase(
        *_times(phrase),
        text,
        _integer(phrase.channel),
        _integer(phrase.speaker),
        phrase.locale,
        # Speech repeats its words: one string for all occurrences saves memory.
        tuple(
            Word(
                sys.intern(word.display_text or word.text or word.word or ""),
                *_times(word),
                word.confidence,
            )
            for word in spoken or ()
        )
        if words
        else (),
    )


def _times(fields: _TimeFields) -> tuple[int, int]:
    offset = ticks_of(fields.offset_in_ticks, fields.offset_milliseconds, fields.offset)
    duration = ticks_of(fields.duration_in_ticks, fields.duration_milliseconds, fields.duration)
    return offset or 0, duration or 0


def ticks_of(
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


# --- exactly what the services write -------------------------------------------------------
# A field of the type None is one that the form does not have, and that would count first.

_Ticks = Annotated[float, Meta(ge=0, le=_LONGEST_TICKS, multiple_of=1)]
_Milliseconds = Annotated[int, Meta(ge=0, le=_LONGEST_TICKS // _TICKS_PER_MILLISECOND)]
_Number = Annotated[int, Meta(ge=-_LARGEST_NUMBER, le=_LARGEST_NUMBER)] | None


class _BatchWord(msgspec.Struct, rename="camel", gc=False):
    offset_in_ticks: _Ticks
    duration_in_ticks: _Ticks
    word: str
    confidence: float | None = None
    display_text: None = None
    text: None = None


class _BatchDisplayWord(msgspec.Struct, rename="camel", gc=False):
    offset_in_ticks: _Ticks
    duration_in_ticks: _Ticks
    display_text: Annotated[str, Meta(min_length=1)]
    confidence: float | None = None


class _BatchAlternative(msgspec.Struct, rename="camel", gc=False):
    display: str | None = None
    itn: str | None = None
    lexical: str | None = None
    words: list[_BatchWord] | None = None
    display_words: list[_BatchDisplayWord] | None = None


class _BatchPhrase(msgspec.Struct, rename="camel", gc=False):
    offset_in_ticks: _Ticks
    duration_in_ticks: _Ticks
    n_best: Annotated[list[_BatchAlternative], Meta(min_length=1)]
    recognition_status: str | None = None
    channel: _Number = None
    speaker: _Number = None
    locale: str | None = None


def _of_batch(phrase: _BatchPhrase, words: bool) -> ParsedPhrase | None:
    best = phrase.n_best[0]
    text = best.display or best.itn or best.lexical
    if not text or phrase.recognition_status not in _RECOGNIZED:
        return None
    return ParsedPhrase(
        int(phrase.offset_in_ticks),
        int(phrase.duration_in_ticks),
        text,
        phrase.channel,
        phrase.speaker,
        phrase.locale,
        _batch_words(best) if words else (),
    )


def _batch_words(best: _BatchAlternative) -> tuple[Word, ...]:
    intern = sys.intern
    if best.display_words:
        return tuple(
            [
                Word(
                    intern(w.display_text),
                    int(w.offset_in_ticks),
                    int(w.duration_in_ticks),
                    w.confidence,
                )
                for w in best.display_words
            ]
        )
    return tuple(
        [
            Word(intern(w.word), int(w.offset_in_ticks), int(w.duration_in_ticks), w.confidence)
            for w in best.words or ()
        ]
    )


class _FastWord(msgspec.Struct, rename="camel", gc=False):
    offset_milliseconds: _Milliseconds
    duration_milliseconds: _Milliseconds
    text: Annotated[str, Meta(min_length=1)]
    confidence: float | None = None
    offset_in_ticks: None = None
    duration_in_ticks: None = None
    display_text: None = None


class _FastPhrase(msgspec.Struct, rename="camel", gc=False):
    offset_milliseconds: _Milliseconds
    duration_milliseconds: _Milliseconds
    text: str
    words: list[_FastWord] | None = None
    channel: _Number = None
    speaker: _Number = None
    locale: str | None = None
    recognition_status: None = None
    n_best: None = None
    offset_in_ticks: None = None
    duration_in_ticks: None = None


def _of_fast(phrase: _FastPhrase, words: bool) -> ParsedPhrase | None:
    if not phrase.text:
        return None
    intern = sys.intern
    return ParsedPhrase(
        phrase.offset_milliseconds * _TICKS_PER_MILLISECOND,
        phrase.duration_milliseconds * _TICKS_PER_MILLISECOND,
        phrase.text,
        phrase.channel,
        phrase.speaker,
        phrase.locale,
        tuple(
            [
                Word(
                    intern(w.text),
                    w.offset_milliseconds * _TICKS_PER_MILLISECOND,
                    w.duration_milliseconds * _TICKS_PER_MILLISECOND,
                    w.confidence,
                )
                for w in phrase.words
            ]
        )
        if words and phrase.words
        else (),
    )


# Decodes an array of phrases, and brings one of them into the common form.
_Form = tuple[Callable[[bytes], Any], Callable[[Any, bool], ParsedPhrase | None]]
_FORMS: Final[tuple[_Form, ...]] = (
    (msgspec.json.Decoder(list[_FastPhrase]).decode, _of_fast),
    (msgspec.json.Decoder(list[_BatchPhrase]).decode, _of_batch),
    (msgspec.json.Decoder(list[_Phrase]).decode, _of_any),
)
_decode_phrase: Final = msgspec.json.Decoder(_Phrase).decode


def decode_phrase(data: msgspec.Raw) -> ParsedPhrase | None:
    """Read one phrase of any form; ``None`` if nothing was recognized.

    Raises:
        ValueError: it is no phrase.
    """
    return _of_any(_decode_phrase(data), True)


class PhraseDecoder:
    """Decodes arrays of phrases, in the form of those before if possible."""

    def __init__(self) -> None:
        self._forms: Sequence[_Form] = _FORMS

    def decode(self, data: bytes, *, words: bool = True) -> list[ParsedPhrase]:
        """Return the recognized phrases of a JSON array, without words unless ``words``.

        Raises:
            ValueError: it is no array of phrases.
        """
        while True:
            decode, convert = self._forms[0]
            try:
                phrases = decode(data)
                break
            except msgspec.ValidationError:
                # A form that did not fit once is not tried again: that would double the time.
                if len(self._forms) == 1:
                    raise
                self._forms = self._forms[1:]
        return list(filter(None, map(convert, phrases, repeat(words))))
