"""Export of a transcript as text, JSON, subtitles or RTTM.

``text``
    One line for each utterance, ``[00:00:04] Guest-1: Good morning.``
``json``
    Version 1 of the project's own format, with all data of the transcript.
    Offsets and durations are ticks of 100 ns; see docs/cli.md.
``vtt``
    WebVTT (W3C), each speaker in a voice tag.
``srt``
    SubRip; the speaker begins the line, since the format has no field for one.
``rttm``
    Rich Transcription Time Marked (NIST RT-09): speaker turns without words.  An utterance
    with word timings is one turn for each of its parts between pauses.

All formats but JSON consist of lines, so line breaks and control characters
inside a text become spaces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import attrs

from speech_adapters.errors import ConfigurationError
from speech_adapters.transcript import (
    TICKS_PER_SECOND,
    LabelStyle,
    Transcript,
    Utterance,
    replace_surrogates,
    seconds,
)

__all__ = ["FORMATS", "JSON_VERSION", "SUFFIXES", "format_offset", "one_line", "render"]

JSON_VERSION: Final = 1

_CONTROLS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_UNNAMED: Final = "Unknown"
# A pause between words that ends a turn.  The timings of words are not more exact than that.
_PAUSE: Final = TICKS_PER_SECOND // 2


def render(
    transcript: Transcript, format_name: str, style: LabelStyle = LabelStyle.DIARIZATION
) -> str:
    """Return a transcript as a document, which ends with a line break or is empty.

    Args:
        transcript: the transcript; one without utterances is a valid document too.
        format_name: one of :data:`FORMATS`.
        style: spelling of the speakers.

    Raises:
        ConfigurationError: the format is unknown.
    """
    writer = _WRITERS.get(format_name)
    if writer is None:
        raise ConfigurationError(
            f"The format {format_name!r} is unknown. Choose one of {', '.join(FORMATS)}."
        )
    return writer(transcript, style)


def one_line(text: str) -> str:
    """Return ``text`` on one line, safe to print.

    Spaces, line breaks and control characters become single spaces.
    """
    return replace_surrogates(_CONTROLS.sub(" ", text)).strip()


def format_offset(offset: int) -> str:
    """Return ticks as ``hh:mm:ss``, cut to whole seconds."""
    minutes, second = divmod(offset // TICKS_PER_SECOND, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


def _text(transcript: Transcript, style: LabelStyle) -> str:
    return "".join(
        f"[{format_offset(utterance.offset)}] {_with_speaker(label, text)}\n"
        for utterance, label, text in _texts(transcript, style)
    )


def _json(transcript: Transcript, style: LabelStyle) -> str:
    document = {
        "format": "speech-compat transcript",
        "version": JSON_VERSION,
        "meeting_id": transcript.meeting_id,
        "ticks_per_second": TICKS_PER_SECOND,
        "duration": transcript.duration,
        "speakers": _labels(transcript, style),
        "utterances": [_utterance_json(utterance, style) for utterance in transcript.utterances],
        "provenance": attrs.asdict(transcript.provenance),
    }
    return replace_surrogates(json.dumps(document, ensure_ascii=False, indent=2)) + "\n"


def _labels(transcript: Transcript, style: LabelStyle) -> list[str]:
    """Return the label of each speaker, in the order of their numbers."""
    labels = {u.speaker: style.label_of(u) for u in transcript.utterances}
    return [labels[speaker] for speaker in transcript.speakers]


def _utterance_json(utterance: Utterance, style: LabelStyle) -> dict[str, Any]:
    return {
        "id": utterance.id,
        "speaker": style.label_of(utterance),
        "speaker_number": utterance.speaker,
        "participant": utterance.participant,
        "offset": utterance.offset,
        "duration": utterance.duration,
        "text": utterance.text,
        "language": utterance.language,
        "channel": utterance.channel,
        "words": [attrs.asdict(word) for word in utterance.words],
    }


def _vtt(transcript: Transcript, style: LabelStyle) -> str:
    origin = transcript.provenance
    note = _escaped(one_line(f"Transcribed by {origin.backend} {origin.version}"))
    cues = "".join(
        f"\n{_time_range(utterance, '.')}\n{_voice_tag(label)}{_escaped(text)}\n"
        for utterance, label, text in _texts(transcript, style)
    )
    return f"WEBVTT\n\nNOTE {note}\n{cues}"


def _voice_tag(label: str) -> str:
    return f"<v {_escaped(label)}>" if label else ""


def _escaped(text: str) -> str:
    """Escape the characters that have a meaning in WebVTT; this also breaks up any ``-->``."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _srt(transcript: Transcript, style: LabelStyle) -> str:
    return "\n".join(
        f"{number}\n{_time_range(utterance, ',')}\n{_with_speaker(label, text)}\n"
        for number, (utterance, label, text) in enumerate(_texts(transcript, style), start=1)
    )


def _rttm(transcript: Transcript, style: LabelStyle) -> str:
    file = _field(transcript.meeting_id)
    return "".join(
        f"SPEAKER {file} {(utterance.channel or 0) + 1} {seconds(start):.3f}"
        f" {seconds(end - start):.3f} <NA> <NA>"
        f" {_field(style.label_of(utterance)) or _UNNAMED} <NA> <NA>\n"
        for utterance in transcript.utterances
        for start, end in _spans(utterance)
        if _milliseconds(end - start) > 0  # the format has no empty turn
    )


def _field(text: str) -> str:
    """Return a text as one field of RTTM, which contains no space."""
    return replace_surrogates(_CONTROLS.sub("_", text), "_")


def _spans(utterance: Utterance) -> Iterator[tuple[int, int]]:
    """Yield start and end of the speech between pauses, in ticks."""
    start = utterance.offset
    for word, following in pairwise(utterance.words):
        end = word.offset + word.duration
        if following.offset - end >= _PAUSE:
            yield start, end
            start = following.offset
    yield start, utterance.end


def _texts(transcript: Transcript, style: LabelStyle) -> Iterator[tuple[Utterance, str, str]]:
    """Yield the utterances that have text, each with its label and its text on one line."""
    for utterance in transcript.utterances:
        text = one_line(utterance.text)
        if text:
            yield utterance, one_line(style.label_of(utterance)), text


def _with_speaker(label: str, text: str) -> str:
    return f"{label}: {text}" if label else text


def _time_range(utterance: Utterance, separator: str) -> str:
    """Return start and end of a subtitle."""
    # A subtitle without duration would never be shown: it lasts a millisecond at least.
    start = _milliseconds(utterance.offset)
    end = max(_milliseconds(utterance.end), start + 1)
    return f"{_timestamp(start, separator)} --> {_timestamp(end, separator)}"


def _timestamp(milliseconds: int, separator: str) -> str:
    whole, rest = divmod(milliseconds, 1000)
    return f"{format_offset(whole * TICKS_PER_SECOND)}{separator}{rest:03}"


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
