"""The figures of a comparison, and why one of them is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from speech_adapters.comparison.alignment import (
    COMPARE,
    Pair,
    WordErrors,
    count_errors,
    map_speakers,
)
from speech_adapters.comparison.diarization import DiarizationErrors, Turn, score_turns
from speech_adapters.comparison.words import Words, labels_of, split_words, words_of
from speech_adapters.errors import MissingExtraError
from speech_adapters.export.lines import spans
from speech_adapters.extras import need_packages
from speech_adapters.reading.document import Document
from speech_adapters.transcript import LabelStyle, Transcript, seconds

__all__ = ["METRICS", "Comparison", "Side", "compare", "times_of"]

METRICS: Final = ("wer", "cpwer", "der")


@attrs.frozen
class Side:
    """One of the two transcripts.

    Attributes:
        name: the id of the meeting, or the name of the file.
        format: the format of the file, or ``stored``.
        words: how many words it has.
        speakers: the labels of its speakers, in the order of appearance.
        speech: length of its turns in seconds; overlapping ones count each.
        times: what its times are: ``turns``, ``words``, ``utterances`` or ``none``.
    """

    name: str
    format: str
    words: int
    speakers: tuple[str, ...]
    speech: float
    times: str


@attrs.frozen
class Comparison:
    """The result of :func:`compare`.

    Attributes:
        reference: the transcript that counts as right.
        candidate: the other one.
        wer: word errors without regard to speakers; ``None`` if they are not computed.
        cpwer: word errors, each word at the right speaker; ``None`` if they are not computed.
        der: errors of the speaker turns; ``None`` if they are not computed.
        missing: why a metric is not computed, by its name in :data:`METRICS`.
        mapping: which speakers are the same: those of cpWER, else those of DER.
        collar: seconds around a boundary of the reference that do not count for DER.
        normalized: whether the words are normalized.
    """

    reference: Side
    candidate: Side
    wer: WordErrors | None
    cpwer: WordErrors | None
    der: DiarizationErrors | None
    missing: dict[str, str]
    mapping: tuple[Pair, ...]
    collar: float
    normalized: bool

    def rate(self, metric: str) -> float | None:
        """Return a metric of :data:`METRICS`, or ``None`` if it is not computed."""
        found: WordErrors | DiarizationErrors | None = getattr(self, metric)
        return None if found is None else found.rate


def compare(
    reference: Document, candidate: Document, *, collar: float = 0.0, normalized: bool = True
) -> Comparison:
    """Compare a transcript with the one that counts as right.

    Args:
        reference: what counts as right.
        candidate: what is scored.
        collar: seconds around each boundary of the reference that do not count for DER, on each
            side.
        normalized: whether words are compared without case and punctuation, see
            :mod:`speech_adapters.comparison.words`.
    """
    transcripts = (reference.transcript, candidate.transcript)
    words = [words_of(transcript, normalized=normalized) for transcript in transcripts]
    missing = {**_missing_words(reference, candidate), **_missing_turns(reference, candidate)}
    wer = cpwer = der = None
    pairs: list[Pair] = []
    if "der" not in missing:
        der, pairs = _score_turns(reference, candidate, collar)
        if not der.speech:
            der, missing["der"] = None, "the collar leaves no speech of the reference to score"
    if "cpwer" not in missing:
        speakers = [_speaker_words(transcript, normalized) for transcript in transcripts]
        pairs = map_speakers(*speakers)
        cpwer = _count_by_speaker(pairs, *speakers)
    if "wer" not in missing:
        wer = count_errors(words[0].words, words[1].words)
    return Comparison(
        _side(reference, words[0]),
        _side(candidate, words[1]),
        wer,
        cpwer,
        der,
        missing,
        tuple(pairs),
        collar,
        normalized,
    )


def times_of(document: Document) -> str:
    """Return what the times of a document are, see :attr:`Side.times`."""
    utterances = document.transcript.utterances
    if not any(utterance.duration for utterance in utterances):
        return "none"
    if document.exact_turns:
        return "turns"
    return "words" if any(utterance.words for utterance in utterances) else "utterances"


def _side(document: Document, words: Words) -> Side:
    transcript = document.transcript
    turns = _turns(transcript)
    return Side(
        transcript.meeting_id,
        document.format,
        len(words.words),
        tuple(labels_of(transcript)),
        sum(turn.end - turn.start for turn in turns),
        times_of(document),
    )


def _missing_words(reference: Document, candidate: Document) -> dict[str, str]:
    """Return why WER and cpWER are not computed."""
    both = dict.fromkeys(("wer", "cpwer"), "")
    if not _has_text(reference):
        return dict.fromkeys(both, "the reference has no words")
    # Nothing at all that was recognized is a result; turns without words are none.
    if candidate.transcript.utterances and not _has_text(candidate):
        return dict.fromkeys(both, "the candidate has no words")
    missing = {
        "wer": _missing_packages("rapidfuzz"),
        "cpwer": _missing_packages("rapidfuzz", "scipy"),
    }
    return {metric: reason for metric, reason in missing.items() if reason}


def _has_text(document: Document) -> bool:
    texts = (utterance.text for utterance in document.transcript.utterances)
    return any(split_words(text) for text in texts)


def _missing_turns(reference: Document, candidate: Document) -> dict[str, str]:
    """Return why DER is not computed."""
    if times_of(reference) == "none":
        return {"der": "the reference has no turns with begin and end"}
    if times_of(candidate) == "none" and candidate.transcript.utterances:
        return {"der": "the candidate has no turns with begin and end"}
    reason = _missing_packages("pyannote.core", "pyannote.metrics")
    return {"der": reason} if reason else {}


def _missing_packages(*modules: str) -> str:
    try:
        need_packages(COMPARE, *modules)
    except MissingExtraError as error:
        return str(error)
    return ""


def _score_turns(
    reference: Document, candidate: Document, collar: float
) -> tuple[DiarizationErrors, list[Pair]]:
    transcripts = (reference.transcript, candidate.transcript)
    length = max(seconds(transcript.duration) for transcript in transcripts)
    turns = [_turns(transcript) for transcript in transcripts]
    length = max(length, *(turn.end for both in turns for turn in both))
    return score_turns(turns[0], turns[1], length, collar)


def _turns(transcript: Transcript) -> list[Turn]:
    """Return the turns as an export in RTTM has them."""
    return [
        Turn(LabelStyle.DIARIZATION.label_of(utterance), seconds(start), seconds(end))
        for utterance in transcript.utterances
        for start, end in spans(utterance)
        if end > start
    ]


def _speaker_words(transcript: Transcript, normalized: bool) -> dict[str, Words]:
    labels = labels_of(transcript)
    return {label: words_of(transcript, label, normalized=normalized) for label in labels}


def _count_by_speaker(
    pairs: Sequence[Pair], reference: dict[str, Words], candidate: dict[str, Words]
) -> WordErrors:
    total = WordErrors(0, 0, 0, 0)
    for pair in pairs:
        sides = (reference.get(pair.reference or ""), candidate.get(pair.candidate or ""))
        total += count_errors(*(() if side is None else side.words for side in sides))
    return total
