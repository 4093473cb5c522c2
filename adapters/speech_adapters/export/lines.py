"""What the formats have in common: texts on one line, labels and times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import attrs

from speech_adapters.transcript import (
    TICKS_PER_SECOND,
    AnyTranscript,
    LabelStyle,
    Transcript,
    Utterance,
    replace_surrogates,
)

__all__ = ["CONTROLS", "by_offset", "format_offset", "one_line", "spans", "texts", "with_speaker"]

CONTROLS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
# A pause between words that ends a turn.  The timings of words are not more exact than that.
_PAUSE: Final = TICKS_PER_SECOND // 2


def one_line(text: str) -> str:
    """Return ``text`` on one line, safe to print.

    Spaces, line breaks and control characters become single spaces.
    """
    return replace_surrogates(CONTROLS.sub(" ", text)).strip()


def format_offset(offset: int) -> str:
    """Return ticks as ``hh:mm:ss``, cut to whole seconds."""
    minutes, second = divmod(offset // TICKS_PER_SECOND, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


def spans(utterance: Utterance) -> Iterator[tuple[int, int]]:
    """Yield start and end of the speech between pauses, in ticks."""
    start = utterance.offset
    for word, following in pairwise(utterance.words):
        end = word.offset + word.duration
        if following.offset - end >= _PAUSE:
            yield start, end
            start = following.offset
    yield start, utterance.end


def texts(transcript: AnyTranscript, style: LabelStyle) -> Iterator[tuple[Utterance, str, str]]:
    """Yield the utterances that have text, each with its label and its text on one line."""
    for utterance in transcript.utterances:
        text = one_line(utterance.text)
        if text:
            yield utterance, one_line(style.label_of(utterance)), text


def by_offset(transcript: AnyTranscript) -> AnyTranscript:
    """Return the transcript with its utterances by offset, as all that are stored have them."""
    if isinstance(transcript, Transcript):
        ordered = sorted(transcript.utterances, key=lambda utterance: utterance.offset)
        return attrs.evolve(transcript, utterances=tuple(ordered))
    return transcript


def with_speaker(label: str, text: str) -> str:
    """Return a text after its speaker, if there is a label."""
    return f"{label}: {text}" if label else text
