from __future__ import annotations

import json
import re

import pytest

from speech_adapters.errors import ConfigurationError
from speech_adapters.export import FORMATS, SUFFIXES, format_offset, one_line, render, write
from speech_adapters.transcript import (
    LabelStyle,
    Provenance,
    Reread,
    StreamedTranscript,
    Transcript,
    Utterance,
    Word,
)

ORIGIN = Provenance("local", "engine 1", ("estimated",), ("cut",))
TALK = Transcript(
    "weekly meeting\n1",
    (
        Utterance("a" * 32, "Good <b>morning</b> & --> bye.", 0, 15_000_000, 0, None, "en-US"),
        Utterance("b" * 32, "Two\nlines\x07.", 36_610_000_000, 5_000, 1, 1, None),
        Utterance(
            "c" * 32, "Hm.", 36_620_000_000, 10_000_000, words=(Word("Hm.", 36_620_000_000, 9),)
        ),
        Utterance("d" * 32, "  ", 36_630_000_000, 0, 0),
    ),
    36_640_000_000,
    ORIGIN,
)
EMPTY = Transcript("silence", (), 10, ORIGIN)


def test_text_is_one_line_for_each_utterance() -> None:
    assert render(TALK, "text") == (
        "[00:00:00] Guest-1: Good <b>morning</b> & --> bye.\n"
        "[01:01:01] Guest-2: Two lines .\n"
        "[01:01:02] Unknown: Hm.\n"
    )


def test_json_contains_all_data() -> None:
    document = json.loads(render(TALK, "json"))
    assert document["meeting_id"] == "weekly meeting\n1"
    assert document["duration"] == 36_640_000_000
    assert document["speakers"] == ["Guest-1", "Guest-2"]
    assert [u["text"] for u in document["utterances"]] == [u.text for u in TALK.utterances]
    assert document["utterances"][1]["channel"] == 1
    assert document["utterances"][2]["words"] == [
        {"text": "Hm.", "offset": 36_620_000_000, "duration": 9, "confidence": None}
    ]
    assert document["provenance"]["emulated"] == ["estimated"]


def test_webvtt_escapes_characters_with_a_meaning() -> None:
    head, *cues = render(TALK, "vtt").split("\n\n")
    assert head == "WEBVTT"
    assert cues[1] == (
        "00:00:00.000 --> 00:00:01.500\n"
        "<v Guest-1>Good &lt;b&gt;morning&lt;/b&gt; &amp; --&gt; bye."
    )
    times = [line for cue in cues for line in cue.splitlines() if " --> " in line]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}", t) for t in times)


def test_srt_is_numbered_and_every_subtitle_has_a_duration() -> None:
    subtitles = render(TALK, "srt").split("\n\n")
    assert [subtitle.splitlines()[0] for subtitle in subtitles] == ["1", "2", "3"]
    assert subtitles[1].splitlines()[1] == "01:01:01,000 --> 01:01:01,001"


def test_rttm_has_ten_fields_and_no_empty_turn() -> None:
    lines = render(TALK, "rttm").splitlines()
    assert [len(line.split()) for line in lines] == [10] * 2
    assert lines[0] == ("SPEAKER weekly_meeting_1 1 0.000 1.500 <NA> <NA> Guest-1 <NA> <NA>")


def test_rttm_has_a_turn_for_each_part_between_pauses() -> None:
    second = 10_000_000
    words = tuple(
        Word("x", round(start * second), round(length * second))
        for start, length in ((1.0, 0.5), (1.9, 0.6), (3.0, 0.2), (3.1, 0.0))
    )
    talk = Utterance("a", "x x x x", second, 22 * second // 10, 0, words=words)
    lines = render(Transcript("m", (talk,), 0, ORIGIN), "rttm").splitlines()
    # The pause of 0.4 s is bridged, the one of 0.5 s is not.
    assert [line.split()[3:5] for line in lines] == [["1.000", "1.500"], ["3.000", "0.200"]]


@pytest.mark.parametrize("form", FORMATS)
def test_a_transcript_of_silence_is_a_valid_document(form: str) -> None:
    document = render(EMPTY, form)
    assert document == "" or document.endswith("\n")
    if form == "json":
        assert json.loads(document)["utterances"] == []


@pytest.mark.parametrize("form", FORMATS)
def test_half_characters_can_be_written(form: str) -> None:
    broken = Transcript("\ud800", (Utterance("a", "x\udfff", 0, 10_000_000, 0),), 0, ORIGIN)
    render(broken, form).encode()


def test_labels_have_the_requested_style() -> None:
    assert "Guest_0: Good" in render(TALK, "text", LabelStyle.MEETING)


def test_an_unknown_format_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'docx'.*text, json, vtt, srt, rttm"):
        render(TALK, "docx")


def test_every_format_has_a_suffix() -> None:
    assert set(SUFFIXES) == set(FORMATS)
    assert SUFFIXES["text"] == "txt"


def test_lines_and_offsets() -> None:
    assert one_line(" a\r\n\tb\x00c ") == "a b c"
    assert format_offset(359_999_999_999) == "09:59:59"


NAMED = Transcript(
    "m",
    (
        Utterance("a" * 32, "Hello.", 0, 10_000_000, 1, participant="Katie <k@x>\nO'Neil"),
        Utterance("b" * 32, "Hi.", 10_000_000, 10_000_000, 0),
    ),
    20_000_000,
    ORIGIN,
)


@pytest.mark.parametrize(
    ("form", "label"),
    [
        ("text", "[00:00:00] Katie <k@x> O'Neil: Hello.\n[00:00:01] Guest-1: Hi.\n"),
        ("srt", "\nKatie <k@x> O'Neil: Hello.\n"),
        ("vtt", "\n<v Katie &lt;k@x&gt; O'Neil>Hello.\n"),
        ("rttm", " <NA> <NA> Katie_<k@x>_O'Neil <NA> <NA>\n"),
    ],
)
def test_an_identified_speaker_is_the_participant(form: str, label: str) -> None:
    assert label in render(NAMED, form)


def test_json_has_the_participant_beside_the_number() -> None:
    document = json.loads(render(NAMED, "json"))
    assert document["speakers"] == ["Guest-1", "Katie <k@x>\nO'Neil"]
    speakers = [
        (u["speaker"], u["speaker_number"], u["participant"]) for u in document["utterances"]
    ]
    assert speakers == [("Katie <k@x>\nO'Neil", 1, "Katie <k@x>\nO'Neil"), ("Guest-1", 0, None)]


@pytest.mark.parametrize("transcript", [TALK, EMPTY])
def test_json_is_indented_as_a_whole(transcript: Transcript) -> None:
    """The utterances are encoded one by one, and stand in the document as if they were not."""
    text = render(transcript, "json")
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_streamed_transcript_has_the_same_documents(format_name: str) -> None:
    streamed = StreamedTranscript(
        TALK.meeting_id, Reread(lambda: iter(TALK.utterances)), TALK.duration, ORIGIN
    )
    parts = list(write(streamed, format_name))
    assert "".join(parts) == render(TALK, format_name)


@pytest.mark.parametrize("format_name", ["vtt", "srt", "html"])
def test_utterances_that_are_not_by_time_are_sorted(format_name: str) -> None:
    spoken = [Utterance(f"{at:032x}", f"At {at}.", at * 10**7, 10**7, 0) for at in range(9)]
    sorted_, mixed = (
        Transcript("m", tuple(found), 9 * 10**7, ORIGIN)
        for found in (spoken, [*spoken[5:], *spoken[:5]])
    )
    assert render(mixed, format_name) == render(sorted_, format_name)


def test_a_long_transcript_is_written_in_parts() -> None:
    long = Transcript("m", TALK.utterances[:1] * 2000, 1, ORIGIN)
    for format_name in FORMATS:
        parts = list(write(long, format_name))
        assert len(parts) > 5
        assert "".join(parts) == render(long, format_name)
