from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from double.voices import MODEL, RETIRED, signature, signature_text
from speech_adapters.backends.local.diarization import identification
from speech_adapters.backends.local.diarization.identification import (
    MIN_COSINE,
    MIN_SPEECH_SECONDS,
    identify,
    read_signatures,
)
from speech_adapters.request import Attendee
from speech_adapters.signatures import VoiceSignature

KATIE, STEVE, EVE = (f"{name}@example.com" for name in ("katie", "steve", "eve"))


def speakers(*voices: list[float], speech: tuple[float, ...] = ()) -> Any:
    """Return a diarization; a voice is its cosines with the first directions."""
    rows = np.zeros((len(voices), 256), np.float32)
    for row, cosines in zip(rows, voices, strict=True):
        row[: len(cosines)] = cosines
        # The rest of each vector lies in a direction of no signature.
        row[255] = np.sqrt(max(1.0 - float(np.square(cosines).sum()), 0.0))
    return SimpleNamespace(turns=(), embeddings=rows, speech=speech or (60.0,) * len(voices))


def enrolled(*names: str) -> dict[str, VoiceSignature]:
    return {name: signature(direction) for direction, name in enumerate(names)}


def test_every_enrolled_speaker_is_named_and_the_others_stay_guests() -> None:
    found = identify(speakers([0.1, 0.6], [0.2, 0.1], [0.7, 0.1]), enrolled(KATIE, STEVE))
    assert found == {0: STEVE, 2: KATIE}


@pytest.mark.parametrize(
    ("cosine", "speech", "named"),
    [
        (MIN_COSINE + 1e-3, MIN_SPEECH_SECONDS, True),
        (MIN_COSINE - 1e-3, 600.0, False),
        (0.9, MIN_SPEECH_SECONDS - 0.01, False),
    ],
)
def test_a_similar_voice_with_enough_speech_is_needed(
    cosine: float, speech: float, named: bool
) -> None:
    found = identify(speakers([cosine], speech=(speech,)), enrolled(KATIE))
    assert found == ({0: KATIE} if named else {})


def test_two_speakers_never_are_the_same_participant() -> None:
    assert identify(speakers([0.6], [0.8], [0.7]), enrolled(KATIE)) == {1: KATIE}


def test_one_speaker_never_is_two_participants() -> None:
    assert identify(speakers([0.6, 0.7]), enrolled(KATIE, STEVE)) == {0: STEVE}


def test_the_sum_of_all_decides_not_the_best_pair_alone() -> None:
    """Speaker 0 is nearest to Katie, but only Katie can be speaker 1."""
    found = identify(speakers([0.75, 0.6], [0.7, 0.1]), enrolled(KATIE, STEVE))
    assert found == {0: STEVE, 1: KATIE}


def test_the_length_of_the_vectors_does_not_matter() -> None:
    loud = speakers([0.5])
    loud.embeddings *= 40.0
    assert identify(loud, enrolled(KATIE)) == {0: KATIE}
    loud.embeddings *= 0.001
    assert identify(loud, enrolled(KATIE)) == {0: KATIE}
    loud.embeddings *= 0.0
    assert identify(loud, enrolled(KATIE)) == {}


def test_without_speakers_or_signatures_no_name_is_returned() -> None:
    assert identify(speakers(), enrolled(KATIE)) == {}
    assert identify(speakers([0.9]), {}) == {}


def test_a_vector_of_another_length_is_ignored() -> None:
    forged = VoiceSignature("0" * 16, (1.0,), 5.0)
    assert identify(speakers([0.1, 0.9]), {EVE: forged, **enrolled(KATIE, STEVE)}) == {0: STEVE}


def _best_sum(gains: NDArray[np.float64]) -> float:
    rows, columns = gains.shape
    wide = np.hstack([gains, np.zeros((rows, rows))])
    chosen = permutations(range(columns + rows), rows)
    return max(float(wide[range(rows), each].sum()) for each in chosen)


@pytest.mark.parametrize("seed", range(60))
def test_the_assignment_is_optimal(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, columns = random.integers(1, 5, 2)
    steps = random.integers(0, 6, (rows, columns))  # ties and zeros are common
    gains = np.asarray(steps * 0.15, np.float64)
    found = identification._assign(gains)
    assert len(set(found.values())) == len(found)
    assert all(gains[row, column] > 0 for row, column in found.items())
    total = sum(gains[row, column] for row, column in found.items())
    assert total == pytest.approx(_best_sum(gains))


def test_many_signatures_of_one_voice_are_assigned_at_once() -> None:
    """No search through all combinations."""
    alike = {f"p{n}": signature(0) for n in range(40)}
    found = identify(speakers(*[[0.6 + n / 200] for n in range(40)]), alike)
    assert len(set(found.values())) == len(found) == 40


def test_only_signatures_of_the_model_are_read() -> None:
    people = (
        Attendee(KATIE, "", signature_text(0)),
        Attendee(STEVE, "", signature_text(1, "f" * 16)),
        Attendee(EVE, "", RETIRED),
        Attendee("guest"),
    )
    assert read_signatures(people, MODEL + "0" * 48) == {KATIE: signature(0)}
