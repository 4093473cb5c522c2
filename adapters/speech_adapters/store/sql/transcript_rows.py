"""A transcript as rows: a header, and chunks of utterances.

A transcript of many hours is 100 MB of JSON.  In one piece, encoding it would keep the
interpreter lock for seconds, and storing it would keep all writers of the store waiting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from speech_adapters.store.sql.database import Transaction
from speech_adapters.transcript import AnyTranscript, Transcript, Utterance, replace_surrogates

if TYPE_CHECKING:
    import msgspec

__all__ = [
    "CHUNK_UTTERANCES",
    "decode_chunk",
    "decode_header",
    "encode_chunks",
    "insert_chunk",
    "insert_header",
]

CHUNK_UTTERANCES: Final = 500


# Made at the first use, since a program that only reads the states of meetings needs none.
@cache
def _header_decoder() -> msgspec.json.Decoder[Transcript]:
    import msgspec

    return msgspec.json.Decoder(Transcript)


@cache
def _chunk_decoder() -> msgspec.json.Decoder[tuple[Utterance, ...]]:
    import msgspec

    return msgspec.json.Decoder(tuple[Utterance, ...])


def encode_chunks(transcript: AnyTranscript) -> Iterator[bytes]:
    """Yield the utterances as JSON, :data:`CHUNK_UTTERANCES` at a time, in order."""
    utterances = iter(transcript.utterances)
    while chunk := tuple(islice(utterances, CHUNK_UTTERANCES)):
        yield _encode(chunk)


def decode_chunk(data: bytes) -> tuple[Utterance, ...]:
    """Read what :func:`encode_chunks` yielded.

    Raises:
        ValueError: it is damaged; the message may quote it.
    """
    return _chunk_decoder().decode(data)


def decode_header(data: bytes) -> Transcript:
    """Read the header of a transcript: all of it but its utterances.

    Raises:
        ValueError: it is damaged; the message may quote it.
    """
    return _header_decoder().decode(data)


def insert_chunk(
    connection: Transaction, recording_id: str, document: str, number: int, data: bytes
) -> None:
    """Insert one chunk; it is not readable before the header of its ``document`` is there."""
    connection.execute(
        "INSERT INTO transcript_chunks (recording_id, document_id, number, utterances)"
        " VALUES (?, ?, ?, ?)",
        (recording_id, document, number, data),
    )


def insert_header(
    connection: Transaction,
    recording_id: str,
    document: str,
    chunks: int,
    transcript: AnyTranscript,
) -> None:
    """Insert the header, which makes the ``chunks`` of ``document`` the transcript."""
    header = _encode(
        Transcript(transcript.meeting_id, (), transcript.duration, transcript.provenance)
    )
    connection.execute(
        "INSERT INTO transcripts (recording_id, document_id, chunks, header) VALUES (?, ?, ?, ?)",
        (recording_id, document, chunks, header),
    )


def _encode(value: object) -> bytes:
    import msgspec

    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        # Half a character, from an engine that cut a text between its two UTF-16
        # units, must not cost the whole transcript.
        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
        return replace_surrogates(text).encode()
