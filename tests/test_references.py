"""References between code, tests and docs resolve inside the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("adapters", "compat", "tests", "docs")
# Installed or built, not written here.
FOREIGN = {"node_modules", "__pycache__"}
SUFFIXES = {".md", ".mjs", ".py", ".toml"}

# The only form of a reference to an interface: "docs/protocol/<file>.md, <section>".
PROTOCOL = re.compile(r"docs/protocol/(?P<page>[\w-]+\.md)(?:, (?P<section>\d+(?:\.\d+)*))?")
DOCS_PATH = re.compile(r"(?<![\w./-])docs/[\w./-]*\w")
# A code span may hold text that looks like a link, so spans are removed first.
CODE_SPAN = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\((?P<path>[^)\s#]*)(?:#(?P<anchor>[^)\s]+))?\)")
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# Forms that named documents outside the repository, or a section without its file.
OLD_FORMS = re.compile(
    r"\b[Ff]act[s]\b|\bshared[/]|\bspec [\d]|\b(?:REST|interface|websocket),? [\d]"
)


def _texts() -> Iterator[Path]:
    yield from (ROOT / "Makefile", ROOT / "pyproject.toml", *sorted(ROOT.glob("*.md")))
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.is_file() and not FOREIGN & set(path.parts):
                yield path


TEXTS = tuple(path.relative_to(ROOT).as_posix() for path in _texts())
MARKDOWN = tuple(name for name in TEXTS if name.endswith(".md"))


@cache
def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def _titles(name: str) -> tuple[str, ...]:
    return tuple(found["title"] for found in HEADING.finditer(FENCE.sub("", _read(name))))


def _sections(name: str) -> set[str]:
    return {title.split()[0].rstrip(".") for title in _titles(name)}


def _anchors(name: str) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in _titles(name))
    return {title.replace(" ", "-") for title in kept}


def _broken_protocol_references(name: str) -> Iterator[str]:
    for found in PROTOCOL.finditer(_read(name)):
        page, section = f"docs/protocol/{found['page']}", found["section"]
        if not (ROOT / page).is_file():
            yield f"{found[0]}: no such page"
        elif section is None and found["page"] != "README.md":
            yield f"{found[0]}: a section must follow on the same line"
        elif section is not None and section not in _sections(page):
            yield f"{found[0]}: no such section"


def _broken_links(name: str) -> Iterator[str]:
    for found in LINK.finditer(CODE_SPAN.sub("", FENCE.sub("", _read(name)))):
        if ":" in found["path"]:
            continue
        path = ((ROOT / name).parent / found["path"]).resolve() if found["path"] else ROOT / name
        if not path.exists():
            yield f"{found[0]}: no such file"
        elif found["anchor"] and found["anchor"] not in _anchors(path.relative_to(ROOT).as_posix()):
            yield f"{found[0]}: no such heading"


@pytest.mark.parametrize("name", TEXTS)
def test_every_reference_resolves(name: str) -> None:
    assert list(_broken_protocol_references(name)) == []
    assert [path for path in DOCS_PATH.findall(_read(name)) if not (ROOT / path).exists()] == []
    assert OLD_FORMS.findall(_read(name)) == [], "refer to docs/protocol with a page and a section"


@pytest.mark.parametrize("name", MARKDOWN)
def test_every_relative_link_resolves(name: str) -> None:
    assert list(_broken_links(name)) == []


def test_the_code_refers_to_every_page() -> None:
    """Without any reference the patterns above would match nothing and pass."""
    found = [
        match for name in TEXTS if name.endswith(".py") for match in PROTOCOL.finditer(_read(name))
    ]
    assert {match["page"] for match in found} == {
        "legacy-interface.md",
        "batch-and-fast-rest.md",
        "speech-websocket.md",
    }
