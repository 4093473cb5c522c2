"""Names of participants: from the estimate of the speakers to utterances and events."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from double.voices import MODEL, signature, signature_text
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local import live, stored
from speech_adapters.backends.local import live_engine as module
from speech_adapters.backends.local.diarization import Diarization, Turn
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.live_engine import LiveEngine
from speech_adapters.backends.local.live_speakers import LiveSpeakers, StableNumbers, spans_at
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.pipeline import Pipeline
from speech_adapters.backends.local.protocol import WorkerMessage
from speech_adapters.backends.local.pulse import ignore
from speech_adapters.backends.local.recognition.segmenter import SpeechSegment
from speech_adapters.backends.local.recognition.whisper import RecognizedWord
from speech_adapters.backends.local.recognition.words import build_utterances, without_guests
from speech_adapters.backends.local.utterances import EngineLine, Span, UtteranceBuilder
from speech_adapters.contract import Attendee, Origin, Recognized, SessionEvent
from speech_adapters.transcript import Provenance, Utterance

ORIGIN = Provenance("local", "a double")
SECOND = bytes(32_000)
KATIE = signature(0)
# Speakers by the direction of their voices: 0 is Katie, others are guests.
TURNS = (Turn(0.0, 4.0, 0), Turn(5.0, 9.0, 1))


def words(*texts: str) -> list[RecognizedWord]:
    """Return words of one second each, the second half of them 5 s later."""
    half = len(texts) // 2
    starts = [n if n < half else 5 + n - half for n in range(len(texts))]
    return [
        RecognizedWord(f" {text}", float(start), start + 1.0, None)
        for text, start in zip(texts, starts, strict=True)
    ]


def found(turns: tuple[Turn, ...], *directions: int, speech: float = 4.0) -> Diarization:
    embeddings = np.eye(256, dtype=np.float32)[list(directions)]
    return Diarization(turns, embeddings, (speech,) * len(directions))


def people(events: list[SessionEvent]) -> list[tuple[str, int | None, str | None, bool]]:
    return [
        (e.utterance.text, e.utterance.speaker, e.utterance.participant, e.correction)
        for e in events
        if isinstance(e, Recognized)
    ]


# --- utterances of a stored recording ------------------------------------------------------


def test_utterances_of_a_named_speaker_carry_the_participant() -> None:
    made = build_utterances(
        words("Good", "day.", "Hello", "you."),
        TURNS,
        language="en",
        seed=uuid.uuid4(),
        names={1: "katie"},
    )
    assert [(u.text, u.speaker, u.participant) for u in made] == [
        ("Good day.", 0, None),
        ("Hello you.", 1, "katie"),
    ]


def test_only_participants_have_a_speaker_if_guests_are_not_wanted() -> None:
    guest = Utterance("a", "Hi.", 0, 1, 0)
    katie = Utterance("b", "Hi.", 2, 1, 1, participant="katie")
    unknown = Utterance("c", "Hi.", 4, 1)
    assert without_guests([guest, katie, unknown]) == (
        attrs.evolve(guest, speaker=None),
        katie,
        unknown,
    )


class Words:
    """The recognition of a recording: the same words whatever the audio is."""

    language = None

    class model:  # noqa: N801
        @staticmethod
        def code(language: str) -> str:
            return language

    def add_audio(self, samples: NDArray[np.float32]) -> None: ...

    def finish(self) -> list[RecognizedWord]:
        return words("Good", "day.", "Hello", "you.")


class Speakers:
    """A diarizer: one estimate after the other, the last one again and again."""

    def __init__(self, *estimates: Diarization) -> None:
        self._estimates = list(estimates)

    def add_audio(self, samples: NDArray[np.float32]) -> None: ...

    def current(self) -> Diarization:
        return self._estimates.pop(0) if len(self._estimates) > 1 else self._estimates[0]

    def finish(self) -> Diarization:
        return self._estimates[-1]


@pytest.mark.parametrize(("signatures", "name"), [({"katie": KATIE}, "katie"), ({}, None)])
def test_a_stored_recording_has_the_names_of_the_enrolled(
    signatures: dict[str, Any], name: str | None
) -> None:
    recognizer: Any = Words()
    with Pipeline(
        16_000,
        recognizer,
        Speakers(found(TURNS, 5, 0)),
        language="en-US",
        seed=uuid.uuid4(),
        provenance=ORIGIN,
        signatures=signatures,
        resources=ExitStack(),
    ) as pipeline:
        pipeline.add_audio(SECOND)
        pipeline.end_audio()
        made = pipeline.utterances()
    assert [(u.speaker, u.participant) for u in made] == [(0, None), (1, name)]


# --- a live meeting ------------------------------------------------------------------------


def test_spans_carry_the_participant() -> None:
    numbers = StableNumbers()
    numbers.update(found(TURNS, 5, 0))
    spans = spans_at(TURNS, 0.0, 9.0, {1: "katie"}, numbers)
    assert spans == (Span(0.0, 4.0, 0), Span(5.0, 4.0, 1, "katie"))
    assert "katie" not in repr(spans)


def spoken(*spans: Span, number: int = 0) -> EngineLine:
    some = tuple(words("Good", "day.", "Hello", "you."))
    return EngineLine(number, "Good day. Hello you.", 0.0, 7.0, True, spans, some)


def test_a_participant_who_is_found_later_is_a_correction() -> None:
    builder = UtteranceBuilder("en", diarize=True, settle_seconds=0.0)
    first = spoken(Span(0.0, 4.0, 7), Span(5.0, 4.0, 9))
    named = spoken(Span(0.0, 4.0, 7, "katie"), Span(5.0, 4.0, 9))
    assert people(list(builder.update([first], 8.0))) == [
        ("Good day.", 0, None, False),
        ("Hello you.", 1, None, False),
    ]
    assert people(list(builder.update([named], 9.0))) == [("Good day.", 0, "katie", True)]
    assert people(list(builder.update([named], 9.5))) == []
    # And back, if it was someone else.
    assert people(list(builder.update([first], 9.8))) == [("Good day.", 0, None, True)]
    list(builder.update([named], 10.0))
    assert [u.participant for u in builder.utterances] == ["katie", None]
    assert [u.participant for u in builder.result()] == ["katie", None]


def test_lines_without_words_can_be_corrected_too() -> None:
    builder = UtteranceBuilder("en", diarize=True, settle_seconds=0.0)
    line = EngineLine(0, "Good day.", 0.0, 4.0, True, (Span(0.0, 4.0, 7),))
    list(builder.update([line], 8.0))
    named = attrs.evolve(line, spans=(Span(0.0, 4.0, 7, "katie"),))
    assert people(list(builder.update([named], 9.0))) == [("Good day.", 0, "katie", True)]


def test_guests_stay_unknown_if_the_program_does_not_differentiate_them() -> None:
    """Source: docs/protocol/legacy-interface.md, 3.5: identification alone is enabled then."""
    builder = UtteranceBuilder("en", diarize=True, settle_seconds=0.0, guests=False)
    first = spoken(Span(0.0, 4.0, 7), Span(5.0, 4.0, 9))
    named = spoken(Span(0.0, 4.0, 7, "katie"), Span(5.0, 4.0, 9))
    other = EngineLine(1, "No words.", 9.0, 1.0, True, (Span(9.0, 1.0, 9),))
    assert people(list(builder.update([first, other], 10.0))) == [
        ("Good day.", None, None, False),
        ("Hello you.", None, None, False),
        ("No words.", None, None, False),
    ]
    assert people(list(builder.update([named], 11.0))) == [("Good day.", 0, "katie", True)]
    assert [u.speaker for u in builder.result()] == [0, None, None]


class Segments:
    """Cuts audio into segments of one second without pauses."""

    current = None
    probable = None

    def __init__(self) -> None:
        self._seconds = 0

    def add(self, samples: NDArray[np.float32]) -> Iterator[SpeechSegment]:
        start = float(self._seconds)
        self._seconds += 1
        nothing = np.zeros(0, np.float32)
        yield SpeechSegment(self._seconds, start, start + 1.0, samples, nothing)

    def finish(self) -> Iterator[SpeechSegment]:
        return iter(())


class Recognizer:
    """Recognizes one word in each segment."""

    def words(self, segment: SpeechSegment) -> list[RecognizedWord]:
        return [RecognizedWord(f" {segment.number}.", segment.start, segment.end, None)]


def test_a_new_name_concerns_lines_of_any_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SpeechSegmenter", Segments)
    monkeypatch.setattr(module, "_REVISED_SECONDS", 0.5)
    turns = tuple(Turn(float(n), n + 1.0, 0) for n in range(4))
    little, enough = found(turns, 0, speech=1.9), found(turns, 0, speech=4.0)
    recognizer: Any = Recognizer()
    with ExitStack() as resources:
        speakers = resources.enter_context(LiveSpeakers(Speakers(little, little, enough)))
        engine = LiveEngine(
            16_000,
            recognizer,
            speakers,
            provenance=ORIGIN,
            resources=resources.pop_all(),
            signatures={"katie": KATIE},
        )
    with engine:
        lines = [engine.add_audio(SECOND) for _ in range(4)]
    names = [{line.text: {s.participant for s in line.spans} for line in each} for each in lines]
    assert names == [
        {"1.": {None}},
        {"2.": {None}},
        {"1.": {"katie"}, "2.": {"katie"}, "3.": {"katie"}},
        {"4.": {"katie"}},
    ]


# --- the worker --------------------------------------------------------------------------


class Engine:
    """Returns one line of Katie and a guest at the end, or their utterances."""

    settle_seconds = 0.0
    provenance = ORIGIN
    seconds = 0.0
    is_behind = False
    is_done = True

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None: ...

    def add_audio(self, pcm: bytes) -> list[EngineLine]:
        return []

    def finish(self) -> list[EngineLine]:
        return [spoken(Span(0.0, 4.0, 7), Span(5.0, 4.0, 9, "katie"))]

    def end_audio(self) -> None: ...

    def utterances(self) -> tuple[Utterance, ...]:
        return (
            Utterance("a", "Good day.", 0, 1, 0),
            Utterance("b", "Hello you.", 2, 1, 1, participant="katie"),
        )


@pytest.mark.parametrize("module", [live, stored])
@pytest.mark.parametrize(("guests", "numbers"), [(True, [0, 1]), (False, [None, 1])])
def test_participants_are_found_in_a_meeting_whose_guests_are_not_distinguished(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    models: Models,
    module: Any,
    guests: bool,
    numbers: list[int | None],
) -> None:
    monkeypatch.setattr(module, "_load_engine", lambda *_: Engine())
    made = module.transcribe(job(tmp_path, guests), models, ignore, lambda _: len(SECOND), ignore)
    assert [u.participant for u in made.utterances] == [None, "katie"]
    assert [u.speaker for u in made.utterances] == numbers


@pytest.fixture
def models() -> Iterator[Models]:
    with Models(LocalOptions()) as models:
        yield models


def job(folder: Path, guests: bool, *people: Attendee) -> TranscriptionJob:
    (folder / "a.pcm").write_bytes(SECOND)
    return TranscriptionJob(
        *(folder / "a.pcm", PcmFormat(), LocalOptions(), "auto", "en-US", guests, "m"),
        attendees=people or (Attendee("katie", "", signature_text()),),
    )


@pytest.mark.parametrize("module", [live, stored])
@pytest.mark.parametrize("emulated", [(), ("Speakers are guessed.",)])
def test_another_provenance_than_the_backends_is_sent_first(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    models: Models,
    module: Any,
    emulated: tuple[str, ...],
) -> None:
    engine, sent = Engine(), list[WorkerMessage]()
    engine.provenance = attrs.evolve(ORIGIN, emulated=emulated)
    monkeypatch.setattr(module, "_load_engine", lambda *_: engine)
    module.transcribe(job(tmp_path, True), models, sent.append, lambda _: len(SECOND), ignore)
    assert [m for m in sent if isinstance(m, Origin)] == [Origin(engine.provenance)][
        : len(emulated)
    ]
    assert not emulated or sent[0] == Origin(engine.provenance)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module that loads the engines, with a double of the models."""
    from speech_adapters.backends.local import engines

    class SpeakerModels:
        embedding_id = MODEL * 4

        def close(self) -> None: ...

    monkeypatch.setattr(engines, "load_models", lambda *_: SpeakerModels())
    monkeypatch.setattr(engines, "Diarizer", lambda *_, **__: Speakers())
    return engines


@pytest.mark.parametrize("guests", [True, False])
def test_the_diarizer_has_the_signatures_of_its_model(
    engines: ModuleType, models: Models, tmp_path: Path, guests: bool
) -> None:
    wanted = job(tmp_path, guests, Attendee("katie", "", signature_text()), Attendee("b"))
    with ExitStack() as resources:
        diarizer, signatures, reason = engines._load_diarizer(wanted, models, resources)
    assert isinstance(diarizer, Speakers)
    assert (signatures, reason) == ({"katie": KATIE}, "")


def test_speakers_that_nothing_needs_are_not_separated(
    engines: ModuleType, models: Models, tmp_path: Path
) -> None:
    unsigned = attrs.evolve(job(tmp_path, False), attendees=())
    with ExitStack() as resources:
        assert engines._load_diarizer(unsigned, models, resources) == (None, {}, "")
