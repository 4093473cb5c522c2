from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import pytest

from speech_adapters.azure import result_windows as module
from speech_adapters.azure.result_windows import PhraseArray, UnusualFormError

# What could be mistaken for the end of a phrase, or of a string.
HOSTILE = ['},{"channel":0', "]}", '\\"},{\\', '\\\\"', '"', "\u2028 🎉", "{[", ""]


def phrase(number: int) -> dict[str, Any]:
    text = HOSTILE[number % len(HOSTILE)]
    words = [{"channel": 0, "text": found} for found in (text, "a")]
    return {"channel": number % 2, "text": text, "words": words, "more": {"deep": [[], {}]}}


def found(data: bytes) -> list[Any]:
    array = PhraseArray(data)
    phrases = [one for window in array.windows(json.loads) for one in window.phrases]
    assert json.loads(array.rest())["phrases"] == []
    return phrases


@pytest.fixture(params=[1, 80, 300, 10_000])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "_WINDOW_BYTES", request.param)
    return int(request.param)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 40])
@pytest.mark.usefixtures("window")
def test_all_phrases_are_found_in_windows_of_any_size(indent: int | None, count: int) -> None:
    phrases = [phrase(number) for number in range(count)]
    document = {"source": 'a"]', "x": [{"phrases": [1]}], "phrases": phrases, "y": {"z": -1.5e3}}
    data = json.dumps(document, indent=indent).encode()
    assert found(data) == phrases
    assert found(b"\xef\xbb\xbf \n" + data + b"\n ") == phrases


@pytest.mark.usefixtures("window")
def test_phrases_with_different_first_keys_are_found() -> None:
    """The first key is only a guess, and words may begin with it too."""
    phrases = [{"a": [{"b": 1}, {"b": 2}]}, {"b": 1}, {"c": "x" * 200}, {"a": 1}, {}, {"b": 2}]
    assert found(json.dumps({"phrases": phrases}, separators=(",", ":")).encode()) == phrases


@pytest.mark.parametrize("step", [1, 2, 7])
def test_long_strings_are_read_in_steps(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(module, "_STEP_BYTES", step)
    document = {"combined": 'a\\"\\\\' * 9 + '"', "phrases": [{"a": 'b\\\\"'}]}
    assert found(json.dumps(document).encode()) == document["phrases"]


def test_long_values_beside_the_phrases_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_VALUE", 20)
    array = PhraseArray(json.dumps({"all": "x" * 20, "phrases": [], "duration": 7}).encode())
    assert [window.phrases for window in array.windows(json.loads)] == [[]]
    assert json.loads(array.rest()) == {"all": None, "phrases": [], "duration": 7}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"phrases": 3}',
        '{"phrases": null}',
        '{"phrases": [{}',
        '{"phrases": [{}]',
        '{"phrases": [{}]} x',
        '{"phrases": [{}],}',
        '{"phrases": [{}] "x": 1}',
        '{"phrases": [], "phrases": []}',
        '{"phrases": [], "recognizedPhrases": []}',
        '{"phrases": [], "x": }',
        '{"phrases": [], "x": "cut}',
        '{"x": {"phrases": []}}',
        '{"phrases": [{"a": 1} {"a": 2}, {"a": 3}]}',
        '{"phrases": [{"a": 1}, , {"a": 2}]}',
        '{"phrases": [{"a": 1}, {"a": 2},]}',
        '{"phrases": [{"a": 1}x, {"a": 2}]}',
        '{"phrases": [{"a": 1}}, {"a": 2}]}',
    ],
)
@pytest.mark.usefixtures("window")
def test_another_form_is_never_read_as_phrases(text: str) -> None:
    with pytest.raises((UnusualFormError, ValueError)):
        found(text.encode())


def test_a_phrase_without_end_is_not_searched_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_PHRASE", 1000)
    monkeypatch.setattr(module, "_WINDOW_BYTES", 100)
    data = json.dumps({"phrases": [{"a": ["b"] * 10_000}]}).encode()
    with pytest.raises(UnusualFormError):
        found(data)
    with pytest.raises(UnusualFormError):
        found(b'{"phrases": [' + b" " * 2000 + b"]}")


def test_a_mapped_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"phrases": [{"a": 1}]}))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        array = PhraseArray(data)
        (window,) = array.windows(json.loads)
        assert window.phrases == [{"a": 1}]
        assert array.text(window.start, window.end) == b'[{"a": 1}]'
