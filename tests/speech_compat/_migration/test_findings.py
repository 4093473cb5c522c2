from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from speech_compat._migration import syntax
from speech_compat._migration.findings import FileReport, scan_project
from speech_compat._migration.names import Kind
from speech_compat._migration.program import Era, Feature
from speech_compat._migration.rules import RULES, Level

SDK = "azure.cognitiveservices.speech"
HEAD = f"import {SDK} as sdk\n"
MEETING = HEAD + (
    "c.set_property_by_name('DifferentiateGuestSpeakers', 'true')\n"
    "m = sdk.transcription.Meeting(c, 'id')\n"
)
Write = Callable[..., Path]


def scan(*paths: Path) -> list[FileReport]:
    return scan_project(paths, [])


def rules(report: FileReport, level: Level | None = None) -> list[tuple[str, str]]:
    """Return the rule and the place of each finding."""
    return [(f.rule.id, str(f.place)) for f in report.findings if level in {None, f.level}]


def test_an_import_is_left_to_change(program: Write) -> None:
    (report,) = scan(program(MEETING))
    assert report.era is Era.MEETING
    assert rules(report) == [("import", "line 1")]
    assert report.count(Level.CHANGE) == 1
    assert report.names[Kind.INCLUDED] == ("transcription.Meeting",)
    assert {verdict.backend for verdict in report.verdicts} >= {"local", "batch"}


def test_a_changed_program_has_nothing_left(program: Write) -> None:
    (report,) = scan(program(MEETING.replace(SDK, "speech_compat")))
    assert report.era is Era.MEETING
    assert report.findings == ()


@pytest.mark.parametrize(
    ("first", "second"), [(SDK, "speech_compat"), ("speech_compat", SDK)], ids=["old", "new"]
)
def test_a_fallback_between_both_packages_is_no_work(
    program: Write, first: str, second: str
) -> None:
    text = f"try:\n    import {first} as sdk\nexcept ImportError:\n    import {second} as sdk\n"
    (report,) = scan(program(text + MEETING.removeprefix(HEAD)))
    assert report.era is Era.MEETING
    assert report.findings == ()


def test_an_import_beside_one_of_the_facade_is_left_to_change(program: Write) -> None:
    (report,) = scan(program(MEETING + "import speech_compat as other\n"))
    assert rules(report) == [("import", "line 1")]


def test_programs_that_use_neither_package_are_not_reported(program: Write) -> None:
    assert scan(program("# cognitiveservices\nimport os\n")) == []


def test_columns_count_characters(program: Write) -> None:
    (report,) = scan(program(f"x = 'é'; import {SDK} as sdk\nsdk.transcription.Meeting(c, i)\n"))
    assert report.findings[0].place.column == 10


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (f"import {SDK}", "import-by-hand"),
        (f"from {SDK} import NoSuchName", "import-by-hand"),
        (f"importlib.import_module('{SDK}')", "module-name"),
        (f"mock.patch('{SDK}.SpeechConfig')", "module-name"),
    ],
)
def test_what_is_changed_by_hand_is_left(program: Write, line: str, rule: str) -> None:
    (report,) = scan(program(MEETING + line))
    assert (rule, "line 4") in rules(report, Level.CHANGE)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("sdk.transcription.Participant('a', 'en-us', s)", "voice-signature"),
        ("sdk.audio.AudioStreamFormat(16000, 16, 8)", "channels"),
        ("sdk.AudioConfig(use_default_microphone=True)", "microphone"),
        ("sdk.AudioStreamContainerFormat.MP3", "compressed-audio"),
        ("c.set_service_property('transcriptionMode', 'async', x)", "transcription-mode"),
        ("requests.get('https://transcribe.x.cts.speech.microsoft.com/')", "retired-address"),
        ("sdk.ResultReason.Transcribed", "unknown-name"),
        ("print 'x'", "syntax"),
    ],
)
def test_decisions(program: Write, line: str, rule: str) -> None:
    (report,) = scan(program(MEETING + line))
    assert rules(report, Level.DECIDE) == [(rule, "line 4")]


def test_speakers_that_are_not_separated_are_a_decision(program: Write) -> None:
    (report,) = scan(program(HEAD + "m = sdk.transcription.Meeting(c, 'id')\n"))
    assert rules(report, Level.DECIDE) == [("unidentified", "line 2")]


def test_names_that_were_not_retired_are_notes_once_for_each_class(program: Write) -> None:
    text = MEETING + "r = sdk.SpeechRecognizer(c)\nr.recognize_once()\nsdk.SpeechRecognizer(d)\n"
    (report,) = scan(program(text))
    assert rules(report, Level.NOTE) == [("not-retired", "line 4")]
    assert report.names[Kind.NOT_RETIRED] == ("SpeechRecognizer",)


def test_a_project_without_transcription_has_nothing_to_change(program: Write) -> None:
    recognizer = program(HEAD + "sdk.SpeechRecognizer(c)\n", "a.py")
    (report,) = scan(recognizer)
    assert rules(report, Level.CHANGE) == []
    assert ("import", "line 1") in rules(report, Level.NOTE)
    # Beside a program that transcribes, it may get that one's configuration.
    reports = scan(recognizer, program(MEETING, "b.py"))
    assert [report.count(Level.CHANGE) for report in reports] == [1, 1]
    # Also when that one is changed already.
    reports = scan(recognizer, program(MEETING.replace(SDK, "speech_compat"), "b.py"))
    assert [report.count(Level.CHANGE) for report in reports] == [1, 0]


def test_places_in_notebooks_name_the_cell_and_the_line_of_the_json(notebook: Write) -> None:
    path = notebook("%pip install x\n" + HEAD, "m = sdk.transcription.Meeting(c, 'id')\n", "x(\n")
    (report,) = scan(path)
    assert report.era is Era.MEETING
    by_rule = {finding.rule.id: finding.place for finding in report.findings}
    lines = path.read_text("utf-8").splitlines()
    assert (by_rule["import"].cell, by_rule["import"].cell_line) == (2, 2)
    assert SDK in lines[by_rule["import"].line - 1]
    assert str(by_rule["unidentified"]) == "cell 3, line 1"
    assert "Meeting(c" in lines[by_rule["unidentified"].line - 1]
    assert str(by_rule["syntax"]) == "cell 4, line 1"


def test_a_file_with_too_many_errors_is_left_with_the_lines_that_name_the_package(
    program: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syntax, "_MOST_REPAIRS", 1)
    (report,) = scan(program('print "x"\nprint "y"\n' + MEETING))
    assert ("unreadable", "line 3") in rules(report, Level.CHANGE)


def test_files_that_cannot_be_read_are_left(program: Write, tmp_path: Path) -> None:
    broken = program(HEAD + "\0")
    reports = scan(broken, tmp_path / "none.py")
    assert [rules(report, Level.CHANGE) for report in reports] == [[("unreadable", "line 1")]] * 2
    assert {report.era for report in reports} == {None}


def test_code_that_is_nested_too_deeply_is_left(
    program: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deep(_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("speech_compat._migration.findings.usage_of", deep)
    (report,) = scan(program(HEAD))
    assert "nested too deeply" in report.findings[0].message


def test_features_keep_their_places(program: Write) -> None:
    (report,) = scan(program(MEETING + "a = sdk.audio.AudioStreamFormat(1, 16, 8)\n" * 2))
    assert [str(place) for place in report.features[Feature.CHANNELS]] == ["line 4", "line 5"]


def test_rules_have_unique_ids_and_whole_sentences() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.summary.endswith(".") and rule.remedy.endswith(".") for rule in RULES)
