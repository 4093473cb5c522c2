from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from pydantic import model_validator

from speech_adapters import config
from speech_adapters.config import (
    Options,
    Service,
    load_settings,
    load_settings_with_origins,
    parse_options,
)
from speech_adapters.errors import ConfigurationError
from speech_adapters.settings_sources import FILE


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


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ({"bakend": "local"}, r"bakend: .*; the closest is 'backend' \(set in the program\)"),
        ({"service.kye": "x"}, "service.kye: there is no such name; the closest is 'key'"),
        ({"backends.lokal.x": "1"}, r"backends.lokal: .*; the closest is 'local' \(set in the pro"),
    ],
)
def test_an_unknown_name_is_answered_with_the_closest(
    folder: Path, properties: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        load_settings(properties)


def test_an_unknown_name_in_the_environment_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("SPEECH_COMPAT_BAKEND", "local")
        with pytest.raises(ConfigurationError, match=r"set in SPEECH_COMPAT_BAKEND"):
            load_settings()
    monkeypatch.setenv("SPEECH_COMPAT_BACKENDS__LOKAL__DEVICE", "cpu")
    with pytest.raises(ConfigurationError, match="set in SPEECH_COMPAT_BACKENDS__LOKAL__DEVICE"):
        load_settings()


def test_a_wrong_value_names_the_file_or_variable_that_sets_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / FILE).write_text('strict = "perhaps"\n')
    with pytest.raises(ConfigurationError, match=rf"strict: .*set in {re.escape(str(folder))}"):
        load_settings()
    monkeypatch.setenv("SPEECH_COMPAT_STRICT", "perhaps")
    with pytest.raises(ConfigurationError, match=r"strict: .*set in SPEECH_COMPAT_STRICT"):
        load_settings()


def test_a_mistake_in_a_profile_that_is_not_selected_is_an_error(folder: Path) -> None:
    (folder / FILE).write_text("[profiles.ci]\nstritc = true\n")
    with pytest.raises(ConfigurationError, match=r"stritc: .*'strict' .*profile 'ci'"):
        load_settings()
    (folder / FILE).write_text("[profiles.ci.backends.bach]\nkey = 1\n")
    with pytest.raises(ConfigurationError, match=r"backends.bach: .*'batch'"):
        load_settings()


def test_the_origin_of_each_setting_is_known(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / FILE).write_text(
        'backend = "fast"\nprofile = "ci"\n[profiles.ci.backends.fast]\nregion = "x"\n'
    )
    monkeypatch.setenv("SPEECH_COMPAT_STRICT", "true")
    _, origins = load_settings_with_origins({"downmix": "first"})
    assert origins.pop("state_dir") == "SPEECH_COMPAT_STATE_DIR"
    assert origins == {
        "backend": str(folder / FILE),
        "profile": str(folder / FILE),
        "backends.fast.region": f"{folder / FILE}, profile 'ci'",
        "strict": "SPEECH_COMPAT_STRICT",
        "downmix": "the program",
    }


def test_a_tilde_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert load_settings({"state_dir": "~/state"}).state_dir == folder / "state"
    with pytest.raises(ConfigurationError, match="state_dir"):
        load_settings({"state_dir": "~no-such-user/state"})


def test_names_of_shipped_backends_are_checked_without_a_scan(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(**_: str) -> None:
        pytest.fail("the installed packages are scanned")

    monkeypatch.setattr(config, "entry_points", scan)
    load_settings({f"backends.{name}.x": "1" for name in ("auto", "batch", "local")})


class _Options(Options):
    depth: int = 1
    inner: Service = Service()
    sizes: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> _Options:
        if self.depth == 13:
            raise ValueError("depth must not be 13")
        return self


def test_a_backend_validates_its_own_options() -> None:
    assert parse_options(_Options, "x", {"depth": "4"}).depth == 4
    with pytest.raises(ConfigurationError, match="option of backend 'x': dept: there is no such"):
        parse_options(_Options, "x", {"dept": 4})


def test_the_error_of_an_option_names_the_closest_or_the_variable() -> None:
    with pytest.raises(ConfigurationError, match=r"dept: .*; the closest is 'depth'"):
        parse_options(_Options, "x", {"dept": 4})
    with pytest.raises(ConfigurationError, match=r"inner.regoin: .*; the closest is 'region'"):
        parse_options(_Options, "x", {"inner": {"regoin": "y"}})
    with pytest.raises(ConfigurationError, match=r"depth: .*SPEECH_COMPAT_BACKENDS__X__DEPTH"):
        parse_options(_Options, "x", {"depth": "deep"})
    with pytest.raises(ConfigurationError, match=r"depth: .*SPEECH_COMPAT_GATEWAY__DEPTH"):
        parse_options(_Options, "gateway", {"depth": "deep"}, "option in the table", "gateway")


def test_an_error_of_a_list_or_table_names_the_variable_of_the_whole() -> None:
    with pytest.raises(ConfigurationError, match=r"sizes.1: .*SPEECH_COMPAT_BACKENDS__X__SIZES\)"):
        parse_options(_Options, "x", {"sizes": [1, "large"]})
    with pytest.raises(ConfigurationError, match=r"backend 'x': depth must not be 13\. See"):
        parse_options(_Options, "x", {"depth": 13})
