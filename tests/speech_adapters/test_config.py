from __future__ import annotations

import sys
from pathlib import Path

import pytest

from speech_adapters.config import Options, load_settings, parse_options
from speech_adapters.errors import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_default_is_the_embedded_engine(folder: Path) -> None:
    settings = load_settings()
    assert (settings.backend, settings.strict, settings.downmix) == ("local", False, "auto")


@pytest.mark.skipif(sys.platform != "linux", reason="each platform has a state folder of its own")
def test_the_default_state_folder_is_that_of_the_user(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPEECH_COMPAT_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    assert load_settings().state_dir == folder / "speech-compat"


def test_a_wrong_value_is_not_repeated_in_the_error(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="key") as caught:
        load_settings({"service.key": ["s3cret"]})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_precedence_is_property_then_environment_then_file_then_project(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "pyproject.toml").write_text('[tool.speech-compat]\nbackend = "project"\n')
    assert load_settings().backend == "project"
    (folder / "speech-compat.toml").write_text('backend = "file"\n')
    assert load_settings().backend == "file"
    monkeypatch.setenv("SPEECH_COMPAT_BACKEND", "environment")
    assert load_settings().backend == "environment"
    assert load_settings({"backend": "property"}).backend == "property"


def test_the_file_is_found_from_a_folder_below(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "speech-compat.toml").write_text('downmix = "first"\n[backends.local]\nx = 1\n')
    (folder / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(folder / "deep" / "er")
    assert load_settings().downmix == "first"
    assert load_settings().backends == {"local": {"x": 1}}


def test_a_pyproject_without_our_table_has_no_effect(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[project]\nname = "someone-elses"\n')
    assert load_settings().backend == "local"


def test_options_of_a_backend_come_from_all_sources(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "speech-compat.toml").write_text("[backends.local]\na = 1\nb = 1\nc = 1\n")
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__LOCAL__B", "2")
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__LOCAL__C", "2")
    settings = load_settings({"backends.local.c": "3"})
    assert {k: int(v) for k, v in settings.backends["local"].items()} == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('bakend = "x"\n', "bakend: there is no such name"),
        ("strict = 7\n", "strict"),
        ("this is not toml\n", "cannot be read"),
    ],
)
def test_a_wrong_file_is_one_clear_error(folder: Path, text: str, complaint: str) -> None:
    (folder / "speech-compat.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        load_settings()
    assert "\n" not in str(caught.value)


def test_a_wrong_property_is_one_clear_error(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such name"):
        load_settings({"nonsense": "1"})
    with pytest.raises(ConfigurationError, match="both as a value and as a table"):
        load_settings({"backends": "1", "backends.local.x": "1"})


class _Options(Options):
    depth: int = 1


def test_a_backend_validates_its_own_options() -> None:
    assert parse_options(_Options, "x", {"depth": "4"}).depth == 4
    with pytest.raises(ConfigurationError, match="option of backend 'x': dept: there is no such"):
        parse_options(_Options, "x", {"dept": 4})
