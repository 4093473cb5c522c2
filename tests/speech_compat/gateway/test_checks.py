from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from double.certificates import write_certificate
from speech_adapters.config import load_settings
from speech_compat.gateway.checks import Level, run_checks

LONG = "0123456789abcdef"


def checked(folder: Path, backend: str = "local", **table: Any) -> dict[str, tuple[Level, str]]:
    """Return level and text of each check by its name."""
    settings = load_settings(
        {"state_dir": folder, "backend": backend, "gateway": {"port": 0, **table}}
    )

    async def run() -> dict[str, tuple[Level, str]]:
        return {check.name: (check.level, check.text) async for check in run_checks(settings)}

    return asyncio.run(run())


def test_all_is_well_by_default(tmp_path: Path) -> None:
    found = checked(tmp_path)
    assert {level for level, _ in found.values()} == {Level.OK}
    assert list(found) == ["options", "access", "tokens", "TLS", "address", "store", "backend"]
    assert found["access"][1] == (
        f"no keys are set: one is generated for 'local', in {tmp_path / 'gateway.key'}"
    )


def test_the_owners_of_keys_are_listed_without_the_keys(tmp_path: Path) -> None:
    found = checked(tmp_path, keys={"bob": LONG, "alice": LONG + "2"})
    assert found["access"][1] == "keys of alice, bob"
    assert not (tmp_path / "gateway.key").exists()


def test_each_failure_has_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as used:
        found = checked(
            tmp_path / "file",
            "nothing",
            port=used.getsockname()[1],
            tls_certificate=tmp_path / "none.pem",
            tokens={"issuer": "i", "audience": "a", "jwks_url": "http://127.0.0.1:1/keys"},
        )
    failed = {name: text for name, (level, text) in found.items() if level is Level.FAILED}
    assert list(failed) == ["tokens", "TLS", "address", "store", "backend"]
    assert "cannot be fetched: " in failed["tokens"]
    assert "No such file or directory" in failed["TLS"]
    assert "Address already in use" in failed["address"]
    assert "There is no backend called 'nothing'" in failed["backend"]


def test_a_wrong_option_is_the_only_line(tmp_path: Path) -> None:
    found = checked(tmp_path, prot=1)
    assert list(found) == ["options"]
    assert found["options"][0] is Level.FAILED


@pytest.mark.parametrize(
    ("days", "level"), [(30, Level.OK), (5, Level.WARNING), (-1, Level.FAILED)]
)
def test_the_end_of_a_certificate_is_checked(tmp_path: Path, days: int, level: Level) -> None:
    certificate, key = write_certificate(tmp_path, "first", days)
    found = checked(tmp_path / "state", tls_certificate=certificate, tls_key=key)
    assert found["TLS"][0] is level


def test_an_address_without_tls_fails_or_warns(tmp_path: Path) -> None:
    found = checked(tmp_path, host="0.0.0.0", keys={"alice": LONG})
    assert found["access"][0] is Level.FAILED
    found = checked(tmp_path, host="0.0.0.0", keys={"alice": LONG}, insecure=True)
    assert found["access"][0] is Level.WARNING
