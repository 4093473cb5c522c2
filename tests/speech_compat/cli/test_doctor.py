from __future__ import annotations

import importlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from double.service import KEY, ServiceDouble
from speech_adapters import registry
from speech_adapters.audio.wav import wav_header
from speech_adapters.config import Settings
from speech_adapters.contract import Backend
from speech_adapters.diagnosis import Check, Finding, Subject, ok
from speech_adapters.errors import ConfigurationError
from speech_adapters.registry import backend_names
from speech_compat.cli import main

Output = pytest.CaptureFixture[str]
DOCS: Final = Path(__file__).parents[3] / "docs/cli.md"
LEVELS: Final = ["ok", "warning", "failed", "skipped"]
GROUPS: Final = ["settings", "machine", "store", "executor", "audio", "backend"]
SCHEMA: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["format", "version", "package", "backend", "online", "ok", "checks", "others"],
    "properties": {
        "format": {"const": "speech-compat doctor"},
        "version": {"const": 1},
        "package": {"type": "string"},
        "backend": {"type": ["string", "null"]},
        "online": {"type": "boolean"},
        "ok": {"type": "boolean"},
        "checks": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["group", "backend", "id", "title", "level", "text", "fix"],
                "properties": {
                    "group": {"enum": GROUPS},
                    "backend": {"type": ["string", "null"]},
                    "id": {"type": "string", "pattern": r"^[a-z_.]+$"},
                    "title": {"type": "string", "minLength": 1},
                    "level": {"enum": LEVELS},
                    "text": {"type": "string", "minLength": 1},
                    "fix": {"type": "string"},
                },
                "if": {"properties": {"level": {"enum": ["warning", "failed"]}}},
                "then": {"properties": {"fix": {"minLength": 1}}},
                "else": {"properties": {"fix": {"maxLength": 0}}},
            },
        },
        "others": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "usable", "reason"],
                "properties": {
                    "name": {"type": "string"},
                    "usable": {"type": "boolean"},
                    "reason": {"type": "string"},
                },
            },
        },
    },
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPEECH_COMPAT_STATE_DIR", str(tmp_path / "state"))


def document(capsys: Output, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["doctor", "--json", *arguments]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    return found


def levels(found: dict[str, Any], group: str) -> dict[str, str]:
    return {c["id"]: c["level"] for c in found["checks"] if c["group"] == group}


def check(found: dict[str, Any], name: str) -> dict[str, Any]:
    (result,) = [c for c in found["checks"] if c["id"] == name]
    return dict(result)


def wav(path: Path, data: bytes = b"\1\0" * 32_000) -> Path:
    path.write_bytes(wav_header(len(data), 16_000) + data)
    return path


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch, double: ServiceDouble, storage: str) -> ServiceDouble:
    """Configure the backend batch for the doubles of its services."""
    values = {
        "BACKEND": "batch",
        "BACKENDS__BATCH__ENDPOINT": double.url,
        "BACKENDS__BATCH__KEY": KEY,
        "BACKENDS__BATCH__STORAGE_CONNECTION_STRING": storage,
    }
    for name, value in values.items():
        monkeypatch.setenv(f"SPEECH_COMPAT_{name}", value)
    return double


@pytest.mark.usefixtures("shipped_recordings")
def test_a_new_installation_is_fine(capsys: Output, tmp_path: Path) -> None:
    found = document(capsys)
    assert (found["backend"], found["ok"], found["online"]) == ("local", True, False)
    assert set(levels(found, "settings").values()) == {"ok"}
    assert levels(found, "backend")["create"] == "ok"
    assert {other["name"] for other in found["others"]} == set(backend_names()) - {"local"}
    assert not any(other["usable"] for other in found["others"])
    # Nothing was created, not even the folder of the store.
    assert list(tmp_path.iterdir()) == []


def test_the_services_are_checked_on_demand(capsys: Output, batch: ServiceDouble) -> None:
    assert not document(capsys)["online"]
    assert not batch.requests
    found = document(capsys, "--online")
    assert found["online"]
    assert set(levels(found, "backend").values()) == {"ok"}
    assert batch.requests == ["GET /speechtotext/transcriptions"]


def test_a_failure_of_the_selected_backend_is_an_exit_code(
    capsys: Output, batch: ServiceDouble
) -> None:
    batch.accepted = {"another-key"}
    found = document(capsys, "--online", code=1)
    assert check(found, "sign_in")["level"] == "failed"
    assert not found["ok"]
    # It is no failure of another backend, which needs no key.
    assert document(capsys, "--online", "--backend", "replay", code=1)["backend"] == "replay"
    assert KEY not in json.dumps(found)


@pytest.mark.usefixtures("shipped_recordings")
@pytest.mark.parametrize("name", ["batch", "realtime", "remote_meeting"])
def test_a_key_that_cannot_be_sent_is_not_shown(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, double: ServiceDouble, name: str
) -> None:
    prefix = f"SPEECH_COMPAT_BACKENDS__{name.upper()}__"
    monkeypatch.setenv(f"{prefix}ENDPOINT", double.url)
    monkeypatch.setenv(f"{prefix}KEY", "s3cret\nhalf")
    found = document(capsys, "--online", "--backend", name, code=1)
    assert "cannot be sent" in check(found, "connection")["text"]
    assert "s3cret" not in json.dumps(found)
    monkeypatch.setenv(f"{prefix}KEY", "s3cr\u00e9t")
    assert "s3cr" not in json.dumps(document(capsys, "--online", "--backend", name, code=1))


def test_only_the_selected_backend_decides(capsys: Output) -> None:
    found = document(capsys, "--all")
    failing = {c["backend"] for c in found["checks"] if c["level"] == "failed"}
    assert failing == set(backend_names()) - {"local"}
    assert found["ok"]
    assert found["others"] == []


@pytest.mark.parametrize("name", ["auto", "batch", "fast", "realtime", "remote_meeting", "replay"])
def test_a_backend_without_settings_fails_with_remedies(capsys: Output, name: str) -> None:
    found = document(capsys, "--backend", name, code=1)
    failing = [c for c in found["checks"] if c["level"] == "failed"]
    assert all("SPEECH_COMPAT_BACKENDS__" in c["fix"] for c in failing), failing
    assert check(found, "create")["level"] == "skipped"


def test_an_unknown_backend_is_wrong_usage(capsys: Output) -> None:
    assert main(["doctor", "--backend", "lokal"]) == 2
    assert "the closest is 'local'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--backend", "local", "--all"])
    assert caught.value.code == 2


def test_settings_that_cannot_be_read(capsys: Output, tmp_path: Path) -> None:
    (tmp_path / "speech-compat.toml").write_text("backnd = 'local'\n", "utf-8")
    found = document(capsys, code=1)
    result = check(found, "settings.values")
    assert "the closest is 'backend'" in result["text"]
    assert "speech-compat.toml" in result["text"]
    assert result["fix"] == "See docs/configuration.md for the names."
    assert found["backend"] is None
    # The rest depends on the settings.
    assert {c["group"] for c in found["checks"]} == {"settings", "machine"}
    assert main(["doctor"]) == 1
    assert "once the settings are right" in capsys.readouterr().out.splitlines()[-1]
    (tmp_path / "speech-compat.toml").write_text("backend = ", "utf-8")
    assert "Invalid value" in check(document(capsys, code=1), "settings.values")["text"]


def test_a_working_directory_that_was_deleted(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    found = document(capsys, code=1)
    assert "The settings cannot be read" in check(found, "settings.values")["text"]


def test_a_file_name_that_standard_output_cannot_show(tmp_path: Path) -> None:
    path = wav(tmp_path / "é\udcff.wav")
    command = [sys.executable, "-m", "speech_compat", "doctor", str(path), "--backend", "replay"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "\\xe9\\udcff.wav" in done.stdout


def test_a_file_that_is_named_and_missing(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPEECH_COMPAT_CONFIG", str(tmp_path / "none.toml"))
    result = check(document(capsys, code=1), "settings.files")
    assert result["level"] == "failed"
    assert "There is no settings file" in result["text"]


@pytest.mark.usefixtures("shipped_recordings")
def test_where_settings_come_from_and_whether_other_tables_are_right(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "speech-compat.toml"
    file.write_text("[backends.batch]\nregoin = 'x'\n[gateway]\nport = 'y'\n", "utf-8")
    monkeypatch.setenv("SPEECH_COMPAT_STRICT", "true")
    found = document(capsys)
    text = check(found, "settings.files")["text"]
    assert str(file) in text
    assert "SPEECH_COMPAT_STRICT" in text
    assert check(found, "settings.values")["text"] == "backend local, strict"
    tables = check(found, "settings.tables")
    assert tables["level"] == "warning"
    assert "the closest is 'region'" in tables["text"]
    assert "gateway" in tables["text"]


def test_a_damaged_store(capsys: Output, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "meetings.sqlite3").write_text("no database " * 100)
    found = document(capsys, code=1)
    assert check(found, "store.integrity")["level"] == "failed"
    # Not put aside, as any other command would.
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["meetings.sqlite3"]


def test_a_full_disk_for_temporary_files() -> None:
    # A limit for files behaves like a full disk; the folder was found before it was full.
    code = (
        "import resource, signal, tempfile; tempfile.gettempdir();"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "from speech_compat.cli.doctor_checks import _temporary;"
        "found = _temporary(); print(found.level.value, found.text, found.fix, sep='|')"
    )
    # Standard output is a pipe, which has no limit.
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    level, text, fix = done.stdout.strip().split("|")
    assert level == "failed", done.stderr
    assert "cannot be written" in text
    assert "TMPDIR" in fix


def test_a_file_is_checked_for_each_backend(capsys: Output, tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav")
    found = document(capsys, str(path), "--backend", "replay", code=1)
    audio = [c for c in found["checks"] if c["group"] == "audio"]
    # The file goes to the primary backend of shadow, and none is configured here.
    assert {c["backend"] for c in audio} == {None, *backend_names()} - {"shadow"}
    assert {c["level"] for c in audio} == {"ok"}


def test_the_text_is_made_for_reading(
    capsys: Output, batch: ServiceDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch.accepted = set()
    wav(tmp_path / "x.wav", bytes(64_000))
    # A long path would be broken into two lines.
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "x.wav", "--online"]) == 1
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert "\x1b" not in text
    assert [line for line in lines if line and line[0] != " "] == [
        "Settings",
        "This machine",
        "Meeting store",
        "Audio file x.wav",
        "Backend batch",
        "Other backends",
        "1 failure and 1 warning for the backend batch.",
    ]
    (at,) = [n for n, line in enumerate(lines) if line.startswith("  FAILED")]
    assert lines[at].startswith("  FAILED   Sign-in                  GET http://127.0.0.1")
    assert any(line.startswith(" " * 36 + "Fix: Copy the key again") for line in lines[at:])
    # The path of a folder for tests can be longer than a line.
    assert all(len(line) <= 110 or max(map(len, line.split())) > 60 for line in lines)


def test_a_terminal_has_colors(tmp_path: Path) -> None:
    main_end, other_end = pty.openpty()
    command = [sys.executable, "-m", "speech_compat", "doctor", "--backend", "replay"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    done = subprocess.Popen(command, stdout=other_end, env=environment, cwd=tmp_path)
    os.close(other_end)
    parts = []
    while True:
        try:
            part = os.read(main_end, 65_536)
        except OSError:  # the program has closed its end
            break
        if not part:
            break
        parts.append(part)
    os.close(main_end)
    assert done.wait(60) == 1
    output = b"".join(parts).decode()
    assert "\x1b[1;31mFAILED" in output
    assert "\x1b[32mok" in output


def install(monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
    """Make the registry list a backend of another distribution."""
    point = EntryPoint(name, f"{module}:create", registry.GROUP)

    def entry_points(**wanted: Any) -> EntryPoints:
        found = metadata.entry_points(group=registry.GROUP)
        return EntryPoints((*found, point)).select(**wanted)

    monkeypatch.setattr(registry, "entry_points", entry_points)


class ForeignBackend:
    """A module of another distribution, with checks of its own."""

    @staticmethod
    def create(settings: Settings) -> Backend:
        raise ConfigurationError("The foreign backend needs a license: buy one. token=s3cret")

    @staticmethod
    def checks(subject: Subject) -> Sequence[Check]:
        async def run() -> Finding:
            return ok(f"for {subject.settings.backend}")

        return (Check("license", "License", run),)

    @staticmethod
    def broken(_: Subject) -> Sequence[Check]:
        raise TypeError("no subject")


def test_a_backend_of_another_distribution_has_its_own_checks(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "foreign", "foreign_backend")
    monkeypatch.setitem(sys.modules, "foreign_backend", ForeignBackend)
    found = document(capsys, "--backend", "foreign", code=1)
    assert check(found, "license")["text"] == "for foreign"
    result = check(found, "create")
    assert result["level"] == "failed"
    assert "s3cret" not in json.dumps(result)
    monkeypatch.setattr(ForeignBackend, "checks", ForeignBackend.broken)
    found = document(capsys, "--backend", "foreign", code=1)
    assert "The check itself failed: TypeError in" in check(found, "checks")["text"]


def test_every_backend_of_the_project_has_checks() -> None:
    for name in backend_names():
        module = importlib.import_module(f"speech_adapters.backends.{name}")
        assert "checks" in module.__all__


def test_the_page_describes_the_document() -> None:
    text = DOCS.read_text("utf-8")
    section = text.partition("## doctor")[2].partition("\n## ")[0]
    properties: Any = SCHEMA["properties"]
    lists = {"checks": "checks[]", "others": "others[]"}
    names = [lists.get(name, name) for name in properties]
    for name in lists:
        names += properties[name]["items"]["properties"]
    assert [name for name in [*names, *LEVELS, *GROUPS] if f"`{name}`" not in section] == []


def test_the_executor_is_checked_where_one_is_configured(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert levels(document(capsys), "executor") == {}
    monkeypatch.setenv("SPEECH_COMPAT_EXECUTOR", "dask")
    monkeypatch.setenv("SPEECH_COMPAT_DASK__SCHEDULER", "tcp://127.0.0.1:8786")
    assert levels(document(capsys), "executor") == {
        "packages": "ok",
        "scheduler": "ok",
        "cluster": "skipped",
        "equality": "skipped",
    }
