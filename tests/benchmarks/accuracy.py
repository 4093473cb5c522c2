"""Accuracy of the local backend: words, and who spoke them.

::

    pip install --group measure
    python tests/benchmarks/accuracy.py RECORDINGS_FOLDER

The folder holds ``azure/katiesteve.wav`` and ``azure/katiesteve_mono.wav`` (from
Azure-Samples/cognitive-services-speech-sdk, MIT) and ``ami/dev00.wav``, ``ami/dev01.wav``
with ``ami/debug.development.rttm`` (AMI corpus, CC BY 4.0); missing files are skipped.

* WER, word error rate, without punctuation and case; cpWER, the same with each word
  at the right speaker (both by meeteval).
* DER, diarization error rate: missed, false and wrongly attributed speech by the time
  spoken, in frames of 10 ms, without a collar, overlaps counted.  Computed here, because
  meeteval's own implementation needs a download at run time.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import import_module
from itertools import permutations
from pathlib import Path
from typing import Final

import attrs

__all__ = ["Turn", "diarization_error", "main", "parse_rttm"]

_FRAME_SECONDS: Final = 0.01
_FIELDS: Final = 8
_TALKS: Final = {
    "azure/katiesteve.wav": (
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
    "azure/katiesteve_mono.wav": (
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
_RTTM: Final = "ami/debug.development.rttm"


@attrs.frozen
class Turn:
    """One speaker from ``start`` to ``end``, in seconds."""

    speaker: str
    start: float
    end: float


def parse_rttm(text: str, file: str | None = None) -> list[Turn]:
    """Read the turns of one file, or of all."""
    rows = (line.split() for line in text.splitlines())
    return [
        Turn(row[7], float(row[3]), float(row[3]) + float(row[4]))
        for row in rows
        if len(row) >= _FIELDS and row[0] == "SPEAKER" and file in (None, row[1])
    ]


def diarization_error(reference: list[Turn], hypothesis: list[Turn]) -> float:
    """Return the error as a share of the time spoken, for the best match of the speakers."""
    true, found = _frames(reference), _frames(hypothesis)
    spoken = sum(len(frame) for frame in true.values())
    return min(_errors(true, found, names) for names in _matches(reference, hypothesis)) / spoken


def _frames(turns: list[Turn]) -> dict[int, set[str]]:
    frames: dict[int, set[str]] = {}
    for turn in turns:
        for at in range(round(turn.start / _FRAME_SECONDS), round(turn.end / _FRAME_SECONDS)):
            frames.setdefault(at, set()).add(turn.speaker)
    return frames


def _errors(true: dict[int, set[str]], found: dict[int, set[str]], names: dict[str, str]) -> int:
    errors = 0
    for at in true.keys() | found.keys():
        wanted = true.get(at, set())
        got = {names.get(speaker, speaker) for speaker in found.get(at, set())}
        errors += max(len(wanted), len(got)) - len(wanted & got)
    return errors


def _matches(reference: list[Turn], hypothesis: list[Turn]) -> Iterable[dict[str, str]]:
    true = sorted({turn.speaker for turn in reference})
    found = sorted({turn.speaker for turn in hypothesis})
    spare = [f"unmatched {number}" for number in range(len(found))]
    for order in permutations(true + spare, len(found)):
        yield dict(zip(found, order, strict=True))


def _transcribe(path: Path, form: str) -> str:
    with tempfile.NamedTemporaryFile() as output:
        program = [sys.executable, "-m", "speech_compat", "transcribe", str(path)]
        subprocess.run([*program, "--format", form, "-o", output.name], check=True)
        return Path(output.name).read_text(encoding="utf-8")


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower().replace("-", " ")).split())


def _by_speaker(turns: Iterable[tuple[str, str]]) -> dict[str, str]:
    spoken: dict[str, str] = {}
    for speaker, text in turns:
        spoken[speaker] = f"{spoken.get(speaker, '')} {_words(text)}".strip()
    return spoken


def _score_talk(path: Path, talk: tuple[tuple[str, str], ...]) -> str:
    meeteval = import_module("meeteval.wer").wer  # typed for its own documents only
    lines = [line.split(" ", 1)[1] for line in _transcribe(path, "text").splitlines()]
    found = [(speaker, text) for speaker, _, text in (line.partition(": ") for line in lines)]
    plain = [_words(" ".join(text for _, text in turns)) for turns in (talk, found)]
    word_error = meeteval.siso.siso_word_error_rate(*plain).error_rate
    cp_error = meeteval.cp.cp_word_error_rate(_by_speaker(talk), _by_speaker(found)).error_rate
    speakers = f"{len({s for s, _ in found})} of {len({s for s, _ in talk})}"
    return f"| {path.name} | {word_error:.1%} | {cp_error:.1%} | | {speakers} |"


def _score_turns(path: Path, rttm: Path) -> str:
    reference = parse_rttm(rttm.read_text(), path.stem)
    found = parse_rttm(_transcribe(path, "rttm"))
    error = diarization_error(reference, found)
    speakers = f"{len({t.speaker for t in found})} of {len({t.speaker for t in reference})}"
    return f"| {path.name} | | | {error:.1%} | {speakers} |"


def main(folder: Path) -> None:
    """Print a table of the scores."""
    print("| recording | WER | cpWER | DER | speakers found |")
    print("|---|---|---|---|---|")
    for name, talk in _TALKS.items():
        if (folder / name).is_file():
            print(_score_talk(folder / name, talk), flush=True)
    for name in ("ami/dev00.wav", "ami/dev01.wav"):
        if (folder / name).is_file():
            print(_score_turns(folder / name, folder / _RTTM), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
