"""The alignment of words: WER, and cpWER with the mapping of the speakers.

cpWER (concatenated minimum-permutation word error rate) joins the words of each speaker, and maps
the speakers one to one so that the number of errors is the smallest.  A speaker without a
counterpart has only deleted or inserted words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import attrs

from speech_adapters.comparison.words import Words

__all__ = ["COMPARE", "Pair", "WordErrors", "align", "count_errors", "map_speakers"]

# The extra with the libraries.
COMPARE: Final = "compare"
_NONE: Final = Words((), ())


@attrs.frozen
class WordErrors:
    """Words that differ from the reference.

    Attributes:
        words: words of the reference.
        inserted: words that the reference has not.
        deleted: words that only the reference has.
        substituted: words in place of another one.
    """

    words: int
    inserted: int
    deleted: int
    substituted: int

    @property
    def errors(self) -> int:
        """The number of all errors."""
        return self.inserted + self.deleted + self.substituted

    @property
    def rate(self) -> float:
        """Errors for each word of the reference, which has at least one."""
        return self.errors / self.words

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(
            self.words + other.words,
            self.inserted + other.inserted,
            self.deleted + other.deleted,
            self.substituted + other.substituted,
        )


@attrs.frozen
class Pair:
    """A speaker of the reference and the same one of the candidate; one of them may be missing.

    Attributes:
        reference: the label in the reference, or ``None``.
        candidate: the label in the candidate, or ``None``.
    """

    reference: str | None
    candidate: str | None


def count_errors(reference: Sequence[str], candidate: Sequence[str]) -> WordErrors:
    """Return the errors of an alignment with as few errors as possible."""
    counts = {"insert": 0, "delete": 0, "replace": 0}
    for tag, _, _ in _levenshtein().editops(reference, candidate).as_list():
        counts[tag] += 1
    return WordErrors(len(reference), counts["insert"], counts["delete"], counts["replace"])


def align(reference: Sequence[str], candidate: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of the words that both have, of the same alignment."""
    blocks = _levenshtein().editops(reference, candidate).as_matching_blocks()
    return [(block.a + n, block.b + n) for block in blocks for n in range(block.size)]


def map_speakers(reference: Mapping[str, Words], candidate: Mapping[str, Words]) -> list[Pair]:
    """Return the mapping with as few errors as possible, in the order of the reference.

    Args:
        reference: the words of each speaker.
        candidate: the same of the candidate.
    """
    left: list[str | None] = [*reference, *[None] * (len(candidate) - len(reference))]
    right: list[str | None] = [*candidate, *[None] * (len(reference) - len(candidate))]
    costs = [
        [_distance(reference.get(one or ""), candidate.get(other or "")) for other in right]
        for one in left
    ]
    if not costs:
        return []
    rows, columns = import_module("scipy.optimize").linear_sum_assignment(costs)
    return [Pair(left[row], right[column]) for row, column in zip(rows, columns, strict=True)]


def _distance(reference: Words | None, candidate: Words | None) -> int:
    left, right = (reference or _NONE).words, (candidate or _NONE).words
    return int(_levenshtein().distance(left, right))


def _levenshtein() -> Any:
    return import_module("rapidfuzz.distance").Levenshtein
