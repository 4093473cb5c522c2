"""The recordings of the accuracy benchmark, and what is said in them by whom.

A folder of recordings holds, where available:

* ``azure/katiesteve.wav``, ``azure/katiesteve_mono.wav`` (Azure-Samples/
  cognitive-services-speech-sdk, MIT): two speakers, close microphones;
* ``ami/dev00.wav``, ``ami/dev01.wav`` with ``ami/debug.development.rttm`` (AMI corpus,
  CC BY 4.0): two speakers, far microphone, overlaps;
* ``librispeech/NAME.wav`` with ``librispeech/NAME.json`` (meetings built from LibriSpeech,
  CC BY 4.0): the JSON has ``segments`` and ``words``, each with ``speaker``, ``start`` and
  ``end`` in seconds, the words with the ``text`` of a turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

__all__ = ["Recording", "Turn", "find_recordings", "parse_rttm"]

_RTTM: Final = "debug.development.rttm"
_RTTM_FIELDS: Final = 8

_TALKS: Final = {
    "katiesteve": (
        ("katie", "Good morning, Steve."),
        ("steve", "Good morning. Katie."),
        (
            "katie",
            "Have you tried the latest real time diarization in Microsoft Speech Service which"
            " can tell you who said what in real time?",
        ),
        (
            "steve",
            "Not yet. I've been using the batch transcription with diarization functionality,"
            " but it produces diarization results after the whole audio is processed.",
        ),
        ("steve", "Is the new feature able to diarize in real time?"),
        ("katie", "Absolutely."),
        ("steve", "That's exciting. Let me try it right now."),
    ),
    "katiesteve_mono": (
        ("katie", "Good morning, Steve."),
        ("steve", "Good morning, Katie."),
        ("katie", "Have you heard about the new conversation transcription capability?"),
        ("steve", "No, tell me more."),
        (
            "katie",
            "It's the new feature that transcribes our discussion and lets us know who said what.",
        ),
        ("steve", "That sounds interesting. I'm going to give this a try."),
    ),
}


@attrs.frozen
class Turn:
    """One speaker from ``start`` to ``end``, in seconds."""

    speaker: str
    start: float
    end: float


@attrs.frozen
class Recording:
    """A recording and its reference.

    Attributes:
        path: the WAV file.
        texts: speaker and text of each turn, in order; empty if unknown.
        turns: the times of the turns; empty if unknown.
    """

    path: Path
    texts: tuple[tuple[str, str], ...] = ()
    turns: tuple[Turn, ...] = ()

    @property
    def speakers(self) -> int:
        """The number of speakers."""
        return len({s for s, _ in self.texts} | {turn.speaker for turn in self.turns})


def find_recordings(folder: Path) -> Iterator[Recording]:
    """Yield the recordings of a folder that have a reference."""
    for name, texts in _TALKS.items():
        if (path := folder / "azure" / f"{name}.wav").is_file():
            yield Recording(path, texts=texts)
    for path in sorted((folder / "ami").glob("*.wav")):
        turns = parse_rttm((folder / "ami" / _RTTM).read_text(encoding="utf-8"), path.stem)
        yield Recording(path, turns=tuple(turns))
    for path in sorted((folder / "librispeech").glob("*.wav")):
        reference = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        yield Recording(
            path,
            tuple((word["speaker"], word["text"]) for word in reference["words"]),
            tuple(Turn(s["speaker"], s["start"], s["end"]) for s in reference["segments"]),
        )


def parse_rttm(text: str, file: str | None = None) -> list[Turn]:
    """Read the turns of one file, or of all."""
    rows = (line.split() for line in text.splitlines())
    return [
        Turn(row[7], float(row[3]), float(row[3]) + float(row[4]))
        for row in rows
        if len(row) >= _RTTM_FIELDS and row[0] == "SPEAKER" and file in (None, row[1])
    ]
