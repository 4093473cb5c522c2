"""The guide of docs/testing.md, followed in a project of a user."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from vcr.serializers.yamlserializer import deserialize

from double.remote_meetings import RemoteMeetings
from double.service import ServiceDouble, running
from speech_compat.testing.loopback import Script

ROOT: Final = Path(__file__).parents[3]
KEY: Final = "PLANTED-key-0123456789"
Pytest = Callable[..., "subprocess.CompletedProcess[str]"]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_wheel_is_what_is_tested(run: Pytest, project: Path, installed: Path) -> None:
    (project / "tests/test_where.py").write_text(
        "import speech_compat\n\ndef test_it():\n"
        f"    assert speech_compat.__file__.startswith({str(installed)!r})\n"
    )
    done = run("tests/test_where.py")
    assert done.returncode == 0, done.stdout


def test_the_first_test_of_the_guide(run: Pytest, project: Path) -> None:
    done = run("--block-network", "tests/test_minutes.py")
    assert done.returncode == 0, done.stdout + done.stderr
    replace(project / "tests/standup.jsonl", "The build is green.", "The build is red.")
    done = run("--block-network", "tests/test_minutes.py")
    assert done.returncode == 1
    (shown,) = re.findall(
        r"^```text\n(.*?)^```$", (ROOT / "docs/testing.md").read_text(), re.MULTILINE | re.DOTALL
    )
    for line in shown.splitlines():
        assert line.strip() in done.stdout, done.stdout


def test_another_speaker_is_named(run: Pytest, project: Path) -> None:
    replace(project / "tests/standup.jsonl", '"speaker": 1', '"speaker": 0')
    done = run("--block-network", "tests/test_minutes.py")
    assert done.returncode == 1
    assert "speaker: Guest-2 -> Guest-1" in done.stdout


def test_a_fault_reaches_the_program(run: Pytest, project: Path) -> None:
    test = project / "tests/test_minutes.py"
    replace(test, '    ("Guest_1", "The build is green.", 1.9),\n', "")
    # After the start of the speech, and the hypothesis and the result of the first utterance.
    replace(test, '"standup.jsonl")', '"standup.jsonl", fault="UnavailableError", fault_after=3)')
    done = run("--block-network", "tests/test_minutes.py")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("how", ["file", "environment", "property"])
def test_each_way_to_select_a_backend(run: Pytest, project: Path, how: str) -> None:
    test = project / "tests/test_minutes.py"
    replace(test, "(speech_compat_replay)", "(speech_compat_store)")
    replace(test, '    speech_compat_replay("standup.jsonl")\n', "")
    environment = {}
    script = "tests/standup.jsonl"
    if how == "file":
        (project / "speech-compat.toml").write_text(
            f'backend = "replay"\n[backends.replay]\nscript = "{script}"\n'
        )
    elif how == "environment":
        environment["SPEECH_COMPAT_BACKEND"] = "replay"
        environment["SPEECH_COMPAT_BACKENDS__REPLAY__SCRIPT"] = script
    else:
        line = '    config.set_property_by_name("DifferentiateGuestSpeakers", "true")\n'
        properties = {"backend": "replay", "backends.replay.script": script}
        more = "".join(
            f'    config.set_property_by_name("speech-compat.{name}", "{value}")\n'
            for name, value in properties.items()
        )
        replace(project / "minutes.py", line, line + more)
    done = run("--block-network", "tests/test_minutes.py", **environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def services(storage: str) -> Iterator[dict[str, str]]:
    """Run the doubles; yield the variables that the guide's tests read."""
    speech, meetings = ServiceDouble(), RemoteMeetings(Script())
    speech.accepted = {KEY}
    meetings.accepted = {KEY}
    answer = {"userId": "Guest_0", "reason": 3, "text": "Good morning.", "offsetInTicks": 4}
    meetings.others["last week"] = {
        "id": "last week",
        "processingStatus": 2,
        "transcriptions": [{**answer, "resultId": "1" * 32, "durationInTicks": 5}],
    }
    with running(speech), meetings.running():
        base = meetings.rest.removesuffix("/api/v1")
        (blobs,) = re.findall(r"BlobEndpoint=([^;]+)", storage)
        yield {
            "SPEECH_ENDPOINT": speech.url,
            "MEETINGS_ENDPOINT": base,
            "STORAGE_ENDPOINT": blobs,
            "SPEECH_KEY": KEY,
            "STORAGE_CONNECTION_STRING": storage,
        }


CARELESS = """
import pytest

@pytest.fixture(scope="module")
def vcr_config():
    return {"record_mode": "once", "match_on": ["method", "uri", "body"], "filter_headers": []}
"""


@pytest.mark.parametrize("careless", [False, True], ids=["defaults", "careless"])
@pytest.mark.parametrize("backend", ["fast", "batch", "remote_meeting"])
def test_a_cassette(
    run: Pytest, project: Path, services: dict[str, str], backend: str, careless: bool
) -> None:
    if careless:
        (project / "tests/conftest.py").write_text(CARELESS)
    heard = "A double heard 4.000 seconds."
    replace(project / "tests/test_archive.py", "Good morning. The build is green.", heard)
    test = f"tests/test_archive.py::test_{backend}"
    recorded = run(test, "--record-mode=once", **services)
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    cassette = project / f"tests/cassettes/test_archive/test_{backend}.yaml"
    # Not the file: YAML breaks lines, also within a secret.
    text = str(deserialize(cassette.read_text(encoding="utf-8")))
    (account_key,) = re.findall(r"AccountKey=([^;]+)", services["STORAGE_CONNECTION_STRING"])
    assert [s for s in (KEY, "PLANTED", account_key, "RIFF") if s in text] == []
    assert not re.search(r"(?i)'authorization|subscription-key", text)
    assert set(re.findall(r"sig=([^&\"'\s\\]+)", text)) <= {"scrubbed"}
    assert ("sha256 " in text) == (backend != "remote_meeting")
    first = cassette.read_text(encoding="utf-8").partition("\n")[0]
    service = {"remote_meeting": "the meeting service"}.get(backend, f"{backend} transcription")
    assert re.match(rf"# recorded from {service}.* at 127\.0\.0\.1:\d+, \d{{4}}-\d\d-\d\d$", first)
    # Other names of hosts and ports would not be found, so a request that leaves fails.
    known = {name: services[name] for name in services if name.endswith("ENDPOINT")}
    replayed = run(test, "--record-mode=none", "--block-network", **known)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert str(deserialize(cassette.read_text(encoding="utf-8"))) == text
