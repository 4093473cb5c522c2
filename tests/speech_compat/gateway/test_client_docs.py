"""The commands of docs/gateway-clients.md do what the page states."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from double.gateway import KEYS, completed, serving, settings_of
from double.voices import EnrollingBackend, signature
from speech_adapters import meetings as module
from speech_adapters.signatures import parse_signature
from speech_adapters.transcript import Utterance

PAGE: Final = Path(__file__).parents[3] / "docs" / "gateway-clients.md"
LOCAL: Final = "http://127.0.0.1:8080"


def commands() -> list[str]:
    return re.findall(r"^curl .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def create_backend(_: object, name: str, host: Any) -> EnrollingBackend:
        return EnrollingBackend(host, name)

    monkeypatch.setattr(module, "create_backend", create_backend)
    (tmp_path / "katie.wav").write_bytes(b"RIFF")
    completed(tmp_path / "state", "alice/planning", Utterance("a" * 32, "Good morning.", 1, 2, 0))
    environment = {**os.environ, "KEY": KEYS["alice"], "MEETING": "planning", "NO_PROXY": "*"}
    with serving(settings_of(tmp_path / "state")) as address:
        answers = [
            json.loads(
                subprocess.run(
                    command.replace(LOCAL, address).replace("curl ", "curl --silent ", 1),
                    shell=True,
                    check=True,
                    capture_output=True,
                    cwd=tmp_path,
                    env=environment,
                    timeout=60,
                ).stdout
            )
            for command in commands()
        ]
    by_bytes, by_form, found, deleted = answers
    for answer in (by_bytes, by_form):
        assert parse_signature(json.dumps(answer["Signature"])) == signature(4)
    assert [item["text"] for item in found["transcriptions"]] == ["Good morning."]
    assert (found["processingStatus"], deleted["processingStatus"]) == (2, 4)


def test_the_example_of_an_answer_has_the_documented_fields() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    document = json.loads(example)
    assert list(document) == ["id", "processingStatus", "transcriptions"]
    assert list(document["transcriptions"][0]) == [
        "userId",
        "resultId",
        "reason",
        "text",
        "durationInTicks",
        "offsetInTicks",
    ]
