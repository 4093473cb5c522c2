"""Identification: which speakers of a recording are enrolled participants.

Speakers and participants are assigned one to one, with the largest sum of cosines.  A pair
counts only if its cosine is at least :data:`MIN_COSINE` and the speaker has spoken for
:data:`MIN_SPEECH_SECONDS`; every other speaker stays a guest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.vectors import unit
from speech_adapters.errors import VoiceSignatureError
from speech_adapters.request import Attendee
from speech_adapters.signatures import MODEL_ID_DIGITS, VoiceSignature, parse_signature

if TYPE_CHECKING:
    from speech_adapters.backends.local.diarization.diarizer import Diarization

__all__ = ["MIN_COSINE", "MIN_SPEECH_SECONDS", "identify", "read_signatures"]

# Measured with the default embedding model (docs/enrollment.md): with 5 s of speech, the same
# person has 0.53 or more; of the strangers, 95 % have 0.33 or less, and one in 700 reaches this.
MIN_COSINE: Final = 0.45
# Embeddings of shorter speech vary too much: a single word of an enrolled person may have 0.3.
MIN_SPEECH_SECONDS: Final = 2.0
# Gains of two paths that differ by rounding only are the same.
_EPSILON: Final = 1e-9


def identify(diarization: Diarization, signatures: Mapping[str, VoiceSignature]) -> dict[int, str]:
    """Return the participants among the speakers of a recording.

    Args:
        diarization: the speakers, with their embeddings and seconds of speech.
        signatures: the voice signature of each enrolled participant, by the id.  All are of
            the model that made the embeddings.

    Returns:
        The participant's id by the number of the speaker, without the guests.
    """
    voices = np.asarray(diarization.embeddings, np.float64)
    # A forged document may name the model and have a vector of another length.
    ids = [id_ for id_, found in signatures.items() if len(found.embedding) == voices.shape[-1]]
    if not ids or not len(voices):
        return {}
    cosines = unit(voices) @ unit(np.array([signatures[id_].embedding for id_ in ids])).T
    enough = np.array(diarization.speech) >= MIN_SPEECH_SECONDS
    gains = np.where((cosines >= MIN_COSINE) & enough[:, None], cosines, 0.0)
    return {speaker: ids[person] for speaker, person in _assign(gains).items()}


def read_signatures(attendees: Iterable[Attendee], embedding_id: str) -> dict[str, VoiceSignature]:
    """Return the signatures that an embedding model can use, by the participants' ids.

    The program was warned of the others when the meeting started.

    Args:
        attendees: participants, with or without a signature.
        embedding_id: SHA-256 of the model.
    """
    found = {}
    for attendee in attendees:
        with suppress(VoiceSignatureError):
            model = embedding_id[:MODEL_ID_DIGITS]
            found[attendee.id] = parse_signature(attendee.voice_signature, model)
    return found


def _assign(gains: NDArray[np.float64]) -> dict[int, int]:
    """Return the column of each row in the assignment with the largest sum of gains.

    Rows are added one after the other.  Each is placed by the best augmenting path: it may
    take the column of an earlier row, which then moves to another one.

    Args:
        gains: shape (rows, columns), none negative; 0.0 for a pair that is not possible.
    """
    rows, columns = gains.shape
    # A column of its own for each row that gets no real one.
    wide = np.hstack([gains, np.zeros((rows, rows))])
    owner = np.full(columns + rows, -1)
    for row in range(rows):
        totals, previous = _augmenting_paths(wide, owner, row)
        column = int(np.where(owner < 0, totals, -np.inf).argmax())
        # Back along the path: each row on it moves to the next column.
        while previous[column] >= 0:
            owner[column] = owner[previous[column]]
            column = previous[column]
        owner[column] = row
    return {int(owner[c]): c for c in range(columns) if owner[c] >= 0 and gains[owner[c], c] > 0.0}


def _augmenting_paths(
    gains: NDArray[np.float64], owner: NDArray[np.int64], row: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return, for each column, the best change of the sum when ``row`` is added and it is used.

    Args:
        gains: shape (rows, columns).
        owner: the row that each column is assigned to, or -1.
        row: the row to add.

    Returns:
        The changes, and the column before on the path to each column, or -1 for ``row`` itself.
    """
    totals, previous = gains[row].copy(), np.full(len(owner), -1)
    improved = True
    while improved:
        improved = False
        for column in np.flatnonzero(owner >= 0):
            displaced = gains[owner[column]]
            through = totals[column] - displaced[column] + displaced
            better = through > totals + _EPSILON
            totals[better], previous[better] = through[better], column
            improved |= bool(better.any())
    return totals, previous
