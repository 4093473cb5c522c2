"""Words and turns to utterances: each word to its speaker, and runs of words to sentences.

::

    words ──assign──▶ words of speakers ──align──▶ edges at the turns ──group──▶ utterances

Whisper's times are loose at pauses, the diarizer's turns are not.  So a word that begins or
ends a turn gets the turn's edge, if it is near.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from speech_adapters.transcript import Utterance, Word, ticks

if TYPE_CHECKING:
    from speech_adapters.backends.local.recognition.whisper import RecognizedWord

__all__ = ["SpeakerTurn", "build_utterances", "rounded_ticks", "without_guests"]

# A word outside of all turns belongs to the nearest one, if it is so near (in seconds).
_NEAR: Final = 1.0
# A word is stretched to the edge of its turn, if that is so near.
_EDGE: Final = 0.5
# An utterance ends at such a pause, and at a shorter one after the end of a sentence.
_PAUSE: Final = 1.5
_SENTENCE_PAUSE: Final = 0.5
# From this length on it ends at the next sentence, and at the next word at the latest length.
_LONG: Final = 15.0
_LONGEST: Final = 30.0
# So many words of another speaker in between do not end it: they are spoken during it.
_INTERJECTION: Final = 3
# Also those of Chinese and Japanese.
_SENTENCE_ENDS: Final = (".", "?", "!", "\u3002", "\uff1f", "\uff01")

# They may follow the end of a sentence.
_QUOTES: Final = "\"')\u2019\u201d"


class SpeakerTurn(Protocol):
    """A stretch of speech of one speaker, as every diarizer returns it."""

    @property
    def start(self) -> float:
        """Start in seconds."""
        ...

    @property
    def end(self) -> float:
        """End in seconds."""
        ...

    @property
    def speaker(self) -> int:
        """Any number of the speaker."""
        ...


@attrs.define
class _SpokenWord:
    """A word and its speaker; ``turn`` is where the diarizer found it, if it did."""

    text: str
    start: float
    end: float
    confidence: float | None
    turn: SpeakerTurn | None

    @property
    def speaker(self) -> int | None:
        return None if self.turn is None else self.turn.speaker


def build_utterances(
    words: Sequence[RecognizedWord],
    turns: Sequence[SpeakerTurn],
    *,
    language: str | None,
    seed: uuid.UUID,
    numbers: dict[int, int] | None = None,
    names: Mapping[int, str] | None = None,
) -> tuple[Utterance, ...]:
    """Return the utterances of one speaker each, by offset.

    Speech of two speakers at a time becomes utterances that overlap in time.  Speakers are
    numbered by first appearance.

    Args:
        words: by their start.
        turns: by their start; empty without diarization, then utterances have no speaker.
        language: BCP-47 tag that the utterances carry.
        seed: the ids are derived from it, so a repeated transcription has the same ids.
        numbers: the numbers of the speakers of earlier words, which are continued and added
            to; by default there are none.
        names: ids of participants, by the speakers of the turns.
    """
    spoken = _assign(words, turns)
    _align(spoken)
    groups = sorted(_group(spoken), key=_start)
    numbers = {} if numbers is None else numbers
    return tuple(
        _utterance(group, numbers, names or {}, language, uuid.uuid5(seed, str(index)).hex)
        for index, group in enumerate(groups)
    )


def without_guests(utterances: Sequence[Utterance]) -> tuple[Utterance, ...]:
    """Return utterances in which only identified participants have a speaker."""
    return tuple(
        utterance if utterance.participant else attrs.evolve(utterance, speaker=None)
        for utterance in utterances
    )


def rounded_ticks(seconds: float) -> int:
    """Return ticks, rounded to milliseconds: the times of speech are no more exact."""
    return ticks(round(seconds, 3))


def _assign(words: Sequence[RecognizedWord], turns: Sequence[SpeakerTurn]) -> list[_SpokenWord]:
    """Assign each word to the turn that it overlaps most, or else to the nearest one."""
    spoken: list[_SpokenWord] = []
    # The turns before it have ended long before the present word.
    first = 0
    for word in words:
        while first < len(turns) and turns[first].end < word.start - _NEAR:
            first += 1
        turn = _best_turn(word, turns, first, spoken[-1] if spoken else None)
        spoken.append(_SpokenWord(word.text, word.start, word.end, word.confidence, turn))
    return spoken


def _best_turn(
    word: RecognizedWord, turns: Sequence[SpeakerTurn], first: int, before: _SpokenWord | None
) -> SpeakerTurn | None:
    # Below zero: the distance.  While two speak, the one who spoke before goes on: Whisper
    # writes down one of them.
    best, most = None, (-_NEAR, False)
    for number in range(first, len(turns)):
        turn = turns[number]
        if turn.start > word.end + _NEAR:
            break
        common = min(turn.end, word.end) - max(turn.start, word.start)
        rank = (round(common, 3), before is not None and turn.speaker == before.speaker)
        if rank > most:
            best, most = turn, rank
    # In a pause of the diarizer's, a sentence goes on with its speaker.
    if most[0] <= 0 and before is not None and _continues(before, word):
        return before.turn
    return best


def _continues(before: _SpokenWord, word: RecognizedWord) -> bool:
    return not _ends_sentence(before.text) and word.start - before.end < _SENTENCE_PAUSE


def _ends_sentence(text: str) -> bool:
    return text.rstrip(_QUOTES).endswith(_SENTENCE_ENDS)


def _align(spoken: Sequence[_SpokenWord]) -> None:
    """Fit the words to their turns: the outer ones end at the edges, if these are near."""
    words_of: dict[int, list[_SpokenWord]] = {}
    for word in spoken:
        if word.turn is not None and word.start < word.turn.end and word.end > word.turn.start:
            words_of.setdefault(id(word.turn), []).append(word)
    for words in words_of.values():
        first, last = words[0], words[-1]
        assert first.turn is not None
        # Below zero, the word reaches beyond the turn.
        if first.start - first.turn.start <= _EDGE:
            first.start = first.turn.start
        if first.turn.end - last.end <= _EDGE:
            last.end = first.turn.end


def _group(spoken: Sequence[_SpokenWord]) -> Iterator[list[_SpokenWord]]:
    """Yield the words of each utterance."""
    # The utterance of each speaker that may go on, with the number of words that others have
    # spoken since its last word.
    open_groups: dict[int | None, tuple[list[_SpokenWord], int]] = {}
    for number, word in enumerate(spoken):
        group, last = open_groups.get(word.speaker, ([], 0))
        if group and _ends(group, word, number - last - 1):
            yield group
            group = []
        group.append(word)
        open_groups[word.speaker] = (group, number)
    yield from (group for group, _ in open_groups.values())


def _ends(group: Sequence[_SpokenWord], word: _SpokenWord, others: int) -> bool:
    """Return whether an utterance ends before a further word of its speaker."""
    last = group[-1]
    pause, length = word.start - last.end, word.end - group[0].start
    return (
        pause >= _PAUSE
        or length > _LONGEST
        or others > _INTERJECTION
        or (
            _ends_sentence(last.text) and (pause >= _SENTENCE_PAUSE or length > _LONG or others > 0)
        )
    )


def _utterance(
    group: Sequence[_SpokenWord],
    numbers: dict[int, int],
    names: Mapping[int, str],
    language: str | None,
    key: str,
) -> Utterance:
    speaker = group[0].speaker
    offset = rounded_ticks(_start(group))
    end = max(rounded_ticks(word.end) for word in group)
    return Utterance(
        id=key,
        text="".join(word.text for word in group).strip(),
        offset=offset,
        duration=end - offset,
        speaker=None if speaker is None else numbers.setdefault(speaker, len(numbers)),
        language=language,
        words=tuple(_word(word) for word in group),
        participant=None if speaker is None else names.get(speaker),
    )


def _start(group: Sequence[_SpokenWord]) -> float:
    # Not that of the first word: fitted to its turn, it may begin after the second one.
    return min(word.start for word in group)


def _word(word: _SpokenWord) -> Word:
    start, end = rounded_ticks(word.start), rounded_ticks(word.end)
    return Word(word.text.strip(), start, end - start, word.confidence)
