"""The table of docs/audio.md states what the code recognizes, accepts and sends."""

from __future__ import annotations

import re
from pathlib import Path

from speech_adapters.audio import AUDIO_SUFFIXES
from speech_adapters.audio.containers import KINDS
from speech_adapters.recording.original import ACCEPTED
from speech_compat._session.sources import CONTAINERS
from speech_compat.enums import AudioStreamContainerFormat

PAGE = Path(__file__).parents[1] / "docs" / "audio.md"


def rows() -> list[list[str]]:
    lines = (line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| "))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines][1:]


def test_every_kind_has_a_row() -> None:
    listed = {row[0] for row in rows()}
    assert {name for name in KINDS.values() if name != "WAV"} == {
        name for name in listed if not name.startswith(("WAV", "samples"))
    }


def test_every_name_of_a_folders_files_is_listed() -> None:
    found = {suffix for row in rows() for suffix in re.findall(r"`(\.\w+)`", row[1])}
    # The name alone makes a file one of G.722, so folders are not searched for it.
    assert found == {*AUDIO_SUFFIXES, ".g722"}


def test_the_containers_of_streams_are_listed_with_their_kinds() -> None:
    kinds = {name: kind for kind, name in KINDS.items()}
    for row in rows():
        for name in re.findall(r"[A-Z_0-9]{3,}", row[2] if "container" in row[2] else ""):
            declared = CONTAINERS[AudioStreamContainerFormat[name]]
            assert declared in (None, kinds.get(row[0]))
    text = PAGE.read_text("utf-8")
    assert not [
        container.name for container in AudioStreamContainerFormat if container.name not in text
    ]


def test_what_is_sent_as_it_is_is_listed() -> None:
    kinds = {name: kind for kind, name in KINDS.items()}
    sent = {kinds[row[0]] for row in rows() if row[3].startswith("the file")}
    assert sent == set(ACCEPTED)
