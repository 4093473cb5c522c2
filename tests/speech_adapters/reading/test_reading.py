from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from double.web import minutes
from speech_adapters.errors import BackendError, ConfigurationError
from speech_adapters.export import render
from speech_adapters.reading import FORMATS
from speech_adapters.reading.document import Document
from speech_adapters.reading.reader import parse_document, read_document
from speech_adapters.transcript import LabelStyle, Transcript, Word
from speech_compat._session.mapping.results import remote_document

SECOND = 10_000_000


def read(text: str | bytes, format_name: str = "", recording: str = "") -> Document:
    data = text if isinstance(text, bytes) else text.encode()
    return parse_document(data, "x.file", format_name, recording)


def lines(document: Document) -> list[tuple[str, str, float, float]]:
    """Return label, text, begin and end in seconds of each utterance."""
    return [
        (LabelStyle.DIARIZATION.label_of(u), u.text, u.offset / SECOND, u.end / SECOND)
        for u in document.transcript.utterances
    ]


@pytest.fixture
def transcript() -> Transcript:
    return minutes("Weekly planning")


def test_the_own_export_is_read_as_it_was(transcript: Transcript) -> None:
    found = read(render(transcript, "json"))
    assert found.format == "json"
    assert not found.exact_turns
    assert lines(found) == lines(Document(transcript, "stored"))
    assert found.transcript.duration == transcript.duration
    assert found.transcript.utterances[0].words == tuple(
        Word(word.text, word.offset, word.duration) for word in transcript.utterances[0].words
    )


@pytest.mark.parametrize("name", ["vtt", "srt"])
def test_exported_subtitles_have_the_same_words_and_speakers(
    transcript: Transcript, name: str
) -> None:
    found = read(render(transcript, name))
    assert found.format == name
    by_speaker: dict[str, str] = {}
    for label, text, *_ in lines(found):
        by_speaker[label] = f"{by_speaker.get(label, '')} {text}".strip()
    expected: dict[str, str] = {}
    for label, text, *_ in lines(Document(transcript, "stored")):
        expected[label] = f"{expected.get(label, '')} {text}".strip()
    assert by_speaker == expected


def test_exported_text_and_turns(transcript: Transcript) -> None:
    whole = lines(Document(transcript, "stored"))
    found = read(render(transcript, "text"))
    assert [line[:2] for line in lines(found)] == [line[:2] for line in whole]
    turns = read(render(transcript, "rttm"))
    assert turns.exact_turns
    assert {line[0] for line in lines(turns)} == {line[0] for line in whole}
    assert {line[1] for line in lines(turns)} == {""}


def test_an_answer_of_the_retired_service(transcript: Transcript) -> None:
    document = remote_document(transcript)
    found = read(json.dumps(document))
    assert found.format == "answer"
    assert [line[1] for line in lines(found)] == [u.text for u in transcript.utterances]
    # As the file spells them.
    assert {line[0] for line in lines(found)} == {
        LabelStyle.MEETING.label_of(u) for u in transcript.utterances
    }


def test_parts_of_an_answer_that_are_no_text() -> None:
    items = [
        {"userId": "Guest_0", "text": "One.", "reason": 3, "offsetInTicks": SECOND},
        {"userId": "Guest_0", "text": None, "reason": "Canceled"},
        {"userId": "Guest_0", "text": "no", "reason": 2},
        {"userId": "Unidentified", "text": "Two.", "reason": "RecognizedSpeech"},
    ]
    found = read(json.dumps({"processingStatus": 2, "transcriptions": items}))
    assert [line[:2] for line in lines(found)] == [("Unknown", "Two."), ("Guest_0", "One.")]


EVENTS: list[dict[str, Any]] = [
    {
        "Id": "a",
        "RecognitionStatus": "Success",
        "Offset": SECOND,
        "Duration": SECOND,
        "DisplayText": "Hello.",
        "SpeakerId": "Unidentified",
    },
    {"RecognitionStatus": "NoMatch", "Offset": 3 * SECOND, "Duration": SECOND},
    {
        "RecognitionStatus": "Success",
        "Offset": 5 * SECOND,
        "Duration": SECOND,
        "SpeakerId": "Guest-2",
        "NBest": [
            {"Display": "Yes.", "Words": [{"Word": "yes", "Offset": 5 * SECOND, "Duration": 9}]}
        ],
    },
    # The correction of the first one.
    {
        "Id": "a",
        "RecognitionStatus": "Success",
        "Offset": SECOND,
        "Duration": SECOND,
        "DisplayText": "Hello.",
        "SpeakerId": "katie",
    },
]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(EVENTS),
        "".join(f"{json.dumps(event)}\n" for event in EVENTS),
        "\n".join(f"{json.dumps(event)}\n" for event in EVENTS),
    ],
    ids=["list", "lines", "blank lines"],
)
def test_saved_events(text: str) -> None:
    found = read(text)
    assert found.format == "events"
    assert lines(found) == [("katie", "Hello.", 1.0, 2.0), ("Guest-2", "Yes.", 5.0, 6.0)]
    assert [word.text for word in found.transcript.utterances[1].words] == ["yes"]


def test_one_saved_event() -> None:
    assert lines(read(json.dumps(EVENTS[0], indent=2))) == [("Unknown", "Hello.", 1.0, 2.0)]


def test_a_result_of_the_services() -> None:
    phrase = {"text": "Hello.", "offsetMilliseconds": 1000, "durationMilliseconds": 500}
    found = read(json.dumps({"phrases": [{**phrase, "speaker": 1}]}))
    assert (found.format, lines(found)) == ("result", [("Guest-1", "Hello.", 1.0, 1.5)])
    with pytest.raises(BackendError, match="neither"):
        read("{}", "result")


RTTM = """\
;; a comment
SPKR-INFO a 1 <NA> <NA> <NA> unknown katie <NA> <NA>
SPEAKER a 1 1.5 2 <NA> <NA> katie <NA> <NA>
SPEAKER a 1 2.5 1.25 <NA> <NA> steve <NA>
"""


def test_turns() -> None:
    found = read(RTTM)
    assert (found.format, found.exact_turns) == ("rttm", True)
    assert lines(found) == [("katie", "", 1.5, 3.5), ("steve", "", 2.5, 3.75)]


def test_turns_with_words() -> None:
    found = read(
        ";; a comment\n\n"
        "a 1 katie 0.5 2.0 <o,f0,female> Good morning.\n"
        "a 1 steve 2.0 3.0 Good <i> morning.\n"
        "a 1 inter_segment_gap 3.0 4.0 <o,,unknown> IGNORE_TIME_SEGMENT_IN_SCORING\n"
        "a 1 katie 4.0 5.0\n"
    )
    assert (found.format, found.exact_turns) == ("stm", True)
    assert lines(found) == [
        ("katie", "Good morning.", 0.5, 2.0),
        ("steve", "Good morning.", 2.0, 3.0),
        ("katie", "", 4.0, 5.0),
    ]


def test_one_recording_of_several() -> None:
    several = RTTM + "SPEAKER b 1 0 1 <NA> <NA> maria <NA> <NA>\n"
    assert lines(read(several, recording="b")) == [("maria", "", 0.0, 1.0)]
    assert read(several, recording="b").transcript.meeting_id == "b"
    with pytest.raises(ConfigurationError, match=r"--recording \(a, b\)"):
        read(several)
    with pytest.raises(ConfigurationError, match="no recording 'c', only a, b"):
        read(several, recording="c")


def test_voices_of_webvtt() -> None:
    found = read(
        "\ufeffWEBVTT - a title\r\n\r\nSTYLE\r\n::cue { color: red }\r\n\r\n"
        "NOTE 00:00.000 is no cue\r\n\r\n"
        "1\r\n00:01.000 --> 00:02.500 align:start\r\n<v.loud Katie B.>Good <i>morning</i> &amp;\r\n"
        "hello.</v>\r\n\r\n"
        "100:00:03.000 --> 100:00:04.000\r\n<v Katie B.>One.\r\n<v Steve>Two.\r\n\r\n"
        "100:00:05.000 --> 100:00:04.000\r\nNobody.\r\n"
    )
    assert lines(found) == [
        ("Katie B.", "Good morning & hello.", 1.0, 2.5),
        ("Katie B.", "One.", 360_003.0, 360_004.0),
        ("Steve", "Two.", 360_003.0, 360_004.0),
        ("Unknown", "Nobody.", 360_005.0, 360_005.0),
    ]


def test_speakers_of_subrip() -> None:
    found = read(
        "1\n00:00:01,000 --> 00:00:02,5\nKatie: Good\n<i>morning.</i>\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\nAt 10:30 we: begin here\n"
    )
    assert lines(found) == [
        ("Katie", "Good morning.", 1.0, 2.5),
        ("Unknown", "At 10:30 we: begin here", 3.0, 4.0),
    ]


def test_lines_of_text() -> None:
    found = read("[00:04] Katie: Good morning.\nHow are you?\n\n[1:00:05] 2: At 10:30.\n")
    assert found.format == "text"
    assert sorted(lines(found)) == [
        ("2", "At 10:30.", 3605.0, 3605.0),
        ("Katie", "Good morning.", 4.0, 4.0),
        ("Katie", "How are you?", 0.0, 0.0),
    ]


def test_a_text_without_times_must_be_named() -> None:
    with pytest.raises(ConfigurationError, match="name one with --reference-format"):
        read("Katie: Good morning.\n")
    assert lines(read("Katie: Good morning.\n", "text")) == [("Katie", "Good morning.", 0.0, 0.0)]


@pytest.mark.parametrize(
    ("data", "format_name", "message"),
    [
        (b"\xff\xfe\xff", "", "no text in UTF-8"),
        (b"\x80", "", "no text in UTF-8"),
        ("", "", "not recognized"),
        ("{}", "", "not recognized"),
        ("[1]", "", "not recognized"),
        ("{", "json", "no JSON document"),
        ("[" * 100_000, "json", "no JSON document"),
        ('{"format": "speech-compat transcript", "version": 2, "utterances": []}', "", "version 1"),
        ('{"format": "speech-compat transcript", "version": 1}', "", "utterances"),
        ('{"transcriptions": [{"text": 7}]}', "", "Expected `str"),
        ('{"RecognitionStatus": "Success"}\n{', "", "line 2, cannot be read"),
        ("WEBVTT\n", "", "no subtitle"),
        ("SPEAKER a 1 x 2 <NA> <NA> k <NA>", "", "line 1 has too few fields"),
        ("SPEAKER a 1 nan 2 <NA> <NA> k <NA>", "", "a wrong time"),
        ("a 1 k 2 1 text", "stm", "line 1"),
        ("x", "xml", "Choose one of json"),
    ],
)
def test_what_cannot_be_read(data: str | bytes, format_name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(data, format_name)


def test_errors_quote_no_text() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read('{"transcriptions": [{"text": "secret", "offsetInTicks": "secret"}]}')
    assert "secret" not in str(caught.value)


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "notes.stm"
    path.write_text("notes 1 katie 0 1 Good morning.\n", encoding="utf-16")
    assert read_document(path).transcript.meeting_id == "notes"
    with pytest.raises(ConfigurationError, match="No such file"):
        read_document(tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="directory"):
        read_document(tmp_path)
    monkeypatch.setattr("speech_adapters.reading.reader._MOST_BYTES", 10)
    with pytest.raises(ConfigurationError, match="more than"):
        read_document(path)


def test_the_payloads_of_services(shared_payloads: Path) -> None:
    """Every answer with a transcript is recognized; the others are refused with a reason."""
    found: dict[str, int] = {}
    refused: list[str] = []
    for path in sorted(shared_payloads.rglob("*.json")):
        try:
            found[path.name] = len(read_document(path).transcript.utterances)
        except ConfigurationError as error:
            refused.append(str(error))
    assert all("format was not recognized" in reason for reason in refused)
    assert found["net_diarization_4speakers_es_en.response.json"] == 5
    assert found["ingestion_realtimeresult.json"] == 2
    assert found["result_hello_world.json"] == 1
    assert len(found) == 10


def test_every_format_has_a_name_in_the_documentation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "parity.md").read_text("utf-8")
    assert [name for name in FORMATS if f"| `{name}` |" not in page] == []
