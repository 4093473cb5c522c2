from __future__ import annotations

import pytest

from speech_adapters.comparison.words import split_words, words_of
from speech_adapters.reading.reader import parse_document


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Well-known, isn\N{RIGHT SINGLE QUOTATION MARK}t it?", "well known isn't it"),
        ("'Yes,' he said. The dogs' bones", "yes he said the dogs bones"),
        ("ﬁne CAFÉ cafe\u0301", "fine café café"),
        ("3.5 and 10:30", "3 5 and 10 30"),
        ("नमस्ते दुनिया", "नमस्ते दुनिया"),
        ("Straße STRASSE", "strasse strasse"),
        ("a_b", "a b"),
        ("你好\uff0c世界", "你好 世界"),
        ("— … ''", ""),
    ],
)
def test_normalized_words(text: str, words: str) -> None:
    assert split_words(text) == words.split()


def test_words_as_they_are_written() -> None:
    assert split_words("Well-known, isn't it?", normalized=False) == ["Well-known,", "isn't", "it?"]


def test_words_of_a_speaker_with_their_utterances() -> None:
    document = parse_document(b"A: One, two-three.\nB: Four.\nA: - Five\n", "x", "text")
    found = words_of(document.transcript, "A")
    assert found.words == ("one", "two", "three", "five")
    assert [(token.text, token.utterance, token.count) for token in found.tokens] == [
        ("One,", 0, 1),
        ("two-three.", 0, 2),
        ("-", 2, 0),
        ("Five", 2, 1),
    ]
    assert len(words_of(document.transcript).words) == 5
