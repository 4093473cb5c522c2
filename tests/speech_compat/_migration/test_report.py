from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from speech_compat._migration.findings import FileReport, scan_project
from speech_compat._migration.report import as_json, as_sarif, as_text

Write = Callable[..., Path]
PROGRAM = """\
import azure.cognitiveservices.speech as sdk
c.set_property_by_name("DifferentiateGuestSpeakers", "true")
m = sdk.transcription.Meeting(c, "id")
f = sdk.audio.AudioStreamFormat(16000, 16, 8)
p = [sdk.transcription.Participant(n, "en-us") for n in names]
r = sdk.SpeechRecognizer(c)
"""


@pytest.fixture
def reports(program: Write, notebook: Write, monkeypatch: pytest.MonkeyPatch) -> list[FileReport]:
    folder = program(PROGRAM, "a b/é.py").parent.parent
    notebook(PROGRAM, name="n.ipynb")
    program("\0cognitiveservices", "z.py")
    monkeypatch.chdir(folder)
    return scan_project([Path()], [])


def test_the_text_states_era_features_findings_and_backends(reports: list[FileReport]) -> None:
    text = as_text(reports)
    blocks = text.split("\n\n")
    assert blocks[2] == (
        "a b/é.py: meeting transcription, SDK 1.31 and later (retired on 2025-03-28)\n"
        "  also     recognizer\n"
        "  uses     several channels (line 4), participants (line 5)\n"
        "  to change\n"
        "    line 1: 'import azure.cognitiveservices.speech as sdk' becomes an import of"
        " speech_compat.\n"
        "  to decide\n"
        "    line 4: The program sends 8 channels.\n"
        "  notes\n"
        "    line 6: The name SpeechRecognizer was not retired.\n"
        "  backends, with default options\n"
        "    local          serves it; lost: SC109\n"
        "    realtime       serves it; lost: SC109\n"
        "    remote_meeting serves it\n"
        "    batch          refuses it: SC101\n"
        "    fast           refuses it: SC101\n"
        "    auto           refuses it: SC101"
    )
    assert "z.py: not examined" in text
    assert "cell 2, line 1: 'import" in text
    assert "  SC101  live-events: it emits no events while the audio flows;" in text
    assert text.endswith("3 files: 2 meeting, 1 not examined; 3 to change, 2 to decide.\n")


def test_the_text_of_nothing() -> None:
    assert as_text([]) == "No file uses azure.cognitiveservices.speech or speech_compat.\n"


def test_the_json_has_everything(reports: list[FileReport]) -> None:
    document = json.loads(as_json(reports))
    assert document["summary"] == {"files": 3, "change": 3, "decide": 2, "note": 2}
    files = {file["path"]: file for file in document["files"]}
    found = files["a b/é.py"]
    assert (found["era"], found["eras"]) == ("meeting", ["meeting", "recognizer"])
    assert found["names"]["not_retired"] == ["SpeechRecognizer"]
    assert found["features"][0] == {
        "name": "several channels",
        "places": [{"line": 4, "column": 1, "cell": None, "cell_line": None}],
    }
    backends = {backend["backend"]: backend for backend in found["backends"]}
    assert not backends["batch"]["serves"]
    assert backends["batch"]["gaps"][0]["code"] == "SC101"
    assert backends["batch"]["gaps"][0]["blocking"]
    finding = found["findings"][0]
    assert (finding["rule"], finding["level"], finding["line"]) == ("import", "change", 1)
    assert files["z.py"]["era"] is None
    assert files["n.ipynb"]["findings"][0]["cell"] == 2


def _object(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object that has all of these properties."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": items}


# The properties that GitHub's code scanning needs of SARIF 2.1.0.
TEXT = _object(text={"type": "string", "minLength": 1})
LEVEL = {"enum": ["error", "warning", "note"]}
NUMBER = {"type": "integer", "minimum": 1}
LOCATION = _object(
    physicalLocation=_object(
        # An address: no other character may be in it.
        artifactLocation=_object(uri={"type": "string", "pattern": "^[!-~]+$"}),
        region=_object(startLine=NUMBER, startColumn=NUMBER),
    )
)
RULE = _object(
    id={"type": "string", "maxLength": 255},
    shortDescription=TEXT,
    fullDescription=TEXT,
    help=TEXT,
    defaultConfiguration=_object(level=LEVEL),
)
RESULT = _object(
    ruleId={"type": "string"},
    level=LEVEL,
    message=TEXT,
    locations=_array(LOCATION),
    partialFingerprints=_object(primaryLocationLineHash={"type": "string"}),
)
DRIVER = _object(name={"type": "string"}, semanticVersion={"type": "string"}, rules=_array(RULE))
SARIF = _object(
    version={"const": "2.1.0"},
    runs=_array(_object(tool=_object(driver=DRIVER), results=_array(RESULT))),
)


def test_the_sarif_has_what_code_scanning_needs(reports: list[FileReport]) -> None:
    document = json.loads(as_sarif(reports))
    jsonschema.validate(document, SARIF)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    results = run["results"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in results)
    cell, line = [r for r in results if r["ruleId"] == "import"]
    location = line["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "a%20b/%C3%A9.py", "uriBaseId": "%SRCROOT%"}
    assert line["level"] == "error"
    # A line of the JSON is what code scanning can show.
    assert "cell 2, line 1" in cell["message"]["text"]
    assert cell["locations"][0]["physicalLocation"]["region"]["startLine"] > 2


def test_equal_findings_are_different_alerts(program: Write) -> None:
    path = program(PROGRAM + "a = sdk.AudioConfig(use_default_microphone=True)\n" * 2)
    (run,) = json.loads(as_sarif(scan_project([path], [])))["runs"]
    hashes = [r["partialFingerprints"]["primaryLocationLineHash"] for r in run["results"]]
    assert len(set(hashes)) == len(hashes)


def test_an_alert_keeps_its_fingerprint_when_lines_are_added(program: Write) -> None:
    def fingerprints(text: str) -> list[str]:
        document = json.loads(as_sarif(scan_project([program(text)], [])))
        return [r["partialFingerprints"] for r in document["runs"][0]["results"]]

    assert fingerprints(PROGRAM) == fingerprints("# first\n" + PROGRAM)


def test_a_file_elsewhere_has_its_whole_address(
    program: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program(PROGRAM)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    document = json.loads(as_sarif(scan_project([path], [])))
    location = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": path.resolve().as_uri()}
