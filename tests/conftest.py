"""Fixtures of all tests: a state folder for each test, recordings, and doubles of services."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from double.azurite import azurite
from double.engine import end_engine_processes
from double.postgres import Server, running_server, why_no_server
from double.service import ServiceDouble, running


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolate every test from the user's meetings and settings."""
    for name in [name for name in os.environ if name.startswith("SPEECH_COMPAT_")]:
        if name not in ("SPEECH_COMPAT_RECORDINGS", "SPEECH_COMPAT_PAYLOADS"):
            monkeypatch.delenv(name)
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("SPEECH_COMPAT_STATE_DIR", str(folder))


@pytest.fixture(autouse=True)
def _own_engine_processes() -> Iterator[None]:
    """End the engine processes of each test, which the next one would use."""
    yield
    end_engine_processes()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Run a PostgreSQL server."""
    if why_no_server():
        pytest.skip(why_no_server())
    with running_server() as server:
        yield server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that has the fixture ``database`` with each one, or with the one it is marked."""
    if "database" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("database")
        names = mark.args if mark else ("sqlite", "postgres")
        metafunc.parametrize("database", names, indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have all processes of the test use a database of this kind."""
    kind: str = request.param
    if kind == "postgres":
        server: Server = request.getfixturevalue("postgres")
        monkeypatch.setenv("SPEECH_COMPAT_STORE__URL", server.new_database())
        # Short, because a lock outlives a process that is killed by so much.
        monkeypatch.setenv("SPEECH_COMPAT_STORE__LEASE_SECONDS", "3")
    return kind


@pytest.fixture(scope="session")
def shipped_recordings() -> Path:
    """Return the folder of recordings that the engine's package ships."""
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        pytest.skip("the extra 'local' is not installed")
    return Path(spec.origin).parent / "assets"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel; return its path."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(folder)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel's content, which comes before the editable installation."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    return site


@pytest.fixture(scope="session")
def storage() -> Iterator[str]:
    """Run the storage emulator; yield its connection string."""
    with azurite() as connection:
        yield connection


@pytest.fixture
def double() -> Iterator[ServiceDouble]:
    """Run the double of the batch and fast services."""
    double = ServiceDouble()
    with running(double):
        yield double


@pytest.fixture(scope="session")
def shared_recordings() -> Path:
    """Return the folder of further recordings named by ``SPEECH_COMPAT_RECORDINGS``."""
    folder = os.environ.get("SPEECH_COMPAT_RECORDINGS")
    if not folder:
        pytest.skip("SPEECH_COMPAT_RECORDINGS names no folder of recordings")
    return Path(folder)


@pytest.fixture(scope="session")
def shared_payloads() -> Path:
    """Return the folder of service answers named by ``SPEECH_COMPAT_PAYLOADS``."""
    folder = os.environ.get("SPEECH_COMPAT_PAYLOADS")
    if not folder:
        pytest.skip("SPEECH_COMPAT_PAYLOADS names no folder of service answers")
    return Path(folder)
