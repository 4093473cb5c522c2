"""The files of the page: how they are served, and the contrast of their colors."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import product

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from speech_compat.gateway.web import pages

STATIC = files("speech_compat.gateway.web") / "static"
FILES = {file.name: file.read_text(encoding="utf-8") for file in STATIC.iterdir()}
STYLE = FILES["colors.css"]
VOICES = [f"voice-{number}" for number in range(8)]
# Every text of the style sheets with the backgrounds that it appears on.
PAIRS = [
    *product(["text", "muted", "accent", *VOICES], ["page", "surface"]),
    *product(["text", "muted", *VOICES], ["tint"]),
    *product(["text", "muted", "accent"], ["raised"]),
    *product(["bad"], ["surface", "page", "bad-tint"]),
    ("good", "good-tint"),
    ("busy", "busy-tint"),
    ("on-accent", "accent"),
    ("surface", "bad"),
]
# Borders of controls, and marks that are no text (WCAG 2.2, 1.4.11).
MARKS = [("control", "surface"), ("accent", "line"), *product(VOICES, ["raised"])]


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=pages.routes()))


def test_the_page_and_all_its_files_are_served(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    linked = re.findall(r'(?:src|href)="(web/[^"]+)"', page.text)
    imported = [
        f"web/{name}" for text in FILES.values() for name in re.findall(r'from "\./([^"]+)"', text)
    ]
    assert len(linked) >= 4
    assert len(imported) >= 8
    for path in linked + imported:
        assert client.get(f"/{path}").status_code == 200, path
    assert client.get("/web/app.js").headers["content-type"] == "text/javascript; charset=utf-8"


def test_nothing_else_is_served(client: TestClient) -> None:
    for path in ("/web/", "/web/../pages.py", "/web/%2e%2e/pages.py", "/web/index.html"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/web/app.js", "/web/style.css"])
def test_the_policy_forbids_everything_that_is_no_file_of_the_page(
    client: TestClient, path: str
) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_a_file_that_did_not_change_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/web/app.js")
    again = client.get("/web/app.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_use_nothing_from_elsewhere_and_no_markup_as_text(name: str) -> None:
    text = FILES[name].replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//cdn|@import|url\(", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", text)
    if name.endswith(".html"):
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", text)


def _colors(dark: bool) -> dict[str, str]:
    light, _, rest = STYLE.partition("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    if dark:
        changed = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", rest))
        assert changed.keys() == found.keys(), "each color has a dark form"
        found = changed
    return found


def _contrast(first: str, second: str) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    brighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    parts = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_contrast_is_that_of_the_standard() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), [
    *((front, back, 4.5) for front, back in PAIRS),
    *((front, back, 3.0) for front, back in MARKS),
])  # fmt: skip
def test_colors_can_be_told_apart(dark: bool, front: str, back: str, least: float) -> None:
    colors = _colors(dark)
    assert _contrast(colors[front], colors[back]) >= least
