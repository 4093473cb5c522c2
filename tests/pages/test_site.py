"""The documentation site: complete, without a broken link, and without a foreign host."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from pages.roles import markdown

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = sorted(path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md"))
REFERENCE: Final = sorted(path.stem for path in (DOCS / "reference").glob("*.md"))
# Attributes with which an element loads something; links are followed by the reader only.
LOADS: Final = {"src", "srcset", "data", "poster", "xlink:href"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as ``make docs`` does; a broken link or a page without a place fails it."""
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("the packages of the site are not installed: run make docs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        # Without --quiet, which drops the warnings that have to fail the build.
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class _Loads(HTMLParser):
    """Collects what a page loads, and the names that links can refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found.get("id", "")}
        self.classes |= set(found.get("class", "").split())
        self.addresses += [value for name, value in found.items() if name in LOADS]
        if tag == "link":
            self.addresses.append(found.get("href", ""))


def parsed(path: Path) -> _Loads:
    page = _Loads()
    page.feed(path.read_text("utf-8"))
    return page


def test_every_page_is_in_the_site_and_loads_nothing_from_a_foreign_host(site: Path) -> None:
    for name in PAGES:
        file = site / (f"{name}.html" if name.stem != "README" else f"{name.parent}/index.html")
        page = parsed(file)
        assert [address for address in page.addresses if "//" in address] == [], file
        # The theme would load the program that draws such a diagram.
        assert "mermaid" not in page.classes, file


def test_no_style_loads_anything_from_a_foreign_host(site: Path) -> None:
    styles = [path.read_text("utf-8") for path in site.rglob("*.css")]
    assert styles
    assert [
        found for style in styles for found in re.findall(r"url\(['\"]?(?:https?:)?//", style)
    ] == []
    assert [found for style in styles for found in re.findall(r"@import[^;]*//", style)] == []


def test_the_search_index_is_in_the_site(site: Path) -> None:
    index = (site / "search" / "search_index.json").read_text("utf-8")
    assert "quick-start.html" in index


def test_the_navigation_has_every_page() -> None:
    # Not parsed as YAML: the file names a function of the extension for anchors.
    listed = re.findall(r"([\w./-]+)\.md$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(map(str, PAGES))


def _links_of_messages() -> Iterator[str]:
    """Yield the pages, with anchors, that messages of the code refer to."""
    for folder in ("adapters", "compat"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text("utf-8")
            yield from re.findall(r"docs/([\w/-]+\.md(?:#[\w-]+)?)", text)


def test_pages_that_messages_name_are_at_the_same_place_in_the_site(site: Path) -> None:
    from matrix.catalog import all_gaps

    gaps = [gap.link.removeprefix("docs/") for gap in all_gaps().values()]
    links = {*_links_of_messages(), *gaps}
    assert "warnings.md#sc101" in links
    for link in links:
        page, _, anchor = link.partition("#")
        found = parsed(site / page.replace(".md", ".html").replace("README", "index"))
        assert not anchor or anchor in found.ids, link


@pytest.mark.parametrize("name", REFERENCE)
def test_the_reference_has_every_public_name(site: Path, name: str) -> None:
    """A name may also be on the page of another module that exports it."""
    ids = set[str]().union(*(parsed(site / f"reference/{each}.html").ids for each in REFERENCE))
    modules = [importlib.import_module(each) for each in REFERENCE]
    module: Any = importlib.import_module(name)
    for public in module.__all__:
        value = getattr(module, public)
        if isinstance(value, ModuleType):
            continue
        places = {f"{m.__name__}.{public}" for m in modules if getattr(m, public, None) is value}
        assert places & ids, f"{name}.{public}"


def test_the_reference_shows_no_markup_of_another_tool(site: Path) -> None:
    for name in REFERENCE:
        text = (site / "reference" / f"{name}.html").read_text("utf-8")
        assert not re.search(r":(?:attr|class|data|exc|func|meth|mod):", text), name
        assert not re.search(r"====|<p>::|::</p>", text), name


def test_docstrings_become_markdown() -> None:
    assert markdown("see :class:`.Gap` and :mod:`~speech_compat.cli`") == (
        "see `Gap` and `speech_compat.cli`"
    )
    assert markdown("One.\n\n::\n\n    a ──▶ b\n") == "One.\n\n\n\n    a ──▶ b\n"
    assert markdown("Use it::\n\n    code\n") == "Use it:\n\n    code\n"
