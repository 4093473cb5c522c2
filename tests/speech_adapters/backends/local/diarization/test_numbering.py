from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.numbering import Numbering
from speech_adapters.backends.local.diarization.vectors import unit

EYE = np.eye(4)


def near(axis: int, other: int, amount: float = 0.3) -> NDArray[np.float64]:
    return unit(EYE[axis] + amount * EYE[other])


def test_clusters_are_numbered_by_first_appearance() -> None:
    numbers, gone = Numbering(4).number(EYE[:3], [2, 0, 1])
    assert numbers == {2: 0, 0: 1, 1: 2}
    assert gone == {}


def test_a_cluster_without_speech_has_no_number() -> None:
    numbering = Numbering(4)
    assert numbering.number(EYE[:3], [1])[0] == {1: 0}
    assert numbering.voices.tolist() == [EYE[1].tolist()]


def test_a_voice_keeps_its_number_wherever_its_cluster_is() -> None:
    numbering = Numbering(4)
    numbering.number(EYE[:2], [0, 1])
    later = np.stack([EYE[3], near(1, 3), near(0, 3)])
    numbers, gone = numbering.number(later, [0, 1, 2])
    assert numbers == {2: 0, 1: 1, 0: 2}
    assert gone == {}


def test_the_voice_of_a_number_is_the_latest() -> None:
    numbering = Numbering(4)
    numbering.number(EYE[:1], [0])
    numbering.number(near(0, 1)[None], [0])
    assert numbering.voices.tolist() == [near(0, 1).tolist()]


def test_of_a_divided_voice_the_closer_part_keeps_the_number() -> None:
    numbering = Numbering(4)
    numbering.number(near(0, 1, 0.8)[None], [0])
    assert numbering.number(EYE[:2], [1, 0])[0] == {0: 0, 1: 1}


def test_a_voice_that_was_merged_points_to_the_closest() -> None:
    numbering = Numbering(4)
    numbering.number(np.stack([EYE[0], EYE[2], near(0, 1)]), [0, 1, 2])
    numbers, gone = numbering.number(np.stack([near(0, 1, 0.1), EYE[2]]), [0, 1])
    assert numbers == {0: 0, 1: 1}
    assert gone == {2: 0}


def test_a_merged_voice_that_is_found_again_has_its_number() -> None:
    numbering = Numbering(4)
    numbering.number(EYE[:2], [0, 1])
    numbering.number(EYE[:1], [0])
    assert numbering.number(EYE[:2], [0, 1]) == ({0: 0, 1: 1}, {})


def test_nothing_is_numbered_where_nothing_is_spoken() -> None:
    assert Numbering(4).number(np.zeros((0, 4)), []) == ({}, {})
