from __future__ import annotations

import json
from pathlib import Path

import pytest

from speech_adapters.config import StoreOptions, load_settings, store_options_from_environment
from speech_adapters.errors import ConfigurationError, MissingExtraError
from speech_adapters.store import Store
from speech_adapters.store import postgres as module
from speech_compat.cli.config import show_config

URL = "postgresql://joe:chrysanthemum@db.example/meetings?sslpassword=dahlia"


def set_all(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_the_address_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_STORE__URL", URL)
    settings = load_settings()
    assert show_config(as_json=True) == 0
    shown = [repr(settings), str(settings.store), capsys.readouterr().out]
    assert not any(secret in text for text in shown for secret in ("chrysanthemum", "dahlia"))
    rows = {row["name"]: row["value"] for row in json.loads(shown[2])}
    assert rows["store.lease_seconds"] == 15.0


@pytest.mark.parametrize("url", ["mysql://joe:chrysanthemum@db/m", "chrysanthemum"])
def test_another_kind_of_address_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_STORE__URL", url)
    with pytest.raises(ConfigurationError, match=r"store\.url: it must begin with") as caught:
        load_settings()
    assert "chrysanthemum" not in str(caught.value)


@pytest.mark.parametrize("audio", ["", "shared"])
def test_a_child_process_has_the_options_of_its_parent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, audio: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPEECH_COMPAT_STORE__LEASE_SECONDS", "99")  # the program has another
    properties = {"store.url": URL, "store.lease_seconds": 7, "store.audio_dir": audio}
    options = load_settings(properties).store
    assert options.audio_dir == (tmp_path / audio if audio else None)
    set_all(monkeypatch, options.environment)
    assert store_options_from_environment() == options


def test_a_child_of_a_program_with_a_file_has_none_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_STORE__URL", URL)
    set_all(monkeypatch, StoreOptions().environment)
    assert store_options_from_environment() == StoreOptions()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    options = StoreOptions.model_validate({"url": URL})
    for call in (Store.open, Store.inspect):
        with pytest.raises(MissingExtraError, match=r"speech-compat\[postgres\]"):
            call(tmp_path, options)
