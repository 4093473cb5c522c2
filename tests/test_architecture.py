"""Tests of the structure that docs/architecture.md describes."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import speech_adapters
import speech_compat

ADAPTERS = Path(speech_adapters.__file__).parent
COMPAT = Path(speech_compat.__file__).parent
FACADE = {
    ".".join(path.relative_to(COMPAT.parent).with_suffix("").parts): path
    for path in COMPAT.rglob("*.py")
    if path.name != "__init__.py"
}
BACKENDS = sorted(p.name for p in (ADAPTERS / "backends").iterdir() if p.name[0] not in "_.")

# Where each third-party library may be imported; "" is the package's own folder.
_ADAPTERS = "speech_adapters"
_BACKENDS = "speech_adapters/backends"
_ALL = ("batch", "fast", "local", "realtime", "remote_meeting")
HOMES = {
    "anyio": {
        f"{_ADAPTERS}",
        f"{_ADAPTERS}/azure",
        f"{_ADAPTERS}/backlog",
        f"{_ADAPTERS}/execution",
        f"{_ADAPTERS}/recording",
        f"{_ADAPTERS}/speech_sdk",
        *(
            f"{_BACKENDS}/{name}"
            for name in ("batch", "fast", "local", "realtime", "remote_meeting", "replay", "shadow")
        ),
        "speech_compat/_session",
        "speech_compat/cli",
        "speech_compat/gateway",
    },
    "attrs": {
        f"{_ADAPTERS}",
        f"{_ADAPTERS}/audio",
        f"{_ADAPTERS}/azure",
        f"{_ADAPTERS}/backlog",
        f"{_ADAPTERS}/comparison",
        f"{_ADAPTERS}/export",
        f"{_ADAPTERS}/reading",
        f"{_ADAPTERS}/recording",
        f"{_ADAPTERS}/speech_sdk",
        f"{_ADAPTERS}/store",
        f"{_ADAPTERS}/store/postgres",
        f"{_ADAPTERS}/store/sql",
        f"{_ADAPTERS}/store/sqlite",
        *(
            f"{_BACKENDS}/{name}"
            for name in (
                "auto",
                "batch",
                "fast",
                "local",
                "realtime",
                "remote_meeting",
                "replay",
                "shadow",
            )
        ),
        f"{_BACKENDS}/local/diarization",
        f"{_BACKENDS}/local/recognition",
        "speech_compat/_migration",
        "speech_compat/cli",
        "speech_compat/gateway",
        "speech_compat/gateway/web",
        "speech_compat/testing",
    },
    "filelock": {f"{_ADAPTERS}/store", f"{_ADAPTERS}/store/sqlite"},
    "msgspec": {
        f"{_ADAPTERS}/azure",
        f"{_ADAPTERS}/export",
        f"{_ADAPTERS}/reading",
        f"{_ADAPTERS}/speech_sdk",
        f"{_ADAPTERS}/store",
        f"{_ADAPTERS}/store/sql",
        *(
            f"{_BACKENDS}/{name}"
            for name in ("batch", "fast", "local", "realtime", "remote_meeting", "replay")
        ),
        f"{_BACKENDS}/local/recognition",
        "speech_compat/gateway",
    },
    "azure": {f"{_ADAPTERS}/azure", f"{_ADAPTERS}/speech_sdk", f"{_BACKENDS}/batch"},
    "distributed": {f"{_ADAPTERS}/execution"},
    "httpx": {f"{_ADAPTERS}/azure"},
    "tenacity": {f"{_ADAPTERS}/azure"},
    "av": {f"{_ADAPTERS}/audio", f"{_BACKENDS}/local/recognition"},
    "faster_whisper": {f"{_BACKENDS}/local/recognition"},
    "moonshine_voice": {f"{_BACKENDS}/local/moonshine"},
    "numpy": {
        f"{_BACKENDS}/local",
        f"{_BACKENDS}/local/diarization",
        f"{_BACKENDS}/local/moonshine",
        f"{_BACKENDS}/local/recognition",
    },
    "onnxruntime": {f"{_BACKENDS}/local/diarization"},
    "platformdirs": {f"{_ADAPTERS}"},
    "psycopg": {f"{_ADAPTERS}/store/postgres"},
    "pydantic": {
        f"{_ADAPTERS}",
        f"{_ADAPTERS}/azure",
        f"{_ADAPTERS}/speech_sdk",
        *(
            f"{_BACKENDS}/{name}"
            for name in ("auto", "batch", "local", "realtime", "remote_meeting", "replay", "shadow")
        ),
        "speech_compat/gateway",
    },
    "rich": {"speech_compat/cli"},
    "sounddevice": {"speech_compat/_session"},
    # The gateway: its web application, its server, its tokens and certificates, its metrics.
    "starlette": {"speech_compat/gateway", "speech_compat/gateway/web"},
    "uvicorn": {"speech_compat/gateway"},
    "h11": {"speech_compat/gateway"},
    "jwt": {"speech_compat/gateway"},
    "cryptography": {"speech_compat/gateway"},
    "prometheus_client": {"speech_compat/gateway"},
    "libcst": {"speech_compat/_migration"},
    "websockets": {"speech_compat/testing"},
    "pytest": {"speech_compat/testing"},
    "vcr": {"speech_compat/testing"},
}
_DATABASES = tuple(f"speech_adapters.store.{name}." for name in ("sql", "sqlite", "postgres"))
LEGACY = ("MeetingTranscriber", "ConversationTranscriber", "speechsdk", "SpeechConfig")
# Names of the present SDK; one of its classes has a legacy name.
SDK_NAMES = {
    "speech_sdk/recognizer.py": {"ConversationTranscriber"},
    "speech_sdk/meeting_recognizer.py": {"MeetingTranscriber"},
    "speech_sdk/sdk_config.py": {"SpeechConfig"},
}
HEAVY = (
    "anyio",
    "asyncio",
    "av",
    "azure",
    "ctranslate2",
    "dask",
    "distributed",
    "faster_whisper",
    "httpx",
    "libcst",
    "moonshine_voice",
    "msgspec",
    "numpy",
    "onnxruntime",
    "psycopg",
    "pydantic",
    "rich",
    "sounddevice",
    "sqlite3",
)


def _sources() -> Iterator[tuple[str, Path]]:
    for root in (ADAPTERS, COMPAT):
        for path in sorted(root.rglob("*.py")):
            yield path.parent.relative_to(root.parent).as_posix(), path


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield node.module or ""


@pytest.mark.parametrize(
    ("folder", "path"), list(_sources()), ids=lambda v: str(v).rsplit("/", 1)[-1]
)
def test_data_flows_one_way_and_libraries_stay_in_their_folder(folder: str, path: Path) -> None:
    for name in _imports(path):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names:
            continue
        if top == "speech_compat":
            assert folder.startswith("speech_compat"), f"{path} imports {name}"
        elif top == "speech_adapters":
            _assert_no_foreign_backend(folder, path, name)
        else:
            assert folder in HOMES[top], f"{path} imports {name}"


def _facade_imports(path: Path) -> set[str]:
    """Return the facade modules that a module imports, those in functions and for types too."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("speech_compat"):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found & set(FACADE)


def test_no_modules_of_the_facade_import_each_other_in_a_circle() -> None:
    graph = {name: _facade_imports(path) for name, path in FACADE.items()}
    while leaves := [name for name, imported in graph.items() if not imported & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert not graph, "these import each other"


def test_a_session_needs_none_of_the_public_classes_at_run_time() -> None:
    """The classes of ``_sdk`` use a session, never the reverse."""
    for path in sorted((COMPAT / "_session").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            assert not (module or "").startswith("speech_compat._sdk"), path


def _assert_no_foreign_backend(folder: str, path: Path, name: str) -> None:
    parts = name.split(".")
    if parts[1:2] == ["backends"] and len(parts) > 2:
        # A composite backend gets the others from its host, by name.
        assert f"{folder}/".startswith(f"{_BACKENDS}/{parts[2]}/"), (
            f"{path} imports the backend {name}"
        )


def test_the_database_of_the_store_is_used_through_the_interface_only() -> None:
    """``store.interface.Store`` names it, so that another database can replace it."""
    users = {
        path.relative_to(ADAPTERS).as_posix()
        for _, path in _sources()
        for name in _imports(path)
        if f"{name}.".startswith(_DATABASES) or name in ("sqlite3", "psycopg")
    }
    # A backlog's journal is a file of its own, which has no part in the store.
    inside = ("store/sql/", "store/sqlite/", "store/postgres/", "backlog/")
    outside = {name for name in users if not name.startswith(inside)}
    assert outside == {"store/interface.py"}


@pytest.mark.parametrize("path", sorted(ADAPTERS.rglob("*.py")), ids=lambda p: p.name)
def test_the_adapters_contain_no_legacy_names(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    allowed = SDK_NAMES.get(path.relative_to(ADAPTERS).as_posix(), set())
    assert not [name for name in LEGACY if name in text and name not in allowed]


def test_importing_the_facade_is_light() -> None:
    # Coverage, when it measures this process, has loaded some of them before.
    code = (
        "import sys; before = set(sys.modules); import speech_compat;"
        f"print(*[m for m in {HEAVY} if m in sys.modules and m not in before])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


# Of this project, with which `list` takes half the time that it took with the meeting service.
_MOST_MODULES = 92


def test_listing_meetings_imports_little(tmp_path: Path) -> None:
    (tmp_path / "speech-compat.toml").write_text(
        'backend = "fast"\nkeep_audio = true\n[backends.fast]\nregion = "eastus"\n'
    )
    unwanted = {*HEAVY, "email", "ssl"} - {"sqlite3"}
    code = (
        "import sys; before = set(sys.modules); from speech_compat.cli import main; main(['list']);"
        f"print(*[m for m in {unwanted} if m in sys.modules and m not in before]);"
        "print(len([m for m in sys.modules if m.startswith(('speech_compat', 'speech_adapters'))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    heavy, count = done.stdout.splitlines()
    assert heavy == ""
    assert int(count) <= _MOST_MODULES


def _modules() -> Iterator[str]:
    for package in (speech_adapters, speech_compat):
        yield package.__name__
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not info.name.endswith("__main__"):
                yield info.name


@pytest.mark.parametrize("name", list(_modules()))
def test_every_module_declares_its_public_names(name: str) -> None:
    module = importlib.import_module(name)
    public = module.__all__
    assert len(set(public)) == len(public)
    assert all(hasattr(module, item) for item in public)


def test_both_packages_ship_their_types() -> None:
    assert (ADAPTERS / "py.typed").is_file()
    assert (COMPAT / "py.typed").is_file()
