"""The words of a transcript, as they are compared.

A normalized word is in Unicode's form NFKC and in lower case, and consists of letters, marks,
digits and apostrophes.  All other characters separate words: ``Well-known, isn't it?`` has the
words ``well known isn't it``.  Numbers stay as they are written, and languages that write no spaces
are not divided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from unicodedata import category, normalize

import attrs

from speech_adapters.transcript import LabelStyle, Transcript

__all__ = ["Token", "Words", "labels_of", "split_words", "words_of"]

# An apostrophe in a word belongs to it; around a word it is a quotation mark.
_QUOTES: Final = re.compile(r"(?<!\S)'+|'+(?!\S)")


class _Kept(dict[int, int]):
    """Replaces by a space what belongs to no word; grows by each character that is seen."""

    def __missing__(self, code: int) -> int:
        character = chr(code)
        kept = character == "'" or category(character)[0] in "LMN"
        self[code] = code if kept else ord(" ")
        return self[code]


# A typographic apostrophe is an apostrophe.
_KEPT: Final = _Kept({ord("\N{RIGHT SINGLE QUOTATION MARK}"): ord("'")})


@attrs.frozen
class Token:
    """A part of a text between spaces.

    Attributes:
        text: as it is written.
        utterance: the number of its utterance.
        count: how many words it has; punctuation alone has none.
    """

    text: str
    utterance: int
    count: int


@attrs.frozen
class Words:
    """The words of some utterances, in order.

    Attributes:
        words: the words.
        tokens: the same as it is written.
    """

    words: tuple[str, ...]
    tokens: tuple[Token, ...]


def split_words(text: str, *, normalized: bool = True) -> list[str]:
    """Return the words of a text; without normalization, what is between spaces."""
    if not normalized:
        return text.split()
    plain = normalize("NFKC", text).casefold().translate(_KEPT)
    return _QUOTES.sub(" ", plain).split()


def words_of(transcript: Transcript, label: str | None = None, *, normalized: bool = True) -> Words:
    """Return the words of a transcript, or of one of its speakers.

    Args:
        transcript: the transcript, whose utterances are in order.
        label: the label of a speaker; by default of all.
        normalized: whether the words are normalized.
    """
    words: list[str] = []
    tokens: list[Token] = []
    for number, utterance in enumerate(transcript.utterances):
        if label is None or LabelStyle.DIARIZATION.label_of(utterance) == label:
            for text in utterance.text.split():
                found = split_words(text, normalized=normalized)
                words += found
                tokens.append(Token(text, number, len(found)))
    return Words(tuple(words), tuple(tokens))


def labels_of(transcript: Transcript) -> Sequence[str]:
    """Return the labels of the speakers, in the order of appearance."""
    return list(dict.fromkeys(map(LabelStyle.DIARIZATION.label_of, transcript.utterances)))
