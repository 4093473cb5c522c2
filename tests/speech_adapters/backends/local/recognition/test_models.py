from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from double.engine import model_folder
from speech_adapters.backends.local.recognition.models import WHISPER_LANGUAGES, find_model
from speech_adapters.errors import ConfigurationError


def test_the_shipped_model_is_the_expected_one() -> None:
    model = find_model(None)
    assert (model.name, model.languages, model.multilingual) == (
        "tiny.en",
        frozenset({"en"}),
        False,
    )
    model.verify()


def test_a_damaged_model_is_an_error(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "damaged")
    model = attrs.evolve(find_model(None), folder=folder)
    with pytest.raises(ConfigurationError, match="damaged is damaged: its file model"):
        model.verify()


def test_of_another_model_any_file_will_do(tmp_path: Path) -> None:
    find_model(model_folder(tmp_path, "small.en")).verify()


@pytest.mark.parametrize(("tokens", "languages"), [(51_864, 1), (51_865, 102), (51_866, 103)])
def test_the_vocabulary_shows_the_languages(tmp_path: Path, tokens: int, languages: int) -> None:
    folder = model_folder(tmp_path, "m")
    (folder / "vocabulary.txt").write_bytes(b"x\n" * tokens)
    assert len(find_model(folder).languages) == languages
    (folder / "vocabulary.txt").unlink()
    (folder / "vocabulary.json").write_text(json.dumps(["x"] * tokens))
    assert len(find_model(folder).languages) == languages


def test_languages_have_whispers_codes() -> None:
    model = find_model(None)
    tags = ("en-US", "DE", "nb-NO", "fil-PH", "zh-Hans-CN")
    assert [model.code(tag) for tag in tags] == ["en", "de", "no", "tl", "zh"]


def test_the_languages_are_those_of_faster_whisper() -> None:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    assert {*WHISPER_LANGUAGES, "yue"} == set(_LANGUAGE_CODES)


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = model_folder(tmp_path, "m")
    (folder / name).unlink()
    with pytest.raises(ConfigurationError, match=f"lacks the file {name}"):
        find_model(folder)


@pytest.mark.parametrize("content", [None, "{", '{"not": "a list"}'])
def test_a_vocabulary_that_cannot_be_read_is_an_error(tmp_path: Path, content: str | None) -> None:
    folder = model_folder(tmp_path, "m")
    (folder / "vocabulary.txt").unlink()
    if content is not None:
        (folder / "vocabulary.json").write_text(content)
    with pytest.raises(ConfigurationError, match="vocabulary of the model in"):
        find_model(folder)
