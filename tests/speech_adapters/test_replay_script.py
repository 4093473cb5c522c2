from __future__ import annotations

import json
import re
from pathlib import Path

import attrs
import pytest

from double.scripted_backend import said
from speech_adapters.contract import (
    Hypothesis,
    NoMatch,
    Origin,
    Progress,
    Recognized,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import ConfigurationError
from speech_adapters.export import render
from speech_adapters.replay_script import (
    ReplayScript,
    dump_script,
    load_script,
    position_of,
    start_of,
)
from speech_adapters.transcript import Provenance, Transcript, Word

HEADER = '{"format": "speech-compat replay script", "version": 1}'
SPOKEN = said(
    "Good morning.",
    0.1234567,
    2.5,
    1,
    language="en-US",
    channel=0,
    participant="katie@example.com",
    words=(Word("Good", 1_234_567, 3_000_000, 0.9), Word("morning.", 5_000_000, 7_000_000)),
)
EVENTS = (
    SpeechStarted(1_234_567),
    Hypothesis(attrs.evolve(SPOKEN, text="good", words=())),
    Recognized(SPOKEN),
    NoMatch(30_000_000, 5_000_000, "InitialSilenceTimeout"),
    Recognized(attrs.evolve(SPOKEN, speaker=0), correction=True),
    Progress(40_000_000),
    SpeechEnded(25_000_000),
)


def load(folder: Path, text: str, name: str = "script.jsonl") -> ReplayScript:
    (folder / name).write_text(text, encoding="utf-8")
    return load_script(folder / name)


def test_a_comment_may_state_the_origin(tmp_path: Path) -> None:
    script = f"# recorded from a service, 2026-11-05\n{dump_script(EVENTS, Provenance('a', '1'))}"
    assert load(tmp_path, script).events == load(tmp_path, script.partition("\n")[2]).events


def line(**fields: object) -> str:
    return json.dumps({"event": "recognized", "text": "x", "start": 1, "end": 2, **fields})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    source = Provenance("local", "7")
    script = load(tmp_path, dump_script(EVENTS, source))
    assert script == ReplayScript(EVENTS, source)
    assert script.utterances() == (attrs.evolve(SPOKEN, speaker=0),)


def test_an_origin_replaces_the_source(tmp_path: Path) -> None:
    other = Provenance("local", "another engine")
    script = load(tmp_path, dump_script([Origin(other), *EVENTS], Provenance("local", "7")))
    assert script == ReplayScript(EVENTS, other)


def test_one_document_has_the_same_fields(tmp_path: Path) -> None:
    header, *events = map(json.loads, dump_script(EVENTS, Provenance("local", "7")).splitlines())
    script = load(tmp_path, json.dumps({**header, "events": events}), "script.json")
    assert script.events == EVENTS


def test_final_utterances_alone_get_the_events_around_them(tmp_path: Path) -> None:
    text = f"{HEADER}\n\n{line(speaker=0)}\n{line(start=3, end=4.5, speaker=1)}\n"
    first, second = load(tmp_path, text).utterances()
    assert load(tmp_path, text).events == (
        SpeechStarted(10_000_000),
        Hypothesis(first),
        Recognized(first),
        Hypothesis(second),
        Recognized(second),
        SpeechEnded(45_000_000),
    )
    assert (first.speaker, second.speaker) == (0, 1)
    assert first.id != second.id


def test_a_hypothesis_and_its_utterance_share_an_id(tmp_path: Path) -> None:
    text = f"{HEADER}\n{line(event='hypothesis', end=1.5)}\n{line()}"
    hypothesis, final = load(tmp_path, text).events
    assert isinstance(hypothesis, Hypothesis)
    assert isinstance(final, Recognized)
    assert hypothesis.utterance.id == final.utterance.id


def test_a_transcript_is_a_script(tmp_path: Path) -> None:
    transcript = Transcript("m", (SPOKEN,), 30_000_000, Provenance("batch", "v3.2"))
    script = load(tmp_path, render(transcript, "json"), "meeting.json")
    assert script.utterances() == (SPOKEN,)
    assert script.source == transcript.provenance
    assert [type(event) for event in script.events] == [
        SpeechStarted,
        Hypothesis,
        Recognized,
        SpeechEnded,
    ]
    empty = attrs.evolve(transcript, utterances=())
    assert load(tmp_path, render(empty, "json"), "meeting.json").events == ()


@pytest.mark.parametrize(
    ("event", "start", "position"),
    [
        (SpeechStarted(5), 5, 5),
        (Recognized(SPOKEN), 1_234_567, 25_000_000),
        (NoMatch(5, 3), 5, 8),
        (Origin(Provenance("a", "b")), 0, 0),
    ],
)
def test_positions(event: SpeechStarted, start: int, position: int) -> None:
    assert (start_of(event), position_of(event)) == (start, position)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{}", "line 1 is wrong: it does not begin with"),
        (HEADER.replace("1}", "2}"), "version: only 1 can be read"),
        (HEADER.replace("1}", '1, "x": 2}'), "x: Extra inputs"),
        (f"{HEADER}\n{{", "line 2 is wrong: it is no JSON"),
        (f"{HEADER}\n\n[]", "line 3 is wrong"),
        (f"{HEADER}\n{line(event='said')}", '"event" must be one of hypothesis, no_match'),
        (f"{HEADER}\n{line(end=0.5)}", "line 2 is wrong: end is before start"),
        (f"{HEADER}\n{line(start=-1)}", "start: Input should be greater"),
        (f"{HEADER}\n{line(speaker=-1)}", "speaker: Input should be greater"),
        (f"{HEADER}\n{line(id='7')}", "id: String should match"),
        (f"{HEADER}\n{line(colour='red')}", "colour: Extra inputs"),
        (f"{HEADER}\n{line()}\n{line(end=3)}", "line 3 is wrong: two utterances start"),
        (f"{HEADER}\n{line(words=[{'text': 'x', 'start': 1}])}", "words.0.end: Field required"),
        (f'{HEADER}\n{{"event": "no_match", "start": 0, "end": 1, "reason": "?"}}', "reason: "),
    ],
)
def test_a_wrong_script_is_an_error_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape("docs/testing.md")) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert str(tmp_path / "script.jsonl") in str(caught.value)


def test_errors_in_documents(tmp_path: Path) -> None:
    wrong = json.dumps({**json.loads(HEADER), "events": [{"event": "progress", "at": 1}, 5]})
    with pytest.raises(ConfigurationError, match="event 2 is wrong"):
        load(tmp_path, wrong, "s.json")
    with pytest.raises(ConfigurationError, match="it is no transcript"):
        load(tmp_path, '{"format": "speech-compat transcript", "utterances": [{}]}', "s.json")
    with pytest.raises(ConfigurationError, match="No such file"):
        load_script(tmp_path / "missing.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="it is not UTF-8"):
        load_script(tmp_path / "binary.jsonl")


def test_an_error_does_not_quote_the_transcript(tmp_path: Path) -> None:
    text = f"{HEADER}\n{line(text='PLANTED', participant='PLANTED', end='PLANTED')}"
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert "PLANTED" not in str(caught.value)
