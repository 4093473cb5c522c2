"""Comparison of a transcript with the expected one, with a report for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

import attrs

from speech_adapters.transcript import LabelStyle, Transcript, Utterance, seconds

__all__ = ["TranscriptLine", "assert_transcript"]

# Labels of all eras for a speaker that was not distinguished.
_UNKNOWN: Final = ("", "Unidentified", "Unknown")


@attrs.frozen
class TranscriptLine:
    """An utterance as it is compared.

    Attributes:
        speaker: the 0-based number or the participant's id; ``None`` if unknown.
        text: its words.
        start: seconds from the start of the recording, or ``None`` if any time will do.
        end: the same for its end.
    """

    speaker: int | str | None
    text: str
    start: float | None = None
    end: float | None = None


def assert_transcript(
    actual: Any, expected: Any, *, tolerance_seconds: float = 0.5, speakers: bool = True
) -> None:
    """Fail with a readable report unless two transcripts are equal.

    Both may be a ``Transcript``, the path of a JSON transcript or of a replay script, or a
    sequence of utterances.  An utterance is a result or event of a transcriber, an
    ``Utterance``, a :class:`TranscriptLine`, or a tuple ``(speaker, text)``,
    ``(speaker, text, start)`` or ``(speaker, text, start, end)`` with times in seconds.  The
    labels of all eras are equal: ``Guest_0``, ``Guest-1`` and ``0`` are the same speaker.

    Args:
        actual: what the program received.
        expected: what it should have received.
        tolerance_seconds: how far start and end may be off.
        speakers: whether the speakers are compared.

    Raises:
        AssertionError: they differ; the message lists each utterance that does, with what
            differs in it: the speaker, the words, the time.
        TypeError: an utterance has none of these forms.
    """
    received, wanted = list(_lines(actual)), list(_lines(expected))
    report: list[str] = []
    for ours, theirs in _pairs(received, wanted):
        found = list(_differences(ours, theirs, tolerance_seconds, speakers))
        if found:
            report += ["", f"expected  {_shown(theirs)}", f"received  {_shown(ours)}", *found]
    if report:
        count = sum(line.startswith("expected") for line in report)
        raise AssertionError(
            f"The transcript differs in {count} of {max(len(received), len(wanted))} utterances"
            f" (tolerance {tolerance_seconds:g} s):\n" + "\n".join(report)
        )


_Pair = tuple[TranscriptLine | None, TranscriptLine | None]


def _pairs(received: list[TranscriptLine], wanted: list[TranscriptLine]) -> Iterator[_Pair]:
    """Yield the utterances that belong together; one that is missing has no partner."""
    ours, theirs = [_words(line) for line in received], [_words(line) for line in wanted]
    for tag, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from zip(received[a:b], wanted[c:d], strict=True)
        else:
            yield from _pairs_of_block(received[a:b], wanted[c:d])


def _pairs_of_block(
    received: list[TranscriptLine], wanted: list[TranscriptLine]
) -> Iterator[_Pair]:
    """Pair utterances with different words: in order, the most similar ones."""
    while received and wanted:
        if len(received) == len(wanted):
            yield received.pop(0), wanted.pop(0)
        elif len(received) > len(wanted):
            # One too many: everything before the most similar one has no partner.
            best = _most_similar(wanted[0], received[: len(received) - len(wanted) + 1])
            yield from ((line, None) for line in received[:best])
            yield received[best], wanted.pop(0)
            del received[: best + 1]
        else:
            best = _most_similar(received[0], wanted[: len(wanted) - len(received) + 1])
            yield from ((None, line) for line in wanted[:best])
            yield received.pop(0), wanted[best]
            del wanted[: best + 1]
    yield from ((line, None) for line in received)
    yield from ((None, line) for line in wanted)


def _most_similar(line: TranscriptLine, others: list[TranscriptLine]) -> int:
    ratios = [SequenceMatcher(None, _words(line), _words(other)).ratio() for other in others]
    return ratios.index(max(ratios))


def _differences(
    ours: TranscriptLine | None, theirs: TranscriptLine | None, tolerance: float, speakers: bool
) -> Iterator[str]:
    if ours is None or theirs is None:
        yield "  the utterance " + ("is missing" if ours is None else "was not expected")
        return
    if speakers and ours.speaker != theirs.speaker:
        yield f"  speaker: {_label(theirs.speaker)} -> {_label(ours.speaker)}"
    if ours.text.split() != theirs.text.split():
        yield f"  words: {_marked(theirs.text.split(), ours.text.split())}"
    for name in ("start", "end"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        # The times are rounded to ticks; their difference is not exact.
        if mine is not None and other is not None and abs(mine - other) > tolerance + 1e-6:
            yield f"  {name}: {other:.2f} s -> {mine:.2f} s ({mine - other:+.2f} s)"


def _marked(wanted: list[str], received: list[str]) -> str:
    """Return the words with ``[-those that are missing-]`` and ``{+others+}``."""
    marked: list[str] = []
    matcher = SequenceMatcher(None, wanted, received, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            marked += wanted[a:b]
            continue
        if b > a:
            marked.append(f"[-{' '.join(wanted[a:b])}-]")
        if d > c:
            marked.append(f"{{+{' '.join(received[c:d])}+}}")
    return " ".join(marked)


def _shown(line: TranscriptLine | None) -> str:
    if line is None:
        return "(nothing)"
    at = "" if line.start is None else f"[{line.start:.2f} s] "
    return f"{at}{_label(line.speaker)}: {line.text}"


def _label(speaker: int | str | None) -> str:
    return speaker if isinstance(speaker, str) else LabelStyle.DIARIZATION.label(speaker)


def _words(line: TranscriptLine) -> tuple[str, ...]:
    return tuple(line.text.split())


def _lines(transcript: Any) -> Iterator[TranscriptLine]:
    if isinstance(transcript, str | Path):
        # Imported here: it needs pydantic, which a comparison of results does not.
        from speech_adapters.replay_script import load_script

        transcript = load_script(Path(transcript)).utterances()
    elif isinstance(transcript, Transcript):
        transcript = transcript.utterances
    yield from map(_line, _iterable(transcript))


def _iterable(transcript: Any) -> Iterable[Any]:
    if not isinstance(transcript, Iterable):
        raise TypeError(
            f"{type(transcript).__name__} is no transcript: pass a Transcript, a path, or a"
            " sequence of utterances."
        )
    return transcript


def _line(item: Any) -> TranscriptLine:
    if isinstance(item, TranscriptLine):
        return attrs.evolve(item, speaker=_speaker(item.speaker))
    if isinstance(item, Utterance):
        who = item.participant or item.speaker
        return TranscriptLine(who, item.text, seconds(item.offset), seconds(item.end))
    if isinstance(item, tuple | list) and len(item) in (2, 3, 4):
        who, text, *times = item
        return TranscriptLine(_speaker(who), text, *times)
    # An event of a transcriber has a result, and the result has the attributes.
    result: Any = getattr(item, "result", item)
    if not hasattr(result, "text") or not hasattr(result, "offset"):
        raise TypeError(f"{type(item).__name__} is no utterance; see assert_transcript.")
    label = getattr(result, "user_id", None) or getattr(result, "speaker_id", None)
    start = seconds(result.offset)
    return TranscriptLine(_speaker(label), result.text, start, start + seconds(result.duration))


def _speaker(label: int | str | None) -> int | str | None:
    if not isinstance(label, str):
        return label
    if label in _UNKNOWN:
        return None
    numbers = (style.speaker(label) for style in LabelStyle)
    return next((number for number in numbers if number is not None), label)
