"""What an inspection of a meeting store finds, without a change to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Final

import attrs

__all__ = ["RECORDS", "Inspection"]

# The statement for :meth:`Inspection.compared`, for all databases.
RECORDS: Final = (
    "SELECT id, meeting_id, state IN ('Uploading', 'Processing'),"
    " coalesce(audio_bytes, 0) > 0"
    " AND (state = 'Processing' OR (state = 'Completed' AND keep_audio)) FROM recordings"
)


@attrs.frozen
class Inspection:
    """The condition of a meeting store.

    Attributes:
        database: the file of the database, or the name of a database on a server.
        version: the version of its format; 0 for a file without tables.
        known: the version that this program writes.
        damage: what is damaged; empty if the database is whole.
        recordings: how many recordings it has, deleted ones too.
        unfinished: how many of them are not final.
        orphans: names of audio files, and of files next to them, that belong to no recording.
        missing: ids of meetings that cannot be processed, because their audio is missing.
        set_aside: damaged databases that were put aside earlier.
        audio: the folder of the audio.
        server: the version of the server, and whether the connection is encrypted; empty for a
            file.
        missing_rights: what the user of a server may not do, and has to.
    """

    database: Path | str
    version: int = 0
    known: int = 0
    damage: str = ""
    recordings: int = 0
    unfinished: int = 0
    orphans: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    set_aside: tuple[Path, ...] = ()
    audio: Path = Path()
    server: str = ""
    missing_rights: tuple[str, ...] = ()

    def compared(
        self, rows: Iterable[tuple[str, str, bool, bool]], files: Mapping[str, Set[str]]
    ) -> Inspection:
        """Return the inspection with what a comparison of records and files found.

        Args:
            rows: id, meeting id, whether it is unfinished, and whether its audio is needed, of
                each recording.
            files: the names of the files by the ids of their recordings.
        """
        found = list(rows)
        ids = {key for key, *_ in found}
        orphans = (name for key, names in files.items() if key not in ids for name in names)
        return attrs.evolve(
            self,
            recordings=len(found),
            unfinished=sum(unfinished for _, _, unfinished, _ in found),
            orphans=tuple(sorted(orphans)),
            missing=tuple(
                m for k, m, _, needed in found if needed and f"{k}.pcm" not in files.get(k, set())
            ),
        )
