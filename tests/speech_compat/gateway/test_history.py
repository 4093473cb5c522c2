from __future__ import annotations

from typing import Any

import pytest

from speech_compat.gateway.dialogue import Turn
from speech_compat.gateway.history import History, Item
from speech_compat.gateway.replies import Reply

SECOND = 10_000_000


def phrase(end: int) -> Reply:
    return Reply("speech.phrase", {"Offset": 0, "Duration": end}, end, final=True)


def native(offset: int | None, token: str = "") -> Turn:
    """Return a turn of a native client, which declares its position."""
    stream = {} if offset is None else {"audio": {"streams": {"1": {"offset": str(offset)}}}}
    context: dict[str, Any] = {
        "audio": {"streams": {"1": None}},
        "continuation": {"token": token, **stream},
    }
    return Turn("Id", context, offset or 0)


def javascript() -> Turn:
    return Turn("Id", {}, None)


def sent(history: History, *items: tuple[Reply | None, int]) -> list[Item]:
    found = [history.add(reply, position) for reply, position in items]
    for item in found:
        history.note_sent(item)
    return found


def token(history: History, item: Item) -> str:
    return history.headers(item, 0)["X-Continuation-Token"]


def test_a_native_client_continues_after_the_last_message_that_it_received() -> None:
    history = History(0)
    one, two, ack, three = sent(
        history,
        (phrase(SECOND), SECOND),
        (phrase(2 * SECOND), 2 * SECOND),
        (None, 3 * SECOND),
        (phrase(4 * SECOND), 4 * SECOND),
    )
    found = history.resume(native(2 * SECOND, token(history, two)))
    assert (found.start, found.audio, found.lost) == (2 * SECOND, 2 * SECOND, (ack, three))
    found = history.resume(native(3 * SECOND, token(history, ack)))
    assert (found.audio, found.lost) == (3 * SECOND, (three,))
    assert history.resume(native(None)).lost == (one, two, ack, three)
    assert history.resume(native(4 * SECOND, token(history, three))).lost == ()


def test_the_audio_is_repeated_from_the_highest_position() -> None:
    # A correction of the first phrase moves the position back, but not the audio.
    history = History(0)
    _, _, correction = sent(
        history,
        (phrase(SECOND), SECOND),
        (phrase(4 * SECOND), 4 * SECOND),
        (phrase(SECOND), SECOND),
    )
    found = history.resume(native(SECOND, token(history, correction)))
    assert (found.start, found.audio, found.lost) == (SECOND, 4 * SECOND, ())


def test_without_a_token_the_position_names_the_message() -> None:
    history = History(0)
    _, _, correction, last = sent(
        history,
        (phrase(SECOND), SECOND),
        (phrase(4 * SECOND), 4 * SECOND),
        (phrase(SECOND), SECOND),
        (phrase(5 * SECOND), 5 * SECOND),
    )
    found = history.resume(native(SECOND))
    assert (found.start, found.audio, found.lost) == (SECOND, 4 * SECOND, (last,))
    assert correction not in found.lost
    between = history.resume(native(3 * SECOND))
    assert (between.start, between.audio) == (3 * SECOND, 3 * SECOND)
    assert [item.position for item in between.lost] == [4 * SECOND, 5 * SECOND]


def test_the_javascript_client_has_received_what_was_sent() -> None:
    history = History(0)
    sent(history, (phrase(4 * SECOND), 4 * SECOND), (phrase(SECOND), SECOND))
    unsent = history.add(phrase(6 * SECOND), 6 * SECOND)
    found = history.resume(javascript())
    assert (found.start, found.audio, found.lost) == (SECOND, 4 * SECOND, (unsent,))


@pytest.mark.parametrize(
    "other", ["", "1", "abc-1", "{}-x", "{}-99", "{}-\N{SUPERSCRIPT ONE}", "{}-"]
)
def test_the_token_of_another_meeting_is_none(other: str) -> None:
    history = History(0)
    (item,) = sent(history, (phrase(SECOND), SECOND))
    tag = token(history, item).partition("-")[0]
    assert history.resume(native(0, other.format(tag))).lost == (item,)


def test_a_meeting_may_start_in_the_middle_of_a_clients_session() -> None:
    history = History(7 * SECOND)
    found = history.resume(native(7 * SECOND))
    assert (found.start, found.audio, found.lost) == (7 * SECOND, 7 * SECOND, ())
    assert history.last.reached == 7 * SECOND


def test_headers_of_results_and_acknowledgements() -> None:
    history = History(0)
    one, ack = sent(history, (phrase(SECOND), SECOND), (None, 3 * SECOND))
    assert set(history.headers(one, 0)) == {"X-Continuation-Token"}
    offset = history.headers(ack, SECOND)["X-Continuation-Audio-Streams-1-Offset"]
    assert offset == str(2 * SECOND)


def test_whether_the_end_was_received() -> None:
    history = History(0)
    one, end = sent(history, (phrase(SECOND), SECOND), (phrase(4 * SECOND), 4 * SECOND))
    assert history.was_received(end, native(4 * SECOND, token(history, end)))
    # The same position, but the message that moved the client there was another one.
    assert not history.was_received(end, native(4 * SECOND, token(history, one)))
    assert history.was_received(end, native(4 * SECOND))
    assert not history.was_received(end, native(SECOND))
    assert history.was_received(end, javascript())
    # A client that began anew knows nothing of it.
    anew = Turn("Id", {"audio": {"streams": {"1": None}}}, 0)
    assert history.was_received(end, anew)
    unsent = history.add(phrase(5 * SECOND), 5 * SECOND)
    assert not history.was_received(unsent, javascript())
    assert not history.was_received(unsent, anew)


def test_old_messages_are_forgotten() -> None:
    history = History(0)
    for number in range(3_000):
        history.note_sent(history.add(phrase(number), number))
    assert len(history.resume(native(0)).lost) == 1_000
