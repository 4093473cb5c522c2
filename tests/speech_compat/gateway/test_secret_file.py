from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from speech_adapters.errors import StoreError
from speech_compat.gateway.secret_file import kept_secret


def test_a_secret_is_created_once_and_kept_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "state" / "secret"
    secret = kept_secret(path)
    assert re.fullmatch("[0-9a-f]{32}", secret)
    assert kept_secret(path) == secret
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert kept_secret(tmp_path / "other") != secret


def test_gateways_that_start_at_once_have_the_same_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: kept_secret(path), range(40)))
    assert len(secrets) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="The secret of the gateway cannot be kept in"):
        kept_secret(tmp_path / "file" / "secret")


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(StoreError, match="is empty: remove it"):
        kept_secret(tmp_path / "secret")
