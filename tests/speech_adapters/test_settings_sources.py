"""The places that settings are read from; precedence and validation are in test_config."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError
from speech_adapters.settings_sources import FILE, merge, read_layers

_PROFILES = """
backend = "local"
downmix = "first"
[backends.fast]
region = "eastus"
[profiles.azure]
backend = "fast"
[profiles.azure.backends.fast]
region = "westeurope"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_list_or_table_in_the_environment_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_GATEWAY__PROXIES", '["10.0.0.1", "10.0.0.2"]')
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__FAST", '{"region": "eastus"}')
    # Not JSON, and a key may have digits only: both stay texts.
    monkeypatch.setenv("SPEECH_COMPAT_GATEWAY__KEYS__ALICE", "{not json")
    monkeypatch.setenv("SPEECH_COMPAT_SERVICE__KEY", "0123456789")
    settings = load_settings()
    assert settings.gateway == {"proxies": ["10.0.0.1", "10.0.0.2"], "keys": {"alice": "{not json"}}
    assert settings.backends == {"fast": {"region": "eastus"}}
    assert settings.service.key.get_secret_value() == "0123456789"


def test_names_that_only_tests_use_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAYLOADS", "RECORDINGS", "FUZZ_CASES"):
        monkeypatch.setenv(f"SPEECH_COMPAT_{name}", "x")
    load_settings()


def test_a_value_hides_the_table_of_a_lower_place(folder: Path) -> None:
    (folder / FILE).write_text("[gateway.keys]\nalice = 'x'\n")
    assert load_settings({"gateway.keys": "y"}).gateway == {"keys": "y"}


def test_the_named_file_ends_the_search(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / FILE).write_text("strict = true\n")
    (folder / "pyproject.toml").write_text('[tool.speech-compat]\ndownmix = "first"\n')
    (folder / "other.toml").write_text('backend = "fast"\n')
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("SPEECH_COMPAT_CONFIG", "~/other.toml")
    settings = load_settings()
    assert (settings.backend, settings.strict, settings.downmix) == ("fast", False, "auto")
    monkeypatch.setenv("SPEECH_COMPAT_CONFIG", str(folder / "pyproject.toml"))
    settings = load_settings()
    assert (settings.strict, settings.downmix) == (False, "first")


def test_a_named_file_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_CONFIG", "missing.toml")
    with pytest.raises(ConfigurationError, match=r"no settings file missing\.toml.*_CONFIG"):
        load_settings()


def test_an_error_of_the_parser_names_file_and_line(folder: Path) -> None:
    (folder / FILE).write_text('backend = "local"\nstrict = = true\n')
    with pytest.raises(ConfigurationError, match=rf"cannot be read: {folder / FILE}: .*line 2"):
        load_settings()
    (folder / FILE).write_bytes(b"backend = '\xff'\n")
    with pytest.raises(ConfigurationError, match=rf"cannot be read: {folder / FILE}: "):
        load_settings()


@pytest.mark.parametrize("place", ["property", "environment", "file"])
def test_a_profile_overrides_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (folder / FILE).write_text(('profile = "azure"' if place == "file" else "") + _PROFILES)
    if place == "environment":
        monkeypatch.setenv("SPEECH_COMPAT_PROFILE", "azure")
    settings = load_settings({"profile": "azure"} if place == "property" else {})
    assert (settings.profile, settings.backend, settings.downmix) == ("azure", "fast", "first")
    assert settings.backends["fast"] == {"region": "westeurope"}
    monkeypatch.setenv("SPEECH_COMPAT_BACKEND", "batch")
    assert load_settings({"profile": "azure"}).backend == "batch"


def test_an_empty_name_selects_no_profile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / FILE).write_text('profile = "azure"' + _PROFILES)
    monkeypatch.setenv("SPEECH_COMPAT_PROFILE", "")
    assert load_settings().backend == "local"


def test_a_profile_of_pyproject_overrides_both_files(folder: Path) -> None:
    (folder / FILE).write_text('backend = "local"\n')
    (folder / "pyproject.toml").write_text('[tool.speech-compat.profiles.ci]\nbackend = "fast"\n')
    assert load_settings({"profile": "ci"}).backend == "fast"


def test_an_unknown_profile_is_answered_with_the_closest(folder: Path) -> None:
    (folder / FILE).write_text(_PROFILES)
    with pytest.raises(ConfigurationError, match=r"no profile 'azur'.*closest is 'azure'"):
        load_settings({"profile": "azur"})
    with pytest.raises(ConfigurationError, match=r"no profile 'ci'.*the files have 'azure'"):
        load_settings({"profile": "ci"})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("profiles = 3", '"profiles" in .* must be tables'),
        ("profiles.ci = 3", "The profile 'ci' in .* must be a table"),
        ('[profiles.ci]\nprofile = "x"', "The profile 'ci' in .* without"),
    ],
)
def test_what_is_no_profile_is_an_error(folder: Path, text: str, complaint: str) -> None:
    (folder / FILE).write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        load_settings()


def test_a_file_is_parsed_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    loads = tomllib.loads

    def count(text: str) -> dict[str, Any]:
        parsed.append(text)
        return loads(text)

    monkeypatch.setattr(tomllib, "loads", count)
    file = tmp_path / "settings.toml"
    monkeypatch.setenv("SPEECH_COMPAT_CONFIG", str(file))
    file.write_text('backend = "batch"')
    os.utime(file, (1, 1))
    for _ in range(3):
        assert merge(read_layers({}).used)[0]["backend"] == "batch"
    assert len(parsed) == 1
    file.write_text('backend = "local"')  # as long as before
    assert merge(read_layers({}).used)[0]["backend"] == "local"
    # Written just now: another change could have the same time and size.
    assert merge(read_layers({}).used)[0]["backend"] == "local"
    assert len(parsed) == 3
