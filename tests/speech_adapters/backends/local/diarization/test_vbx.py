from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.vbx import vbx

BETWEEN = np.linspace(20.0, 1.0, 32)


def windows(speakers: int, each: int, seed: int = 0) -> NDArray[np.float64]:
    """Draw from the model that VBx assumes: windows of one speaker after the other."""
    random = np.random.default_rng(seed)
    voices = random.normal(size=(speakers, 32)) * np.sqrt(BETWEEN)
    return np.repeat(voices, each, axis=0) + random.normal(size=(speakers * each, 32))


def labels(*counts: int) -> NDArray[np.intp]:
    return np.repeat(np.arange(len(counts)), counts)


@pytest.mark.parametrize("seed", range(5))
def test_superfluous_speakers_lose_all_windows(seed: int) -> None:
    vectors = windows(2, 20, seed)
    shares = vbx(vectors, BETWEEN, labels(10, 10, 10, 10)).shares
    assert (shares.sum(axis=0) > 0.02 * 40).sum() == 2
    found = shares.argmax(axis=1)
    assert len(set(found[:20])) == len(set(found[20:])) == 1


@pytest.mark.parametrize("seed", range(5))
def test_the_right_number_of_speakers_has_the_most_evidence(seed: int) -> None:
    vectors = windows(3, 12, seed)
    one, three = labels(36), labels(12, 12, 12)
    two = np.minimum(three, 1)
    evidence = [vbx(vectors, BETWEEN, start).evidence for start in (one, two, three)]
    assert evidence == sorted(evidence)


def test_no_speaker_is_added() -> None:
    assert vbx(windows(3, 10), BETWEEN, labels(30)).shares.shape == (30, 1)


def test_wrong_labels_are_corrected() -> None:
    start = labels(10, 10)
    start[[3, 15]] = 1, 0
    shares = vbx(windows(2, 10), BETWEEN, start).shares
    assert shares.argmax(axis=1).tolist() == labels(10, 10).tolist()


def test_each_window_is_shared_out_completely() -> None:
    shares = vbx(windows(2, 10), BETWEEN, labels(5, 15)).shares
    assert shares.sum(axis=1) == pytest.approx(1.0)


def test_the_weight_decides_how_much_evidence_a_speaker_needs() -> None:
    vectors = windows(2, 2)
    assert vbx(vectors, BETWEEN, labels(2, 2), weight=1.0).shares.argmax(axis=1).max() == 1
    assert vbx(vectors, BETWEEN, labels(2, 2), weight=1e-4).shares.std() == pytest.approx(
        0, abs=0.1
    )


def test_a_window_between_two_voices_probably_belongs_to_who_speaks_more() -> None:
    vectors = np.zeros((331, 32))
    vectors[:300, 0], vectors[300:330, 0] = 5.0, -5.0
    shares = vbx(vectors, BETWEEN, labels(300, 31)).shares
    assert shares[-1] == pytest.approx([10 / 11, 1 / 11], abs=0.03)


def test_the_evidence_of_one_speaker_is_that_of_a_normal_distribution() -> None:
    vectors = windows(1, 6)
    # The voice, of variance `BETWEEN`, is common to all windows; the rest has unit variance.
    evidence = 0.0
    for column, between in zip(vectors.T, BETWEEN, strict=True):
        covariance = np.eye(6) + between
        _, logarithm = np.linalg.slogdet(2 * np.pi * covariance)
        evidence -= 0.5 * (logarithm + column @ np.linalg.solve(covariance, column))
    # Where the weights of the evidence and of the prior are equal, both scale the result.
    assert vbx(vectors, BETWEEN, labels(6), weight=0.8).evidence == pytest.approx(0.8 * evidence)
