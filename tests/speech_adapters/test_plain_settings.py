"""The folder of the store without the classes of the settings, compared with them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError
from speech_adapters.plain_settings import plain_state_dir
from speech_adapters.settings_sources import FILE


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SPEECH_COMPAT_STATE_DIR")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "",
        'backend = "fast"\nstrict = true\nkeep_audio = false\ncorrections = true',
        'state_dir = "here"',
        'state_dir = "~/there"',
        'state_dir = "/tmp/x"\n[backends.batch]\nregion = "eastus"\n[gateway]\nport = 8080',
        'profile = "a"\nstate_dir = "b"\n[profiles.a]\nstate_dir = "c"',
    ],
)
def test_the_folder_is_that_of_the_settings(text: str, folder: Path) -> None:
    (folder / FILE).write_text(text)
    assert plain_state_dir() == load_settings().state_dir


@pytest.mark.skipif(sys.platform != "linux", reason="each platform has a state folder of its own")
def test_the_environment_counts_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    assert plain_state_dir() == load_settings().state_dir == folder / "speech-compat"
    monkeypatch.setenv("SPEECH_COMPAT_STATE_DIR", "elsewhere")
    assert plain_state_dir() == load_settings().state_dir == Path("elsewhere")


@pytest.mark.parametrize(
    "text",
    [
        '[store]\nurl = "postgresql://host/db"',
        "take_over_seconds = 5",
        'downmix = "first"',
        '[service]\nkey = "k"',
        '[profiles.a]\ndownmix = "first"',
    ],
)
def test_settings_with_further_rules_must_be_loaded(text: str, folder: Path) -> None:
    (folder / FILE).write_text(text)
    load_settings()
    assert plain_state_dir() is None


@pytest.mark.parametrize(
    "text",
    [
        "backend = 5",
        "state_dir = true",
        'strict = "perhaps"',
        'state_dri = "x"',
        "backends = 1",
        "[backends.bach]\nx = 1",
        "[backends]\nbatch = 2",
        "gateway = 3",
        'state_dir = "~no-such-user/x"',
        '[profiles.other]\nstate_dri = "x"',
    ],
)
def test_what_is_wrong_must_be_loaded(text: str, folder: Path) -> None:
    (folder / FILE).write_text(text)
    assert plain_state_dir() is None
    with pytest.raises(ConfigurationError):
        load_settings()


@pytest.mark.parametrize("text", ["not TOML", 'profile = "missing"'])
def test_files_are_checked(text: str, folder: Path) -> None:
    (folder / FILE).write_text(text)
    with pytest.raises(ConfigurationError):
        plain_state_dir()
