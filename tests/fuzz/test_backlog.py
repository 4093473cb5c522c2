"""Manifests of any content: a line is a recording or a problem, and only our errors are raised."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.cases import DEEP, ODD, damaged, fuzz
from speech_adapters.backlog.items import Entry, Problem
from speech_adapters.backlog.journal import Journal, journal_path
from speech_adapters.backlog.manifest import read_manifest
from speech_adapters.backlog.page import write_page
from speech_adapters.backlog.planning import examine
from speech_adapters.backlog.report import write_report
from speech_adapters.backlog.targets import assign_targets
from speech_adapters.errors import ConfigurationError

CSV = b'file,id,language,max_speakers,title\na.wav,1,en-US,2,"x, y"\n\nhttps://h/b.wav?sig=s,,,,\n'
LINES = b'{"file": "a.wav", "id": 1, "language": "en-US", "speakers": 2}\n"b.wav"\n'
KEYS = st.sampled_from(["file", "url", "path", "id", "title", "language", "speakers", "x"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "a.wav").write_bytes(b"RIFF")
    return folder


@pytest.fixture(scope="module")
def journals(folder: Path) -> Iterator[Journal]:
    """Yield journals without end, each of them empty."""

    def create() -> Iterator[Journal]:
        for number in count():
            with Journal(journal_path(folder, f"n{number}"), create=True) as journal:
                yield journal
                journal.delete()

    return create()


def use(path: Path, data: bytes, journals: Iterator[Journal]) -> None:
    path.write_bytes(data)
    try:
        found = list(read_manifest(str(path)))
    except ConfigurationError:
        return
    for one in found:
        assert one.line >= 1
        one.source.encode()
        if isinstance(one, Problem):
            assert one.reason.endswith(".")
        else:
            assert isinstance(one, Entry)
            assert one.source
    journal = next(journals)
    assert list(journal.read(found))[-1:] == ([len(found)] if found else [])
    examine(journal, lambda _: None)
    assert journal.counts().total == len(found)
    "".join(write_report(journal)).encode()
    "".join(write_page(journal)).encode()
    targets = [path for _, path in assign_targets(journal, path.parent / "out", "txt")]
    assert all(".." not in path.parts for path in targets)


@fuzz
@given(data=st.one_of(damaged(CSV), st.binary(max_size=200), st.text().map(str.encode)))
@example(data=b'file\n"' + b"a" * 200_000)
@example(data=b"file\n" + b'"\n' * 5)
@example(data=b"file\n" + b"a.wav\n" * 50)
def test_any_csv_file_is_read(folder: Path, journals: Iterator[Journal], data: bytes) -> None:
    use(folder / "list.csv", data, journals)


@fuzz
@given(
    data=st.one_of(
        damaged(LINES),
        st.lists(st.dictionaries(KEYS, ODD, max_size=4), max_size=4).map(
            lambda found: "\n".join(map(_dump, found)).encode()
        ),
    )
)
@example(data=DEEP)
@example(data=b'{"file": ' + b"9" * 5000 + b"}")
def test_any_json_lines_are_read(folder: Path, journals: Iterator[Journal], data: bytes) -> None:
    use(folder / "list.jsonl", data, journals)


def _dump(found: object) -> str:
    import json

    return json.dumps(found)
