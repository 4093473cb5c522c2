r"""A transcript as a document: text to read, JSON for programs, subtitles, or RTTM.

``text``
    One line for each utterance, ``[00:00:04] Guest-1: Good morning.``
``json``
    Version 1 of the project's own format: everything the transcript holds.
    Offsets and durations are ticks of 100 ns; see docs/cli.md.
``vtt``
    WebVTT (W3C), each speaker in a voice tag.
``srt``
    SubRip; the speaker begins the line, since the format has no place for one.
``rttm``
    Rich Transcription Time Marked (NIST RT-09): who spoke when, no words.

Every format but JSON is made of lines, so line breaks and control characters
inside a text become spaces there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs

from speech_adapters.errors import ConfigurationError
from speech_adapters.transcript import (
    TICKS_PER_SECOND,
    LabelStyle,
    Transcript,
    Utterance,
    Word,
    seconds,
)

__all__ = ["FORMATS", "JSON_VERSION", "SUFFIXES", "format_offset", "one_line", "render"]

JSON_VERSION: Final = 1

_CONTROLS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
# Half a character: cannot be written in any encoding.
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")
_UNNAMED: Final = "Unknown"


def render(transcript: Transcript, format: str, labels: LabelStyle = LabelStyle.DIARIZATION) -> str:  # noqa: A002
    """Write a transcript as a document that ends with a line break, or is empty.

    Args:
        transcript: what to write; without utterances a valid document comes out too.
        format: one of :data:`FORMATS`.
        labels: how speakers are spelled.

    Raises:
        ConfigurationError: there is no such format.
    """
    writer = _WRITERS.get(format)
    if writer is None:
        raise ConfigurationError(
            f"There is no format called {format!r}. Known formats: {', '.join(FORMATS)}."
        )
    return writer(transcript, labels)


def one_line(text: str) -> str:
    """Turn blanks, line breaks and control characters into single spaces, safe to print."""
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub(" ", text)).strip()


def format_offset(offset: int) -> str:
    """Spell ticks as ``hh:mm:ss``, cut to whole seconds."""
    minutes, second = divmod(offset // TICKS_PER_SECOND, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


def _text(transcript: Transcript, labels: LabelStyle) -> str:
    return "".join(
        f"[{format_offset(utterance.offset)}] {_named(label, text)}\n"
        for utterance, label, text in _spoken(transcript, labels)
    )


def _json(transcript: Transcript, labels: LabelStyle) -> str:
    document = {
        "format": "speech-compat transcript",
        "version": JSON_VERSION,
        "meeting_id": transcript.meeting_id,
        "ticks_per_second": TICKS_PER_SECOND,
        "duration": transcript.duration,
        "speakers": [labels.label(speaker) for speaker in transcript.speakers],
        "utterances": [_utterance_json(utterance, labels) for utterance in transcript.utterances],
        "provenance": attrs.asdict(transcript.provenance),
    }
    return _SURROGATES.sub("\ufffd", json.dumps(document, ensure_ascii=False, indent=2)) + "\n"


def _utterance_json(utterance: Utterance, labels: LabelStyle) -> dict[str, Any]:
    return {
        "id": utterance.id,
        "speaker": labels.label(utterance.speaker),
        "speaker_number": utterance.speaker,
        "offset": utterance.offset,
        "duration": utterance.duration,
        "text": utterance.text,
        "language": utterance.language,
        "channel": utterance.channel,
        "words": [_word_json(word) for word in utterance.words],
    }


def _word_json(word: Word) -> dict[str, Any]:
    return attrs.asdict(word)


def _vtt(transcript: Transcript, labels: LabelStyle) -> str:
    origin = transcript.provenance
    note = _escaped(one_line(f"Transcribed by {origin.backend} {origin.version}"))
    cues = "".join(
        f"\n{_span(utterance, '.')}\n{_voice(label)}{_escaped(text)}\n"
        for utterance, label, text in _spoken(transcript, labels)
    )
    return f"WEBVTT\n\nNOTE {note}\n{cues}"


def _voice(label: str) -> str:
    return f"<v {label}>" if label else ""


def _escaped(text: str) -> str:
    """Escape what WebVTT gives a meaning; this also breaks up any ``-->``."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _srt(transcript: Transcript, labels: LabelStyle) -> str:
    return "\n".join(
        f"{number}\n{_span(utterance, ',')}\n{_named(label, text)}\n"
        for number, (utterance, label, text) in enumerate(_spoken(transcript, labels), start=1)
    )


def _rttm(transcript: Transcript, labels: LabelStyle) -> str:
    file = _SURROGATES.sub("_", _CONTROLS.sub("_", transcript.meeting_id))
    return "".join(
        f"SPEAKER {file} {(utterance.channel or 0) + 1} {seconds(utterance.offset):.3f}"
        f" {seconds(utterance.duration):.3f} <NA> <NA>"
        f" {labels.label(utterance.speaker) or _UNNAMED} <NA> <NA>\n"
        for utterance in transcript.utterances
        if _milliseconds(utterance.duration) > 0  # the format knows no empty turn
    )


def _spoken(transcript: Transcript, labels: LabelStyle) -> Iterator[tuple[Utterance, str, str]]:
    """Give the utterances that say something, each with its label and its text on one line."""
    for utterance in transcript.utterances:
        text = one_line(utterance.text)
        if text:
            yield utterance, labels.label(utterance.speaker), text


def _named(label: str, text: str) -> str:
    return f"{label}: {text}" if label else text


def _span(utterance: Utterance, point: str) -> str:
    """Spell start and end; a subtitle must last, so the end comes a millisecond later at least."""
    start = _milliseconds(utterance.offset)
    end = max(_milliseconds(utterance.end), start + 1)
    return f"{_stamp(start, point)} --> {_stamp(end, point)}"


def _stamp(milliseconds: int, point: str) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{format_offset(whole * TICKS_PER_SECOND)}{point}{rest:03}"


def _milliseconds(value: int) -> int:
    return round(seconds(value) * 1000)


_WRITERS: Final[dict[str, Callable[[Transcript, LabelStyle], str]]] = {
    "text": _text,
    "json": _json,
    "vtt": _vtt,
    "srt": _srt,
    "rttm": _rttm,
}
FORMATS: Final = tuple(_WRITERS)
SUFFIXES: Final = {name: "txt" if name == "text" else name for name in FORMATS}
