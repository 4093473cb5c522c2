"""The kit from end to end, with a double in the place of Azure."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import httpx
import pytest
from azure.storage.blob import BlobServiceClient
from starlette.responses import JSONResponse
from vcr.serializers import yamlserializer

from double.service import Fault, ServiceDouble, running
from live.__main__ import main
from live.checks import CHECKS
from live.report import NOT_MET
from live.run import Kit
from live.sound import Sound
from live.target import Target
from speech_adapters.audio import PcmFormat
from speech_compat.testing.loopback import Line, LoopbackService, Script

KEY: Final = "PLANTED-key-0123456789"
ROOT: Final = Path(__file__).parents[2]
LINE: Final = Line("Spoken.", 0, 10_000_000, hypotheses=("Spo",))
PATH: Final = "/stt/speech/universal/v2"


@attrs.define
class Role:
    """The doubles in the place of Azure, and the environment that names them."""

    service: ServiceDouble
    loopback: LoopbackService
    environment: dict[str, str]
    output: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        own = {n: os.environ[n] for n in ("PATH", "HOME", "PYTHONPATH") if n in os.environ}
        paths = [str(ROOT / "tests"), own.get("PYTHONPATH", "")]
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "live", "--seconds", "2", "--poll-seconds", "0"),
                *("--output", str(self.output), *arguments),
            ],
            cwd=ROOT,
            env={**own, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the kit; return its exit code and what it printed."""
        with self.start("--yes", *arguments) as process:
            text = process.communicate(timeout=200)[0]
        return process.returncode, text

    def containers(self) -> list[str]:
        connection = self.environment["STORAGE_CONNECTION_STRING"]
        with BlobServiceClient.from_connection_string(connection) as service:
            return [c.name for c in service.list_containers(name_starts_with="speech-compat-live")]

    def written(self) -> dict[str, str]:
        """Return the texts of all files of all runs by their names."""
        return {p.name: p.read_text("utf-8") for p in self.output.rglob("*") if p.is_file()}


@contextmanager
def playing(service: ServiceDouble, storage: str, output: Path) -> Iterator[Role]:
    service.accepted = {KEY}
    loopback = LoopbackService(Script((LINE,), tokens=frozenset({KEY})))
    with running(service) as url, loopback.running() as websocket:
        environment = {
            "SPEECH_KEY": KEY,
            "SPEECH_REGION": "westeurope",
            "SPEECH_ENDPOINT": url,
            "SPEECH_WEBSOCKET": f"{websocket}{PATH}",
            "STORAGE_CONNECTION_STRING": storage,
        }
        yield Role(service, loopback, environment, output)


@pytest.fixture
def make_role(storage: str, tmp_path: Path) -> Iterator[Callable[[ServiceDouble], Role]]:
    with ExitStack() as stack:
        yield lambda service: stack.enter_context(playing(service, storage, tmp_path / "live"))


@pytest.fixture(scope="module")
def whole_run(
    storage: str, tmp_path_factory: pytest.TempPathFactory, shipped_recordings: Path
) -> Iterator[tuple[Role, str]]:
    """Run all checks once; yield the services and what the kit printed."""
    output = tmp_path_factory.mktemp("live")
    with playing(ServiceDouble(), storage, output) as role:
        code, text = role.run()
        assert code == 0, text
        yield role, text


@pytest.fixture
def role(make_role: Callable[[ServiceDouble], Role]) -> Role:
    return make_role(ServiceDouble())


@pytest.fixture(autouse=True)
def _recording(shipped_recordings: Path) -> None:
    """Skip the tests where the recording of the demo is missing."""


def test_no_differences_from_itself_and_nothing_is_left(whole_run: tuple[Role, str]) -> None:
    role, text = whole_run
    assert NOT_MET in text
    assert f"No differences from the double in {len(CHECKS) - 1} checks." in text
    assert "Everything that the run created at the services is deleted." in text
    assert role.service.jobs == {}
    assert len(role.service.submitted) == 3
    assert role.containers() == []
    assert text.count("cassette replays") == len(CHECKS) - 1


def test_cassettes_state_their_origin_and_have_no_secrets(whole_run: tuple[Role, str]) -> None:
    role, text = whole_run
    written = role.written()
    cassettes = {name: found for name, found in written.items() if name != "report.txt"}
    # The stored meeting of realtime has none, and the live one has a script too.
    assert len(cassettes) == len(CHECKS)
    for found in cassettes.values():
        first = found.partition("\n")[0]
        assert re.fullmatch(
            r"# recorded from (batch|fast|real-time) .*at 127\.0\.0\.1 \(not Azure\),"
            r" \d{4}-\d\d-\d\d, westeurope",
            first,
        )
    (account,) = re.findall("AccountKey=([^;]+)", role.environment["STORAGE_CONNECTION_STRING"])
    content = {
        name: str(yamlserializer.deserialize(x)) for name, x in cassettes.items() if "yaml" in name
    }
    for found in (text, *written.values(), *content.values()):
        assert [secret for secret in ("PLANTED", account, "RIFF") if secret in found] == []
        assert set(re.findall(r"sig=([^&\"'\s\\]+)", found)) <= {"scrubbed"}
    assert "sha256 " in content["batch-v3.2.yaml"]
    assert "speech-compat-live-batch-v3.2" in content["batch-v3.2.yaml"]
    assert not re.search("speech-compat-live-[0-9a-f]{8}", str(content)), "the name of the run"


def test_cassettes_replay_without_the_service(
    make_role: Callable[[ServiceDouble], Role], tmp_path: Path
) -> None:
    role = make_role(ServiceDouble())
    names = ("fast-2025-10-15", "batch-2025-10-15", "batch-2025-10-15-refusals")
    assert role.run(*(x for name in names for x in ("--check", name)))[0] == 0
    (folder,) = role.output.iterdir()
    role.service.faults = [Fault(".*", JSONResponse({}, 500), 1000)]
    role.service.requests.clear()
    target = Target(
        key="any",
        region="westeurope",
        endpoint=role.environment["SPEECH_ENDPOINT"],
        storage=role.environment["STORAGE_CONNECTION_STRING"],
    )
    sound = Sound(b"\1\0" * 32_000, PcmFormat())
    kit = Kit(target=target, sound=sound, folder=folder, run="x", minutes=1, report=print)
    by_name = {check.name: check for check in CHECKS}
    assert [kit._replay(by_name[name]) for name in names] == ["replays"] * 3
    cassette = folder / "fast-2025-10-15.yaml"
    cassette.write_text(cassette.read_text().replace("POST", "PUT"))
    assert kit._replay(by_name["fast-2025-10-15"]).startswith("does not replay")
    assert role.service.requests == []


class Planted(ServiceDouble):
    """A service whose answers differ from the double's in one respect."""

    def __init__(self, plant: Callable[[dict[str, Any]], object]) -> None:
        self._plant = plant
        super().__init__()

    def _fast_result(self, data: bytes, definition: dict[str, Any]) -> dict[str, Any]:
        result = super()._fast_result(data, definition)
        self._plant(result)
        return result


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (lambda r: r.update(model="x"), "$.model: additional: text from the service"),
        (
            lambda r: r["phrases"][0].pop("confidence"),
            "$.phrases[].confidence: missing: number from the double only",
        ),
        (
            lambda r: r["phrases"][0].update(offsetMilliseconds="100"),
            "$.phrases[].offsetMilliseconds: type: text from the service, integer from the double",
        ),
        (
            lambda r: r["phrases"][0].update(locale="en-GB"),
            "$.phrases[].locale: value: en-GB is unknown to the double",
        ),
    ],
    ids=["additional", "missing", "type", "value"],
)
def test_a_planted_difference_is_found(
    make_role: Callable[[ServiceDouble], Role],
    plant: Callable[[dict[str, Any]], object],
    expected: str,
) -> None:
    role = make_role(Planted(plant))
    _, text = role.run("--check", "fast-2025-10-15")
    assert "1 difference from the double" in text
    assert f"    POST /transcriptions:transcribe (200)\n      {expected}\n" in text
    assert expected in role.written()["report.txt"]


def test_an_answer_that_the_backend_cannot_read_is_compared_too(
    make_role: Callable[[ServiceDouble], Role],
) -> None:
    role = make_role(Planted(lambda result: result.update(phrases="none")))
    code, text = role.run("--check", "fast-2025-10-15")
    assert code == 1, text
    assert "FAILED fast-2025-10-15" in text
    assert "$.phrases: type: text from the service, list from the double" in text


def test_other_statuses_and_headers_are_found(role: Role) -> None:
    role.service.retry_after = "0"
    refusal = JSONResponse({"error": {"code": "x"}}, 403)
    role.service.faults = [Fault("GET /speechtotext/v3.2/transcriptions$", refusal, 1)]
    code, text = role.run("--check", "batch-v3.2-refusals", "--check", "batch-v3.2")
    assert code == 0, text
    statuses = "only the service sends 403, only the double sends 401"
    assert f"    GET /transcriptions\n      status: {statuses}\n" in text
    assert "header retry-after: present from the service, absent from the double" in text


def test_failed_checks(role: Role) -> None:
    role.service.accepted, role.loopback.script = set(), Script(tokens=frozenset({"another"}))
    checks = ("fast-2024-11-15", "batch-v3.2", "realtime-live")
    code, text = role.run(*(x for name in checks for x in ("--check", name)))
    assert code == 1, text
    for name in checks:
        assert re.search(rf"FAILED {name} .*(401|refused|[Aa]uthentication)", text)
    # What the service was not asked for is no difference.
    assert "result file" not in text
    assert KEY not in text
    assert role.containers() == []


def test_a_job_that_takes_too_long(make_role: Callable[[ServiceDouble], Role]) -> None:
    role = make_role(ServiceDouble(polls=None))
    code, text = role.run("--check", "batch-2025-10-15", "--minutes", "0.1")
    assert code == 1, text
    assert "it has not ended in time" in text
    (own,) = role.service.jobs
    assert f"Not deleted:\n  The job {own} has not finished" in text
    assert role.containers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "ended"])
def test_an_interrupted_run_deletes_what_it_created(
    make_role: Callable[[ServiceDouble], Role], number: int
) -> None:
    role = make_role(ServiceDouble(polls=None))
    with role.start("--yes", "--check", "batch-2025-10-15") as process:
        deadline = time.monotonic() + 60
        while not any(job.polled for job in role.service.jobs.values()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert role.containers() != []
        process.send_signal(number)
        text = process.communicate(timeout=60)[0]
    assert process.returncode == 130, text
    (own,) = role.service.jobs
    assert f"The job {own} has not finished" in text
    assert role.containers() == []
    written = role.written()["report.txt"]
    assert written.partition("\n")[0].endswith(", westeurope, interrupted")
    assert "-      batch-2025-10-15  not finished" in written
    role.service.finish(own)
    assert role.run("--clean") == (
        0,
        "Deleting what the run created ...\nAll jobs and containers of the kit are deleted.\n",
    )
    assert role.service.jobs == {}


def test_what_cannot_be_deleted_is_listed(role: Role) -> None:
    role.service.faults = [Fault("DELETE .*transcriptions/", JSONResponse({}, 403), 99)]
    code, text = role.run("--check", "batch-2025-10-15")
    assert code == 1, text
    assert re.search(r"Not deleted:\n  The job [\w-]+: DELETE .* refused the request \(403\)", text)


def test_jobs_of_other_programs_stay(role: Role) -> None:
    body = {
        "displayName": "another",
        "locale": "en-US",
        "contentUrls": ["https://localhost/x"],
        "properties": {"timeToLiveHours": 6},
    }
    answer = httpx.post(
        f"{role.environment['SPEECH_ENDPOINT']}/speechtotext/transcriptions:submit",
        params={"api-version": "2025-10-15"},
        json=body,
        headers={"Ocp-Apim-Subscription-Key": KEY},
    )
    assert answer.status_code == 201
    assert role.run("--clean")[0] == 0
    assert len(role.service.jobs) == 1


def test_without_a_confirmation_nothing_is_sent(role: Role) -> None:
    with role.start() as process:
        text = process.communicate(timeout=60)[0]
    assert process.returncode == 2
    assert "confirm with --yes" in text
    assert "batch transcription     3 x 2 s = 6 s of audio" in text
    assert "This project has no prices" in text
    assert role.service.requests == []


def test_missing_variables_are_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("SPEECH_KEY", "SPEECH_REGION", "STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    assert main([]) == 2
    shown = capsys.readouterr().err
    assert re.fullmatch(
        r"Missing in the environment: SPEECH_KEY \(.*\), SPEECH_REGION \(.*\),"
        r' STORAGE_CONNECTION_STRING \(.*\); see CONTRIBUTING.md, "Against real Azure".\n',
        shown,
    )
    monkeypatch.setenv("SPEECH_KEY", "x")
    assert main(["--backend", "fast"]) == 2
    shown = capsys.readouterr().err
    assert "SPEECH_REGION" in shown
    assert "STORAGE" not in shown


def test_the_list_of_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--backend", "batch"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert set(names) == {
        f"batch-{version}{kind}"
        for version in ("2025-10-15", "2024-11-15", "v3.2")
        for kind in ("", "-refusals")
    }
