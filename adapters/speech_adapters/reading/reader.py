"""Reads a transcript from a file, by the parser of its format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from speech_adapters.errors import ConfigurationError
from speech_adapters.reading import FORMATS
from speech_adapters.reading.document import Document, Source, unreadable
from speech_adapters.reading.json_documents import (
    json_format,
    parse_answer,
    parse_events,
    parse_export,
    parse_result,
)
from speech_adapters.reading.nist import looks_like_rttm, looks_like_stm, parse_rttm, parse_stm
from speech_adapters.reading.subtitles import parse_srt, parse_text, parse_vtt

__all__ = ["parse_document", "read_document"]

# A transcript of a day has some megabytes; a larger file is something else.
_MOST_BYTES: Final = 512 * 2**20
_SRT_TIME: Final = re.compile(r"^\s*\d+:\d\d:\d\d,\d{1,3}\s+-->", re.MULTILINE)
_LINE_TIME: Final = re.compile(r"\s*\[\d+:\d\d(?::\d\d)?(?:\.\d+)?\]")
_PARSERS: Final[dict[str, Callable[[Source], Document]]] = {
    "json": parse_export,
    "result": parse_result,
    "answer": parse_answer,
    "events": parse_events,
    "rttm": parse_rttm,
    "stm": parse_stm,
    "vtt": parse_vtt,
    "srt": parse_srt,
    "text": parse_text,
}
assert tuple(_PARSERS) == FORMATS


def read_document(path: Path, format_name: str = "", recording: str = "") -> Document:
    """Read a transcript from a file.  Blocks.

    Args:
        path: the file.
        format_name: one of :data:`speech_adapters.reading.FORMATS`; detected if empty.
        recording: which recording of an RTTM or STM file; may be empty if it has one only.

    Raises:
        ConfigurationError: the file cannot be read, or it is no transcript of that format.
        BackendError: it is a damaged result of batch or fast transcription.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise unreadable(str(path), f"it has more than {_MOST_BYTES // 2**20} MB")
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(str(path), error.strerror or "an unknown error") from None
    return parse_document(data, str(path), format_name, recording)


def parse_document(data: bytes, name: str, format_name: str = "", recording: str = "") -> Document:
    """Return the transcript in the content of a file.

    Args:
        data: the content, in UTF-8, or in UTF-16 with a byte order mark.
        name: the name of the file, for messages and as the id of the transcript.
        format_name: one of :data:`speech_adapters.reading.FORMATS`; detected if empty.
        recording: which recording of an RTTM or STM file; may be empty if it has one only.

    Raises:
        ConfigurationError, BackendError: as :func:`read_document`.
    """
    source = Source(name, _decoded(data, name), recording)
    parser = _PARSERS.get(format_name or _detected(source))
    if parser is None:
        raise ConfigurationError(
            f"The format {format_name!r} is unknown. Choose one of {', '.join(FORMATS)}."
        )
    return parser(source)


def _decoded(data: bytes, name: str) -> str:
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise unreadable(name, "it is no text in UTF-8") from None


def _detected(source: Source) -> str:
    text = source.text.lstrip()
    if text[:1] in ("{", "["):
        found = _detected_json(text)
        if found:
            return found
    if text.startswith("WEBVTT"):
        return "vtt"
    # Subtitles have their first time near the begin.
    if _SRT_TIME.search(text[:4096]):
        return "srt"
    if looks_like_rttm(text):
        return "rttm"
    if looks_like_stm(text):
        return "stm"
    if _LINE_TIME.match(text):
        return "text"
    raise unreadable(
        source.name,
        "its format was not recognized. Known are "
        f"{', '.join(FORMATS)}: name one with --reference-format or --candidate-format",
    )


def _detected_json(text: str) -> str:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        # Documents in lines, which are no JSON as a whole; or a line such as "[00:04] Yes."
        try:
            document = json.loads(text.partition("\n")[0])
        except (ValueError, RecursionError):
            return ""
    return json_format(document)
