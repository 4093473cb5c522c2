from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from vcr.serializers.yamlserializer import deserialize

Pytest = Callable[..., "subprocess.CompletedProcess[str]"]
HEAVY: Final = (
    "anyio",
    "asyncio",
    "httpx",
    "msgspec",
    "numpy",
    "pydantic",
    "pytest_recording",
    "sqlite3",
    "vcr",
    "websockets",
)


def test_pytest_starts_without_the_plugins_dependencies(installed: Path) -> None:
    # After pytest itself, which has loaded some of the standard library.
    code = (
        "import pytest, sys; before = set(sys.modules); import speech_compat.testing.plugin;"
        f"print(*[m for m in {HEAVY} if m in sys.modules and m not in before])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == []


def test_the_plugin_is_found_by_its_entry_point(run: Pytest) -> None:
    done = run("--fixtures", "tests/test_minutes.py")
    for name in ("store", "backend", "replay", "credentials"):
        assert f"speech_compat_{name}" in done.stdout


def test_it_works_without_pytest_recording(run: Pytest) -> None:
    done = run("-p", "no:recording", "tests/test_minutes.py")
    assert done.returncode == 0, done.stdout + done.stderr


def write(project: Path, text: str) -> str:
    (project / "tests/test_it.py").write_text(text)
    return "tests/test_it.py"


def test_the_store_is_of_the_test_alone(run: Pytest, project: Path) -> None:
    path = write(
        project,
        """
from speech_adapters.config import load_settings
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_it(number, speech_compat_store, tmp_path):
    assert load_settings().state_dir == speech_compat_store
    assert tmp_path in speech_compat_store.parents
    assert not speech_compat_store.exists()
""",
    )
    done = run(path)
    assert done.returncode == 0, done.stdout


def test_options_of_a_backend(run: Pytest, project: Path) -> None:
    path = write(
        project,
        """
from speech_adapters.config import load_settings

def test_it(speech_compat_backend, speech_compat_replay, speech_compat_store):
    speech_compat_backend("batch", poll_seconds=0, keep_audio=True)
    settings = load_settings()
    assert settings.backend == "batch"
    assert settings.backends["batch"] == {"poll_seconds": "0", "keep_audio": "true"}
    speech_compat_replay("x.jsonl", pace=2)
    assert load_settings().backends["replay"]["pace"] == "2"
    assert load_settings().backends["replay"]["script"].endswith("/tests/x.jsonl")
    assert load_settings().state_dir == speech_compat_store

def test_the_next_one():
    assert load_settings().backend == "local"
""",
    )
    done = run(path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("mode", "key"), [("none", "stub-key-of-speech-compat"), ("once", "real"), ("", "stub")]
)
def test_stub_credentials_only_for_replays(run: Pytest, project: Path, mode: str, key: str) -> None:
    path = write(
        project,
        f"""
import os

def test_it(speech_compat_credentials):
    for name in ("SPEECH_KEY", "SPEECH_COMPAT_SERVICE__KEY"):
        assert os.environ[name].startswith({key!r})
""",
    )
    real = {"SPEECH_KEY": "real", "SPEECH_COMPAT_SERVICE__KEY": "real"}
    done = run(path, *([f"--record-mode={mode}"] if mode else []), **real)
    assert done.returncode == 0, done.stdout


SERVER = """
import http.server
import threading
import urllib.request
import pytest

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        data = b'{"token": "PLANTED-answer"}'
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass

@pytest.mark.vcr(BEFORE)
def test_it(FIXTURES):
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/?sig=PLANTED"
    request = urllib.request.Request(url, b"RIFF PLANTED", {"Api-Key": "PLANTED-key"})
    try:
        with urllib.request.urlopen(request) as answer:
            assert b"PLANTED-answer" in answer.read()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
"""


@pytest.mark.parametrize(
    ("fixtures", "before", "scrubbed"),
    [
        ("", "", False),
        ("speech_compat_store", "", True),
        ("speech_compat_backend", "filter_headers=[]", True),
        ("speech_compat_credentials", "before_record_request=lambda request: request", True),
        ("speech_compat_replay", "serializer='json'", True),
    ],
)
def test_which_cassettes_are_scrubbed(
    run: Pytest, project: Path, fixtures: str, before: str, scrubbed: bool
) -> None:
    """Those of tests that have nothing to do with speech-compat are left as they are."""
    path = write(project, SERVER.replace("FIXTURES", fixtures).replace("BEFORE", before))
    done = run(path, "--record-mode=once")
    assert done.returncode == 0, done.stdout
    (cassette,) = (project / "tests/cassettes").rglob("test_it.*")
    text = cassette.read_text()
    assert ("PLANTED" not in text) == scrubbed
    assert ("sig=scrubbed" in text) == scrubbed


def test_secrets_of_the_environment_are_scrubbed(run: Pytest, project: Path) -> None:
    path = write(project, SERVER.replace("FIXTURES", "speech_compat_store").replace("BEFORE", ""))
    text = (project / path).read_text().replace("RIFF PLANTED", "text of an-own-secret")
    (project / path).write_text(text)
    done = run(path, "--record-mode=once", MY_API_KEY="an-own-secret")
    assert done.returncode == 0, done.stdout
    (cassette,) = (project / "tests/cassettes").rglob("test_it.*")
    assert "text of scrubbed" in cassette.read_text()


# Each planted value has the same beginning, so that one search finds all of them.
PLANTS = r"""
import base64, gzip, http.server, json, threading, urllib.request

AUDIO = base64.b64encode(b"RIFF" + b"PLANTED audio " * 40).decode()
FORM = (
    '--b\r\nContent-Disposition: form-data; name="audio"\r\n\r\nPLANTED in a form\r\n'
    '--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nkey=PLANTED\r\n--b--\r\n'
).encode()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        # The token is in a field that no rule names; the next request sends it.
        answer = {"issued": "PLANTED-later", "text": "kept", "audio": AUDIO, "sas": "?sig=PLANTED"}
        data = gzip.compress(json.dumps(answer).encode())
        self.send_response(201)
        self.send_header("Location", "https://a/x?sv=1&sig=PLANTED&sp=r")
        self.send_header("Set-Cookie", "session=PLANTED")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass

def send():
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    body = json.dumps({"subscriptionKey": "PLANTED", "audio": AUDIO, "text": "kept"})
    requests = [
        ("/a?subscription-key=PLANTED&sig=PLANTED&x=kept", body.encode(), {"Cookie": "PLANTED"}),
        ("/b", FORM, {"Content-Type": "multipart/form-data; boundary=b"}),
        ("/c", gzip.compress(body.encode()), {"Content-Encoding": "gzip"}),
        ("/d", b"{}", {"Authorization": "Bearer PLANTED-later", "X-Api-Key": "PLANTED"}),
    ]
    try:
        for path, data, headers in requests:
            with urllib.request.urlopen(urllib.request.Request(base + path, data, headers)):
                pass
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
"""


@pytest.mark.parametrize(
    "careless",
    [
        "{}",
        "{'filter_headers': [], 'filter_query_parameters': [], 'match_on': ['body']}",
        "{'before_record_request': lambda r: r, 'before_record_response': lambda r: r}",
        "{'decode_compressed_response': True, 'record_mode': 'once'}",
        "{'before_record': lambda r: r, 'allow_playback_repeats': True}",
        "{'record_mode': 'all', 'drop_unused_requests': True}",
    ],
    ids=["default", "no filters", "own functions", "decoded", "old name", "all"],
)
def test_no_configuration_lets_a_planted_secret_through(
    run: Pytest, project: Path, careless: str
) -> None:
    (project / "plants.py").write_text(PLANTS)
    (project / "tests/conftest.py").write_text(
        "import pytest\n\n@pytest.fixture(scope='module')\ndef vcr_config():\n"
        f"    return {careless}\n"
    )
    path = write(
        project,
        "import pytest\nfrom plants import send\n\n"
        "@pytest.mark.vcr\ndef test_it(speech_compat_store):\n    send()\n",
    )
    done = run(path, "--record-mode=once")
    assert done.returncode == 0, done.stdout
    (cassette,) = (project / "tests/cassettes").rglob("test_it.yaml")
    text = cassette.read_text()
    # YAML breaks lines, and writes bytes in base64.
    content = str(deserialize(text))
    assert "PLANTED" not in text
    assert "PLANTED" not in content
    assert "UExBTlRFR" not in content  # PLANTED in base64
    assert content.count("kept") == 6
    assert content.count("sha256 ") == 7


def test_the_origin_of_a_cassette(run: Pytest, project: Path) -> None:
    """It is written when the cassette is recorded, and kept when more is recorded."""
    path = write(project, SERVER.replace("FIXTURES", "speech_compat_store").replace("BEFORE", ""))
    assert run(path, "--record-mode=once").returncode == 0
    (cassette,) = (project / "tests/cassettes").rglob("test_it.yaml")
    first, _, rest = cassette.read_text().partition("\n")
    assert re.fullmatch(r"# recorded from 127\.0\.0\.1:\d+, \d{4}-\d\d-\d\d", first)
    old = "# recorded from the service, 2020-02-02"
    cassette.write_text(f"{old}\n{rest}")
    done = run(path, "--record-mode=new_episodes")
    assert done.returncode == 0, done.stdout
    assert cassette.read_text().startswith(f"{old}\n")
    assert len(cassette.read_text()) > len(rest) + len(old) + 100, (
        "another port, so it was recorded"
    )
    for mode in ("all", "rewrite"):
        cassette.write_text(f"{old}\n{rest}")
        assert run(path, f"--record-mode={mode}").returncode == 0
        assert re.match(r"# recorded from 127\.0\.0\.1:\d+", cassette.read_text())
        assert old not in cassette.read_text()


def test_a_cassette_of_another_program_has_no_origin(run: Pytest, project: Path) -> None:
    path = write(project, SERVER.replace("FIXTURES", "").replace("BEFORE", ""))
    assert run(path, "--record-mode=once").returncode == 0
    (cassette,) = (project / "tests/cassettes").rglob("test_it.yaml")
    assert cassette.read_text().startswith("interactions:")


@pytest.mark.parametrize(
    ("override", "folder"),
    [
        ("", "tests/cassettes/test_it"),
        # As in the guide.
        (
            "def speech_compat_cassette_dir(request):\n"
            "    return request.config.rootpath / 'recorded' / request.path.stem\n",
            "recorded/test_it",
        ),
        # Of a project that had it before.
        ("def vcr_cassette_dir():\n    return 'recorded/before'\n", "recorded/before"),
    ],
    ids=["default", "own", "of pytest-recording"],
)
def test_the_folder_of_cassettes(run: Pytest, project: Path, override: str, folder: str) -> None:
    if override:
        (project / "tests/conftest.py").write_text(
            f"import pytest\n\n@pytest.fixture(scope='module')\n{override}"
        )
    path = write(project, SERVER.replace("FIXTURES", "speech_compat_store").replace("BEFORE", ""))
    done = run(path, "--record-mode=once")
    assert done.returncode == 0, done.stdout
    (cassette,) = project.rglob("test_it.yaml")
    assert cassette.parent == project / folder
