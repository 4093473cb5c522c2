"""The pytest plugin: fixtures for programs that use speech-compat, and scrubbed cassettes.

pytest loads it at each start, so it imports nothing but pytest; without its fixtures, and in
tests of other programs, it does nothing.  Cassettes need the extra ``testing``.

Scrubbing is not part of the fixture ``vcr_config``, which every project may override: it is
added to each configuration of pytest-recording as the last step, whatever it contains.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

__all__ = [
    "SelectBackend",
    "SelectScript",
    "pytest_configure",
    "pytest_recording_configure",
    "speech_compat_backend",
    "speech_compat_cassette_dir",
    "speech_compat_credentials",
    "speech_compat_replay",
    "speech_compat_store",
]

# A program that sends requests to a service has loaded it.
_HTTP_CLIENT: Final = "speech_adapters.azure.http"
# The second is the one that Azure's own examples read.
_KEYS: Final = ("SPEECH_COMPAT_SERVICE__KEY", "SPEECH_KEY")
_STUB_KEY: Final = "stub-key-of-speech-compat"
# Names of environment variables with secrets, which a service may repeat in an answer.
_SECRET_NAMES: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CONNECTION_STRING", "SIGNATURE")


class SelectBackend(Protocol):
    """Selects the backend of the test: ``select("batch", poll_seconds=0)``."""

    def __call__(self, name: str, **options: object) -> None:
        """Set the backend and its options, in the environment of this test."""
        ...


class SelectScript(Protocol):
    """Selects a replay script for the test: ``replay("meeting.jsonl", pace=1)``."""

    def __call__(self, script: str | Path, **options: object) -> None:
        """Set the script, by its path relative to the folder of the test, and options."""
        ...


@pytest.fixture
def speech_compat_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the meetings of this test apart; return the folder of its store."""
    folder = tmp_path / "speech-compat"
    monkeypatch.setenv("SPEECH_COMPAT_STATE_DIR", str(folder))
    return folder


@pytest.fixture
def speech_compat_backend(
    speech_compat_store: Path,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> SelectBackend:
    """Return a function that selects a backend and its options for this test.

    It overrides ``speech-compat.toml``; a property of the program overrides it.
    """

    def select(name: str, **options: object) -> None:
        monkeypatch.setenv("SPEECH_COMPAT_BACKEND", name)
        for option, value in options.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            monkeypatch.setenv(f"SPEECH_COMPAT_BACKENDS__{name}__{option}".upper(), text)

    return select


@pytest.fixture
def speech_compat_replay(
    request: pytest.FixtureRequest, speech_compat_backend: SelectBackend
) -> SelectScript:
    """Return a function that selects the backend ``replay`` and its script for this test."""

    def replay(script: str | Path, **options: object) -> None:
        speech_compat_backend("replay", script=request.path.parent / script, **options)

    return replay


@pytest.fixture
def speech_compat_credentials(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Set a key that no service accepts, for tests that replay cassettes; return what was set.

    While cassettes are recorded, nothing is set: the key of the environment is used.
    """
    records = pytestconfig.getoption("--record-mode", default=None) not in (None, "none")
    stubs: dict[str, str] = {}
    if not records:
        for name in _KEYS:
            stubs[name] = _STUB_KEY
            monkeypatch.setenv(name, _STUB_KEY)
    return stubs


@pytest.fixture(scope="module")
def speech_compat_cassette_dir(request: pytest.FixtureRequest) -> Path:
    """Return the folder of the cassettes of a test file: ``cassettes/FILE`` next to it.

    A project that keeps them elsewhere overrides this fixture, with scope ``module`` or wider.
    """
    return request.path.parent / "cassettes" / request.path.stem


def pytest_configure(config: pytest.Config) -> None:
    """Replace the fixture of pytest-recording, if it is there."""
    if config.pluginmanager.has_plugin("recording"):
        from speech_compat.testing import cassette_folder

        config.pluginmanager.register(cassette_folder)


# Every test has the folder of cassettes, because every test has the fixture ``vcr``.
_FIXTURES: Final = frozenset(
    name
    for name in __all__
    if name.startswith("speech_compat_") and name != "speech_compat_cassette_dir"
)
_uses_fixtures = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note whether the test uses one of the fixtures."""
    names = getattr(item, "fixturenames", ())
    item.config.stash[_uses_fixtures] = not _FIXTURES.isdisjoint(names)


# Optional: without pytest-recording there is no such hook.
@pytest.hookimpl(optionalhook=True, trylast=True)
def pytest_recording_configure(config: pytest.Config, vcr: Any) -> None:
    """Scrub every cassette of a test that uses speech-compat, and write its origin."""
    from speech_compat.testing.cassettes import CassetteSerializer
    from speech_compat.testing.scrubbing import Scrubber

    scrubber = Scrubber(_secrets_of_environment())
    merge = vcr.get_merged_config

    def scrubs() -> bool:
        return _HTTP_CLIENT in sys.modules or config.stash.get(_uses_fixtures, False)

    def merged(**options: Any) -> dict[str, Any]:
        found: dict[str, Any] = merge(**options)
        before_request, before_response = (
            found["before_record_request"],
            found["before_record_response"],
        )

        def scrub_request(request: Any) -> Any:
            # A copy of the request that is sent; None if it is not recorded.
            kept = before_request(request)
            return scrubber.request(kept) if kept is not None and scrubs() else kept

        def scrub_response(response: Any) -> Any:
            kept = before_response(response)
            return scrubber.response(kept) if kept is not None and scrubs() else kept

        found["before_record_request"] = scrub_request
        found["before_record_response"] = scrub_response
        renews = getattr(found["record_mode"], "value", "") == "all"
        inner = found["serializer"]
        found["serializer"] = CassetteSerializer(inner, scrubber, scrubs, renews=renews)
        return found

    vcr.get_merged_config = merged


def _secrets_of_environment() -> list[str]:
    return [
        value
        for name, value in os.environ.items()
        if value != _STUB_KEY and name.upper().endswith(_SECRET_NAMES)
    ]
