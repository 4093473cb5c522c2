"""What the formats have in common: texts on one line, labels and times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from speech_adapters.transcript import (
    TICKS_PER_SECOND,
    LabelStyle,
    Transcript,
    Utterance,
    replace_surrogates,
)

__all__ = ["CONTROLS", "format_offset", "one_line", "texts", "with_speaker"]

CONTROLS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def one_line(text: str) -> str:
    """Return ``text`` on one line, safe to print.

    Spaces, line breaks and control characters become single spaces.
    """
    return replace_surrogates(CONTROLS.sub(" ", text)).strip()


def format_offset(offset: int) -> str:
    """Return ticks as ``hh:mm:ss``, cut to whole seconds."""
    minutes, second = divmod(offset // TICKS_PER_SECOND, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


def texts(transcript: Transcript, style: LabelStyle) -> Iterator[tuple[Utterance, str, str]]:
    """Yield the utterances that have text, each with its label and its text on one line."""
    for utterance in transcript.utterances:
        text = one_line(utterance.text)
        if text:
            yield utterance, one_line(style.label_of(utterance)), text


def with_speaker(label: str, text: str) -> str:
    """Return a text after its speaker, if there is a label."""
    return f"{label}: {text}" if label else text
