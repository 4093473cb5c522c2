from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from speech_adapters import config as settings_module
from speech_adapters import registry
from speech_adapters.settings_sources import FILE
from speech_compat.cli import main

Output = pytest.CaptureFixture[str]

_FILE = """
backend = "fast"
profile = "ci"
[service]
key = "s3cret-of-the-service"
[backends.fast]
key = "s3cret-of-fast"
endpoint = "https://user:s3cret@example.com/?sig=s3cret"
[backends.batch]
storage_connection_string = "AccountKey=s3cret"
[gateway]
metrics_key = "s3cret"
tls_certificate = "~/cert.pem"
[gateway.keys]
alice = "s3cret-of-alice"
[profiles.ci]
strict = true
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(capsys: Output) -> dict[str, tuple[Any, str]]:
    """Return value and source of each setting."""
    rows = json.loads(capsys.readouterr().out)
    return {row["name"]: (row["value"], row["source"]) for row in rows}


def test_each_setting_is_shown_with_its_source(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    (folder / FILE).write_text(_FILE)
    monkeypatch.setenv("SPEECH_COMPAT_DOWNMIX", "first")
    monkeypatch.setenv("SPEECH_COMPAT_GATEWAY__KEYS__BOB", "s3cret-of-bob")
    monkeypatch.setenv("HOME", str(folder))
    assert main(["config", "show", "--json"]) == 0
    found = shown(capsys)
    file = str(folder / FILE)
    assert found["backend"] == ("fast", file)
    assert found["strict"] == (True, f"{file}, profile 'ci'")
    assert found["downmix"] == ("first", "SPEECH_COMPAT_DOWNMIX")
    assert found["corrections"] == (True, "default")
    assert found["backends.fast.api_version"] == ("2025-10-15", "default")
    assert found["gateway.tls_certificate"] == (str(folder / "cert.pem"), file)
    # The parts of a table may come from several places.
    sources = found["gateway.keys"][1].split(", ")
    assert set(sources) == {file, "SPEECH_COMPAT_GATEWAY__KEYS__BOB"}
    assert not any(name.startswith("backends.local.") for name in found)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_secret_is_shown(folder: Path, capsys: Output, form: list[str]) -> None:
    (folder / FILE).write_text(_FILE)
    assert main(["config", "show", *form]) == 0
    output = capsys.readouterr()
    assert "backends.fast.endpoint" in output.out
    assert "s3cret" not in output.out + output.err


def test_options_of_a_backend_without_a_class_for_them_are_hidden(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    foreign = metadata_with("foreign", "json:dumps")
    monkeypatch.setattr(registry, "entry_points", foreign)
    monkeypatch.setattr(settings_module, "entry_points", foreign)
    (folder / FILE).write_text('[backends.foreign]\npassword = "s3cret"\n')
    assert main(["config", "show"]) == 0
    output = capsys.readouterr().out
    assert "backends.foreign.password" in output
    assert "s3cret" not in output


def metadata_with(name: str, value: str) -> Any:
    from importlib import metadata

    def entry_points(**wanted: Any) -> metadata.EntryPoints:
        point = metadata.EntryPoint(name, value, registry.GROUP)
        found = metadata.entry_points(group=registry.GROUP)
        return metadata.EntryPoints((*found, point)).select(**wanted)

    return entry_points


def test_wrong_options_are_reported_and_the_rest_is_shown(folder: Path, capsys: Output) -> None:
    (folder / FILE).write_text('[backends.fast]\nregoin = "x"\n[gateway]\nprot = 1\n')
    assert main(["config", "show"]) == 1
    output = capsys.readouterr()
    assert "the closest is 'region'" in output.err
    assert "the closest is 'port'" in output.err
    assert "backends.local.device" in output.out


def test_wrong_settings_are_one_error(folder: Path, capsys: Output) -> None:
    (folder / FILE).write_text("stritc = true\n")
    assert main(["config", "show"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "the closest is 'strict'" in output.err
