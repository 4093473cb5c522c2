from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import MeetingBusyError, StoreError
from speech_adapters.store import Store, acquire_with_retry
from speech_adapters.transcript import Provenance, Transcript, Utterance

REQUEST = MeetingRequest("standup", mode=Mode.STORED)


def transcript(text: str = "Good morning.") -> Transcript:
    said = (Utterance("0" * 32, text, 0, 10),)
    return Transcript("standup", said, 20, Provenance("local", "1.0"))


# --- threads and processes ---------------------------------------------------------

_PRELUDE = """
import sys, os, signal
from pathlib import Path
from speech_adapters.store import Store
from speech_adapters.errors import *
from speech_adapters.contract import MeetingRequest
from speech_adapters.transcript import Provenance, Transcript, Utterance

def transcript(text):
    said = (Utterance("0" * 32, text, 0, 10),)
    return Transcript("standup", said, 20, Provenance("local", "1.0"))

store = Store.open(Path(sys.argv[1]))
arguments = sys.argv[2:]
"""


def start(code: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    lines = [line.removeprefix("        ") for line in code.splitlines()]
    return subprocess.Popen(
        [sys.executable, "-c", _PRELUDE + "\n".join(lines), str(folder), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(code: str, folder: Path, *arguments: str) -> str:
    with start(code, folder, *arguments) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output


_LOCKING = """
        lock = store.lock_meeting(arguments[0])
        other = store.lock_recording(arguments[0])
        print("locked", flush=True)
        sys.stdin.read()
"""


def test_a_lock_keeps_other_processes_out_until_its_owner_is_killed(store: Store) -> None:
    with start(_LOCKING, store.directory, "a/b'🎉") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(MeetingBusyError, match="being recorded already") as caught:
            store.lock_meeting("a/b'🎉")
        assert caught.value.retryable
        with pytest.raises(MeetingBusyError, match="being processed already"):
            store.lock_recording("a/b'🎉")
        store.lock_meeting("another").release()
        process.kill()
    # A lock of a server ends a few seconds after its owner.
    deadline = time.monotonic() + 60
    while (lock := acquire_with_retry(lambda: store.lock_meeting("a/b'🎉"))) is None:
        assert time.monotonic() < deadline
    lock.release()
    store.lock_recording("a/b'🎉").release()


def test_a_lock_keeps_this_process_out_too_and_any_thread_releases_it(store: Store) -> None:
    lock = store.lock_recording("r")
    with pytest.raises(MeetingBusyError):
        store.lock_recording("r")
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    with store.lock_recording("r"), pytest.raises(MeetingBusyError):
        store.lock_recording("r")
    lock.release()  # must not release what others hold by now
    with store.lock_recording("r"):
        lock.release()
        with pytest.raises(MeetingBusyError):
            store.lock_recording("r")


def test_names_that_begin_alike_are_locked_apart(store: Store) -> None:
    with (
        store.lock_meeting("x" * 300),
        store.lock_meeting("x" * 299),
        store.lock_meeting("X" * 300),
    ):
        pass
    with store.lock_meeting("r"), store.lock_recording("r"):
        pass


@pytest.mark.database("sqlite")
def test_a_lock_that_cannot_be_made_says_so(store: Store) -> None:
    (store.directory / "locks").rmdir()
    (store.directory / "locks").touch()
    with pytest.raises(StoreError, match=r"lock .* cannot be taken"):
        store.lock_meeting("standup")


_WORKING = """
        for number in range(10_000):
            key = store.create(MeetingRequest(f"meeting {number}"), "local").id
            store.close_audio(key, 3200)
            store.begin_attempt(key)
            store.complete(key, transcript(f"text of {number} " * 300))
            print(number, key, flush=True)
"""


@pytest.mark.parametrize("rounds", [1, 8, 30])
def test_a_store_whose_writer_was_killed_is_whole(folder: Path, rounds: int) -> None:
    with start(_WORKING, folder) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(rounds)]
        process.kill()
        said += [line.split() for line in process.stdout.read().splitlines() if len(line) > 32]
    with Store.open(folder) as store:
        for number, key in said:
            assert store.transcript(key).utterances[0].text == f"text of {number} " * 300
            assert store.newest(f"meeting {number}").state is JobState.COMPLETED
        for recording in store.recordings():
            assert (recording.state is JobState.COMPLETED) == (recording.progress == 1.0)
        store.create(REQUEST, "local")


_COMPLETING = """
        print("ready", flush=True)
        sys.stdin.readline()
        print([store.complete(key, transcript(arguments[0])) for key in arguments[1:]].count(True))
"""


def test_two_processes_that_complete_the_same_recordings_do_not_double_them(store: Store) -> None:
    keys = [store.create(REQUEST, "local").id for _ in range(30)]
    names = ("left", "right")
    processes = [start(_COMPLETING, store.directory, name, *keys) for name in names]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = []
    for process in processes:
        with process:
            counts.append(int(process.communicate(timeout=60)[0]))
    assert sum(counts) == len(keys)
    texts = [store.transcript(key).utterances[0].text for key in keys]
    assert [texts.count(name) for name in names] == counts


def test_many_processes_may_open_a_new_store_at_once(folder: Path) -> None:
    code = 'print(store.create(MeetingRequest("standup"), "local").id)'
    processes = [start(code, folder) for _ in range(6)]
    outputs = []
    for process in processes:
        with process:
            outputs.append(process.communicate(timeout=60)[0].strip())
    with Store.open(folder) as store:
        assert {r.id for r in store.recordings()} == set(outputs)
        assert len(set(outputs)) == 6


def test_threads_share_one_store(store: Store) -> None:
    def work() -> None:
        for _ in range(10):
            key = store.create(REQUEST, "local").id
            store.begin_attempt(key)
            if store.complete(key, transcript()):
                done.append(key)

    done: list[str] = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 40
    assert {r.attempts for r in store.recordings()} == {1}


def test_a_full_disk_loses_nothing_and_says_so(folder: Path) -> None:
    output = run(
        """
        import resource
        key = store.create(MeetingRequest("standup"), "local").id
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        try:
            store.complete(key, transcript("word " * 200_000))
        except StoreError as error:
            print("cannot be used" in str(error), store.get(key).state.value)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(store.complete(key, transcript("later")), len(list(store.recordings())))
        """,
        folder,
    )
    assert output.split() == ["True", "Uploading", "True", "1"]
