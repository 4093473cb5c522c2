from __future__ import annotations

import json
from typing import Any

import pytest

from double.scripted_backend import said
from speech_adapters.contract import (
    Hypothesis,
    NoMatch,
    Progress,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    RefusedError,
    SpeechError,
    ThrottledError,
    UnreachableError,
)
from speech_adapters.transcript import Word
from speech_compat._session.mapping.results import DIARIZATION, MEETING
from speech_compat.gateway.dialogue import Turn
from speech_compat.gateway.framing import parse
from speech_compat.gateway.replies import Reply, ReplyBuilder, end_reply, error_message

SECOND = 10_000_000
TURN = Turn("Id", {}, 0)


def built(builder: ReplyBuilder, event: SessionEvent) -> Reply:
    reply = builder.reply(event)
    assert reply is not None
    return reply


def body(reply: Reply, start: int = 0, **more: Any) -> dict[str, Any]:
    message = parse(reply.message(TURN, start, **more))
    assert message.path == reply.path.lower()
    return message.document()


def test_a_meeting_repeats_an_utterance_whose_speaker_was_another_one() -> None:
    builder = ReplyBuilder(MEETING)
    guess = body(built(builder, Hypothesis(said("Hello", 1, 2, None))))
    first = body(built(builder, Recognized(said("Hello", 1, 2, None))))
    second = body(built(builder, Recognized(said("World", 2, 3, 0))))
    corrected = body(built(builder, Recognized(said("Hello", 1, 2, 1), correction=True)))
    assert guess["UtteranceId"] == first["UtteranceId"] == f"0_Unidentified_{SECOND}"
    assert second["UtteranceId"] == f"1_Guest_0_{2 * SECOND}"
    assert corrected["UtteranceId"] == f"0_Guest_1_{SECOND}"
    assert corrected["Id"] == first["Id"] == guess["Id"]
    assert (guess["Text"], first["DisplayText"]) == ("Hello", "Hello")


def test_real_time_diarization_has_no_corrections() -> None:
    builder = ReplyBuilder(DIARIZATION)
    first = body(built(builder, Recognized(said("Hello", 1, 2, None))))
    assert first["SpeakerId"] == "Unknown"
    assert "UtteranceId" not in first
    assert builder.reply(Recognized(said("Hello", 1, 2, 1), correction=True)) is None
    off = ReplyBuilder(MEETING, corrections=False)
    assert off.reply(Recognized(said("Hello", 1, 2, 1), correction=True)) is None


def test_a_participant_is_named() -> None:
    named = said("Hello", 1, 2, 0, participant="kim@example.com")
    assert body(built(ReplyBuilder(MEETING), Recognized(named)))["SpeakerId"] == "kim@example.com"


def test_offsets_count_from_the_turn() -> None:
    builder = ReplyBuilder(MEETING, 5 * SECOND)
    reply = built(builder, Recognized(said("Hello", 1, 2)))
    assert (reply.end, reply.final) == (7 * SECOND, True)
    sent = body(reply, 4 * SECOND)
    assert (sent["Offset"], sent["Duration"]) == (2 * SECOND, SECOND)
    # What identifies an utterance stays the same in a later turn.
    assert sent["UtteranceId"] == f"0_Guest_0_{6 * SECOND}"


def test_an_utterance_that_starts_before_the_turn_keeps_its_end() -> None:
    reply = built(ReplyBuilder(MEETING), Recognized(said("Hello", 1, 3)))
    sent = body(reply, 2 * SECOND)
    assert (sent["Offset"], sent["Duration"]) == (0, SECOND)
    sent = body(reply, 4 * SECOND)
    assert (sent["Offset"], sent["Duration"]) == (0, 0)
    sent = body(reply, 2 * SECOND, clip=False)
    assert (sent["Offset"], sent["Duration"]) == (-SECOND, 2 * SECOND)


def test_a_final_result_ends_at_a_whole_millisecond() -> None:
    reply = built(ReplyBuilder(MEETING), Recognized(said("Hello", 1.0000001, 2.0000001)))
    sent = body(reply)
    assert (sent["Offset"], sent["Offset"] + sent["Duration"]) == (10_000_001, 20_010_000)
    assert reply.end == 20_010_000
    assert body(end_reply(20_000_001))["Offset"] == end_reply(20_000_001).end == 20_010_000
    assert body(end_reply(20_000_000))["RecognitionStatus"] == "EndOfDictation"


def test_the_detailed_format_with_words() -> None:
    words = (Word("Hello,", SECOND, SECOND // 2, 0.5), Word("Kim", 2 * SECOND, SECOND, 1.0))
    utterance = said("Hello, Kim!", 1, 3, words=words, channel=1, language="en-GB")
    builder = ReplyBuilder(DIARIZATION, words=True, languages=True)
    sent = body(built(builder, Recognized(utterance)), SECOND)
    (best,) = sent["NBest"]
    assert best["Words"] == [
        {"Word": "Hello,", "Offset": 0, "Duration": SECOND // 2, "Confidence": 0.5},
        {"Word": "Kim", "Offset": SECOND, "Duration": SECOND, "Confidence": 1.0},
    ]
    assert (best["Display"], best["Lexical"]) == ("Hello, Kim!", "hello kim")
    assert best["Confidence"] == 0.75
    assert sent["DisplayText"] == "Hello, Kim!"
    assert sent["Channel"] == 1
    assert sent["PrimaryLanguage"]["Language"] == "en-GB"


def test_the_detailed_format_without_words_and_the_simple_one() -> None:
    words = (Word("it's", SECOND, SECOND),)
    utterance = said("It's well-known - 'yes'.", 1, 3, words=words)
    (best,) = body(built(ReplyBuilder(MEETING, detailed=True), Recognized(utterance)))["NBest"]
    assert "Words" not in best
    assert "Confidence" not in best, "an invented one would be believed"
    assert best["Lexical"] == "it's well-known yes"
    assert "NBest" not in body(built(ReplyBuilder(MEETING), Recognized(utterance)))


def test_what_was_not_understood_and_detected_speech() -> None:
    builder = ReplyBuilder(MEETING, SECOND)
    reply = built(builder, NoMatch(SECOND, SECOND, "InitialSilenceTimeout"))
    sent = body(reply)
    assert reply.final
    assert (sent["RecognitionStatus"], sent["Offset"]) == ("InitialSilenceTimeout", 2 * SECOND)
    started, ended = builder.reply(SpeechStarted(0)), builder.reply(SpeechEnded(SECOND))
    assert started is not None
    assert ended is not None
    assert (started.path, body(started)) == ("speech.startDetected", {"Offset": SECOND})
    assert (ended.path, body(ended)) == ("speech.endDetected", {"Offset": 2 * SECOND})
    assert builder.reply(Progress(SECOND)) is None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AuthenticationError("x"), "Forbidden"),
        (RefusedError("x"), "BadRequest"),
        (ThrottledError("x"), "TooManyRequests"),
        (UnreachableError("x"), "ServiceUnavailable"),
        (BackendError("x"), "Error"),
        (SpeechError("x"), "Error"),
    ],
)
def test_errors_have_a_status_and_a_reason(error: SpeechError, status: str) -> None:
    message = parse(error_message(TURN, error))
    sent = json.loads(message.body)
    assert (message.path, sent["RecognitionStatus"]) == ("speech.phrase", status)
    assert sent["ErrorDetails"] == "x"
