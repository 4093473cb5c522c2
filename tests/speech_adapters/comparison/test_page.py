"""The page of a comparison, and the same in a real Chromium."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from double.node import run_node
from double.web import HOSTILE, chromium_or_skip, minutes
from speech_adapters.comparison import compare, line_up, render_comparison
from speech_adapters.export import render
from speech_adapters.reading.document import Document
from speech_adapters.reading.reader import parse_document

for module in ("rapidfuzz", "scipy", "pyannote.metrics"):
    pytest.importorskip(module, reason="the extra compare is not installed")


def page(reference: Document, candidate: Document) -> str:
    found = compare(reference, candidate)
    return render_comparison(found, line_up(reference, candidate, found))


def vtt(*cues: tuple[str, str]) -> Document:
    lines = "".join(
        f"\n00:{number:02}.000 --> 00:{number + 1:02}.000\n<v {label}>{text}\n"
        for number, (label, text) in enumerate(cues)
    )
    return parse_document(f"WEBVTT\n{lines}".encode(), "minutes.vtt")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(text)
    return parser.tags


def test_differences_are_marked() -> None:
    found = page(vtt(("A", "One two."), ("B", "Three.")), vtt(("x", "One too."), ("y", "Three.")))
    assert '<p dir="auto">One <del>two.</del></p>' in found
    assert '<p dir="auto">One <ins>too.</ins></p>' in found
    assert "Only rows with differences (1 of 2)" in found
    assert found.count('<tr class="same">') == 1


def test_the_page_has_figures_speakers_and_rules() -> None:
    found = page(vtt(("A", "One two."), ("B", "Three.")), vtt(("x", "One too."), ("y", "Three.")))
    assert '<dd class="rate">33.33%</dd>' in found
    assert "times of utterances only" in found
    assert "without case and punctuation" in found
    row = '<td class="voice-0"><span class="speaker" dir="auto">A</span></td>'
    assert row in found


def test_a_metric_that_is_not_computed_has_its_reason() -> None:
    text = parse_document(b"A: One", "x", "text")
    found = page(text, text)
    assert '<dd class="rate">not computed</dd>' in found
    assert "the reference has no turns" in found


def test_nothing_of_a_transcript_is_markup() -> None:
    reference = Document(minutes(HOSTILE), "stored")
    text = parse_document(f"[00:01] {'x'}: {HOSTILE} {HOSTILE}".encode(), HOSTILE, "text")
    for found in (page(reference, text), page(text, reference)):
        assert "onerror" not in {name for _, attributes in tags(found) for name in attributes}
        assert "<img" not in found


def test_the_page_needs_nothing_else() -> None:
    found = page(vtt(("A", "One")), vtt(("x", "One")))
    names = [name for name, _ in tags(found)]
    assert not {"script", "link", "img", "iframe", "audio"} & set(names)
    assert "url(" not in found
    assert "@import" not in found
    assert "http" not in found.replace("http-equiv", "")
    assert re.search(r"default-src 'none'; style-src 'sha256-[^']{44}'", found)
    # A style in an attribute would be refused by the policy.
    assert not [attributes for _, attributes in tags(found) if "style" in attributes]


def test_the_page_in_a_browser(tmp_path: Path) -> None:
    chromium = chromium_or_skip()
    transcript = minutes("Weekly planning")
    changed = render(transcript, "vtt").replace("Thursday", "Tuesday").replace("Friday", "Monday")
    reference = Document(transcript, "stored")
    path = tmp_path / "page.html"
    path.write_text(page(reference, parse_document(changed.encode(), "other.vtt")), "utf-8")
    found = run_node("comparison_page.mjs", chromium, str(path), str(tmp_path))
    assert found["errors"] == []
    assert found["foreign"] == []
    assert found["struck"][0].startswith("Thursday")
    assert found["inserted"][0].startswith("Tuesday")
    assert found["rows"] == 21
    assert found["rows_with_differences"] == len({*found["struck_rows"]})
    # Nothing is wider than the window, on a phone too.
    assert found["overflow"] == [0, 0]
    assert found["names"] == ["Transcripts and speakers", "Side by side", "About this comparison"]
    assert found["contrast"] >= 4.5
