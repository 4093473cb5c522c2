"""Tests of the wheel, the lock file and the cassettes."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"


@pytest.fixture
def content(wheel: Path) -> zipfile.Path:
    """Return the content of the wheel."""
    return zipfile.Path(wheel)


def test_the_wheel_holds_both_packages_and_nothing_generic(content: zipfile.Path) -> None:
    tops = {entry.name for entry in content.iterdir()}
    assert tops == {"speech_compat", "speech_adapters", f"speech_compat-{_version()}.dist-info"}


def test_the_wheel_ships_types_and_the_demo_program(content: zipfile.Path) -> None:
    assert (content / "speech_compat" / "py.typed").is_file()
    assert (content / "speech_adapters" / "py.typed").is_file()
    shipped = content / "speech_compat" / "_demo" / "legacy_meeting.py"
    assert shipped.read_bytes() == (ROOT / "docs/examples/legacy_meeting.py").read_bytes()


def test_the_wheel_ships_the_capabilities_for_scan(content: zipfile.Path) -> None:
    assert (content / "speech_compat" / "_migration" / "capabilities.json").is_file()


def test_the_wheel_ships_the_files_of_the_web_page(content: zipfile.Path) -> None:
    folder = "speech_compat/gateway/web/static"
    written = {file.name for file in (ROOT / "compat" / folder).iterdir()}
    assert {"index.html", "style.css", "app.js"} <= written
    assert {file.name for file in content.joinpath(folder).iterdir()} == written


def test_the_lock_holds_versions_and_hashes_only() -> None:
    text = LOCK.read_text(encoding="utf-8")
    assert "://" not in text
    assert "index" not in text
    entries = text.replace("\\\n", " ").strip().splitlines()
    pinned = re.compile(r"[\w.\-\[\]]+==\S+( ; [^-]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert [entry for entry in entries if not pinned.fullmatch(entry.strip())] == []


def test_the_engine_is_locked_at_the_version_that_ships_a_model() -> None:
    assert re.search(r"^moonshine-voice==0\.1\.0 ", LOCK.read_text(encoding="utf-8"), re.M)


def test_cassettes_hold_no_secrets_and_state_their_origin() -> None:
    secret = re.compile(
        r"sig=[\w%+/]{20,}|Subscription-Key['\"]?:\s*['\"\[]*\s*[0-9a-f]{32}|Bearer ey[\w-]{20,}"
    )
    for cassette in sorted((ROOT / "cassettes").rglob("*.yaml")):
        text = cassette.read_text(encoding="utf-8")
        assert not secret.search(text), cassette
        assert set(re.findall(r"sig=([^&\"'\s]+)", text)) <= {"scrubbed"}, cassette
        assert not re.search(r"subscription-key|authorization|the-key|AccountKey", text, re.I), (
            cassette
        )
        assert re.match(r"# (recorded from|synthetic, after) \S", text), cassette


def _version() -> str:
    from importlib.metadata import version

    return version("speech-compat")
