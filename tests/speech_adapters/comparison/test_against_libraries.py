"""The figures equal those that meeteval and pyannote.metrics compute by themselves.

meeteval is built from source, so it is in the dependency group ``measure`` only, and its tests are
skipped without it.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.recordings import Recording, Turn, find_recordings
from double.meetings import run
from fuzz.cases import fuzz
from speech_adapters.audio import WavFile
from speech_adapters.comparison import Comparison, compare
from speech_adapters.comparison.words import split_words
from speech_adapters.config import load_settings
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.export.lines import spans
from speech_adapters.meetings import MeetingService
from speech_adapters.reading.document import Document
from speech_adapters.reading.reader import parse_document
from speech_adapters.transcript import LabelStyle, Transcript, seconds

pytest.importorskip("rapidfuzz", reason="the extra compare is not installed")
pytest.importorskip("scipy", reason="the extra compare is not installed")

Texts = Sequence[tuple[str, str]]
COLLARS = (0.0, 0.25)


def text_document(texts: Texts) -> Document:
    return parse_document("".join(f"{s}: {t}\n" for s, t in texts).encode(), "x", "text")


def turn_document(turns: Sequence[Turn]) -> Document:
    lines = (
        f"SPEAKER x 1 {turn.start!r} {turn.end - turn.start!r} <NA> <NA> {turn.speaker} <NA>\n"
        for turn in turns
    )
    return parse_document("".join(lines).encode(), "x", "rttm")


def assert_words_equal(found: Comparison, reference: Texts, candidate: Texts) -> None:
    """Compare WER and cpWER with those of meeteval."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        meeteval = import_module("meeteval.wer").wer
        wer = meeteval.siso.siso_word_error_rate(_joined(reference), _joined(candidate))
        cpwer = meeteval.cp.cp_word_error_rate(_by_speaker(reference), _by_speaker(candidate))
    assert found.rate("wer") == wer.error_rate
    assert found.rate("cpwer") == cpwer.error_rate
    for own, other in ((found.wer, wer), (found.cpwer, cpwer)):
        assert own is not None
        assert (own.errors, own.words) == (other.errors, other.length)
        # Alignments with as few errors may divide them in several ways, but never this.
        assert own.inserted - own.deleted == other.insertions - other.deletions


def assert_turns_equal(
    found: Comparison, reference: Sequence[Turn], candidate: Sequence[Turn]
) -> None:
    """Compare DER with that of pyannote.metrics, which chooses what it scores by itself."""
    metrics = import_module("pyannote.metrics.diarization")
    metric = metrics.DiarizationErrorRate(collar=2 * found.collar)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it does choose it
        parts = metric(_annotation(reference), _annotation(candidate), detailed=True)
    assert found.der is not None
    # Ticks round what the library has as a float.
    assert found.rate("der") == pytest.approx(parts["diarization error rate"], abs=1e-6)
    assert found.der.missed == pytest.approx(parts["missed detection"], abs=1e-4)
    assert found.der.false_alarm == pytest.approx(parts["false alarm"], abs=1e-4)
    assert found.der.confused == pytest.approx(parts["confusion"], abs=1e-4)


def _joined(texts: Texts) -> str:
    return " ".join(word for _, text in texts for word in split_words(text))


def _by_speaker(texts: Texts) -> dict[str, str]:
    speakers = dict.fromkeys(speaker for speaker, _ in texts)
    return {name: _joined([each for each in texts if each[0] == name]) for name in speakers}


def _annotation(turns: Sequence[Turn]) -> Any:
    core = import_module("pyannote.core")
    annotation = core.Annotation()
    for number, turn in enumerate(turns):
        annotation[core.Segment(turn.start, turn.end), number] = turn.speaker
    return annotation


def damaged(texts: Texts, seed: int) -> list[tuple[str, str]]:
    """Return texts as a bad recognizer has them: other words, speakers and divisions."""
    chance = random.Random(seed)
    found: list[tuple[str, str]] = []
    names = {name: f"Guest-{n + 1}" for n, name in enumerate(dict.fromkeys(s for s, _ in texts))}
    for speaker, text in texts:
        words: list[str] = []
        for word in text.split():
            if chance.random() > 0.1:
                words.append(word if chance.random() > 0.1 else word[::-1])
            if chance.random() < 0.05:
                words.append("um")
        label = names[speaker] if chance.random() > 0.1 else chance.choice([*names.values(), "new"])
        found.append((label, " ".join(words)))
    return found


def moved(turns: Sequence[Turn], seed: int) -> list[Turn]:
    """Return turns as a bad diarizer has them: other boundaries and speakers."""
    chance = random.Random(seed)
    labels = [turn.speaker for turn in turns]
    found = []
    for turn in turns:
        start = max(turn.start + chance.gauss(0, 0.3), 0.0)
        label = turn.speaker if chance.random() > 0.15 else chance.choice([*labels, "new"])
        end = turn.end + chance.gauss(0, 0.3)
        if end > start and chance.random() > 0.05:
            found.append(Turn(f"x{label}", round(start, 3), round(end, 3)))
    return found


def recordings(folder: Path) -> Iterator[Recording]:
    found = list(find_recordings(folder))
    assert found, "the folder has no recording with a reference"
    yield from found


@pytest.mark.parametrize("seed", range(5))
def test_words_of_the_recordings(shared_recordings: Path, seed: int) -> None:
    pytest.importorskip("meeteval", reason="the group measure is not installed")
    for recording in recordings(shared_recordings):
        if recording.texts:
            candidate = damaged(recording.texts, seed)
            found = compare(text_document(recording.texts), text_document(candidate))
            assert_words_equal(found, recording.texts, candidate)


@pytest.mark.parametrize("collar", COLLARS)
@pytest.mark.parametrize("seed", range(5))
def test_turns_of_the_recordings(shared_recordings: Path, seed: int, collar: float) -> None:
    pytest.importorskip("pyannote.metrics", reason="the extra compare is not installed")
    for recording in recordings(shared_recordings):
        if recording.turns:
            candidate = moved(recording.turns, seed)
            documents = (turn_document(recording.turns), turn_document(candidate))
            found = compare(*documents, collar=collar)
            assert_turns_equal(found, recording.turns, candidate)


@pytest.mark.engine
def test_transcripts_of_the_recordings(shared_recordings: Path, tmp_path: Path) -> None:
    """The whole way: the engine's transcript, as it is stored."""
    pytest.importorskip("meeteval", reason="the group measure is not installed")
    pytest.importorskip("pyannote.metrics", reason="the extra compare is not installed")
    settings = load_settings({"backend": "local", "state_dir": str(tmp_path)})
    names = ("katiesteve_mono", "dev00")
    for recording in recordings(shared_recordings):
        if recording.path.stem not in names:
            continue
        transcript = run(settings, partial(transcribed, recording.path))
        label_of = LabelStyle.DIARIZATION.label_of
        stored = Document(transcript, "stored")
        if recording.texts:
            texts = [(label_of(u), u.text) for u in transcript.utterances]
            found = compare(text_document(recording.texts), stored)
            assert_words_equal(found, recording.texts, texts)
        if recording.turns:
            turns = [
                Turn(label_of(u), seconds(start), seconds(end))
                for u in transcript.utterances
                for start, end in spans(u)
            ]
            found = compare(turn_document(recording.turns), stored)
            assert_turns_equal(found, recording.turns, turns)


async def transcribed(path: Path, meetings: MeetingService) -> Transcript:
    with WavFile(path) as file:
        request = MeetingRequest("m", audio=file.pcm, mode=Mode.BOTH, immediate=False)
        async with await meetings.open_session(request) as session:
            await session.push(file.read(100_000_000))
            await session.finish()
            async for _ in session.events():
                pass
    return await meetings.transcript("m")


SAID = st.lists(
    st.tuples(st.sampled_from("ABCD"), st.lists(st.sampled_from("abcd"), max_size=6).map(" ".join)),
    min_size=1,
    max_size=8,
)


@fuzz
@given(SAID, SAID)
def test_words_of_any_texts(reference: Texts, candidate: Texts) -> None:
    pytest.importorskip("meeteval", reason="the group measure is not installed")
    found = compare(text_document(reference), text_document(candidate))
    if "wer" not in found.missing:
        assert_words_equal(found, reference, candidate)
