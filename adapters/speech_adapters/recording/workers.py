"""Processes that transcribe a recording when the program that made it has ended."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from speech_adapters.contract import JobState
from speech_adapters.errors import BackendError, StoreError
from speech_adapters.open_files import advice
from speech_adapters.recording.spool import private_opener
from speech_adapters.store import Recording, Store
from speech_adapters.store.locks import acquire_with_retry

__all__ = [
    "is_wanted",
    "log_errors",
    "log_path",
    "process_exclusively",
    "progress_reporter",
    "run_worker",
    "spawn",
]

_REPORT_SECONDS: Final = 2.0

# Workers started here, by recording: a worker that has not locked its recording yet must
# not be started a second time by a status query.
_children: dict[str, subprocess.Popen[bytes]] = {}


@atexit.register
def _disown() -> None:
    """Keep Popen from complaining at exit: workers outlive this process on purpose."""
    for child in _children.values():
        child.returncode = child.returncode or 0


def log_path(recording: Recording) -> Path:
    """Return the path of a worker's error output; the file is removed on success."""
    return recording.audio_path.with_suffix(".log")


def log_errors(log: Path) -> None:
    """Send the error output of this process, native code included, to ``log`` from now on."""
    with suppress(OSError), open(log, "wb", opener=private_opener) as output:
        sys.stderr.flush()
        os.dup2(output.fileno(), 2)


def spawn(
    command: list[str],
    recording: str,
    log: Path,
    order: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start a worker that outlives this process; its error output goes to ``log``.

    Does nothing while a worker that this process started for the recording runs.  Blocks.

    Args:
        command: its command line, which others on the machine can see.
        recording: the recording's id.
        log: the file for its error output.
        order: its standard input, which others cannot see.
        environment: further environment variables, which others cannot see either.

    Raises:
        BackendError: it cannot be started.
    """
    for other, child in tuple(_children.items()):
        if child.poll() is not None:
            _children.pop(other, None)
    if recording in _children:
        return
    try:
        # Not Path.open: the rights of the file must not depend on the umask of the program.
        with open(log, "wb", opener=private_opener) as output:
            child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.PIPE if order else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
    except OSError as error:
        raise BackendError(
            f"The worker process cannot be started: {error}. {advice(error, '')}".rstrip()
        ) from error
    _children[recording] = child
    if child.stdin is not None:
        with suppress(BrokenPipeError), child.stdin as pipe:
            pipe.write(order)


def process_exclusively(
    store: Store, recording_id: str, process: Callable[[Recording], None]
) -> None:
    """Lock a recording and process it, unless another process does or it is final."""
    lock = acquire_with_retry(lambda: store.lock_recording(recording_id))
    if lock is None:
        return
    with lock:
        found = store.get(recording_id)
        if found.state is JobState.PROCESSING:
            process(found)


def is_wanted(store: Store, recording_id: str) -> bool:
    """Return whether a recording still needs its worker: deletion does not wait for the lock."""
    # A store that cannot be read just now is no reason to end the work.
    with suppress(StoreError):
        return not store.get(recording_id).state.final
    return True


def progress_reporter(
    store: Store,
    recording_id: str,
    still_wanted: Callable[[Store, str], bool] = is_wanted,
) -> Callable[[float], bool]:
    """Return a function that stores the share of the audio processed, every few seconds.

    It returns whether the work is still wanted, which it asks ``still_wanted`` as often.
    """
    reported = -_REPORT_SECONDS

    def report(share: float) -> bool:
        nonlocal reported
        # Called many times a second, and each report waits for the disk.
        if time.monotonic() - reported < _REPORT_SECONDS:
            return True
        reported = time.monotonic()
        store.report(recording_id, progress=share)
        return still_wanted(store, recording_id)

    return report


def run_worker(main: Callable[[str], int]) -> NoReturn:
    """Run the main function of a worker with its order, and end the process at once.

    What is worth keeping is on disk then, and a native library may need seconds to release
    what it used.

    Args:
        main: receives the order from standard input, and returns the exit code.
    """
    try:
        # UTF-8, whatever encoding the system's standard input has.
        code = main(sys.stdin.buffer.read().decode())
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)
