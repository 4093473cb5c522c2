from __future__ import annotations

import importlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest

from conformance.claims import ClaimConformance
from matrix.__main__ import choices, documents, main
from matrix.catalog import all_capabilities, all_gaps, details, lost
from matrix.commands import commands_page
from matrix.report import BEGIN, END, backends_page, readme_table, warnings_page, with_table
from speech_adapters import Capabilities, MeetingRequest, gaps
from speech_adapters.errors import MissingExtraError
from speech_adapters.gap import Gap
from speech_adapters.request import SETTINGS
from speech_compat._migration.backends import known_capabilities
from speech_compat.cli import stored_parser

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def capabilities() -> dict[str, Capabilities]:
    try:
        return all_capabilities()
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_the_documents_are_up_to_date(capabilities: dict[str, Capabilities]) -> None:
    late = [path.name for path, text in documents().items() if path.read_text("utf-8") != text]
    assert late == [], "run make matrix"


def test_scan_knows_the_capabilities(capabilities: dict[str, Capabilities]) -> None:
    assert known_capabilities() == choices(capabilities)


def test_the_command_checks_and_writes(
    capabilities: dict[str, Capabilities], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs" / "schema").mkdir(parents=True)
    for name in (
        "README.md",
        "docs/backends.md",
        "docs/commands.md",
        "docs/json-format.md",
        "docs/schema/transcript.schema.json",
        "docs/warnings.md",
    ):
        (tmp_path / name).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    known = tmp_path / "compat/speech_compat/_migration/capabilities.json"
    known.parent.mkdir(parents=True)
    known.write_text("{}", "utf-8")
    monkeypatch.setattr("matrix.__main__._ROOT", tmp_path)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert readme == f"before\n{readme_table(capabilities)}\nafter\n"
    assert json.loads(known.read_text("utf-8")).keys() == choices(capabilities).keys()


def test_every_backend_of_the_project_is_in_the_matrix() -> None:
    project: Any = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    # A script for tests, not a service, has nothing to compare.
    names = set(project["entry-points"]["speech_adapters.backends"]) - {"replay"}
    assert set(details("backends.toml")) == names
    extras = {fact["extra"] for fact in details("backends.toml").values()}
    assert extras <= set(project["optional-dependencies"])


@pytest.mark.parametrize("name", details("backends.toml"))
def test_the_claims_of_every_backend_are_tested(name: str) -> None:
    module = importlib.import_module(f"conformance.test_{name}")
    found = [each for each in vars(module).values() if isinstance(each, type)]
    assert [
        each for each in found if issubclass(each, ClaimConformance) and "Test" in each.__name__
    ]


def test_every_code_belongs_to_one_gap_and_has_a_section() -> None:
    found = all_gaps()
    # 12 of the capabilities, one for each setting, and the one of the facade.
    assert len(found) == len({gap.id for gap in found.values()}) == 12 + len(SETTINGS) + 1
    assert [code for code in found if not re.fullmatch(r"SC\d{3}", code)] == []
    page = (ROOT / "docs" / "warnings.md").read_text("utf-8")
    sections = dict(re.findall(r"^## (SC\d+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(found)
    for code, gap in found.items():
        assert gap.reason in sections[code]
        assert gap.way_out in sections[code]
    assert set(details("warnings.toml")) <= set(found)


def test_no_gap_of_a_backend_is_without_a_code(capabilities: dict[str, Capabilities]) -> None:
    request = MeetingRequest("m", settings={"unknown": "x"})
    for claimed in capabilities.values():
        assert [gap.code for gap in gaps(request, claimed) if gap.id != "setting unknown"] == [
            code for code in ("SC101",) if not claimed.live
        ]


def test_another_claim_is_another_page(capabilities: dict[str, Capabilities]) -> None:
    claims: tuple[dict[str, Any], ...] = (
        {"phrases": True},
        {"detects_languages": True},
        {"addresses": True},
    )
    for claim in claims:
        local = attrs.evolve(capabilities["local"], **claim)
        changed = {**capabilities, "local": local}
        assert backends_page(changed) != backends_page(capabilities)
        assert warnings_page(changed) != warnings_page(capabilities)
    assert lost(capabilities, "SC111") == ["local", "remote_meeting", "batch", "auto", "shadow"]


def test_another_text_is_another_page(
    capabilities: dict[str, Capabilities], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = warnings_page(capabilities)
    other = Gap("phrases", "another reason", "another way", code="SC111")
    monkeypatch.setattr("speech_adapters.capabilities._NO_PHRASES", other)
    assert "another reason" in warnings_page(capabilities)
    assert "another reason" not in before


def test_the_text_around_the_table_stays() -> None:
    assert (
        with_table(f"a\n{BEGIN}\nx\n{END}\nb", f"{BEGIN}\ny\n{END}") == f"a\n{BEGIN}\ny\n{END}\nb"
    )


def test_every_command_and_option_is_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    before = commands_page()
    for text in ("## speech-compat transcribe", "## speech-compat config show", "`--jobs N`"):
        assert text in before
    monkeypatch.setattr(stored_parser, "add_output", lambda *_: None)
    assert commands_page() != before
