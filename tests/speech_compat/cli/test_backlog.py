"""The command ``backlog``, on the double of a service."""

from __future__ import annotations

import io
import json
import signal
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from starlette.responses import JSONResponse

from double.service import KEY, Fault, ServiceDouble, running
from speech_adapters.backlog.journal import lock_backlog
from speech_adapters.backlog.runner import BacklogRunner
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.store import Store
from speech_compat.cli import main
from speech_compat.cli.backlog_names import name_of

REFUSAL = JSONResponse({"code": "InvalidArgument", "message": "Bad audio."}, 400)


@pytest.fixture(autouse=True)
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceDouble]:
    double = ServiceDouble()
    with running(double):
        for name, value in {
            "BACKEND": "fast",
            "SERVICE__ENDPOINT": double.url,
            "SERVICE__KEY": KEY,
            "BACKENDS__FAST__RETRY_SECONDS": "0",
        }.items():
            monkeypatch.setenv(f"SPEECH_COMPAT_{name}", value)
        yield double


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    for number, name in enumerate(("a", "b", "sub/c"), 1):
        path = tmp_path / "calls" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(b"\x01\x00" * 16_000 * number)
    return tmp_path / "calls"


def backlog(*arguments: str | Path | int) -> int:
    return main(["backlog", *map(str, arguments)])


def test_a_backlog_from_its_start_to_its_deletion(
    calls: Path, tmp_path: Path, double: ServiceDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backlog("run", calls, "--price-per-hour", "36", "--report", tmp_path / "r.json") == 0
    error = capsys.readouterr().err
    assert f"Backlog calls: 3 recordings in {calls}\n" in error
    assert "  to transcribe              3  6 s of audio, 192.1 kB\n" in error
    assert "  estimated cost          0.06  36 for an hour of audio\n" in error
    assert error.endswith("speech-compat: backlog calls: 3 transcribed.\n")
    assert len(json.loads((tmp_path / "r.json").read_text())["items"]) == 3

    assert backlog("status") == 0
    assert capsys.readouterr().out == "calls: 3 transcribed\n"
    assert backlog("status", calls, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["counts"]["completed"], found["running"]) == (3, False)

    assert backlog("report", "calls", "-o", tmp_path / "r.html") == 0
    assert "<h1" in (tmp_path / "r.html").read_text()

    out = tmp_path / "out"
    assert backlog("export", "calls", "-o", out, "--format", "vtt") == 0
    assert "3 written.\n" in capsys.readouterr().err
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*.vtt"))
    assert names == ["a.vtt", "b.vtt", "sub/c.vtt"]
    assert "3.000 seconds" in (out / "sub/c.vtt").read_text()

    assert backlog("delete", "calls", "--yes") == 0
    assert "3 meetings deleted" in capsys.readouterr().err
    with Store.open(load_settings().state_dir) as store:
        assert {found.state for found in store.recordings()} == {JobState.DELETED}
    assert backlog("status", "calls") == 1
    assert "There is no backlog calls" in capsys.readouterr().err
    assert backlog("status") == 0
    assert len(double.uploads) == 3


def test_an_export_continues_and_replaces_nothing(
    calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backlog("run", calls, "--jobs", 1)
    (tmp_path / "a.txt").write_text("mine")
    capsys.readouterr()
    assert backlog("export", "calls", "-o", tmp_path) == 0
    assert "2 written, 1 existed.\n" in capsys.readouterr().err
    assert (tmp_path / "a.txt").read_text() == "mine"
    with Store.open(load_settings().state_dir) as store:
        store.delete(store.recordings()[0].id)
    (tmp_path / "b.txt").unlink()
    (tmp_path / "sub/c.txt").unlink()
    assert backlog("export", "calls", "-o", tmp_path) == 1
    assert "was deleted" in capsys.readouterr().err


def test_failures_have_the_exit_code_1_and_are_retried(
    calls: Path, double: ServiceDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    double.faults.append(Fault("transcribe$", REFUSAL))
    assert backlog("run", calls) == 1
    error = capsys.readouterr().err
    assert "2 transcribed, 1 failed. To try what failed again:" in error
    assert "speech-compat backlog retry calls\n" in error
    assert backlog("run", calls) == 1
    assert len(double.uploads) == 2
    assert backlog("retry", "calls") == 0
    assert "1 failed recording will be tried again." in capsys.readouterr().err
    assert len(double.uploads) == 3


def test_lines_that_cannot_be_used_stop_the_start_or_are_left_out(
    calls: Path, double: ServiceDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = calls / "list.csv"
    manifest.write_text("file\na.wav\nnone.wav\n")
    assert backlog("run", manifest) == 1
    assert "line 3: The file cannot be read" in capsys.readouterr().err
    assert double.uploads == []
    assert backlog("run", manifest, "--skip-invalid") == 0
    assert "1 transcribed, 1 invalid line." in capsys.readouterr().err


def test_an_estimate_starts_nothing(
    calls: Path, double: ServiceDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backlog("run", calls, "--dry-run") == 0
    assert "to transcribe" in capsys.readouterr().err
    assert double.uploads == []


@pytest.mark.parametrize(("answer", "started"), [("y\n", True), ("\n", False), ("", False)])
def test_a_terminal_is_asked_before_the_start(
    calls: Path,
    double: ServiceDouble,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    started: bool,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", shown)
    assert backlog("run", calls) == (0 if started else 1)
    assert "Start? [y/N] " in shown.getvalue()
    assert len(double.uploads) == (3 if started else 0)
    assert backlog("run", calls, "--yes") == 0


def test_an_interrupt_states_how_to_continue(
    calls: Path,
    double: ServiceDouble,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def interrupted(self: object) -> None:
        # As Ctrl+C: the loop cancels its main task.
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()

    monkeypatch.setattr(BacklogRunner, "run", interrupted)
    assert backlog("run", calls) == 130
    error = capsys.readouterr().err
    assert "0 transcribed, 3 not finished. To continue:" in error
    assert f"speech-compat backlog run {calls}\n" in error


def test_a_key_that_is_refused_ends_the_run(
    calls: Path, double: ServiceDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    double.accepted = {"another key"}
    assert backlog("run", calls) == 1
    error = capsys.readouterr().err
    assert "3 not finished. To continue:" in error
    assert "failed" not in error
    double.accepted = {KEY}
    assert backlog("run", calls) == 0


def test_a_backlog_is_run_by_one_process(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backlog("run", calls, "--dry-run")
    with lock_backlog(load_settings().state_dir, "calls"):
        capsys.readouterr()
        assert backlog("status") == 0
        assert capsys.readouterr().out == "calls, running: 3 waiting\n"
        for command in (("run", calls), ("retry", "calls"), ("delete", "calls")):
            assert backlog(*command) == 1
            assert "The backlog calls is being run" in capsys.readouterr().err


def test_a_name_belongs_to_one_manifest_and_its_options(
    calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backlog("run", calls, "--dry-run", "--language", "de-DE") == 0
    assert backlog("run", calls, "--dry-run") == 0
    assert backlog("run", calls / "sub", "--name", "calls", "--dry-run") == 1
    assert f"was started with another manifest, {calls}" in capsys.readouterr().err
    assert backlog("run", calls, "--speakers", "2", "--dry-run") == 1
    assert "was started with --language de-DE: pass the same" in capsys.readouterr().err
    assert backlog("run", calls, "--speakers", "2", "--name", "two", "--dry-run") == 0
    assert backlog("run", calls, "--name", "a/b", "--dry-run") == 1
    assert "cannot be the name of a backlog" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ("calls.csv", "calls"),
        ("/x/old calls.jsonl", "old-calls"),
        ("/x/2026.11", "2026.11"),
        ("calls/", "calls"),
        ("calls/**/*.wav", "wav"),
        ("https://a.blob.core.windows.net/calls/x?sig=1", "calls-x"),
        ("ä", "backlog"),
    ],
)
def test_a_backlog_is_called_like_its_manifest(manifest: str, name: str) -> None:
    assert name_of(manifest) == name


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "x", "--rate", "-1"),
        ("run", "x", "--retries", "-1"),
        ("run", "x", "--jobs", "0"),
        ("run", "x", "--report", "r.txt"),
        ("export", "x"),
        (),
    ],
)
def test_wrong_usage_has_the_exit_code_2(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        backlog(*arguments)
    assert caught.value.code == 2
