from __future__ import annotations

import json

import pytest

from speech_adapters.comparison import compare, comparison_document, format_report, line_up
from speech_adapters.reading.document import Document
from speech_adapters.reading.reader import parse_document

for module in ("rapidfuzz", "scipy", "pyannote.metrics"):
    pytest.importorskip(module, reason="the extra compare is not installed")


def stm(name: str, *turns: str) -> Document:
    return parse_document("".join(f"{name} 1 {turn}\n" for turn in turns).encode(), name, "stm")


REFERENCE = stm("first", "katie 0 10 Good morning, Steve.", "steve 10 20 Good morning.")
CANDIDATE = stm("second", "S1 0 11 Good morning Stefan", "S2 12 20 good morning there")


def test_the_report_of_a_comparison() -> None:
    found = compare(REFERENCE, CANDIDATE)
    report = format_report(found, line_up(REFERENCE, CANDIDATE, found))
    assert report == (
        "reference  first (stm): 5 words, 2 speakers, 20.0 s; times of speaker turns\n"
        "candidate  second (stm): 6 words, 2 speakers, 19.0 s; times of speaker turns\n"
        "\n"
        "WER     40.00%  1 inserted, 0 deleted, 1 substituted; the reference has 5 words\n"
        "cpWER   40.00%  1 inserted, 0 deleted, 1 substituted; the reference has 5 words\n"
        "DER     10.00%  1.0 s missed, 0.0 s false alarm, 1.0 s confused; the reference has 20.0 s;"
        " collar 0 s\n"
        "\n"
        "Speakers of the reference, and the same ones of the candidate:\n"
        "  katie = S1\n"
        "  steve = S2\n"
        "\n"
        "Differences: [-only in the reference-] {+only in the candidate+}\n"
        "\n"
        "[00:00:00]\n"
        "  - katie: Good morning, [-Steve.-]\n"
        "  + S1: Good morning {+Stefan+}\n"
        "\n"
        "[00:00:10]\n"
        "  - steve: Good morning.\n"
        "  + S2: good morning {+there+}\n"
    )


def test_a_speaker_without_a_counterpart_and_a_missing_metric() -> None:
    text = parse_document(b"A: one\nB: two", "x", "text")
    report = format_report(compare(text, parse_document(b"C: one", "y", "text")))
    assert "  B = (none)\n" in report
    assert "DER    not computed: the reference has no turns with begin and end\n" in report
    assert "times missing" in report


def test_times_of_utterances_are_stated() -> None:
    vtt = parse_document(b"WEBVTT\n\n00:00.000 --> 00:10.000\n<v A>Good morning\n", "v")
    assert "times of utterances only, so pauses in them count" in format_report(
        compare(REFERENCE, vtt)
    )


def test_the_document_of_a_comparison() -> None:
    document = comparison_document(compare(REFERENCE, CANDIDATE, collar=0.25, normalized=False))
    assert json.loads(json.dumps(document)) == document
    assert list(document) == [
        "format",
        "version",
        "reference",
        "candidate",
        "normalized",
        "collar",
        "wer",
        "cpwer",
        "der",
        "mapping",
    ]
    assert (document["normalized"], document["collar"]) == (False, 0.25)
    assert document["mapping"][0] == {"reference": "katie", "candidate": "S1"}
    assert document["wer"] == {
        "rate": 1.0,
        "words": 5,
        "inserted": 1,
        "deleted": 0,
        "substituted": 4,
    }
    # 1.75 s of 19: the second at 11 is missed, and 0.75 s before it are of the wrong speaker.
    assert document["der"]["rate"] == pytest.approx(1.75 / 19)
