from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from speech_adapters import MeetingRequest, Mode
from speech_adapters.azure import result_windows, results
from speech_adapters.azure.results import (
    open_result,
    read_result,
    read_source,
    result_transcript,
)
from speech_adapters.errors import BackendError
from speech_adapters.export import FORMATS, write
from speech_adapters.store.sqlite import SqliteStore
from speech_adapters.transcript import Provenance, StreamedTranscript, Transcript

ORIGIN = Provenance("batch", "2025-10-15")


def read(document: Any) -> Transcript:
    return result_transcript(json.dumps(document).encode(), "m", ORIGIN)


def batch(*phrases: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"source": "...", "recognizedPhrases": list(phrases), **more}


def phrase(text: str = "Hi.", **more: Any) -> dict[str, Any]:
    return {
        "recognitionStatus": "Success",
        "channel": 0,
        "offsetInTicks": 10.0,
        "durationInTicks": 5.0,
        "nBest": [{"confidence": 0.5, "display": text}],
        **more,
    }


@pytest.mark.parametrize(
    ("times", "found"),
    [
        ({"offsetInTicks": 7_600_000.0, "durationInTicks": 13_200_000.0}, (7_600_000, 13_200_000)),
        ({"offsetMilliseconds": 760, "durationMilliseconds": 1320}, (7_600_000, 13_200_000)),
        ({"offset": "PT0.76S", "duration": "PT1.32S"}, (7_600_000, 13_200_000)),
        ({"offset": "PT1H2M3.5S", "duration": "P1DT1S"}, (37_235_000_000, 864_010_000_000)),
        ({"offset": 760, "duration": 1320}, (7_600_000, 13_200_000)),
        ({"offsetMilliseconds": 5, "durationMilliseconds": -100}, (50_000, 0)),
        ({"offset": "-PT1S", "duration": "soon"}, (0, 0)),
        ({}, (0, 0)),
    ],
)
def test_every_form_of_a_time_is_read(times: dict[str, Any], found: tuple[int, int]) -> None:
    (utterance,) = read({"phrases": [{"text": "Hi.", **times}]}).utterances
    assert (utterance.offset, utterance.duration) == found


@pytest.mark.parametrize(
    ("duration", "found"),
    [
        ({"durationInTicks": 74_800_000}, 74_800_000),
        ({"durationTicks": 74_800_000}, 74_800_000),
        ({"durationMilliseconds": 7_480}, 74_800_000),
        ({"duration": "PT7.48S"}, 74_800_000),
        ({}, 15),  # the end of the last utterance
    ],
)
def test_every_form_of_the_length_is_read(duration: dict[str, Any], found: int) -> None:
    assert read(batch(phrase(), **duration)).duration == found


def test_the_first_alternative_is_the_services_choice() -> None:
    best = [
        {"confidence": 0.5, "display": "First."},
        {"confidence": 0.9, "display": "Second."},
    ]
    assert read(batch(phrase(nBest=best))).utterances[0].text == "First."


def test_without_a_display_form_other_forms_will_do() -> None:
    transcript = read(batch(phrase(nBest=[{"lexical": "hi", "itn": "hi!"}]), phrase(nBest=[{}])))
    assert [u.text for u in transcript.utterances] == ["hi!"]


def test_words_are_display_words_where_there_are_any() -> None:
    words = [{"word": "hello", "offsetInTicks": 1.0, "durationInTicks": 2.0, "confidence": 0.7}]
    shown = [{"displayText": "Hello,", "offsetInTicks": 1.0, "durationInTicks": 2.0}]
    best = {"display": "Hello,", "words": words}
    (utterance,) = read(batch(phrase(nBest=[best]))).utterances
    assert (utterance.words[0].text, utterance.words[0].confidence) == ("hello", 0.7)
    (utterance,) = read(batch(phrase(nBest=[{**best, "displayWords": shown}]))).utterances
    assert utterance.words[0].text == "Hello,"


def test_phrases_grouped_by_channel_come_by_time() -> None:
    left = phrase("Left.", channel=0, offsetInTicks=20.0)
    right = phrase("Right.", channel=1, offsetInTicks=10.0)
    transcript = read(batch(left, right))
    assert [u.text for u in transcript.utterances] == ["Right.", "Left."]
    assert [u.channel for u in transcript.utterances] == [1, 0]
    assert [u.speaker for u in transcript.utterances] == [0, 1]
    assert "Each audio channel is taken for a speaker." in transcript.provenance.emulated


@pytest.mark.parametrize("numbers", [(1, 2), (0, 1), (7, 3)])
def test_speakers_are_numbered_by_first_appearance(numbers: tuple[int, int]) -> None:
    first, second = (
        phrase(speaker=number, offsetInTicks=float(at)) for at, number in enumerate(numbers)
    )
    transcript = read(batch(second, first, {**first, "offsetInTicks": 5.0}))
    assert [u.speaker for u in transcript.utterances] == [0, 1, 0]
    assert transcript.provenance.emulated == ()


def test_the_same_number_on_two_channels_is_two_speakers() -> None:
    utterances = read(batch(phrase(speaker=1, channel=0), phrase(speaker=1, channel=1))).utterances
    assert [u.speaker for u in utterances] == [0, 1]


def test_one_channel_without_diarization_has_no_speaker() -> None:
    (utterance,) = read(batch(phrase())).utterances
    assert (utterance.speaker, utterance.channel) == (None, None)


@pytest.mark.parametrize("status", ["Fault", "Error", "NoMatch", "SomethingNew"])
def test_a_phrase_that_was_not_recognized_is_left_out(status: str) -> None:
    odd = phrase("A guess.", recognitionStatus=status, speaker=7)
    assert [u.text for u in read(batch(odd, phrase("Kept."))).utterances] == ["Kept."]


def test_unknown_keys_and_a_missing_status_are_read_over() -> None:
    odd = phrase("Kept.", somethingNew={"a": [1]})
    del odd["recognitionStatus"]
    assert [u.text for u in read(batch(odd, more=None)).utterances] == ["Kept."]


def test_a_fast_result_is_read() -> None:
    document = {
        "durationMilliseconds": 2029,
        "combinedPhrases": [{"text": "Hallo Welt."}],
        "phrases": [
            {
                "speaker": 1,
                "offsetMilliseconds": 320,
                "durationMilliseconds": 640,
                "text": "Hallo Welt.",
                "words": [{"text": "Hallo", "offsetMilliseconds": 320, "durationMilliseconds": 9}],
                "locale": "de-DE",
                "confidence": 0.9,
            }
        ],
    }
    transcript = read(document)
    (utterance,) = transcript.utterances
    assert (transcript.duration, utterance.language, utterance.speaker) == (20_290_000, "de-DE", 0)
    assert (utterance.words[0].offset, utterance.words[0].duration) == (3_200_000, 90_000)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"{}", 'neither "recognizedPhrases" nor "phrases"'),
        (b"[]", "Expected `object`, got `array`"),
        (b"<html>", "is no transcription result: JSON is malformed"),
        (b'{"phrases": [{"text": 3}]}', r"Expected `str \| null`, got `int` - at `\$.text`"),
        (b'{"phrases": [{"text": "cut', "Input data was truncated"),
    ],
)
def test_what_is_no_result_is_named(data: bytes, complaint: str) -> None:
    with pytest.raises(BackendError, match=complaint):
        result_transcript(data, "m", ORIGIN)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"nope.json cannot be read: No such file"):
        read_result(tmp_path / "nope.json", "m", ORIGIN)
    (tmp_path / "empty.json").touch()
    with pytest.raises(BackendError, match=r"empty.json is empty"):
        read_result(tmp_path / "empty.json", "m", ORIGIN)


def test_ids_are_stable() -> None:
    assert read(batch(phrase())).utterances == read(batch(phrase())).utterances


def shared_documents(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted(folder.glob("*/*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        body = document.get("ResponseBody", document) if isinstance(document, dict) else {}
        if {"phrases", "recognizedPhrases"} & body.keys():
            found.append((path.name, body))
    return found


def test_real_documents_agree_with_their_own_totals(shared_payloads: Path) -> None:
    documents = shared_documents(shared_payloads)
    assert len(documents) >= 12
    for name, body in documents:
        transcript = read(body)
        totals = body.get("combinedRecognizedPhrases") or body.get("combinedPhrases") or []
        combined = " ".join(total.get("display") or total.get("text") or "" for total in totals)
        text = " ".join(utterance.text for utterance in transcript.utterances)
        if combined:
            assert combined.split() == text.split(), name
        if "durationMilliseconds" in body:
            assert transcript.duration == body["durationMilliseconds"] * 10_000, name
        for utterance in transcript.utterances:
            assert utterance.end <= transcript.duration + 100_000, name  # 5 ms over is real


def test_null_or_a_fraction_in_an_optional_field_does_not_refuse_a_result() -> None:
    words = [{"word": None, "displayText": "Hi", "confidence": None, "offset": None}]
    null = {"display": None, "itn": None, "lexical": "hi", "displayWords": words}
    first, second = read(
        batch(
            phrase(nBest=[null], speaker=2.0, channel=0.0, locale=None, words=None),
            {**phrase(speaker=None, channel=None, offsetInTicks=20, nBest=None), "text": "Yes."},
        )
    ).utterances
    assert (first.text, first.speaker, first.words[0].text) == ("hi", 0, "Hi")
    assert (second.text, second.speaker) == ("Yes.", None)
    assert read({"phrases": [{"text": None}, {"text": "b"}]}).utterances[0].text == "b"


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(batch(phrase())).encode())
    assert read_result(path, "m", ORIGIN).utterances[0].text == "Hi."
    assert read_source(path) == "..."


@pytest.mark.parametrize(
    "times",
    [
        {"offset": "PT1.2.3S"},
        {"offset": "PT.S"},
        {"offset": "PT٣S"},
        {"offset": f"P{'9' * 400}D"},
        {"offset": f"P{'9' * 1_000_000}"},  # read once, not from each digit again
        {"offsetMilliseconds": 1e305},
        {"offsetInTicks": 1e308, "durationInTicks": 1e308},
        {"offsetInTicks": 10**30},
    ],
)
def test_an_impossible_time_counts_as_missing(times: dict[str, Any]) -> None:
    transcript = read({"phrases": [{"text": "a", **times}], "durationInTicks": 1e300})
    assert transcript.utterances[0].offset == 0
    assert transcript.duration == 0


@pytest.mark.parametrize("step", ["_parse_in_windows", "_parse_phrases"])
def test_a_mapped_file_is_closed_whatever_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """An error that refers to the content must not become a BufferError."""
    path = tmp_path / "result.json"
    # The array twice, so that the document is decoded as a whole too.
    path.write_bytes(json.dumps({"phrases": [], **batch(phrase())}).encode())

    def fail(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(results, step, fail)
    with pytest.raises(KeyboardInterrupt):
        read_result(path, "m", ORIGIN)


# --- results of any length -----------------------------------------------------------------


@pytest.fixture
def always_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_SMALL_BYTES", 0)
    monkeypatch.setattr(result_windows, "_WINDOW_BYTES", 300)


def grouped(channels: int, count: int, **more: Any) -> dict[str, Any]:
    """Return a result whose phrases are grouped by channel."""
    return batch(
        *(
            phrase(f"{channel} {at}", channel=channel, offsetInTicks=7.0 * at, **more)
            for channel in range(channels)
            for at in range(count)
        )
    )


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("more", [{}, {"speaker": 3}])
@pytest.mark.usefixtures("always_streamed")
def test_a_streamed_transcript_is_the_one_in_memory(
    tmp_path: Path, channels: int, more: dict[str, Any]
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(grouped(channels, 30, **more)))
    streamed = open_result(path, "m", ORIGIN)
    assert isinstance(streamed, StreamedTranscript)
    assert streamed.load() == streamed.load() == read_result(path, "m", ORIGIN)


@pytest.mark.usefixtures("always_streamed")
def test_phrases_in_no_order_are_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(batch(*(phrase(offsetInTicks=99.0 - at) for at in range(40)))))
    transcript = open_result(path, "m", ORIGIN)
    assert isinstance(transcript, Transcript)
    assert transcript == read_result(path, "m", ORIGIN)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"phrases": [{"text": 3}]}', r"Expected `str \| null`, got `int` - at `\$.text`"),
        ('{"phrases": [{"text": "cut', "Input data was truncated"),
        ('{"phrases": [{"text": "a"},]}', "JSON is malformed"),
        ('{"phrases": [], "x": [1,]}', "JSON is malformed"),
        ("{}", 'neither "recognizedPhrases" nor "phrases"'),
    ],
)
@pytest.mark.usefixtures("always_streamed")
def test_the_defect_of_a_large_file_is_named_before_anything_is_used(
    tmp_path: Path, content: str, complaint: str
) -> None:
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(BackendError, match=complaint):
        open_result(path, "m", ORIGIN)


@pytest.mark.usefixtures("always_streamed")
def test_a_result_without_recognized_phrases_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(batch(phrase(recognitionStatus="NoMatch"), durationInTicks=9)))
    assert open_result(path, "m", ORIGIN).load() == Transcript("m", (), 9, ORIGIN)


@pytest.mark.usefixtures("always_streamed")
def test_a_file_that_is_gone_meanwhile_is_named(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(batch(phrase())))
    transcript = open_result(path, "m", ORIGIN)
    path.unlink()
    with pytest.raises(BackendError, match=r"result\.json cannot be read: No such file"):
        transcript.load()


@pytest.mark.usefixtures("always_streamed")
def test_real_documents_are_the_same_when_streamed(shared_payloads: Path, tmp_path: Path) -> None:
    for name, body in shared_documents(shared_payloads):
        path = tmp_path / name
        path.write_text(json.dumps(body, indent=2))
        assert open_result(path, "m", ORIGIN).load() == read_result(path, "m", ORIGIN), name


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_large_result_is_stored_and_exported_at_constant_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_name: str
) -> None:
    monkeypatch.setattr(result_windows, "_WINDOW_BYTES", 32_768)
    words = [{"word": "hello", "offsetInTicks": 10.0, "durationInTicks": 2.0}] * 2
    best = [{"display": "Hello.", "words": words}]
    path, size = tmp_path / "result.json", 5_000_000
    with path.open("w") as file:
        file.write('{"recognizedPhrases": [')
        at = 0
        while file.tell() < size:
            found = phrase(offsetInTicks=1e7 * at, durationInTicks=5e6, speaker=at % 3, nBest=best)
            file.write(("," if at else "") + json.dumps(found))
            at += 1
        file.write("]}")
    with SqliteStore.open(tmp_path / "state") as store:
        key = store.create(MeetingRequest("m", mode=Mode.STORED), "batch").id
        tracemalloc.start()
        try:
            assert store.complete(key, open_result(path, "m", ORIGIN))
            length = sum(map(len, write(store.stream(key), format_name)))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert store.get(key).summary().speakers == 3
        # The objects of all utterances alone have twice as many bytes as the file.
        assert peak < size / 3
        assert length > 20_000
