"""Downloaded results of the batch and fast services, on their way into the meeting store.

::

    download ──▶ temporary folder ──small──▶ thread ────────┬──▶ meeting store
                                  └──large──▶ child process ┘
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import attrs
import msgspec

from speech_adapters import isolated, threads
from speech_adapters.store import AsyncStore, Store
from speech_adapters.temporary import create_folder, remove_folder
from speech_adapters.transcript import AnyTranscript, Provenance

__all__ = ["Reader", "ResultFiles", "complete_in_child", "store_transcript", "temporary_folder"]


@attrs.frozen
class ResultFiles:
    """The result files of one meeting, and what its transcript has beside them.

    Attributes:
        meeting_id: the meeting's id.
        provenance: the origin of the transcript.
        names: the file's name at the service, by the path where it was downloaded to.
        partial: whether the results are those of a part of the meeting only.
        speakers: whether the meeting requested speakers; otherwise no channel counts as one.
    """

    meeting_id: str
    provenance: Provenance
    names: dict[str, str]
    partial: bool = False
    speakers: bool = True

    def size(self) -> int:
        """Return the size of all files in bytes.  Blocks."""
        return sum(Path(path).stat().st_size for path in self.names)


Reader = Callable[[ResultFiles], AnyTranscript]


@attrs.frozen
class _Order:
    """What a child process is to store."""

    directory: str
    recording_id: str
    files: ResultFiles


_decode: Final = msgspec.json.Decoder(_Order).decode


@asynccontextmanager
async def temporary_folder() -> AsyncIterator[Path]:
    """Create a folder that only this user may read; it is removed at the end."""
    folder = await threads.TRANSFER.run(create_folder)
    try:
        yield folder
    finally:
        # Transcripts are personal data, so a canceled request must not leave them behind.
        with anyio.CancelScope(shield=True):
            await threads.TRANSFER.run(remove_folder, folder)


async def store_transcript(
    store: AsyncStore,
    recording_id: str,
    files: ResultFiles,
    read: Reader,
    in_child: Callable[[str], str],
) -> bool:
    """Read the result files and complete the recording with their transcript.

    Args:
        store: the meeting store.
        recording_id: which recording.
        files: its results.
        read: reads them; blocks.
        in_child: calls :func:`complete_in_child` with the same ``read``; a function of a
            module, because a child process has to find it by its name.

    Returns:
        Whether the transcript was stored: a deleted recording stays deleted.

    Raises:
        BackendError: the files are no results, or the child process died.
        StoreError: the transcript cannot be stored.
    """
    # Parsing a large file would stall the event loop even from a thread (see isolated).
    if await threads.COMPUTE.run(files.size) > isolated.LARGE_BYTES:
        order = _Order(str(store.directory), recording_id, files)
        return bool(
            await isolated.run_isolated(
                in_child, msgspec.json.encode(order).decode(), store.options.environment
            )
        )
    transcript = await threads.COMPUTE.run(read, files)
    return await store.run(Store.complete, recording_id, transcript)


def complete_in_child(argument: str, read: Reader) -> str:
    """Do the work of :func:`store_transcript` in a child process, with a store of its own.

    Returns:
        A text if the transcript was stored, else an empty one.
    """
    order = _decode(argument)
    # The parent's connection to the database cannot be used by another process.
    with Store.open(Path(order.directory)) as store:
        return "stored" if store.complete(order.recording_id, read(order.files)) else ""
