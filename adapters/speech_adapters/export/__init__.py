"""Export of a transcript as text, JSON, subtitles, RTTM or a page.

``text``
    One line for each utterance, ``[00:00:04] Guest-1: Good morning.``
``json``
    Version 1 of the project's own format, with all data of the transcript.
    Offsets and durations are ticks of 100 ns; see :mod:`.document`.
``vtt``
    WebVTT (W3C), each speaker in a voice tag.
``srt``
    SubRip; the speaker begins the line, since the format has no field for one.
``rttm``
    Rich Transcription Time Marked (NIST RT-09): speaker turns without words.  An utterance
    with word timings is one turn for each of its parts between pauses.
``html``
    One page without any other file: timeline, searchable text, player; see :mod:`.page`.

Each writer yields its document in parts and holds none of the utterances, so a transcript of any
length is exported at constant memory.  Some read the utterances several times.

The texts of all formats but JSON are lines, so line breaks and control characters
inside a text become spaces.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePath
from typing import Final

from speech_adapters.errors import ConfigurationError
from speech_adapters.export.document import JSON_VERSION, document_of, utterance_of
from speech_adapters.export.lines import (
    CONTROLS,
    format_offset,
    one_line,
    spans,
    texts,
    with_speaker,
)
from speech_adapters.transcript import (
    AnyTranscript,
    LabelStyle,
    replace_surrogates,
    seconds,
)

__all__ = [
    "FORMATS",
    "JSON_VERSION",
    "SUFFIXES",
    "format_of",
    "format_offset",
    "one_line",
    "render",
    "render_page",
    "write",
]

# All other modules that write a format are imported when they do: each command imports this one.
FORMATS: Final = ("text", "json", "vtt", "srt", "rttm", "html")
SUFFIXES: Final = {name: "txt" if name == "text" else name for name in FORMATS}
_BY_SUFFIX: Final = {suffix: name for name, suffix in SUFFIXES.items()}

_UNNAMED: Final = "Unknown"
# In no text of the document, where quotation marks are escaped.
_NO_UTTERANCES: Final = '"utterances": []'
_PARTS: Final = 256


def render(
    transcript: AnyTranscript, format_name: str, style: LabelStyle = LabelStyle.DIARIZATION
) -> str:
    """Return a transcript as a document, which ends with a line break or is empty.

    Args:
        transcript: the transcript; one without utterances is a valid document too.
        format_name: one of :data:`FORMATS`.
        style: spelling of the speakers.

    Raises:
        ConfigurationError: the format is unknown.
    """
    return "".join(write(transcript, format_name, style))


def write(
    transcript: AnyTranscript, format_name: str, style: LabelStyle = LabelStyle.DIARIZATION
) -> Iterator[str]:
    """Return the document of :func:`render` in parts, at constant memory.

    Raises:
        ConfigurationError: the format is unknown.
    """
    return _joined(_parts(transcript, format_name, style))


def render_page(transcript: AnyTranscript, audio: Path | None = None) -> str:
    """Return the page of :func:`.page.render_page`, with the recording in it."""
    from speech_adapters.export import page

    return page.render_page(transcript, audio)


def _parts(transcript: AnyTranscript, format_name: str, style: LabelStyle) -> Iterator[str]:
    match format_name:
        case "text":
            return _text(transcript, style)
        case "json":
            return _json(transcript, style)
        case "rttm":
            return _rttm(transcript, style)
        case "vtt" | "srt":
            from speech_adapters.export.subtitles import write_srt, write_vtt

            return (write_vtt if format_name == "vtt" else write_srt)(transcript, style)
        case "html":
            from speech_adapters.export.page import write_page

            return write_page(transcript, style=style)
    raise ConfigurationError(
        f"The format {format_name!r} is unknown. Choose one of {', '.join(FORMATS)}."
    )


def _joined(parts: Iterable[str]) -> Iterator[str]:
    """Yield the parts some hundred at a time: each one of them may be a system call."""
    following = iter(parts)
    while some := "".join(islice(following, _PARTS)):
        yield some


def format_of(output: PurePath | str | None) -> str | None:
    """Return the format that the extension of a file means, or ``None``."""
    return None if output is None else _BY_SUFFIX.get(PurePath(output).suffix.lower()[1:])


def _text(transcript: AnyTranscript, style: LabelStyle) -> Iterator[str]:
    for utterance, label, text in texts(transcript, style):
        yield f"[{format_offset(utterance.offset)}] {with_speaker(label, text)}\n"


def _json(transcript: AnyTranscript, style: LabelStyle) -> Iterator[str]:
    document = document_of(transcript, style, ())
    before, empty, after = _indented(document).partition(_NO_UTTERANCES)
    found = False
    for utterance in transcript.utterances:
        text = _indented(utterance_of(utterance, style)).replace("\n", "\n    ")
        yield f",\n    {text}" if found else f"{before}{_NO_UTTERANCES[:-1]}\n    {text}"
        found = True
    yield (f"\n  ]{after}" if found else f"{before}{empty}{after}") + "\n"


def _indented(value: object) -> str:
    """Return a value as JSON with an indent of 2."""
    import msgspec

    try:
        return msgspec.json.format(msgspec.json.encode(value)).decode()
    except UnicodeEncodeError:  # half a character
        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=2)
        return replace_surrogates(text)


def _rttm(transcript: AnyTranscript, style: LabelStyle) -> Iterator[str]:
    file = _field(transcript.meeting_id)
    for utterance in transcript.utterances:
        for start, end in spans(utterance):
            if round(seconds(end - start) * 1000) > 0:  # the format has no empty turn
                yield (
                    f"SPEAKER {file} {(utterance.channel or 0) + 1} {seconds(start):.3f}"
                    f" {seconds(end - start):.3f} <NA> <NA>"
                    f" {_field(style.label_of(utterance)) or _UNNAMED} <NA> <NA>\n"
                )


def _field(text: str) -> str:
    """Return a text as one field of RTTM, which contains no space."""
    return replace_surrogates(CONTROLS.sub("_", text), "_")
