"""The built wheel in environments of its own, with the packages of one extra and no others."""

from __future__ import annotations

import array
import json
import os
import subprocess
import venv
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conformance.conftest import LINES
from double.remote_meetings import KEY as MEETING_KEY
from double.remote_meetings import RemoteMeetings
from double.replay import write_script
from double.scripted_backend import said
from double.service import KEY, ServiceDouble
from oracle.test_oracle import why_not
from speech_adapters.audio import WavFile
from speech_adapters.contract import Recognized
from speech_adapters.extras import missing_extra
from speech_compat.testing.loopback import LoopbackService, Script

PROGRAMS = Path(__file__).parent / "programs"
MEGABYTE = 1_000_000
Install = Callable[..., "Environment"]


class Environment:
    """A virtual environment with the wheel and, as links, the packages that it requires."""

    def __init__(self, folder: Path, wheel: Path, extras: tuple[str, ...]) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True, with_pip=False)
        (self.site,) = folder.glob("lib/python*/site-packages")
        with zipfile.ZipFile(wheel) as file:
            file.extractall(self.site)
        (own,) = self.site.glob("speech_compat-*.dist-info")
        self.packages = _required(PathDistribution(own), frozenset(extras))
        for package in self.packages.values():
            self._link(package)

    def run(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the environment."""
        inherited = {
            name: text
            for name, text in os.environ.items()
            if name != "PYTHONPATH" and not name.startswith("COVERAGE_")
        }
        return subprocess.run(
            [self.folder / "bin/python", "-P", *map(str, arguments)],
            env={**inherited, **{f"SPEECH_COMPAT_{n}": v for n, v in environment.items()}},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _link(self, package: Distribution) -> None:
        for file in package.files or ():
            if ".." in file.parts or "__pycache__" in file.parts:
                continue
            path = self.site.joinpath(*file.parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            # Packages of one namespace share some files.
            if not path.exists():
                path.symlink_to(Path(str(package.locate_file(file))))


def _required(package: Distribution, extras: frozenset[str]) -> dict[str, Distribution]:
    """Return the packages that one requires, with those that they require."""
    found: dict[str, Distribution] = {}
    waiting: list[tuple[Distribution, frozenset[str]]] = [(package, extras)]
    seen = set[tuple[str, frozenset[str]]]()
    while waiting:
        dependent, wanted = waiting.pop()
        for requirement in map(Requirement, dependent.requires or ()):
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": each}) for each in (*wanted, "")):
                continue
            name, more = canonicalize_name(requirement.name), frozenset(requirement.extras)
            if (name, more) not in seen:
                seen.add((name, more))
                found[name] = distribution(name)
                waiting.append((found[name], more))
    return found


@pytest.fixture
def install(wheel: Path, tmp_path: Path) -> Install:
    """Return a function that installs the wheel with extras."""
    return lambda *extras: Environment(tmp_path / "environment", wheel, extras)


@pytest.fixture
def recording(shipped_recordings: Path, tmp_path: Path) -> Path:
    """Return a recording of two channels and 32-bit floats, which has to be converted and mixed."""
    path = tmp_path / "talk.wav"
    with WavFile(shipped_recordings / "clone-test.wav") as file:
        rate = file.pcm.sample_rate
        samples = array.array("h", file.read(100_000_000))
    both = array.array("f", [sample / 32768 for sample in samples for _ in range(2)]).tobytes()
    header = b"WAVEfmt " + (16).to_bytes(4, "little")
    header += b"".join(
        value.to_bytes(size, "little")
        for value, size in ((3, 2), (2, 2), (rate, 4), (rate * 8, 4), (8, 2), (32, 2))
    )
    body = header + b"data" + len(both).to_bytes(4, "little") + both
    path.write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)
    return path


def _transcribe(installed: Environment, recording: Path, backend: str, **options: str) -> Any:
    """Return the transcript that the command prints, as plain data."""
    named = {f"BACKENDS__{backend.upper()}__{name.upper()}": v for name, v in options.items()}
    done = installed.run(
        *("-m", "speech_compat", "transcribe", recording, "--format", "json"),
        BACKEND=backend,
        **named,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_bare_installation_is_small_and_imports_lightly(install: Install) -> None:
    bare = install()
    assert not {"numpy", "rich", "httpx", "azure-core"} & set(bare.packages)
    size = sum(file.size or 0 for each in bare.packages.values() for file in each.files or ())
    assert size < 25 * MEGABYTE
    done = bare.run("-W", "error", "-c", "import speech_compat, speech_compat.remote_meeting")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_runs_on_replay_without_any_extra(
    install: Install, recording: Path, tmp_path: Path
) -> None:
    script = write_script(tmp_path / "script.jsonl", [Recognized(said("A replay.", 0.1, 1.0))])
    bare = install()
    replay = {"BACKEND": "replay", "BACKENDS__REPLAY__SCRIPT": script}
    done = bare.run(PROGRAMS / "diarization_era.py", recording, **replay)
    assert "A replay." in done.stdout, done.stderr
    found = _transcribe(bare, recording, "replay", script=script)
    assert [each["text"] for each in found["utterances"]] == ["A replay."]


@pytest.mark.parametrize(
    ("backend", "extra"),
    [
        *(("local", "local"), ("realtime", "realtime"), ("remote_meeting", "remote-meeting")),
        *(("batch", "batch"), ("fast", "batch")),
    ],
)
def test_a_backend_without_its_extra_names_the_command(
    install: Install, recording: Path, backend: str, extra: str
) -> None:
    done = install().run("-m", "speech_compat", "transcribe", recording, BACKEND=backend)
    assert done.returncode != 0
    assert f'pip install "speech-compat[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_the_names_of_the_extras_are_those_of_the_metadata(wheel: Path) -> None:
    """Before version 23.3, pip does not find another spelling of the same name."""
    with zipfile.ZipFile(wheel) as file:
        (metadata,) = (name for name in file.namelist() if name.endswith("/METADATA"))
        lines = file.read(metadata).decode().splitlines()
    extras = {line.split(": ")[1] for line in lines if line.startswith("Provides-Extra: ")}
    assert "remote-meeting" in extras
    assert "speech-compat[remote-meeting]" in str(missing_extra("remote_meeting", "httpx"))


@pytest.mark.parametrize("backend", ["fast", "batch"])
def test_the_extra_batch_is_enough_for_its_backends(
    install: Install, recording: Path, double: ServiceDouble, storage: str, backend: str
) -> None:
    options = {"endpoint": double.url, "key": KEY}
    if backend == "batch":
        options |= {"storage_connection_string": storage, "poll_seconds": "0"}
    found = _transcribe(install("batch"), recording, backend, **options)
    assert "double" in found["utterances"][0]["text"]


@pytest.fixture
def loopback() -> Iterator[str]:
    """Run real-time transcription; yield its address."""
    if why_not():
        pytest.skip(why_not())
    with LoopbackService(Script(LINES)).running() as url:
        yield url


def test_the_extra_realtime_is_enough_for_its_backend(
    install: Install, recording: Path, loopback: str
) -> None:
    options = {"endpoint": loopback, "key": "any", "pace": "100"}
    found = _transcribe(install("realtime"), recording, "realtime", **options)
    assert [each["text"] for each in found["utterances"]] == [line.text for line in LINES]


def test_the_extra_remote_meeting_is_enough_for_its_backend(
    install: Install, recording: Path
) -> None:
    if why_not():
        pytest.skip(why_not())
    with RemoteMeetings(Script(LINES)).running() as addresses:
        options = {**addresses, "key": MEETING_KEY, "pace": "100", "poll_seconds": "0"}
        found = _transcribe(install("remote-meeting"), recording, "remote_meeting", **options)
    assert [each["text"] for each in found["utterances"]] == [line.text for line in LINES]


def test_the_extra_gateway_is_enough_for_the_checks_of_the_gateway(
    install: Install, tmp_path: Path
) -> None:
    script = write_script(tmp_path / "script.jsonl", [])
    replay = {"BACKEND": "replay", "BACKENDS__REPLAY__SCRIPT": script}
    installed = install("gateway")
    done = installed.run("-m", "speech_compat", "serve", "--check", **replay)
    assert "No module" not in done.stdout + done.stderr
    done = installed.run("-c", "import speech_compat.gateway.server, speech_compat.gateway.app")
    assert done.returncode == 0, done.stderr


@pytest.mark.engine
def test_the_extra_local_is_enough_for_its_backend(install: Install, recording: Path) -> None:
    installed = install("local")
    assert "rich" in installed.packages
    assert "America" in str(_transcribe(installed, recording, "local")["utterances"])
