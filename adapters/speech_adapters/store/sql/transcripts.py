"""Writing and reading the stored transcripts, in many short transactions.

Each write has a document id of its own, so two processes that complete the same
recording never mix their chunks.  A transcript exists from the moment its header does.

Chunks without a header are left where a writer was killed, and they are personal data.
This rule removes them: chunks are inserted only while the recording is neither
completed nor deleted, and the transaction that makes it either removes all the others.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Final

from speech_adapters.contract import JobState
from speech_adapters.errors import MeetingNotFoundError, StoreError
from speech_adapters.store.sql.database import Database, Transaction
from speech_adapters.store.sql.rows import find, state_of, without_attendees
from speech_adapters.store.sql.transcript_rows import (
    decode_chunk,
    decode_header,
    encode_chunks,
    insert_chunk,
    insert_header,
)
from speech_adapters.transcript import (
    AnyTranscript,
    Reread,
    StreamedTranscript,
    Transcript,
    Utterance,
)

__all__ = ["read", "remove", "stream", "write"]

_KEPT: Final = (JobState.COMPLETED, JobState.DELETED)


def write(
    database: Database, recording_id: str, transcript: AnyTranscript, now: str, wait: float
) -> bool:
    """Store the transcript and the state Completed, both or neither.

    Args:
        database: the database.
        recording_id: which recording.
        transcript: its transcript.
        now: the time of the change, in ISO format.
        wait: seconds that each of the transactions may wait while another process writes.

    Returns:
        False for a recording already completed or deleted, which stays as it is.

    Raises:
        MeetingNotFoundError: there is no such recording.
    """
    document = uuid.uuid4().hex
    try:
        speakers: set[int] = set()
        counted = StreamedTranscript(
            transcript.meeting_id,
            Reread(lambda: _count_speakers(transcript, speakers)),
            transcript.duration,
            transcript.provenance,
        )
        chunks = _write_chunks(database, recording_id, document, counted, wait)
        if chunks is None:
            return False
        with database.transaction(wait) as connection:
            if state_of(connection, recording_id) in _KEPT:
                return False
            request = without_attendees(find(connection, recording_id)[8])
            # Those of writers that were killed, or that are about to lose.
            connection.execute(
                "DELETE FROM transcript_chunks WHERE recording_id = ? AND document_id <> ?",
                (recording_id, document),
            )
            # That of a completed recording that was resumed.
            connection.execute("DELETE FROM transcripts WHERE recording_id = ?", (recording_id,))
            insert_header(connection, recording_id, document, chunks, transcript)
            connection.execute(
                "UPDATE recordings SET state = 'Completed', reason = '', progress = 1.0,"
                " step = '', duration = ?, speakers = ?, updated = ?, request = ? WHERE id = ?",
                (transcript.duration, len(speakers), now, request, recording_id),
            )
            return True
    except BaseException:
        # On a full disk this fails too; then the next writer or deletion removes them.
        with suppress(StoreError), database.transaction() as connection:
            connection.execute(
                "DELETE FROM transcript_chunks WHERE recording_id = ? AND document_id = ?",
                (recording_id, document),
            )
        raise


def read(database: Database, recording_id: str) -> Transcript | None:
    """Return the transcript of a recording, or ``None`` when there is none.

    Chunk by chunk, so that other threads proceed between them.

    Raises:
        StoreError: it is damaged.
    """
    try:
        found = stream(database, recording_id)
        return None if found is None else found.load()
    except MeetingNotFoundError:
        return None  # deleted between two chunks


def stream(database: Database, recording_id: str) -> StreamedTranscript | None:
    """Return the transcript of a recording, which is read chunk by chunk; ``None`` without one.

    Its utterances raise StoreError if they are damaged, MeetingNotFoundError if they were
    deleted meanwhile.

    Raises:
        StoreError: the header is damaged.
    """
    header = _header(database, recording_id)
    if header is None:
        return None
    document, chunks, data = header
    try:
        found, numbers = decode_header(data), range(chunks)
    except (ValueError, LookupError, TypeError):
        raise _damaged(recording_id) from None
    utterances = Reread(partial(_read_utterances, database, recording_id, document, numbers))
    return StreamedTranscript(found.meeting_id, utterances, found.duration, found.provenance)


def _read_utterances(
    database: Database, recording_id: str, document: str, chunks: range
) -> Iterator[Utterance]:
    for number in chunks:
        try:
            chunk = _read_chunk(database, recording_id, document, number)
        except (ValueError, LookupError, TypeError):  # their texts may quote the transcript
            if _header(database, recording_id) is None:
                raise MeetingNotFoundError("The meeting was deleted meanwhile.") from None
            raise _damaged(recording_id) from None
        yield from chunk


def _damaged(recording_id: str) -> StoreError:
    return StoreError(
        f"The stored transcript of recording {recording_id} is damaged: transcribe its audio again."
    )


def remove(connection: Transaction, recording_id: str) -> None:
    """Remove the transcript of a recording, and what killed writers left of others."""
    for table in ("transcripts", "transcript_chunks"):
        connection.execute(f"DELETE FROM {table} WHERE recording_id = ?", (recording_id,))  # noqa: S608


def _count_speakers(transcript: AnyTranscript, speakers: set[int]) -> Iterator[Utterance]:
    for utterance in transcript.utterances:
        if utterance.speaker is not None:
            speakers.add(utterance.speaker)
        yield utterance


def _write_chunks(
    database: Database, recording_id: str, document: str, transcript: AnyTranscript, wait: float
) -> int | None:
    """Insert the chunks and return their number; ``None`` when another writer won."""
    chunks = 0
    for data in encode_chunks(transcript):
        with database.transaction(wait) as connection:
            # The state is read again for each: a chunk inserted after a deletion would
            # stay for ever.  The winner has removed the chunks before this one.
            if state_of(connection, recording_id) in _KEPT:
                return None
            insert_chunk(connection, recording_id, document, chunks, data)
        chunks += 1
    return chunks


def _header(database: Database, recording_id: str) -> tuple[str, int, bytes] | None:
    rows = database.rows(
        "SELECT document_id, chunks, header FROM transcripts WHERE recording_id = ?", recording_id
    )
    return (rows[0][0], rows[0][1], rows[0][2]) if rows else None


def _read_chunk(
    database: Database, recording_id: str, document: str, number: int
) -> tuple[Utterance, ...]:
    rows = database.rows(
        "SELECT utterances FROM transcript_chunks"
        " WHERE recording_id = ? AND document_id = ? AND number = ?",
        *(recording_id, document, number),
    )
    return decode_chunk(rows[0][0])
