from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from double.web import HOSTILE, minutes
from speech_adapters.errors import AudioError
from speech_adapters.export import page, render, render_page
from speech_adapters.transcript import Provenance, Transcript, Utterance, ticks

GATEWAY = Path(__file__).parents[3] / "compat" / "speech_compat" / "gateway" / "web" / "static"


class Reader(HTMLParser):
    """Collects elements, the texts in them, and addresses."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)

    def attributes(self, name: str) -> list[str | None]:
        return [found[name] for _, found in self.elements if name in found]


def test_text_and_timeline_are_there_without_a_script() -> None:
    transcript = minutes("Weekly planning")
    found = Reader(render(transcript, "html"))
    assert found.texts["h1"] == ["Weekly planning"]
    assert [text for text in found.texts["p"] if text in {u.text for u in transcript.utterances}]
    assert found.texts["p"][1:-1][-len(transcript.utterances) :]
    lanes = [e["class"] for tag, e in found.elements if tag == "div" and "data-start" not in e]
    assert lanes.count("lane voice-0") == 1
    assert sum(str(lane).startswith("lane") for lane in lanes) == 4
    assert "4 speakers" in found.texts["li"]


def test_the_page_needs_no_other_file() -> None:
    document = render(minutes("m"), "html")
    found = Reader(document)
    assert found.attributes("src") == []
    assert found.attributes("href") == ["#transcript"]
    assert "url(" not in document
    assert "@import" not in document


def test_the_policy_permits_only_the_style_and_the_script_of_the_page() -> None:
    document = render(minutes("m"), "html")
    (policy,) = [
        str(e["content"])
        for tag, e in Reader(document).elements
        if e.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        match = re.search(f"<{tag}>(.*?)</{tag}>", document, re.S)
        assert match
        digest = base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_no_text_becomes_markup() -> None:
    hostile = HOSTILE + "</script><script>broken</script> $title ${style}"
    spoken = Utterance("a" * 32, hostile, 0, ticks(1), 0, None, hostile, participant=hostile)
    origin = Provenance(hostile, hostile, (hostile,), (hostile,))
    found = Reader(render(Transcript(hostile, (spoken,), ticks(1), origin), "html"))
    harmless = Reader(render(minutes("m"), "html"))
    assert {tag for tag, _ in found.elements} == {tag for tag, _ in harmless.elements} | {"ul"}
    assert sum(tag == "script" for tag, _ in found.elements) == 1
    assert found.texts["h1"] == [hostile]
    assert hostile in found.texts["p"]


def test_utterances_without_speech_make_an_empty_page() -> None:
    document = render(Transcript("m", (), 0, Provenance("local", "1")), "html")
    assert "No speech was recognized." in document
    assert 'class="timeline' not in document


def test_the_times_of_a_speaker_are_drawn_to_scale() -> None:
    spoken = [(0, 10, 0), (10.01, 10, 0), (50, 25, 0), (75, 25, 1)]
    utterances = tuple(
        Utterance(f"{n}", "x", ticks(start), ticks(length), speaker)
        for n, (start, length, speaker) in enumerate(spoken)
    )
    document = render(Transcript("m", utterances, ticks(100), Provenance("l", "1")), "html")
    parts = [e for tag, e in Reader(document).elements if tag == "rect" and "data-start" in e]
    # The first two are joined: their gap is narrower than a line.
    assert [(e["x"], e["width"]) for e in parts] == [
        ("0.00", "200.10"),
        ("500.00", "250.00"),
        ("750.00", "250.00"),
    ]
    assert parts[1]["aria-label"] == "Guest-1 at 0:50, 25 s"
    assert [e["tabindex"] for e in parts] == ["0", "-1", "-1"]


def test_the_recording_is_in_the_page_only_on_request(tmp_path: Path) -> None:
    recording = tmp_path / "a.wav"
    recording.write_bytes(b"RIFF....WAVE")
    document = render_page(minutes("m"), recording)
    assert base64.b64encode(b"RIFF....WAVE").decode() in document
    assert 'id="recording"' not in render_page(minutes("m"))


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"RIFF....WAVE", "audio/wav"),
        (b"OggS", "audio/ogg"),
        (b"ID3", "audio/mpeg"),
        (b"?", "audio/wav"),
    ],
)
def test_the_page_states_the_kind_of_the_recording(
    tmp_path: Path, content: bytes, media_type: str
) -> None:
    (tmp_path / "a").write_bytes(content)
    assert f'data-type="{media_type}"' in render_page(minutes("m"), tmp_path / "a")


def test_a_recording_that_no_browser_can_read_in_a_page_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = tmp_path / "a.wav"
    recording.write_bytes(bytes(2 * 2**20 + 1))
    monkeypatch.setattr(page, "MOST_AUDIO_BYTES", 2 * 2**20)
    with pytest.raises(AudioError, match="more than 2 MB, too much for a page: leave out"):
        render_page(minutes("m"), recording)
    with pytest.raises(AudioError, match=r"missing\.wav cannot be read: No such file"):
        render_page(minutes("m"), tmp_path / "missing.wav")


def test_the_colors_are_those_of_the_gateways_page() -> None:
    """Also the test of their contrast is there; only the color of a match is the page's own."""
    colors = re.compile(r"--([a-z0-9-]+): (#[0-9a-f]{6})")
    own = colors.findall((Path(page.__file__).parent / "page.css").read_text("utf-8"))
    gateway = colors.findall((GATEWAY / "colors.css").read_text("utf-8"))
    assert {color for color in own if color[0] != "mark"} <= set(gateway)
    assert sum(name == "voice-7" for name, _ in own) == 2
