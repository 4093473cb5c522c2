"""Parsers of data from outside: whatever they read, they raise only the project's errors."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from double.voices import RETIRED, signature_text
from fuzz.cases import DEEP, ODD, damaged, fuzz, wav
from speech_adapters.audio import SourceFormat, StreamDecoder, WavFile
from speech_adapters.azure import result_windows, results
from speech_adapters.azure.http import RetryPolicy, ServiceClient, retry_after
from speech_adapters.azure.http_errors import LONGEST_PAUSE
from speech_adapters.azure.result_windows import UnusualFormError
from speech_adapters.azure.results import (
    open_result,
    read_result,
    read_source,
    result_transcript,
)
from speech_adapters.backends.batch.api import Api, Job, ResultFile
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.local.protocol import decode
from speech_adapters.backends.remote_meeting.answers import (
    AnswerFile,
    read_status,
    read_transcript,
)
from speech_adapters.contract import JobState
from speech_adapters.errors import SpeechError
from speech_adapters.export import FORMATS, render
from speech_adapters.masking import mask
from speech_adapters.signatures import parse_signature
from speech_adapters.speech_sdk.journal import read_journal
from speech_adapters.transcript import Provenance, Transcript
from speech_compat._session.mapping.results import remote_document
from speech_compat.gateway.dialogue import Dialogue, TurnStarted
from speech_compat.gateway.framing import FramingError

ORIGIN = Provenance("batch", "test")
# --- results of a transcription ------------------------------------------------------------
TIMES = ["offset", "duration", "offsetInTicks", "durationInTicks", "durationTicks"]
TIMES += ["offsetMilliseconds", "durationMilliseconds"]
TEXT = ["text", "display", "itn", "lexical", "word", "displayText", "locale", "source"]
NUMBERS = ["speaker", "channel", "confidence"]
LEAVES = st.dictionaries(st.sampled_from(TIMES + TEXT + NUMBERS), ODD, max_size=6)


def within(name: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects that have a list, or something odd, in a field."""
    field = st.one_of(st.lists(inner, max_size=3), ODD)
    return st.builds(lambda leaves, found: {**leaves, name: found}, LEAVES, field)


WORDS = st.one_of(within("words", LEAVES), within("displayWords", LEAVES))
PHRASES = st.one_of(WORDS, within("nBest", WORDS))
RESULTS = st.one_of(within("recognizedPhrases", PHRASES), within("phrases", PHRASES))


def use_transcript(transcript: Transcript) -> None:
    copied = Transcript.from_dict(json.loads(json.dumps(transcript.to_dict())))
    assert copied == transcript
    for name in FORMATS:
        render(transcript, name).encode()
    json.dumps(remote_document(transcript)).encode()


TASKS = st.dictionaries(
    st.sampled_from([*TIMES, *TEXT, "userId", "resultId", "reason"]), ODD, max_size=6
)
STATES = st.one_of(st.sampled_from([2, "2", "Completed", "failed"]), ODD)


@fuzz
@given(
    st.builds(
        lambda state, answer: json.dumps({"processingStatus": state, **answer}).encode(),
        STATES,
        within("transcriptions", TASKS),
    )
)
@example(b'\xef\xbb\xbf{"processingStatus": 2}')
@example(b'{"processingStatus": ' + b"9" * 10_000 + b"}")
@example(b'{"processingStatus": 2, "transcriptions": ' + DEEP)
def test_answers_about_meetings(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("answers") / "answer.json"
    path.write_bytes(data)
    with suppress(SpeechError):
        assert read_status(path).state in JobState
    with suppress(SpeechError):
        use_transcript(read_transcript(AnswerFile(str(path), "m", ORIGIN)))


@fuzz
@given(RESULTS.map(lambda document: json.dumps(document).encode()))
@example(b'\xef\xbb\xbf{"phrases": [{"text": "a", "speaker": 1.0, "locale": null}]}')
@example(b'{"x": ' + DEEP)
@example(b'{"recognizedPhrases": [' + DEEP)
@example(b'{"phrases": [{"text": "a", "offset": "PT1.2.3S", "duration": "PT.S"}]}')
@example(b'{"phrases": [{"text": "a", "offsetMilliseconds": 1e305}]}')
def test_a_result(data: bytes) -> None:
    try:
        transcript = result_transcript(data, "m", ORIGIN)
    except SpeechError:
        return
    use_transcript(transcript)


# Values as the services write them, with a few others among them.
SMALL = st.integers(0, 10**6)
PLAIN_WORDS = st.lists(
    st.builds(
        lambda leaves, odd: {**leaves, **odd},
        st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys(("word", "text", "displayText"), st.text(max_size=5)),
                **dict.fromkeys(("offsetInTicks", "durationInTicks"), SMALL.map(float)),
                **dict.fromkeys(("offsetMilliseconds", "durationMilliseconds"), SMALL),
                "confidence": st.floats(0, 1),
            },
        ),
        st.one_of(st.just({}), LEAVES),
    ),
    max_size=3,
)
PLAIN_PHRASES = st.lists(
    st.fixed_dictionaries(
        {
            "offsetInTicks": SMALL.map(float),
            "durationInTicks": SMALL.map(float),
            "offsetMilliseconds": SMALL,
            "durationMilliseconds": SMALL,
        },
        optional={
            "text": st.text(max_size=5),
            "words": PLAIN_WORDS,
            "channel": st.sampled_from([0, 1, None]),
            "speaker": st.one_of(st.integers(0, 3), st.just(1.0)),
            "nBest": st.lists(
                st.fixed_dictionaries(
                    {"display": st.text(max_size=5)},
                    optional={"words": PLAIN_WORDS, "displayWords": PLAIN_WORDS},
                ),
                max_size=2,
            ),
            "recognitionStatus": st.sampled_from(["Success", "NoMatch", ""]),
        },
    ).flatmap(
        lambda found: st.sets(st.sampled_from(sorted(found)), max_size=4).map(
            lambda left_out: {key: found[key] for key in found if key not in left_out}
        )
    ),
    max_size=6,
)


@fuzz
@given(
    st.one_of(PLAIN_PHRASES, st.lists(PHRASES, max_size=4)),
    st.sampled_from([None, 1]),
    st.integers(1, 300),
)
def test_phrases_are_the_same_in_windows_one_by_one_and_streamed(
    tmp_path_factory: pytest.TempPathFactory, phrases: list[Any], indent: int | None, window: int
) -> None:
    data = json.dumps({"x": 1, "phrases": phrases, "duration": 5}, indent=indent).encode()
    path = tmp_path_factory.getbasetemp() / "fuzzed-phrases.json"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(result_windows, "_WINDOW_BYTES", window)
        patch.setattr(results, "_SMALL_BYTES", 0)
        quick = _transcript_of(lambda: result_transcript(data, "m", ORIGIN))
        streamed = _transcript_of(lambda: open_result(path, "m", ORIGIN).load())

        def unusual(_: bytes) -> None:
            raise UnusualFormError

        patch.setattr(results, "_parse_in_windows", unusual)
        assert quick == streamed == _transcript_of(lambda: result_transcript(data, "m", ORIGIN))


def _transcript_of(read: Callable[[], Transcript]) -> Transcript | str:
    try:
        return read()
    except SpeechError as error:
        return type(error).__name__


@fuzz
@given(st.one_of(RESULTS.map(lambda d: json.dumps(d).encode()).flatmap(damaged), st.binary()))
@example(b'{"source": ' + DEEP)
@example(b'{"phrases": ' + DEEP)
@example(b"\xef\xbb\xbf")
def test_a_damaged_result_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed-result.json"
    path.write_bytes(data)
    for read in (lambda: read_result(path, "m", ORIGIN), lambda: read_source(path)):
        with suppress(SpeechError):
            read()


# --- answers of the batch service ----------------------------------------------------------
JOB_FIELDS = ["self", "displayName", "status", "createdDateTime", "customProperties", "links"]
JOB_FIELDS += ["properties", "name", "kind", "code", "message", "innerError", "error"]
JOB_FIELDS += ["details", "errorKind", "errorMessage", "files", "contentUrl"]
OBJECTS = st.recursive(
    ODD,
    lambda inner: st.dictionaries(st.sampled_from(JOB_FIELDS), inner, max_size=5),
    max_leaves=12,
)
ADDRESSES = st.one_of(
    st.none(),
    ODD,
    st.sampled_from(
        ["", "file:///etc/passwd", "http://[::1", "http://\0/", "javascript:1", "/x", "//evil/"]
    ),
)
LISTS = st.builds(
    lambda values, link: {"values": values, "@nextLink": link},
    st.one_of(st.lists(OBJECTS, max_size=3), ODD),
    ADDRESSES,
)
BODIES = st.one_of(
    st.one_of(LISTS, OBJECTS).map(lambda document: json.dumps(document).encode()),
    st.binary(max_size=50),
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "content-type", "x-ms-request-id", "content-encoding"]),
    st.one_of(
        st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=20),
        st.sampled_from(["inf", "nan", "-5", "1e9", "1" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"]),
        st.sampled_from(["Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "gzip", "br"]),
    ),
)


@fuzz
@given(BODIES, HEADERS, st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 413, 499]))
@example(DEEP, {}, 200)
@example(DEEP, {}, 400)
@example(b'{"values": 5}', {}, 200)
@example(b'{"values": [], "@nextLink": 5}', {}, 200)
@example(b'{"code": 5, "message": [[]], "innerError": {"message": {}}}', {}, 400)
@example(b"no gzip", {"content-encoding": "gzip"}, 200)
def test_an_answer_of_the_batch_service(body: bytes, headers: dict[str, str], status: int) -> None:
    async def send() -> AsyncIterator[bytes]:
        yield body

    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers=encoded, content=send())

    async def run() -> None:
        service = ServiceClient("https://host", None, RetryPolicy(1), httpx.MockTransport(answer))
        client = BatchClient(service, Api("2025-10-15"))
        job = Job.model_validate({"self": "https://host/1", "links": {"files": "/files"}})
        report = {"kind": "TranscriptionReport", "links": {"contentUrl": "https://host/r"}}
        files = [ResultFile.model_validate(report)]
        for ask in (
            lambda: client.find("m"),
            lambda: client.list_since(datetime(1970, 1, 1, tzinfo=UTC)),
            lambda: client.get("https://host/1"),
            lambda: client.files(job),
            lambda: client.report(files),
            lambda: client.delete("https://host/1"),
        ):
            with suppress(SpeechError):
                await ask()
        await client.aclose()

    anyio.run(run)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/", "http://[::1", "x:1", ""])
def test_an_address_of_a_result(url: str, tmp_path: Path) -> None:
    async def run() -> None:
        transport = httpx.AsyncHTTPTransport()
        service = ServiceClient("https://host", None, RetryPolicy(1), transport)
        try:
            await service.download(url, tmp_path / "result")
        finally:
            await service.aclose()

    with pytest.raises(SpeechError):
        anyio.run(run)


@fuzz
@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40))
@example("Fri, 31 Dec 99999999999999999999 23:59:59 GMT")
@example("Fri, 31 Dec 9999 99999999999999999999:59:59 +9999")
def test_a_requested_pause(text: str) -> None:
    pause = retry_after(httpx.Response(200, headers=[(b"retry-after", text.encode("latin-1"))]))
    assert pause is None or 0.0 <= pause <= LONGEST_PAUSE


# --- audio ---------------------------------------------------------------------------------
WAVES = st.sampled_from(
    [wav(), wav(3, 2, 48_000, 32), wav(6, 1, 8_000, 8), wav(1, 8, 16_000, 24), wav(1, 65_535)]
).flatmap(damaged)
DECLARED = st.sampled_from(
    [SourceFormat(16_000, 1, 16), SourceFormat(8_000, 2, 8, "mulaw"), SourceFormat(48_000, 3, 24)]
)


@fuzz
@given(WAVES)
def test_a_wav_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.wav"
    path.write_bytes(data)
    with suppress(SpeechError), WavFile(path) as file:
        assert file.duration is None or file.duration >= 0
        while file.read(100):
            assert file.notes is not None


@fuzz
@given(WAVES, DECLARED, st.integers(1, 60))
def test_an_audio_stream(data: bytes, declared: SourceFormat, size: int) -> None:
    decoder = StreamDecoder(declared)
    with suppress(SpeechError):
        for start in range(0, len(data), size):
            decoder.decode(data[start : start + size])
        decoder.finish()


# --- messages ------------------------------------------------------------------------------
CONTEXT_FIELDS = ["continuation", "audio", "streams", "1", "offset", "phraseDetection"]
CONTEXT_FIELDS += ["speakerDiarization", "audioOffsetMS", "audioOffsetMs"]
CONTEXTS = st.recursive(
    st.one_of(ODD, st.just(float("inf")), st.just(float("nan"))),
    lambda inner: st.dictionaries(st.sampled_from(CONTEXT_FIELDS), inner, max_size=4),
    max_leaves=15,
).map(lambda body: f"Path: speech.context\r\nX-RequestId: a\r\n\r\n{json.dumps(body)}")
AUDIO = b"Path: audio\r\nX-RequestId: a\r\n"
FRAMED = struct.pack(">H", len(AUDIO)) + AUDIO
SURROGATES = st.text(st.characters(), max_size=30)


def contexts(*path: str, value: str) -> str:
    body = value
    for name in reversed(path):
        body = f'{{"{name}": {body}}}'
    return f"Path: speech.context\r\n\r\n{body}"


@fuzz
@given(
    st.lists(
        st.one_of(
            CONTEXTS,
            SURROGATES,
            SURROGATES.map(lambda text: f"Path: speech.context\r\n\r\n{text}"),
            damaged(FRAMED + wav()[:44]),
            damaged(FRAMED),
        ),
        max_size=5,
    )
)
@example([contexts("continuation", "audio", value="[]")])
@example([contexts("continuation", "audio", "streams", "1", "offset", value='"x"')])
@example([contexts("continuation", "audio", "streams", "1", "offset", value="1e999")])
@example([contexts("phraseDetection", "speakerDiarization", "audioOffsetMS", value="{}")])
@example([contexts("phraseDetection", value="null")])
@example(["Path: speech.context\r\n\r\n{}\ud800"])
@example(["Path: \ud800\r\n\r\n{}"])
@example(["Path: speech.context\r\n\r\n" + DEEP.decode()])
def test_a_dialogue(messages: list[str | bytes]) -> None:
    dialogue = Dialogue()
    for message in messages:
        try:
            event = dialogue.receive(message)
        except FramingError:
            continue
        if isinstance(event, TurnStarted):
            turn = event.turn
            turn.start("x").encode()
            turn.phrase("a", turn.received, 1).encode()
            turn.end_of_dictation(turn.received).encode()


LINES = st.one_of(
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from(["kind", "size", "reason", "utterance"]), ODD).map(
        lambda line: json.dumps(line).encode()
    ),
)


@fuzz
@given(LINES)
@example(b'{"kind": ' + DEEP)
def test_a_message_of_the_engines_process(line: bytes) -> None:
    with suppress(SpeechError):
        decode(b"7 " + line)


@fuzz
@given(st.lists(LINES, max_size=4))
@example([b'{"id": ' + DEEP])
def test_a_journal(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.journal"
    path.write_bytes(b"\n".join(lines))
    read_journal(path)


# --- voice signatures ------------------------------------------------------------------
SIGNATURE_FIELDS = ["type", "version", "model", "seconds", "embedding", "Version", "Tag", "Data"]
SIGNATURES = st.builds(
    lambda whole, changes: json.dumps({**whole, **changes}),
    st.sampled_from([json.loads(signature_text()), json.loads(RETIRED)]),
    st.dictionaries(
        st.sampled_from(SIGNATURE_FIELDS), st.one_of(ODD, st.lists(ODD, max_size=3)), max_size=3
    ),
)


@fuzz
@given(
    st.one_of(
        SIGNATURES,
        damaged(signature_text().encode()).map(lambda data: data.decode(errors="replace")),
        SURROGATES,
    )
)
@example(DEEP.decode())
@example('{"type": ' + DEEP.decode()[:90_000])
@example("1" * 5_000)
def test_a_voice_signature(text: str) -> None:
    try:
        signature = parse_signature(text)
    except SpeechError as error:
        str(error).encode()
        return
    assert parse_signature(signature.dump()).model == signature.model


@fuzz
@given(SURROGATES)
def test_masking(text: str) -> None:
    masked = mask(text)
    assert mask(masked) == masked
    masked.encode()
    str(SpeechError(text)).encode()
