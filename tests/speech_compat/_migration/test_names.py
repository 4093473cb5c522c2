from __future__ import annotations

import json
from pathlib import Path

import pytest

from speech_compat._migration.names import Kind, kind_of

SURFACES = sorted((Path(__file__).parents[2] / "ledger/surfaces").glob("*.json"))


@pytest.mark.parametrize("surface", SURFACES, ids=lambda path: path.stem)
def test_every_name_of_every_version_is_known(surface: Path) -> None:
    for module, names in json.loads(surface.read_text()).items():
        for name, entry in names.items():
            path = [module, name] if module else [name]
            assert kind_of(path) is not Kind.UNKNOWN, path
            if kind_of(path) is Kind.INCLUDED:
                for member in entry.get("members", {}):
                    assert kind_of([*path, member]) is not Kind.UNKNOWN, (path, member)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", Kind.INCLUDED),
        ("__version__", Kind.INCLUDED),
        ("SpeechConfig()", Kind.INCLUDED),
        ("SpeechConfig().set_property()", Kind.INCLUDED),
        ("transcription.MeetingTranscriber().transcribed.connect()", Kind.INCLUDED),
        ("transcription.ConversationTranscriber().start_transcribing()", Kind.UNKNOWN),
        ("ResultReason.RecognizedSpeech", Kind.INCLUDED),
        ("ResultReason.Transcribed", Kind.UNKNOWN),
        ("SpeechRecognizer().recognize_once()", Kind.NOT_RETIRED),
        ("translation", Kind.NOT_RETIRED),
        ("translation.TranslationRecognizer", Kind.NOT_RETIRED),
        ("remote_meeting.RemoteMeetingTranscriptionClient", Kind.INCLUDED),
        ("speech_py_impl", Kind.UNKNOWN),
        # What the modules themselves import is no name of the package.
        ("transcription.Final", Kind.UNKNOWN),
    ],
)
def test_kinds(path: str, kind: Kind) -> None:
    assert kind_of(path.split(".") if path else ()) is kind
